"""The ledger's records of charges of saved cards, in memory."""

from datetime import datetime, timedelta

import attrs

from domain.payments.charges import (
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
    Paid,
    SavedCard,
    status_of,
)
from domain.ports.coordination import Clock
from domain.values.accounts import UserId


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
