"""One contract for every ledger: memory, a direct Postgres connection, and Supabase's API."""

import asyncio
import contextlib
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from adapters.postgres_rpc import PostgresRpc
from adapters.sql_ledger import SqlLedger
from adapters.supabase_rpc import SupabaseRpc
from domain.accounts import Account, UserId
from domain.commits import (
    Change,
    CommitResult,
    Committed,
    Conflict,
    Duplicate,
    EventDecision,
    EventStatus,
    OutboxMessage,
    PurchaseRevision,
    Rejected,
    Settled,
)
from domain.events import InboxEvent
from domain.ledger import EntryKind, Posted, Posting, postings_due
from domain.ports import LedgerUnavailable
from domain.purchases import (
    Dispute,
    DisputeStatus,
    Link,
    Order,
    PaymentStatus,
    Purchase,
    PurchaseId,
    Refund,
    RefundStatus,
)


def in_world(open_world: Any, story: Callable[[Any], Awaitable[None]]) -> None:
    async def run() -> None:
        async with open_world() as world:
            await story(world)

    asyncio.run(run())


def new_id(prefix: str) -> str:
    return f"{prefix}_{uuid.uuid4().hex}"


def event(status: EventStatus = EventStatus.APPLIED, *, event_id: str | None = None, body: str = "{}") -> EventDecision:
    return EventDecision(
        event=InboxEvent(
            id=event_id or new_id("evt"),
            type="checkout.session.completed",
            body=body,
            livemode=False,
            api_version="2026-10-28",
            created=datetime(2026, 5, 1, tzinfo=UTC),
            session_id="cs_1",
        ),
        status=status,
        reason="because" if status is EventStatus.PARKED else None,
    )


def bought(user_id: UserId, payment: str, *, amount: int = 500, refunds: tuple[Refund, ...] = ()) -> Purchase:
    return Purchase(
        order=Order(user_id=user_id, plan_id="starter", credits=50, amount=amount, currency="usd"),
        payment=PaymentStatus.PAID,
        refunds=refunds,
        links=frozenset({Link(f"payment_intent:{payment}"), Link(f"session:cs_{payment}")}),
    )


def revision(payment: str, purchase: Purchase, *, expected: int = 0) -> PurchaseRevision:
    return PurchaseRevision(id=PurchaseId(payment), expected_revision=expected, purchase=purchase)


def posting(user_id: UserId, amount: int, key: str, payment: str | None = None) -> Posting:
    return Posting(
        user_id=user_id,
        amount=amount,
        kind=EntryKind.PURCHASE if amount >= 0 else EntryKind.CLAWBACK,
        idempotency_key=key,
        purchase_id=payment,
        stripe_session_id=f"cs_{payment}",
        stripe_event_id="evt_1",
        description="starter plan",
        event_at=datetime(2026, 5, 1, 12, 30, tzinfo=UTC),
    )


def buying(user_id: UserId, payment: str, *, decision: EventDecision | None = None) -> Change:
    return Change(
        event=decision,
        revision=revision(payment, bought(user_id, payment)),
        postings=(posting(user_id, 50, f"{payment}:revision=1:{user_id}", payment),),
        outbox=(OutboxMessage(topic="refresh_cache", key=f"r:{payment}", payload={"user_id": user_id}),),
    )


def test_a_change_is_written_whole(open_world: Any) -> None:
    """A committed change shows in the account, its entries, the purchase and the event alike."""

    async def story(world: Any) -> None:
        user, payment, decision = await world.sign_up("ada@example.com"), new_id("pi"), event()
        (result,) = await world.ledger.commit([buying(user, payment, decision=decision)])
        account = Account(user_id=user, email="ada@example.com", balance=50, version=1)
        assert isinstance(result, Committed)
        assert (50, 0, 1) == (result.accounts[0].balance, result.accounts[0].held, result.accounts[0].version)
        assert account == await world.ledger.account(user)
        (entry,) = await world.ledger.entries(user, before_version=None, limit=10)
        assert posting(user, 50, f"{payment}:revision=1:{user}", payment) == entry.posting
        assert (1, 0, 50) == (entry.version, entry.balance_before, entry.balance_after)
        snapshot = await world.ledger.read(
            event_id=decision.event.id, user_id=user, links=frozenset({Link(f"session:cs_{payment}")})
        )
        assert EventStatus.APPLIED == snapshot.event_status
        assert account == snapshot.account
        (recorded,) = snapshot.purchases
        assert (payment, 1, {user: 50}) == (recorded.id, recorded.revision, recorded.posted.by_user)
        assert bought(user, payment) == recorded.purchase

    in_world(open_world, story)


def test_every_fact_comes_back_as_it_was_written(open_world: Any) -> None:
    """Refunds, disputes, totals and links survive the ledger unchanged."""

    async def story(world: Any) -> None:
        user, payment = await world.sign_up(None), new_id("pi")
        purchase = attrs.evolve(
            bought(user, payment, refunds=(Refund(id="re_1", amount=250, status=RefundStatus.PENDING),)),
            refunded_total=250,
            disputes=(
                Dispute(
                    id="dp_1",
                    occurred_at=datetime(2026, 5, 2, 1, 2, 3, tzinfo=UTC),
                    amount=100,
                    status=DisputeStatus.UNDER_REVIEW,
                ),
            ),
        )
        await world.ledger.commit([Change(revision=revision(payment, purchase))])
        links = frozenset({Link(f"payment_intent:{payment}")})
        snapshot = await world.ledger.read(event_id=None, user_id=None, links=links)
        assert purchase == snapshot.purchases[0].purchase
        assert {} == snapshot.purchases[0].posted.by_user

    in_world(open_world, story)


def test_what_is_unknown_is_none(open_world: Any) -> None:
    """Unknown events, users and links read as nothing."""

    async def story(world: Any) -> None:
        nobody = UserId(str(uuid.uuid4()))
        snapshot = await world.ledger.read(
            event_id="evt_none", user_id=nobody, links=frozenset({Link("session:cs_none")})
        )
        assert (None, None, ()) == (snapshot.event_status, snapshot.account, snapshot.purchases)
        assert await world.ledger.account(nobody) is None
        assert () == await world.ledger.entries(nobody, before_version=None, limit=5)

    in_world(open_world, story)


def test_the_same_event_again_is_a_duplicate(open_world: Any) -> None:
    """A repeated event changes nothing, and answers with the account as it is now, not as it was then."""

    async def story(world: Any) -> None:
        user, payment, decision = await world.sign_up(None), new_id("pi"), event()
        await world.ledger.commit([buying(user, payment, decision=decision)])
        await world.ledger.commit([buying(user, new_id("pi"))])
        (result,) = await world.ledger.commit([buying(user, payment, decision=decision)])
        assert isinstance(result, Duplicate)
        assert (100, 2) == (result.accounts[0].balance, result.accounts[0].version)
        assert 2 == len(await world.ledger.entries(user, before_version=None, limit=10))

    in_world(open_world, story)


def test_the_same_entry_again_is_a_duplicate(open_world: Any) -> None:
    """An idempotency key changes the ledger once, whichever event brings it."""

    async def story(world: Any) -> None:
        user, payment, other = await world.sign_up(None), new_id("pi"), event()
        await world.ledger.commit([buying(user, payment, decision=event())])
        repeated = attrs.evolve(buying(user, payment, decision=other), revision=None)
        (result,) = await world.ledger.commit([repeated])
        assert isinstance(result, Duplicate)
        snapshot = await world.ledger.read(event_id=other.event.id, user_id=user, links=frozenset())
        assert EventStatus.NOTHING_NEW == snapshot.event_status
        assert 50 == snapshot.account.balance

    in_world(open_world, story)


def test_a_key_with_other_content_conflicts(open_world: Any) -> None:
    """The same key for another amount is refused."""

    async def story(world: Any) -> None:
        user, key = await world.sign_up(None), new_id("key")
        await world.ledger.commit([Change(postings=(posting(user, 50, key),))])
        (result,) = await world.ledger.commit([Change(postings=(posting(user, 60, key),))])
        assert Conflict("idempotency_key") == result

    in_world(open_world, story)


def test_a_stale_revision_conflicts(open_world: Any) -> None:
    """A decision on an outdated purchase writes nothing, not even its event."""

    async def story(world: Any) -> None:
        user, payment, decision = await world.sign_up(None), new_id("pi"), event()
        await world.ledger.commit([buying(user, payment)])
        stale = Change(
            event=decision,
            revision=revision(payment, bought(user, payment, amount=600), expected=0),
            postings=(posting(user, 7, new_id("key"), payment),),
        )
        (result,) = await world.ledger.commit([stale])
        assert Conflict("revision") == result
        snapshot = await world.ledger.read(event_id=decision.event.id, user_id=user, links=frozenset())
        assert snapshot.event_status is None
        assert 50 == snapshot.account.balance

    in_world(open_world, story)


def test_a_link_belongs_to_one_purchase(open_world: Any) -> None:
    """A second purchase can't take the link of a first."""

    async def story(world: Any) -> None:
        user, payment, other = await world.sign_up(None), new_id("pi"), new_id("pi")
        await world.ledger.commit([buying(user, payment)])
        thief = Change(revision=revision(other, bought(user, payment)))
        assert (Conflict("link"),) == await world.ledger.commit([thief])

    in_world(open_world, story)


def test_an_entry_needs_its_user(open_world: Any) -> None:
    """Credits can't be put on the account of nobody."""

    async def story(world: Any) -> None:
        nobody = UserId(str(uuid.uuid4()))
        assert (Conflict("unknown_user"),) == await world.ledger.commit([buying(nobody, new_id("pi"))])

    in_world(open_world, story)


def test_a_bad_change_harms_no_other(open_world: Any) -> None:
    """Of many changes in one call each is written whole or not at all."""

    async def story(world: Any) -> None:
        user, decision = await world.sign_up(None), event()
        good, bad, fine = new_id("pi"), new_id("pi"), new_id("pi")
        broken = Change(
            event=decision,
            revision=revision(bad, bought(user, bad)),
            postings=(posting(user, 50, new_id("key"), bad), posting(user, 0, new_id("key"), bad)),
        )
        results = await world.ledger.commit([buying(user, good), broken, buying(user, fine)])
        assert [Committed, Rejected, Committed] == [type(result) for result in results]
        assert 100 == (await world.ledger.account(user)).balance
        links = frozenset({Link(f"payment_intent:{bad}")})
        snapshot = await world.ledger.read(event_id=decision.event.id, user_id=None, links=links)
        assert (None, ()) == (snapshot.event_status, snapshot.purchases)

    in_world(open_world, story)


def test_twenty_purchases_at_the_same_moment_all_count(open_world: Any) -> None:
    """Changes of one account that come at once are all posted, one version after the other."""

    async def story(world: Any) -> None:
        user = await world.sign_up(None)
        changes = [buying(user, new_id("pi"), decision=event()) for _ in range(20)]

        async def commit(change: Change) -> CommitResult:
            # A wait for nineteen others may take longer than a call waits.
            while (result := (await world.ledger.commit([change]))[0]) == Conflict("locked"):
                pass
            return result

        results = await asyncio.gather(*map(commit, changes))
        assert {Committed} == {type(result) for result in results}
        entries = await world.ledger.entries(user, before_version=None, limit=50)
        assert list(range(20, 0, -1)) == [entry.version for entry in entries]
        assert 1000 == entries[0].balance_after == (await world.ledger.account(user)).balance

    in_world(open_world, story)


def test_one_purchase_told_at_the_same_moment_counts_once(open_world: Any) -> None:
    """Of twenty equal decisions by different events one is written; the others conflict or are duplicates."""

    async def story(world: Any) -> None:
        user, payment = await world.sign_up(None), new_id("pi")
        changes = [buying(user, payment, decision=event()) for _ in range(20)]
        results = await asyncio.gather(*(world.ledger.commit([change]) for change in changes))
        assert 1 == sum(isinstance(result, Committed) for (result,) in results)
        assert 50 == (await world.ledger.account(user)).balance

    in_world(open_world, story)


def test_a_parked_event_can_be_decided_again(open_world: Any) -> None:
    """Parking is no end: the same event is applied once its cause is gone."""

    async def story(world: Any) -> None:
        user, payment, id_ = await world.sign_up(None), new_id("pi"), new_id("evt")
        await world.ledger.commit([Change(event=event(EventStatus.PARKED, event_id=id_))])
        parked = await world.ledger.read(event_id=id_, user_id=None, links=frozenset())
        assert EventStatus.PARKED == parked.event_status
        (result,) = await world.ledger.commit([buying(user, payment, decision=event(event_id=id_))])
        assert isinstance(result, Committed)
        applied = await world.ledger.read(event_id=id_, user_id=user, links=frozenset())
        assert (EventStatus.APPLIED, 50) == (applied.event_status, applied.account.balance)

    in_world(open_world, story)


def test_any_body_that_stripe_may_sign_is_kept(open_world: Any) -> None:
    """Escaped NULs, lone surrogates and other scripts in a signed body do not stop the inbox."""

    async def story(world: Any) -> None:
        decision = event(body='{"a": "\\u0000 \\ud800 \\\\ \' ; drop table users; -- \U0001f9fe 積分"}')
        (result,) = await world.ledger.commit([Change(event=decision)])
        assert isinstance(result, Committed)

    in_world(open_world, story)


def test_pages_go_back_to_the_first_entry(open_world: Any) -> None:
    """Entries are listed newest first, page by page, without gap or repetition."""

    async def story(world: Any) -> None:
        user = await world.sign_up(None)
        for _ in range(5):
            await world.ledger.commit([buying(user, new_id("pi"))])
        first = await world.ledger.entries(user, before_version=None, limit=2)
        second = await world.ledger.entries(user, before_version=4, limit=2)
        assert [5, 4, 3, 2] == [entry.version for entry in (*first, *second)]

    in_world(open_world, story)


def test_the_state_that_returns_is_posted_step_by_step(open_world: Any) -> None:
    """50, 20, 50 and 20 credits again are four entries, and repeating the last step is none."""

    async def story(world: Any) -> None:
        user, payment = await world.sign_up(None), new_id("pi")
        links = frozenset({Link(f"payment_intent:{payment}")})
        for step, reversed_amount in enumerate((0, 300, 0, 300)):
            snapshot = await world.ledger.read(event_id=None, user_id=user, links=links)
            posted = snapshot.purchases[0].posted if snapshot.purchases else Posted()
            status = DisputeStatus.LOST if reversed_amount else DisputeStatus.WON
            when = datetime(2026, 5, 1 + step, tzinfo=UTC)
            dispute = Dispute(id="dp_1", occurred_at=when, amount=300, status=status)
            purchase = attrs.evolve(bought(user, payment), disputes=(dispute,))
            due = postings_due(PurchaseId(payment), purchase, posted, revision=step + 1)
            change = Change(revision=revision(payment, purchase, expected=step), postings=due)
            assert [Committed] == [type(result) for result in await world.ledger.commit([change])]
        entries = await world.ledger.entries(user, before_version=None, limit=10)
        assert [-30, 30, -30, 50] == [entry.posting.amount for entry in entries]
        assert 20 == (await world.ledger.account(user)).balance

    in_world(open_world, story)


def test_a_claimed_message_is_nobody_elses(open_world: Any) -> None:
    """A message is claimed once, is due again after a failure, and ends when it is delivered."""

    async def story(world: Any) -> None:
        user, payment = await world.sign_up(None), new_id("pi")
        await world.ledger.commit([buying(user, payment)])

        async def mine() -> list[int]:
            claimed = await world.outbox.claim(500, lease_seconds=600)
            ours = [message for message in claimed if message.payload.get("user_id") == user]
            assert {1, 2} >= {message.attempts for message in ours}
            return [message.id for message in ours]

        (message,) = await mine()
        assert [] == await mine()
        await world.outbox.settle([Settled(id=message, error="cache unavailable", retry_in_seconds=0)])
        assert [message] == await mine()
        await world.outbox.settle([Settled(id=message)])
        assert [] == await mine()

    in_world(open_world, story)


def test_a_user_who_leaves_is_to_be_forgotten_by_the_cache(open_world: Any) -> None:
    """Each time, should the same user come back and leave once more."""

    async def story(world: Any) -> None:
        user = await world.sign_up(None)
        await world.leave(user)
        found = await world.outbox.claim(500, lease_seconds=600)
        assert ["refresh_cache"] == [message.topic for message in found if message.payload.get("user_id") == user]
        assert await world.ledger.account(user) is None

    in_world(open_world, story)


def test_an_honest_ledger_is_consistent(open_world: Any) -> None:
    """After commits the audit has nothing to say of the account."""

    async def story(world: Any) -> None:
        user = await world.sign_up(None)
        await world.ledger.commit([buying(user, new_id("pi"))])
        assert user not in {row.user_id for row in await world.ledger.inconsistencies()}

    in_world(open_world, story)


@pytest.mark.parametrize(
    "rpc",
    [
        PostgresRpc("postgresql://postgres@127.0.0.1:1/postgres"),
        SupabaseRpc("http://127.0.0.1:1", "sb_secret_x"),
    ],
    ids=["postgres", "supabase"],
)
def test_a_ledger_that_is_away_says_so(rpc: PostgresRpc | SupabaseRpc) -> None:
    """An unreachable ledger raises one error of the domain's, whatever the transport's was."""

    async def ask() -> None:
        async with contextlib.aclosing(rpc):
            await SqlLedger(rpc).account(UserId(str(uuid.uuid4())))

    with pytest.raises(LedgerUnavailable):
        asyncio.run(ask())
