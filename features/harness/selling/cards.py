"""Saved cards in the explorers' worlds: what their customers' payments are is known, and whether they were asked for.

The provider remembers idempotency keys for a day, as Stripe does; after that the same request takes money again.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from adapters.memory.selling.saved_cards import KEYS_LAST
from adapters.stripe.objects.fields import own_id
from adapters.stripe.objects.payment_intents import CHARGE_KEY, read_payment_intent
from domain.payments.charges import Charge, ChargeId, Outcome, Paid, SavedCard
from domain.ports.coordination import Clock
from domain.ports.payment_provider import PaymentsUnavailable
from domain.values.customers import CustomerId


class WorldCards:
    """Implements the port SavedCards; each method is one indivisible step."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.paid: dict[ChargeId, Paid] = {}
        """What the payment of each charge is, whether or not it was asked for yet."""
        self.taken: dict[ChargeId, int] = {}
        """How often money was taken for a charge."""
        self.keys: dict[ChargeId, datetime] = {}
        """Since when the provider knows a charge's idempotency key."""

    def teach(self, intent: Mapping[str, Any]) -> None:
        """Let a payment be what a charge comes to."""
        fields = dict(intent)
        self.paid[ChargeId(fields["metadata"][CHARGE_KEY])] = Paid(own_id(fields), read_payment_intent(fields, None))

    async def card_of(self, customer_id: CustomerId) -> SavedCard | None:
        """Return the customer's card: all have one."""
        return SavedCard(customer_id=customer_id, payment_method="pm_saved", read_at=self._clock.now())

    async def charge(self, charge: Charge, *, send_before: datetime, is_first: bool) -> Outcome:
        """Take the money, once for as long as the key is remembered.

        :raises PaymentsUnavailable: if the claim of who asks is over.
        """
        now = self._clock.now()
        if now >= send_before:
            raise PaymentsUnavailable("too late to send the request")
        if charge.id not in self.keys or now - self.keys[charge.id] >= KEYS_LAST:
            self.keys[charge.id] = now
            self.taken[charge.id] = self.taken.get(charge.id, 0) + 1
        return self.paid[charge.id]

    async def find(self, charge: Charge) -> Outcome | None:
        """Return what the charge's payment is, or None if no money was taken."""
        return self.paid[charge.id] if charge.id in self.taken else None

    async def cancel(self, payment_intent: str) -> None:
        """Do nothing: every payment is final."""
