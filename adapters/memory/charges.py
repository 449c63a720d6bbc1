"""Charges of saved cards in memory: the ledger's records, and a provider at which cards are charged."""

import itertools
from datetime import datetime, timedelta

import attrs

from adapters.memory.payments import paid
from domain.payments.charges import (
    CANCELED,
    TRANSITIONS,
    AuthenticationRequired,
    Charge,
    ChargeId,
    ChargeStatus,
    ClaimedCharge,
    Declined,
    FinalOutcome,
    NewCharge,
    NotCharged,
    Outcome,
    Paid,
    SavedCard,
    Undecided,
    status_of,
)
from domain.ports.coordination import Clock
from domain.ports.customers import CustomerMissing
from domain.ports.payment_provider import PaymentsUnavailable
from domain.values.accounts import UserId
from domain.values.customers import CustomerId

KEYS_LAST = timedelta(hours=24)
"""How long a provider remembers an idempotency key; ours forgets it at once then."""


class MemoryCharges:
    """Implements the port ChargeRecords in memory; each method is one indivisible step."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._charges: dict[ChargeId, Charge] = {}
        self._by_key: dict[str, ChargeId] = {}
        self._due_at: dict[ChargeId, datetime] = {}

    async def claim(self, key: str, user_id: UserId, plan_id: str, *, lease: timedelta) -> ClaimedCharge | None:
        """Return the charge under a key, or None; claimed if it is of this user and plan, and free."""
        if key not in self._by_key:
            return None
        charge = self._charges[self._by_key[key]]
        if (charge.user_id, charge.plan_id) == (user_id, plan_id) and self._is_due(charge):
            return self._claimed(charge, lease)
        return self._shown(charge, is_owner=False)

    async def create(self, wanted: NewCharge, *, lease: timedelta) -> ClaimedCharge:
        """Record a charge and claim it, or return the one under its key."""
        if wanted.key not in self._by_key:
            now = self._clock.now()
            self._by_key[wanted.key] = wanted.id
            self._due_at[wanted.id] = now
            self._charges[wanted.id] = Charge(
                id=wanted.id,
                user_id=wanted.user_id,
                plan_id=wanted.plan_id,
                credits=wanted.terms.credits,
                amount=wanted.terms.price.amount,
                currency=wanted.terms.price.currency,
                status=ChargeStatus.CREATED,
                attempts=0,
                created_at=now,
            )
        found = await self.claim(wanted.key, wanted.user_id, wanted.plan_id, lease=lease)
        assert found is not None  # noqa: S101 - it was recorded above, if there was none
        return found

    async def claim_due(self, *, lease: timedelta) -> ClaimedCharge | None:
        """Claim the charge that has been due longest."""
        due = sorted(filter(self._is_due, self._charges.values()), key=lambda one: self._due_at[one.id])
        return self._claimed(due[0], lease) if due else None

    async def begin(self, claimed: ClaimedCharge, card: SavedCard) -> ClaimedCharge:
        """Record the card that is going to be charged."""
        charge, now = claimed.charge, self._clock.now()
        begun = attrs.evolve(charge, status=ChargeStatus.CHARGING, card=card, charging_since=now)
        return attrs.evolve(self._changed(charge, begun), send_before=claimed.send_before)

    async def finish(self, charge: Charge, outcome: FinalOutcome) -> Charge:
        """Record what became of a charge; return it as it is then."""
        finished = attrs.evolve(self._charges[charge.id], status=status_of(outcome))
        match outcome:
            case Paid(payment_intent=intent) | AuthenticationRequired(payment_intent=intent):
                finished = attrs.evolve(finished, payment_intent=intent)
            case Declined(payment_intent=intent, code=code, is_hard=is_hard):
                finished = attrs.evolve(finished, payment_intent=intent, code=code, is_hard=is_hard)
            case NotCharged(code=code):
                finished = attrs.evolve(finished, code=code)
        return self._changed(charge, finished).charge

    async def postpone(self, charge: Charge, seconds: int, *, payment_intent: str | None = None) -> Charge:
        """Let go of a charge for so many seconds; return it as it is then."""
        now = self._charges[charge.id]
        if not now.status.is_final and now.attempts == charge.attempts:
            self._due_at[charge.id] = self._clock.now() + timedelta(seconds=seconds)
            now = self._charges[charge.id] = attrs.evolve(now, payment_intent=payment_intent or now.payment_intent)
        return now

    def all(self) -> tuple[Charge, ...]:
        """Return every charge, oldest first."""
        return tuple(self._charges.values())

    def _changed(self, charge: Charge, change: Charge) -> ClaimedCharge:
        now = self._charges[charge.id]
        is_known = now.status is ChargeStatus.CHARGING and change.status is not ChargeStatus.ABANDONED
        is_allowed = change.status in TRANSITIONS.get(now.status, ()) and (now.attempts == charge.attempts or is_known)
        if is_allowed:
            now = self._charges[charge.id] = change
        return self._shown(now, is_owner=is_allowed)

    def _is_due(self, charge: Charge) -> bool:
        return not charge.status.is_final and self._due_at[charge.id] <= self._clock.now()

    def _claimed(self, charge: Charge, lease: timedelta) -> ClaimedCharge:
        self._due_at[charge.id] = self._clock.now() + lease
        self._charges[charge.id] = attrs.evolve(charge, attempts=charge.attempts + 1)
        return self._shown(self._charges[charge.id], is_owner=True)

    def _shown(self, charge: Charge, *, is_owner: bool) -> ClaimedCharge:
        ends_at = self._due_at[charge.id]
        return ClaimedCharge(charge=charge, is_owner=is_owner, now=self._clock.now(), send_before=ends_at)


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
        """How long the next request is on its way, although nobody waits for its answer."""
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
