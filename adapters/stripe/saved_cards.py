"""Charges cards that customers saved at Stripe, by payment intents that name their charge in their metadata."""

import time
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import stripe

from adapters.stripe.connection import PAGE, StripeConnection, is_missing, pages, plain, read_at, translated
from adapters.stripe.envelope import wrapped
from adapters.stripe.objects import fields
from adapters.stripe.objects.declines import read_decline
from adapters.stripe.objects.fields import PLAN_KEY, TERMS_KEY, USER_ID_KEY, Object, UnreadableField
from adapters.stripe.objects.payment_intents import CHARGE_KEY, read_payment_intent
from domain.payments.charges import CANCELED, Charge, NotCharged, Outcome, Paid, SavedCard, Undecided
from domain.payments.reports import InboxEvent
from domain.ports.coordination import Clock
from domain.ports.customers import CustomerMissing
from domain.ports.payment_provider import PaymentsRefused, PaymentsUnavailable
from domain.values.customers import CustomerId

if TYPE_CHECKING:
    from stripe.params import PaymentIntentCreateParams

FOUND_WITHIN = timedelta(days=2)
"""The longest time between the choice of a card and its payment."""


class StripeSavedCards:
    """Implements the port SavedCards."""

    def __init__(self, connection: StripeConnection, clock: Clock) -> None:
        self._v1 = connection.client.v1
        self._clock = clock

    async def card_of(self, customer_id: CustomerId) -> SavedCard | None:
        """Return the customer's default card, otherwise the newest; None if no card is saved.

        :raises PaymentsUnavailable: if Stripe cannot be reached, or rejects the request.
        :raises PaymentsRefused: if the key may not read customers or cards.
        :raises CustomerMissing: if Stripe has no such customer any more.
        """
        customer = await self._customer(customer_id)
        began = time.monotonic()
        with translated(refusals=True):
            found = await self._v1.customers.payment_methods.list_async(customer_id, {"type": "card", "limit": PAGE})
        moment = read_at(found, time.monotonic() - began)
        cards = [str(card["id"]) for card in map(plain, found.data)]
        default = fields.reference(fields.expanded(customer, "invoice_settings"), "default_payment_method")
        chosen = default if default in cards else next(iter(cards), None)
        if chosen is None:
            return None
        return SavedCard(customer_id=customer_id, payment_method=chosen, read_at=moment)

    async def charge(self, charge: Charge, *, send_before: datetime, is_first: bool) -> Outcome:
        """Charge the recorded card; repeated within 24 hours, Stripe answers as it did the first time.

        :raises PaymentsUnavailable: if nobody knows whether the card was charged.
        """
        parameters = _parameters(charge)
        if self._clock.now() >= send_before:
            raise PaymentsUnavailable("too late to send the request")
        with translated():
            try:
                # The library would repeat a request without a look at the clock.
                made = await self._v1.payment_intents.create_async(
                    parameters, {"idempotency_key": f"credence-charge-{charge.id}", "max_network_retries": 0}
                )
            except stripe.CardError as error:
                return _of_error(error)
            except (stripe.IdempotencyError, stripe.AuthenticationError):
                raise
            except (stripe.InvalidRequestError, stripe.PermissionError) as error:
                if is_first and error.http_status != 409:
                    return NotCharged(fields.identifier(error.code) or "refused")
                raise
            return _outcome(plain(made))

    async def find(self, charge: Charge) -> Outcome | None:
        """Return the outcome of the payment that has the charge's id, or None if there is no such payment.

        Lists show at once what was made, while Stripe's search lags (https://docs.stripe.com/search#data-freshness).

        :raises PaymentsUnavailable: if Stripe cannot be reached, or rejects the request.
        """
        outcomes = [
            _outcome(intent)
            async for intent in self._intents(charge)
            if fields.metadata(intent).get(CHARGE_KEY) == charge.id
        ]
        return next((one for one in outcomes if isinstance(one, Paid)), outcomes[0] if outcomes else None)

    async def cancel(self, payment_intent: str) -> None:
        """Cancel a payment that did not succeed; no effect on one that is final.

        :raises PaymentsUnavailable: if Stripe cannot be reached, or rejects the request.
        """
        with translated():
            try:
                await self._v1.payment_intents.cancel_async(payment_intent)
            except stripe.InvalidRequestError as error:
                if error.code != "payment_intent_unexpected_state":
                    raise

    async def _intents(self, charge: Charge) -> AsyncIterator[dict[str, Any]]:
        """Yield the customer's payments since the card was chosen; everybody's, if Stripe has no such customer."""
        card = _card(charge)
        since, until = int(card.read_at.timestamp()), int((card.read_at + FOUND_WITHIN).timestamp())
        shown = {"created": {"gte": since, "lte": until}, "expand": ["data.latest_charge"]}
        listing = partial(pages, self._v1.payment_intents.list_async)
        try:
            await self._customer(card.customer_id)
            named = {"customer": card.customer_id}
        except CustomerMissing:
            named = {}
        except PaymentsRefused as refused:
            raise PaymentsUnavailable(refused.cause) from refused
        async for intent in listing({**shown, **named}):
            yield intent

    async def _customer(self, customer_id: CustomerId) -> Object:
        with translated(refusals=True):
            try:
                found = plain(await self._v1.customers.retrieve_async(customer_id))
            except stripe.InvalidRequestError as error:
                if is_missing(error):
                    raise CustomerMissing(customer_id) from error
                raise
        if found.get("deleted"):
            raise CustomerMissing(customer_id)
        return found


def _parameters(charge: Charge) -> "PaymentIntentCreateParams":
    """Return the request, the same each time for one charge: else Stripe refuses a repeated key."""
    card = _card(charge)
    parameters: dict[str, Any] = {
        "amount": charge.amount,
        "currency": charge.currency,
        "customer": card.customer_id,
        "payment_method": card.payment_method,
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        "off_session": True,
        "confirm": True,
        "metadata": {
            USER_ID_KEY: charge.user_id,
            PLAN_KEY: charge.plan_id,
            TERMS_KEY: fields.terms_text(charge.terms),
            CHARGE_KEY: charge.id,
        },
        "expand": ["latest_charge"],
    }
    return cast("PaymentIntentCreateParams", parameters)


def _card(charge: Charge) -> SavedCard:
    if charge.card is None:
        raise ValueError("no card was chosen for the charge")
    return charge.card


def _outcome(intent: Object) -> Outcome:
    """Return what a payment came to.

    :raises PaymentsUnavailable: if it cannot be read.
    """
    try:
        intent_id, status = fields.own_id(intent), fields.text(intent, "status")
        failure = fields.expanded(intent, "last_payment_error")
        if status == "succeeded":
            return Paid(intent_id, read_payment_intent(intent, None), _event(intent))
        if status == "canceled":
            return NotCharged(CANCELED)
        if status == "requires_action":
            return read_decline({"code": "authentication_required"}, intent_id)
        if status == "requires_payment_method" and failure:
            return read_decline(failure, intent_id)
    except UnreadableField as unreadable:
        raise PaymentsUnavailable(f"unreadable response: {unreadable.reason}") from unreadable
    return Undecided(intent_id)


def _event(intent: Object) -> InboxEvent | None:
    """Return the payment in place of the event that reports it, as the reconciler finds it."""
    made_at = fields.moment(intent.get("created"))
    livemode = intent.get("livemode") is True
    kept = wrapped(intent, "payment_intent.succeeded", made_at, livemode=livemode) if made_at is not None else None
    return kept.event if kept is not None else None


def _of_error(error: stripe.CardError) -> Outcome:
    """Return what a decline came to, by the payment that Stripe shows in it.

    :raises PaymentsUnavailable: if it cannot be read.
    """
    body = error.json_body if isinstance(error.json_body, dict) else {}
    shown = fields.expanded(body, "error")
    intent = fields.expanded(shown, "payment_intent")
    try:
        return read_decline(shown, fields.reference(shown, "payment_intent") if intent else None)
    except UnreadableField as unreadable:
        raise PaymentsUnavailable(f"unreadable response: {unreadable.reason}") from unreadable
