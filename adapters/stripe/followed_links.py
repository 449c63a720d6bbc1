"""Collects what Stripe says of a payment's objects while they are followed from one to the next."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import attrs

from adapters.stripe.events import read_event
from adapters.stripe.objects import fields
from domain.payments.purchases import Link
from domain.payments.reports import Irrelevant


@attrs.define
class FollowedLinks:
    """The links and facts that were found so far."""

    links: set[Link]
    found: bool = False
    ours: bool = False
    pays_invoices: bool = False
    """Whether it pays several invoices, of which none is linked."""

    def add(self, kind: str, id_: str | None) -> None:
        """Link an object of that kind, where there is one."""
        if id_ is not None:
            self.links.add(Link(f"{kind}:{id_}"))

    def add_charge(self, charge: Mapping[str, Any]) -> None:
        """Link what a charge names; an empty one was not found."""
        self.note(charge)
        for kind in ("payment_intent", "invoice"):
            self.add(kind, fields.reference(charge, kind))

    def add_intent(
        self, intent: Mapping[str, Any], sessions: Sequence[Mapping[str, Any]], payments: Sequence[Mapping[str, Any]]
    ) -> None:
        """Link what a payment intent names, the sessions that it pays, and the invoice, if it pays one alone."""
        self.note(intent)
        self.add("charge", fields.reference(intent, "latest_charge"))
        self.add("invoice", fields.reference(intent, "invoice"))
        for session in sessions:
            self.add("session", fields.reference(session, "id"))
            self.add("invoice", fields.reference(session, "invoice"))
            report = read_event("checkout.session.completed", session, datetime.now(UTC), retrieved=True)
            self.ours |= not isinstance(report, Irrelevant)
        invoices = {fields.reference(payment, "invoice") for payment in payments}
        if len(invoices) == 1:  # one of several would have the others' payment for its own
            self.add("invoice", invoices.pop())
        self.pays_invoices |= len(invoices) > 1

    def note(self, found: Mapping[str, Any]) -> None:
        """Note that an object of the payment was found, and whether it says that it is ours; an empty one was not."""
        self.found |= bool(found)
        self.ours |= fields.is_ours(fields.metadata(found))

    def ids(self, kind: str) -> list[str]:
        """Return the ids of the linked objects of that kind, in their order."""
        return sorted(link.partition(":")[2] for link in self.links if link.startswith(f"{kind}:"))
