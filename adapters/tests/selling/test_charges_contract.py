"""One contract for the records of charges: in memory, over Postgres, and through Supabase's API."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest

from adapters.memory.ledger import MemoryLedger
from adapters.memory.selling.charges import MemoryCharges
from adapters.postgres.charges import SqlCharges
from adapters.system.clock import SystemClock
from domain.payments.charges import (
    AuthenticationRequired,
    Charge,
    ChargeId,
    ChargeStatus,
    Declined,
    FinalOutcome,
    NewCharge,
    NotCharged,
    Paid,
    SavedCard,
)
from domain.payments.reports import Irrelevant
from domain.ports.saved_cards import ChargeRecords
from domain.values.accounts import UserId
from domain.values.customers import CustomerId
from domain.values.money import Money
from domain.values.plans import PlanId, Terms

LEASE = timedelta(minutes=2)
NONE = timedelta(0)
TERMS = Terms(credits=50, price=Money(amount=500, currency="usd"))
CARD = SavedCard(customer_id=CustomerId("cus_1"), payment_method="pm_1", read_at=datetime(2026, 11, 30, tzinfo=UTC))


@contextlib.asynccontextmanager
async def records_of(open_world: Any) -> AsyncIterator[ChargeRecords]:
    async with open_world() as world:
        is_memory = isinstance(world.ledger, MemoryLedger)
        yield MemoryCharges(SystemClock()) if is_memory else SqlCharges(world.ledger._rpc, SystemClock())


def wanted(key: str | None = None, **changes: Any) -> NewCharge:
    charge = NewCharge(
        id=ChargeId(str(uuid.uuid4())),
        key=key or f"key \\ {uuid.uuid4()}",
        user_id=UserId(str(uuid.uuid4())),
        plan_id=PlanId("starter"),
        terms=TERMS,
    )
    return attrs.evolve(charge, **changes)


async def begun(records: ChargeRecords, wish: NewCharge, *, lease: timedelta = LEASE) -> Charge:
    opened = await records.create(wish, lease=lease)
    assert opened.is_owner
    started = await records.begin(opened, CARD)
    assert started.is_owner
    return started.charge


async def again(records: ChargeRecords, wish: NewCharge, *, lease: timedelta = LEASE) -> Any:
    return await records.claim(wish.key, wish.user_id, wish.plan_id, lease=lease)


async def test_a_charge_is_recorded_and_claimed_once(open_world: Any) -> None:
    """Whoever comes second under its key gets it as it is, and not to go on with."""
    async with records_of(open_world) as records:
        wish = wanted()
        assert await again(records, wish) is None

        first = await records.create(wish, lease=LEASE)
        second = await records.create(attrs.evolve(wish, id=ChargeId(str(uuid.uuid4()))), lease=LEASE)

        assert (True, False) == (first.is_owner, second.is_owner)
        assert first.charge == second.charge
        assert (wish.id, wish.user_id, "starter", TERMS, ChargeStatus.CREATED, 1) == (
            first.charge.id,
            first.charge.user_id,
            first.charge.plan_id,
            first.charge.terms,
            first.charge.status,
            first.charge.attempts,
        )
        assert abs(first.now - first.charge.created_at) < timedelta(minutes=1)


async def test_of_many_at_once_one_has_it(open_world: Any) -> None:
    """Each call has an id of its own; the first that is recorded stays."""
    async with records_of(open_world) as records:
        wish = wanted()
        wishes = [attrs.evolve(wish, id=ChargeId(str(uuid.uuid4()))) for _ in range(8)]
        opened = await asyncio.gather(*(records.create(one, lease=LEASE) for one in wishes))
        assert 1 == sum(one.is_owner for one in opened)
        assert 1 == len({one.charge.id for one in opened})


@pytest.mark.parametrize("change", [{"plan_id": PlanId("pro")}, {"user_id": UserId(str(uuid.uuid4()))}])
async def test_another_wish_under_its_key_claims_nothing(open_world: Any, change: dict[str, Any]) -> None:
    """It gets the first one's charge, to see what differs, and leaves it to be claimed by others."""
    async with records_of(open_world) as records:
        wish = wanted()
        await records.create(wish, lease=NONE)
        other = await records.create(attrs.evolve(wish, id=ChargeId(str(uuid.uuid4())), **change), lease=LEASE)
        assert (wish.id, False, 1) == (other.charge.id, other.is_owner, other.charge.attempts)
        assert (await again(records, wish)).is_owner


async def test_what_the_provider_is_asked_is_recorded(open_world: Any) -> None:
    """The card, when it was read by the provider's clock, and since when it may have been charged by ours."""
    async with records_of(open_world) as records:
        charge = await begun(records, wanted())
        assert (ChargeStatus.CHARGING, CARD) == (charge.status, charge.card)
        assert charge.charging_since is not None
        assert charge.created_at <= charge.charging_since


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Paid("pi_{}", Irrelevant("")), (ChargeStatus.SUCCEEDED, True, None, False)),
        (Declined("pi_{}", "insufficient_funds", False), (ChargeStatus.DECLINED, True, "insufficient_funds", False)),
        (Declined(None, "lost_card", True), (ChargeStatus.DECLINED, False, "lost_card", True)),
        (AuthenticationRequired("pi_{}"), (ChargeStatus.REQUIRES_ACTION, True, None, False)),
        (NotCharged("never_made"), (ChargeStatus.ABANDONED, False, "never_made", False)),
    ],
    ids=["paid", "soft", "hard", "authentication", "abandoned"],
)
async def test_its_outcome_is_final(open_world: Any, outcome: FinalOutcome, expected: tuple[object, ...]) -> None:
    """It is returned under the key from then on; nothing else can become of it, and no worker gets it."""
    async with records_of(open_world) as records:
        wish = wanted()
        charge = await begun(records, wish, lease=NONE)
        if not isinstance(outcome, NotCharged) and outcome.payment_intent:
            outcome = attrs.evolve(outcome, payment_intent=f"pi_{wish.id}")

        finished = await records.finish(charge, outcome)

        shown = finished.status, finished.payment_intent is not None, finished.code, finished.is_hard
        assert expected == shown
        other = NotCharged("other") if not isinstance(outcome, NotCharged) else Declined(None, "other", True)
        assert finished == await records.finish(charge, other)
        later = await again(records, wish)
        assert (finished, False) == (later.charge, later.is_owner)
        await records.postpone(charge, 0)
        assert finished.id not in [one.id for one in await every_due(records)]


async def every_due(records: ChargeRecords) -> list[Charge]:
    """Claim everything that is due."""
    found: list[Charge] = []
    while (claimed := await records.claim_due(lease=LEASE)) is not None:
        found.append(claimed.charge)
    return found


async def test_a_worker_takes_what_was_left_once(open_world: Any) -> None:
    """What is leased is nobody else's; what was let go is due, whether the provider was asked or not."""
    async with records_of(open_world) as records:
        held, new, asked, paused = (wanted() for _ in range(4))
        await records.create(held, lease=LEASE)
        await records.create(new, lease=NONE)
        await begun(records, asked, lease=NONE)
        await records.postpone(await begun(records, paused, lease=NONE), 60)

        due = await every_due(records)

        ours = {one.id for one in due} & {held.id, new.id, asked.id, paused.id}
        assert {new.id, asked.id} == ours
        assert [2, 2] == [one.attempts for one in due if one.id in ours]


async def test_who_lost_a_claim_writes_nothing_but_an_outcome(open_world: Any) -> None:
    """Neither a card, nor a pause, nor that it is abandoned; but what became of its one payment is so for everybody."""
    async with records_of(open_world) as records:
        new = wanted()
        lost_claim = await records.create(new, lease=NONE)
        lost, kept = lost_claim.charge, (await again(records, new)).charge
        refused = await records.begin(lost_claim, CARD)
        assert (kept, False) == (refused.charge, refused.is_owner)
        assert kept == await records.finish(lost, NotCharged("interrupted"))

        asked = wanted()
        lost = await begun(records, asked, lease=NONE)
        kept = (await again(records, asked, lease=NONE)).charge
        assert kept == await records.finish(lost, NotCharged("never_made"))
        await records.postpone(lost, 60)
        assert (await again(records, asked)).is_owner
        paid = await records.finish(lost, Paid(f"pi_{asked.id}", Irrelevant("")))
        assert (ChargeStatus.SUCCEEDED, f"pi_{asked.id}") == (paid.status, paid.payment_intent)


async def test_a_payment_whose_credits_wait_is_noted(open_world: Any) -> None:
    """The charge goes on, is not due before its time, and keeps the payment whatever comes next."""
    async with records_of(open_world) as records:
        wish = wanted()
        charge = await begun(records, wish, lease=NONE)
        noted = await records.postpone(charge, 0, payment_intent=f"pi_{wish.id}")
        assert (ChargeStatus.CHARGING, f"pi_{wish.id}") == (noted.status, noted.payment_intent)
        taken = (await again(records, wish, lease=NONE)).charge
        assert taken.payment_intent == (await records.postpone(taken, 60)).payment_intent
        held = await again(records, wish)
        assert (False, f"pi_{wish.id}") == (held.is_owner, held.charge.payment_intent)
        paid = await records.finish(charge, Paid(f"pi_{wish.id}", Irrelevant("")))
        assert (paid.status, paid) == (ChargeStatus.SUCCEEDED, await records.postpone(charge, 0))


async def test_a_charge_that_was_never_asked_for_has_no_outcome(open_world: Any) -> None:
    """It can be abandoned, and nothing else."""
    async with records_of(open_world) as records:
        charge = (await records.create(wanted(), lease=LEASE)).charge
        assert charge == await records.finish(charge, Paid("pi_of_nothing", Irrelevant("")))
        assert ChargeStatus.ABANDONED == (await records.finish(charge, NotCharged("no_saved_card"))).status
