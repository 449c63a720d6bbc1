"""One contract for every ledger about the rest of a payment's life: memory, Postgres, and Supabase's API."""

import asyncio
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from domain.changes.changes import (
    AbsorbedPurchase,
    Change,
    Committed,
    Conflict,
    Duplicate,
    PurchaseRevision,
    SnapshotQuery,
    SubscriptionRevision,
)
from domain.changes.inbox import EventDecision, EventStatus
from domain.changes.outbox import DeliveryResult, OutboxMessage
from domain.credits.ledger import EntryKind, Posting
from domain.payments.purchases import Link, Order, PaymentStatus, Purchase, PurchaseId, Refund, RefundStatus
from domain.payments.reports import InboxEvent
from domain.payments.subscriptions import (
    Subscriber,
    Subscription,
    SubscriptionId,
    SubscriptionState,
    SubscriptionStatus,
)
from domain.values.accounts import UserId
from domain.values.money import Money
from domain.values.plans import PlanId, Terms

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def new_id(prefix: str) -> str:
    return f"{prefix}_{uuid.uuid4().hex}"


def decision(
    status: EventStatus, *, event_id: str | None = None, again: bool = False, about: str = "cs"
) -> EventDecision:
    event = InboxEvent(
        id=event_id or new_id("evt"), type="refund.created", body='{"a": 1}', livemode=False, object_id=about
    )
    return EventDecision(
        event=event, status=status, reason="unknown_user" if not status.is_final else None, again=again
    )


def bought(user: UserId, *links: str, refunded: int = 0) -> Purchase:
    refunds = (Refund(id="re_1", amount=refunded, status=RefundStatus.SUCCEEDED),) if refunded else ()
    return Purchase(
        order=Order(user_id=user, plan_id=PlanId("starter"), credits=50, amount=500, currency="usd"),
        payment=PaymentStatus.PAID,
        refunds=refunds,
        links=frozenset(map(Link, links)),
    )


def entry(user: UserId, purchase: str, revision: int, amount: int, **how: Any) -> Posting:
    kind = EntryKind.PURCHASE if amount > 0 and revision == 1 else EntryKind.CLAWBACK
    return Posting(
        user_id=user,
        amount=amount,
        kind=kind,
        idempotency_key=f"{purchase}:revision={revision}:{user}",
        purchase_id=PurchaseId(purchase),
        **how,
    )


def revised(purchase: str, known: Purchase, expected: int, *absorbed: tuple[str, int]) -> PurchaseRevision:
    return PurchaseRevision(
        id=PurchaseId(purchase),
        expected_revision=expected,
        purchase=known,
        absorbed=tuple(AbsorbedPurchase(id=PurchaseId(id_), expected_revision=at) for id_, at in absorbed),
    )


async def buy(world: Any, user: UserId, purchase: str, *links: str) -> None:
    change = Change(revision=revised(purchase, bought(user, *links), 0), postings=(entry(user, purchase, 1, 50),))
    assert isinstance((await world.ledger.commit([change]))[0], Committed)


async def purchases(world: Any, *links: str) -> Any:
    return (await world.ledger.read(SnapshotQuery(links=frozenset(map(Link, links))))).purchases


async def test_two_facts_that_come_to_the_same_entry_are_two(open_world: Any) -> None:
    """Two refunds of one amount, decided at one revision, have one key: the second conflicts, it is no duplicate."""
    async with open_world() as world:
        user, purchase = await world.sign_up(None), new_id("pi")
        await buy(world, user, purchase, f"payment_intent:{purchase}")
        first, second = decision(EventStatus.APPLIED), decision(EventStatus.APPLIED)
        known = bought(user, f"payment_intent:{purchase}", refunded=100)
        taken = entry(user, purchase, 2, -10)
        changes = [
            Change(event=reported, revision=revised(purchase, known, 1), postings=(taken,))
            for reported in (first, second)
        ]
        results = [(await world.ledger.commit([change]))[0] for change in changes]
        assert isinstance(results[0], Committed)
        assert Conflict("revision") == results[1]
        snapshot = await world.ledger.read(SnapshotQuery(event_id=second.event.id, user_id=user))
        assert snapshot.event_status is None


async def test_two_rows_become_one(open_world: Any) -> None:
    """What is absorbed leads to the one that goes on: its links, what was posted for it, and its own absorbed rows."""
    async with open_world() as world:
        user, (a, b, c) = await world.sign_up(None), sorted(new_id("pi") for _ in range(3))
        for purchase in (a, b, c):
            await buy(world, user, purchase, f"payment_intent:{purchase}")
        both = bought(user, f"payment_intent:{b}", f"payment_intent:{c}")
        change = Change(revision=revised(b, both, 1, (c, 1)), postings=(entry(user, b, 2, -50),))
        assert isinstance((await world.ledger.commit([change]))[0], Committed)
        (one,) = await purchases(world, f"payment_intent:{c}")
        assert (b, 2, {user: 50}) == (one.id, one.revision, one.posted[None].by_user)
        all_three = bought(user, *(f"payment_intent:{purchase}" for purchase in (a, b, c)))
        change = Change(revision=revised(a, all_three, 1, (b, 2)), postings=(entry(user, a, 2, -50),))
        assert isinstance((await world.ledger.commit([change]))[0], Committed)
        (one,) = await purchases(world, f"payment_intent:{c}", f"payment_intent:{b}")
        assert (a, 2, {user: 50}) == (one.id, one.revision, one.posted[None].by_user)
        assert all_three == one.purchase
        record = await world.audit.record_of(user)
        assert [(a, (b, c))] == [(known.id, known.merged) for known in record.purchases]
        assert [50, 50, 50, -50, -50] == [known.posting.amount for known in record.entries]
        assert user not in {row.user_id for row in await world.audit.inconsistencies()}


async def test_a_row_that_moved_on_is_not_absorbed(open_world: Any) -> None:
    """Merging is good only for the revisions that were read, of both rows."""
    async with open_world() as world:
        user, a, b = await world.sign_up(None), new_id("pi"), new_id("pi")
        await buy(world, user, a, f"payment_intent:{a}")
        await buy(world, user, b, f"payment_intent:{b}")
        both = bought(user, f"payment_intent:{a}", f"payment_intent:{b}")
        stale = Change(revision=revised(a, both, 1, (b, 7)))
        assert (Conflict("revision"),) == await world.ledger.commit([stale])
        thief = Change(revision=revised(a, both, 1))
        assert (Conflict("link"),) == await world.ledger.commit([thief])


async def test_merging_at_the_same_moment_happens_once(open_world: Any) -> None:
    """Of ten equal merges one is written, and nothing is taken back twice."""
    async with open_world() as world:
        user, a, b = await world.sign_up(None), new_id("pi"), new_id("pi")
        await buy(world, user, a, f"payment_intent:{a}")
        await buy(world, user, b, f"payment_intent:{b}")
        both = bought(user, f"payment_intent:{a}", f"payment_intent:{b}")
        change = Change(revision=revised(a, both, 1, (b, 1)), postings=(entry(user, a, 2, -50),))
        results = await asyncio.gather(*(world.ledger.commit([change]) for _ in range(10)))
        assert 1 == sum(isinstance(result, Committed) for (result,) in results)
        assert 50 == (await world.ledger.account(user)).balance


async def test_a_subscription_is_kept_by_its_revision(open_world: Any) -> None:
    """Who subscribed to what, and how it stands, comes back as it was written; a stale write conflicts."""
    async with open_world() as world:
        user, id_ = await world.sign_up(None), SubscriptionId(new_id("sub"))
        known = Subscription(
            subscriber=Subscriber(
                occurred_at=NOON,
                user_id=user,
                plan_id="monthly",
                terms=Terms(credits=100, price=Money(amount=900, currency="usd")),
                confirmed=True,
            ),
            state=SubscriptionState(
                occurred_at=NOON, status=SubscriptionStatus.ACTIVE, cancels_at_period_end=True, period_ends_at=NOON
            ),
        )
        change = Change(subscription=SubscriptionRevision(id=id_, expected_revision=0, subscription=known))
        (result,) = await world.ledger.commit([change])
        assert isinstance(result, Committed)
        snapshot = await world.ledger.read(SnapshotQuery(subscription_id=id_))
        assert (id_, 1, known) == (
            snapshot.subscription.id,
            snapshot.subscription.revision,
            snapshot.subscription.subscription,
        )
        assert (Conflict("revision"),) == await world.ledger.commit([change])


async def test_a_user_who_left_is_reported(open_world: Any) -> None:
    """Who has entries and no account any more is absent, by order and by entry, and told apart from a stranger."""
    async with open_world() as world:
        user, purchase = await world.sign_up(None), new_id("pi")
        await buy(world, user, purchase, f"payment_intent:{purchase}")
        assert frozenset() == (await purchases(world, f"payment_intent:{purchase}"))[0].absent_users
        await world.leave(user)
        link = frozenset({Link(f"payment_intent:{purchase}")})
        snapshot = await world.ledger.read(SnapshotQuery(user_id=user, links=link))
        assert (None, True) == (snapshot.account, snapshot.account_is_deleted)
        assert frozenset({user}) == snapshot.purchases[0].absent_users
        stranger = await world.ledger.read(SnapshotQuery(user_id=UserId(str(uuid.uuid4()))))
        assert (None, False) == (stranger.account, stranger.account_is_deleted)
        record = await world.audit.record_of(user)
        assert (None, 1, 1) == (record.account, len(record.purchases), len(record.entries))
        assert await world.audit.record_of(UserId(str(uuid.uuid4()))) is None


async def test_a_final_event_is_decided_again_only_by_wish(open_world: Any) -> None:
    """An ignored event stays so when it is repeated, and is applied when somebody asks for it."""
    async with open_world() as world:
        user, purchase, id_ = await world.sign_up(None), new_id("pi"), new_id("evt")
        await world.ledger.commit([Change(event=decision(EventStatus.IGNORED, event_id=id_))])
        for again, expected in ((False, Duplicate), (True, Committed)):
            change = Change(
                event=decision(EventStatus.APPLIED, event_id=id_, again=again),
                revision=revised(purchase, bought(user, f"payment_intent:{purchase}"), 0),
                postings=(entry(user, purchase, 1, 50),),
            )
            (result,) = await world.ledger.commit([change])
            assert isinstance(result, expected)
        assert EventStatus.APPLIED == (await world.inbox.find(id_)).status


async def test_the_inbox_shows_what_became_of_each_event(open_world: Any) -> None:
    """Status, reason, attempts and the exact body; one that was never recorded is none."""
    async with open_world() as world:
        id_, about = new_id("evt"), new_id("cs")
        await world.ledger.commit([Change(event=decision(EventStatus.PARKED, event_id=id_, about=about))])
        kept = await world.inbox.find(id_)
        assert (EventStatus.PARKED, "unknown_user", 1) == (kept.status, kept.reason, kept.attempts)
        assert ('{"a": 1}', about, "refund.created") == (kept.body, kept.object_id, kept.type)
        await world.ledger.commit([Change(event=decision(EventStatus.PARKED, event_id=id_, about=about))])
        assert 2 == (await world.inbox.find(id_)).attempts
        assert await world.inbox.find("evt_of_nobody") is None
        assert frozenset({id_}) == await world.inbox.known([id_, "evt_of_nobody"])
        assert [True, False] == [await world.inbox.waits_for(asked) for asked in (about, "cs_of_nobody")]
        assert 1 <= (await world.backlogs.backlog()).events["parked", "unknown_user"]
        await world.ledger.commit([Change(event=decision(EventStatus.APPLIED, event_id=id_, about=about))])
        assert not await world.inbox.waits_for(about)


async def test_what_waits_is_claimed_by_one_when_it_is_due(open_world: Any) -> None:
    """A parked event is due later, or when somebody hastens it, and then belongs to whoever claims it first."""
    async with open_world() as world:
        id_ = new_id("evt")
        await world.ledger.commit([Change(event=decision(EventStatus.PARKED, event_id=id_))])

        async def mine() -> list[str]:
            claimed = await world.inbox.claim_waiting(1000, lease_seconds=600)
            return [kept.body for kept in claimed if kept.id == id_]

        assert [] == await mine()
        await world.inbox.make_all_due()
        assert ['{"a": 1}'] == await mine()
        assert [] == await mine()
        await world.inbox.mark_failed(id_, "the ledger refuses it")
        failed = await world.inbox.find(id_)
        assert (EventStatus.FAILED, "the ledger refuses it", 2) == (failed.status, failed.reason, failed.attempts)
        await world.ledger.commit([Change(event=decision(EventStatus.APPLIED, event_id=id_))])
        await world.inbox.mark_failed(id_, "too late")
        await world.inbox.make_all_due()
        assert ([], EventStatus.APPLIED) == (await mine(), (await world.inbox.find(id_)).status)


async def test_what_is_hastened_again_comes_after_what_was_not_claimed(open_world: Any) -> None:
    """So whoever hastens before each claim goes through all that waits, and begins anew only then."""
    async with open_world() as world:
        for _ in range(3):
            await world.ledger.commit([Change(event=decision(EventStatus.PARKED, event_id=new_id("evt")))])
        await world.inbox.make_all_due()
        waiting = {kept.id for kept in await world.inbox.claim_waiting(1000, lease_seconds=600)}
        claimed: list[str] = []
        for _ in waiting:
            await world.inbox.make_all_due()
            claimed += [kept.id for kept in await world.inbox.claim_waiting(1, lease_seconds=600)]
        assert sorted(waiting) == sorted(claimed)


async def test_of_what_is_due_the_newest_can_be_claimed_first(open_world: Any) -> None:
    """What came last comes first, however long the others are due; without the wish the longest due goes first."""
    async with open_world() as world:
        ids = [new_id("evt") for _ in range(4)]
        for id_ in ids:
            await world.ledger.commit([Change(event=decision(EventStatus.PARKED, event_id=id_))])
            await world.inbox.make_all_due()

        async def claimed(limit: int, *, newest_first: bool) -> list[str]:
            found = await world.inbox.claim_waiting(limit, lease_seconds=600, newest_first=newest_first)
            return [kept.id for kept in found if kept.id in ids]

        assert [ids[3], ids[2]] == await claimed(2, newest_first=True)
        assert ids[:2] == await claimed(1000, newest_first=False)


async def test_events_are_listed_newest_first_in_pages(open_world: Any) -> None:
    """Each event of the wanted statuses comes once, without its body."""
    async with open_world() as world:
        ids = [new_id("evt") for _ in range(5)]
        for id_ in ids:
            await world.ledger.commit([Change(event=decision(EventStatus.PARKED, event_id=id_))])
        await world.ledger.commit([Change(event=decision(EventStatus.IGNORED))])
        seen, last = [], None
        while page := await world.inbox.page(statuses=frozenset({EventStatus.PARKED}), before=last, limit=2):
            assert {None} == {kept.body for kept in page}
            seen += [kept.id for kept in page]
            last = page[-1]
        assert ids[::-1] == [id_ for id_ in seen if id_ in ids]
        assert len(seen) == len(set(seen))


async def test_a_message_that_is_given_up_stays_visible(open_world: Any) -> None:
    """It is not claimed again until somebody lets it; then it counts its attempts from the start."""
    async with open_world() as world:
        invoice = new_id("in")
        message = OutboxMessage(topic="send_invoice", key=f"send:{invoice}", payload={"invoice_id": invoice})
        await world.ledger.commit([Change(outbox=(message,)), Change(outbox=(message,))])

        async def mine() -> list[Any]:
            claimed = await world.outbox.claim("send_invoice", 1000, lease_seconds=600)
            return [one for one in claimed if one.payload.get("invoice_id") == invoice]

        (claimed,) = await mine()
        await world.outbox.record_deliveries([DeliveryResult(id=claimed.id, error="no such invoice", gives_up=True)])
        assert [] == await mine()
        (failure,) = [one for one in await world.outbox.failures(1000) if one.id == claimed.id]
        assert ("no such invoice", 1) == (failure.error, failure.attempts)
        assert 1 <= (await world.backlogs.backlog()).messages_failed
        assert await world.outbox.retry(claimed.id)
        assert not await world.outbox.retry(claimed.id)
        (again,) = await mine()
        assert 1 == again.attempts
        await world.outbox.record_deliveries([DeliveryResult(id=again.id)])
        await world.outbox.record_deliveries(
            [DeliveryResult(id=again.id, error="another worker was late", gives_up=True)]
        )
        assert ([], False) == (await mine(), await world.outbox.retry(again.id))


async def test_accounts_come_in_pages_and_by_name(open_world: Any) -> None:
    """Every account comes once, in the order of the ids; strangers are left out."""
    async with open_world() as world:
        users = {await world.sign_up(f"{number}@example.com") for number in range(5)}
        seen: list[UserId] = []
        last = None
        while page := await world.audit.accounts_after(last, 2):
            seen += [account.user_id for account in page]
            last = page[-1].user_id
        assert sorted(seen) == seen
        assert users <= set(seen)
        stranger = UserId(str(uuid.uuid4()))
        assert sorted(users) == [account.user_id for account in await world.audit.accounts_of([*users, stranger])]
        assert await world.audit.recompute(stranger) is None
        user = min(users)
        await buy(world, user, new_id("pi"))
        assert (50, 1) == ((await world.audit.recompute(user)).balance, (await world.ledger.account(user)).version)


@pytest.mark.parametrize("expires_at", [None, datetime(2026, 6, 1, tzinfo=UTC)])
async def test_an_order_says_when_its_credits_expire(open_world: Any, expires_at: datetime | None) -> None:
    """The moment survives the ledger, in the purchase."""
    async with open_world() as world:
        user, purchase = await world.sign_up(None), new_id("in")
        known = Purchase(
            order=Order(user_id=user, plan_id=PlanId("m"), credits=5, amount=5, currency="usd", expires_at=expires_at),
            payment=PaymentStatus.PAID,
            currencies=frozenset({"usd"}),
            links=frozenset({Link(f"invoice:{purchase}")}),
        )
        posted = entry(user, purchase, 1, 5, expires_at=expires_at)
        (result,) = await world.ledger.commit([Change(revision=revised(purchase, known, 0), postings=(posted,))])
        assert isinstance(result, Committed)
        assert known == (await purchases(world, f"invoice:{purchase}"))[0].purchase
