"""One contract for every ledger: it refuses what was decided before reading wherever reading would show more."""

from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import pytest

from adapters.tests.written import bought, event, new_id, revision
from domain.changes.changes import AbsorbedPurchase, Change, Committed, Conflict, Duplicate, SnapshotQuery
from domain.changes.inbox import EventStatus
from domain.decisions.unread import decide_unread
from domain.payments.purchases import Link, PaymentStatus, Purchase, PurchaseId
from domain.payments.reports import Attribution, SaleReport
from domain.tests.examples import CATALOGUE, FIVE_DOLLARS
from domain.values.accounts import UserId
from domain.values.plans import PlanMode


def unread(user: UserId, payment: str, *, email: str | None = None) -> Change:
    """The change of a new sale, by an event of its own."""
    sale = SaleReport(
        purchase_id=PurchaseId(payment),
        session_id=f"cs_{payment}",
        links=frozenset({Link(f"session:cs_{payment}"), Link(f"payment_intent:{payment}")}),
        mode=PlanMode.PAYMENT,
        facts=Purchase(payment=PaymentStatus.PAID),
        subtotal=FIVE_DOLLARS,
        paid=FIVE_DOLLARS,
        attribution=Attribution(user_reference=user, email=email, plan_id="starter"),
    )
    decision = decide_unread(event(EventStatus.RECEIVED), sale, CATALOGUE, livemode=False)
    assert decision is not None
    return decision.change


async def written(world: Any, user: UserId, change: Change) -> tuple[int, EventStatus | None]:
    """Return how many entries the user has, and what became of the change's event."""
    snapshot = await world.ledger.read(SnapshotQuery(event_id=change.event.event.id))
    return len(await world.ledger.entries(user, before_version=None, limit=10)), snapshot.event_status


async def test_a_sale_of_which_nothing_is_known_is_committed(open_world: Any) -> None:
    """Once: the same event again is a duplicate, and answers with the account as it is now."""
    async with open_world() as world:
        user = await world.sign_up(email := f"{new_id('ada')}@example.com")
        change = unread(user, new_id("pi"), email=email)
        answers = [(await world.ledger.commit([change]))[0] for _ in range(2)]
        assert [Committed, Duplicate] == [type(answer) for answer in answers]
        assert [[50], [50]] == [[account.balance for account in answer.accounts] for answer in answers]
        assert (1, EventStatus.APPLIED) == await written(world, user, change)


async def test_an_event_that_waits_is_decided(open_world: Any) -> None:
    """One that was parked is not final: its decision is as good as that of a new one."""
    async with open_world() as world:
        user = await world.sign_up(None)
        change = unread(user, new_id("pi"))
        parked = attrs.evolve(change.event, status=EventStatus.PARKED, reason="unknown_user")
        await world.ledger.commit([Change(event=parked)])
        assert [Committed] == [type(answer) for answer in await world.ledger.commit([change])]
        assert (1, EventStatus.APPLIED) == await written(world, user, change)


async def test_an_event_that_was_decided_stays_as_it_is(open_world: Any) -> None:
    """Even one that was ignored."""
    async with open_world() as world:
        user = await world.sign_up(None)
        change = unread(user, new_id("pi"))
        await world.ledger.commit([Change(event=attrs.evolve(change.event, status=EventStatus.IGNORED))])
        assert [Duplicate] == [type(answer) for answer in await world.ledger.commit([change])]
        assert (0, EventStatus.IGNORED) == await written(world, user, change)


async def refunded_before(world: Any, user: UserId, payment: str) -> None:
    facts = Purchase(links=frozenset({Link(f"payment_intent:{payment}")}))
    assert await world.ledger.commit([Change(revision=revision(payment, facts))])


async def known_by_a_link(world: Any, user: UserId, payment: str) -> None:
    facts = Purchase(links=frozenset({Link(f"session:cs_{payment}")}))
    assert await world.ledger.commit([Change(revision=revision(new_id("in"), facts))])


async def merged_into_another(world: Any, user: UserId, payment: str) -> None:
    await refunded_before(world, user, payment)
    into = revision(new_id("in"), Purchase(links=frozenset({Link(f"payment_intent:{payment}")})))
    absorbed = (AbsorbedPurchase(id=PurchaseId(payment), expected_revision=1),)
    (result,) = await world.ledger.commit([Change(revision=attrs.evolve(into, absorbed=absorbed))])
    assert isinstance(result, Committed)


async def gone(world: Any, user: UserId, payment: str) -> None:
    await world.leave(user)


async def nothing(world: Any, user: UserId, payment: str) -> None:
    """Nothing happens before."""


Before = Callable[[Any, UserId, str], Awaitable[None]]


@pytest.mark.parametrize(
    ("before", "claimed", "reason"),
    [
        (refunded_before, str, "revision"),
        (known_by_a_link, str, "link"),
        (merged_into_another, str, "revision"),
        (gone, str, "unknown_user"),
        (nothing, str.upper, "unknown_user"),
        (nothing, "other".__add__, "unknown_user"),
    ],
)
async def test_whatever_is_known_refuses_it(
    open_world: Any, before: Before, claimed: Callable[[str], str], reason: str
) -> None:
    """A purchase, a link, a user who is not there or has another email; then nothing of it is written."""
    async with open_world() as world:
        email, payment = f"{new_id('ada')}@example.com", new_id("pi")
        user = await world.sign_up(email)
        await before(world, user, payment)
        change, beside = unread(user, payment, email=claimed(email)), unread(await world.sign_up(None), new_id("pi"))
        results = await world.ledger.commit([change, beside])
        assert [Conflict, Committed] == [type(result) for result in results], "and nothing else is refused with it"
        assert Conflict(reason) == results[0]
        assert (0, None) == await written(world, user, change)


async def test_an_email_that_is_not_known_refuses_nothing(open_world: Any) -> None:
    """As for a decision that has read the account."""
    async with open_world() as world:
        user = await world.sign_up(None)
        (result,) = await world.ledger.commit([unread(user, new_id("pi"), email="ada@example.com")])
        assert isinstance(result, Committed)


async def test_an_order_that_is_recorded_is_not_made_again(open_world: Any) -> None:
    """Another event of the same sale is refused, whatever it was that brought the first."""
    async with open_world() as world:
        user, payment = await world.sign_up(None), new_id("pi")
        await world.ledger.commit([unread(user, payment)])
        again = unread(user, payment)
        assert [Conflict] == [type(answer) for answer in await world.ledger.commit([again])]
        other = Change(revision=revision(payment, bought(user, payment), expected=1))
        assert [Committed] == [type(answer) for answer in await world.ledger.commit([other])]
        assert [Conflict] == [type(answer) for answer in await world.ledger.commit([again])]
        assert (1, None) == await written(world, user, again)
