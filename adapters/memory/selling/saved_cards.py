"""A provider in memory at which saved cards are charged."""

import itertools
from datetime import datetime, timedelta

import attrs

from adapters.memory.payments import paid
from domain.payments.charges import (
    CANCELED,
    Charge,
    ChargeId,
    FinalOutcome,
    NotCharged,
    Outcome,
    Paid,
    SavedCard,
    Undecided,
)
from domain.ports.coordination import Clock
from domain.ports.customers import CustomerMissing
from domain.ports.payment_provider import PaymentsUnavailable
from domain.values.customers import CustomerId

KEYS_LAST = timedelta(hours=24)
"""The time for which a provider remembers an idempotency key; ours forgets it at once then."""


@attrs.define(kw_only=True)
class _Payment:
    id: str
    charge: Charge
    outcome: Outcome


class MemorySavedCards:
    """Implements the port SavedCards in memory: a provider that forgets idempotency keys, and repeats a stored error.

    `comes_to` is what becomes of a card's next payments; `is_away` makes the provider unavailable.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._cards: dict[CustomerId, str] = {}
        self._gone: set[CustomerId] = set()
        self._keys: dict[ChargeId, tuple[datetime, _Payment | None]] = {}
        self._numbers = itertools.count(1)
        self.payments: list[_Payment] = []
        self.comes_to: FinalOutcome | None = None
        self.is_away = False
        self.stores_error = False
        """Whether the next request fails for good under its key, though the card is charged."""
        self.delay: timedelta | None = None
        """The time that the next request is on its way, although nobody waits for its answer."""
        self._late: list[tuple[datetime, Charge]] = []

    def save(self, customer_id: CustomerId, payment_method: str) -> None:
        """Let a customer have a saved card."""
        self._cards[customer_id] = payment_method

    def delete_customer(self, customer_id: CustomerId) -> None:
        """Let a customer be deleted, with the cards."""
        self._gone.add(customer_id)

    @property
    def taken(self) -> tuple[ChargeId, ...]:
        """Return the charge of each payment that took money."""
        return tuple(one.charge.id for one in self.payments if isinstance(one.outcome, Paid))

    async def card_of(self, customer_id: CustomerId) -> SavedCard | None:
        """Return the customer's card, or None.

        :raises CustomerMissing: if the customer was deleted.
        """
        self._answer()
        if customer_id in self._gone:
            raise CustomerMissing(customer_id)
        method = self._cards.get(customer_id)
        if method is None:
            return None
        return SavedCard(customer_id=customer_id, payment_method=method, read_at=self._clock.now())

    async def charge(self, charge: Charge, *, send_before: datetime, is_first: bool) -> Outcome:
        """Charge the card, once for each charge as long as its key is remembered."""
        now = self._clock.now()
        if now >= send_before:
            raise PaymentsUnavailable("too late to send the request")
        self._answer()
        if self.delay is not None:
            self._late.append((now + self.delay, charge))
            self.delay = None
            raise PaymentsUnavailable("no answer")
        payment = self._paid_once(charge, now)
        if payment is None:
            raise PaymentsUnavailable("500")
        return payment.outcome

    async def find(self, charge: Charge) -> Outcome | None:
        """Return the outcome of the charge's payment, or None."""
        self._answer()
        found = [one.outcome for one in self.payments if one.charge.id == charge.id]
        return next((one for one in found if isinstance(one, Paid)), found[0] if found else None)

    async def cancel(self, payment_intent: str) -> None:
        """Cancel an undecided payment."""
        self._answer()
        for one in self.payments:
            if one.id == payment_intent and isinstance(one.outcome, Undecided):
                one.outcome = NotCharged(CANCELED)

    def arrive(self) -> None:
        """Let requests arrive that were on their way."""
        now = self._clock.now()
        due, self._late = [one for one in self._late if one[0] <= now], [one for one in self._late if one[0] > now]
        for arrived, charge in due:
            self._paid_once(charge, arrived)

    def _paid_once(self, charge: Charge, now: datetime) -> _Payment | None:
        if charge.id not in self._keys or now - self._keys[charge.id][0] >= KEYS_LAST:
            id_ = f"pi_charge_{next(self._numbers)}"
            payment = _Payment(id=id_, charge=charge, outcome=self.comes_to or paid(id_, charge, now))
            self.payments.append(payment)
            self._keys[charge.id] = (now, None if self.stores_error else payment)
            self.stores_error = False
        return self._keys[charge.id][1]

    def _answer(self) -> None:
        self.arrive()
        if self.is_away:
            raise PaymentsUnavailable("away")
