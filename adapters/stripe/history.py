"""Reads Stripe's history: its events, and the objects that they are about."""

import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

from adapters.stripe.connection import StripeConnection, dated_pages, pages, retrieved
from adapters.stripe.envelope import delivery_of, wrapped
from adapters.stripe.events import CONCERNING
from domain.payments.reports import Delivery, Irrelevant
from domain.ports.payment_provider import Found, InvalidBody

TYPES_AT_ONCE = 20

LOOKBACK = {
    "sessions": timedelta(days=7),
    "invoices": timedelta(days=7),
    "credit_notes": timedelta(days=30),
    "intents": timedelta(days=7),
    "refunds": timedelta(days=30),
    "disputes": timedelta(days=120),
}
"""How long before the start objects are read: they change long after they were created, as when a transfer arrives, a
refund fails or a dispute is won."""


class StripeHistory:
    """Implements the port History."""

    def __init__(self, connection: StripeConnection, *, livemode: bool) -> None:
        self._v1 = connection.client.v1
        self._livemode = livemode

    async def events(self, since: datetime) -> AsyncIterator[Delivery]:
        """Yield every event of a type that we read, created since then; Stripe keeps events for 30 days.

        :raises PaymentsUnavailable: if Stripe cannot be reached.
        """
        for types in _chunks(sorted(CONCERNING)):
            parameters = {"types": types, "created": {"gte": int(since.timestamp())}}
            async for event in pages(self._v1.events.list_async, parameters):
                delivery = _delivery(event)
                if delivery is not None:
                    yield delivery

    async def objects(self, since: datetime) -> AsyncIterator[Found]:
        """Yield every paid session, paid invoice, credit note, refund and dispute since then, as it is now.

        They may have been created before and changed since. Payments with our metadata are included, since one may be a
        sale of its own. Invoices of zero or less count as paid.

        :raises PaymentsUnavailable: if Stripe cannot be reached.
        """
        v1 = self._v1
        # Only the charge says when a session was paid.
        sessions = {"status": "complete", "expand": ["data.payment_intent.latest_charge"]}
        intents = {"expand": ["data.latest_charge"]}
        listed: tuple[tuple[str, str, Any, dict[str, Any]], ...] = (
            ("sessions", "checkout.session.completed", v1.checkout.sessions.list_async, sessions),
            ("invoices", "invoice.paid", v1.invoices.list_async, {"status": "paid", "expand": ["data.payments"]}),
            ("refunds", "refund.updated", v1.refunds.list_async, {}),
            ("disputes", "charge.dispute.updated", v1.disputes.list_async, {}),
            # An older restricted key may not have the permission for these: read them last.
            ("credit_notes", "credit_note.updated", v1.credit_notes.list_async, {}),
            ("intents", "payment_intent.succeeded", v1.payment_intents.list_async, intents),
        )
        for kind, event_type, lister, filters in listed:
            created = {"gte": int((since - LOOKBACK[kind]).timestamp())}
            async for item, moment in dated_pages(lister, {**filters, "created": created}):
                found = self._found(item, event_type, moment)
                if found is None:
                    continue
                if kind == "intents" and isinstance(found.delivery.report, Irrelevant):
                    continue  # Most payments are other applications' or of subscriptions, whose invoices report them.
                yield found

    async def event(self, event_id: str) -> Delivery | None:
        """Return the event, or None if Stripe has none with that id, or no longer has it.

        :raises PaymentsUnavailable: if Stripe cannot be reached.
        """
        event = await retrieved(self._v1.events.retrieve_async, event_id)
        return _delivery(event) if event is not None else None

    def _found(self, item: dict[str, Any], event_type: str, moment: datetime) -> Found | None:
        delivery = wrapped(item, event_type, moment, livemode=self._livemode)
        if delivery is None:
            return None
        return Found(object_id=str(item.get("id")), kind=str(item.get("object")), delivery=delivery)


def _chunks(types: list[str]) -> list[list[str]]:
    return [types[start : start + TYPES_AT_ONCE] for start in range(0, len(types), TYPES_AT_ONCE)]


def _delivery(event: dict[str, Any]) -> Delivery | None:
    try:
        return delivery_of(json.dumps(event, default=str))
    except InvalidBody:
        return None
