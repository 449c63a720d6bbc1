"""One contract for every ledger: memory, a direct Postgres connection, and Supabase's API."""

import asyncio
import contextlib
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest

from adapters.postgres.direct_rpc import PostgresRpc
from adapters.postgres.ledger import SqlLedger
from adapters.postgres.supabase_rpc import SupabaseRpc
from domain.changes.changes import (
    AbsorbedPurchase,
    AccountGuard,
    Change,
    CommitResult,
    Committed,
    Conflict,
    Duplicate,
    PurchaseRevision,
    Rejected,
    SnapshotQuery,
)
from domain.changes.inbox import EventDecision, EventStatus
from domain.changes.outbox import DeliveryResult, OutboxMessage
from domain.credits.grants import Draw
from domain.credits.idempotency import key_of_revision
from domain.credits.ledger import EntryKind, ExpiredCredits, GrantEnd, Posting, period_metadata
from domain.credits.postings import postings_due
from domain.payments.disputes import Dispute, DisputeStatus, Movement
from domain.payments.invoices import (
    Bill,
    CreditNote,
    CreditNoteStatus,
    Line,
    LineKind,
    NotedLine,
    NotedRefund,
    UnusedTime,
)
from domain.payments.line_terms import Claimed
from domain.payments.purchases import (
    ChargeRefunds,
    Link,
    Order,
    PaymentStatus,
    Purchase,
    PurchaseId,
    Refund,
    RefundStatus,
)
from domain.payments.reports import InboxEvent
from domain.ports.ledger import LedgerUnavailable
from domain.values.accounts import Account, UserId


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


MAY, JUNE, JULY, AUGUST = (datetime(2100, month, 1, 12, tzinfo=UTC) for month in (5, 6, 7, 8))
UNUSED = UnusedTime(id="il_9", amount=100, starts_at=MAY, ends_at=JUNE, credited_invoice="in_0", credited_lines=("a",))


def period(begins: datetime, ends: datetime, *, brings: int = 50, **how: Any) -> Line:
    """A line of an invoice for a period of so many credits."""
    known: dict[str, Any] = {"kind": LineKind.PERIOD, "unit_amount": "500", "plan_id": "monthly", "parts": 1, **how}
    return Line(
        id=f"il_{ends:%m}",
        credits=brings,
        plan_credits=50,
        amount=500,
        net=400,
        starts_at=begins,
        ends_at=ends,
        subscription_item="si_1",
        price_id="price_1",
        **known,
    )


def billed(*lines: Line, unused: tuple[UnusedTime, ...] = (), subscription: str = "sub_1") -> Bill:
    total = sum(line.net for line in lines)
    return Bill(subscription_id=subscription, lines=lines, unused=unused, total=total, issued_at=MAY)


def invoiced(user_id: UserId, invoice: str, bill: Bill, **how: Any) -> Purchase:
    """A paid invoice of a subscription."""
    order = Order(user_id=user_id, plan_id="monthly", credits=50, amount=bill.total, currency="usd")
    links = frozenset({Link(f"invoice:{invoice}")})
    return Purchase(order=order, payment=PaymentStatus.PAID, links=links, bill=bill, **how)


def of_period(user_id: UserId, invoice: str, amount: int, ends: datetime, at: int = 1, **how: Any) -> Posting:
    """An entry of the grant of a period, decided at a revision of its invoice."""
    return Posting(
        user_id=user_id,
        amount=amount,
        kind=how.pop("kind", EntryKind.PURCHASE if amount > 0 else EntryKind.CLAWBACK),
        idempotency_key=key_of_revision(invoice, at, user_id, ends),
        purchase_id=PurchaseId(invoice),
        metadata=period_metadata(ends),
        expires_at=ends + timedelta(days=3) if amount > 0 else None,
        **how,
    )


async def pay(world: Any, user: UserId, invoice: str, bill: Bill) -> None:
    """Let an invoice be paid; each period is a grant of 50 credits."""
    change = Change(
        revision=revision(invoice, invoiced(user, invoice, bill)),
        postings=tuple(of_period(user, invoice, 50, line.ends_at) for line in bill.lines),
    )
    assert [Committed] == [type(result) for result in await world.ledger.commit([change])]


async def recorded(world: Any, *invoices: str) -> Any:
    links = frozenset(Link(f"invoice:{invoice}") for invoice in invoices)
    return (await world.ledger.read(SnapshotQuery(links=links))).purchases


async def grants_of(world: Any, user: UserId) -> list[tuple[datetime | None, int, datetime | None]]:
    """Period, what remains, and until when, of each grant, oldest first."""
    record = await world.audit.record_of(user)
    grants = [known.grant for known in record.grants]
    return [(grant.period_ends_at, grant.remaining, grant.expires_at) for grant in grants]


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


async def test_a_change_is_written_whole(open_world: Any) -> None:
    """A committed change shows in the account, its entries, the purchase and the event alike."""
    async with open_world() as world:
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
            SnapshotQuery(event_id=decision.event.id, user_id=user, links=frozenset({Link(f"session:cs_{payment}")}))
        )
        assert EventStatus.APPLIED == snapshot.event_status
        assert account == snapshot.account
        (recorded,) = snapshot.purchases
        assert (payment, 1, {user: 50}) == (recorded.id, recorded.revision, recorded.posted[None].by_user)
        assert bought(user, payment) == recorded.purchase


async def test_every_fact_comes_back_as_it_was_written(open_world: Any) -> None:
    """Refunds, disputes, totals, credit notes, an invoice's lines and links survive the ledger unchanged."""
    async with open_world() as world:
        user, payment = await world.sign_up(None), new_id("pi")
        note = CreditNote(
            id="cn_1",
            status=CreditNoteStatus.VOID,
            pre_payment=1,
            post_payment=2,
            refunds=(NotedRefund(refund_id="re_1", amount=250),),
            lines=(NotedLine(id="cnli_1", line_id="il_1", amount=3), NotedLine(id="cnli_2", line_id=None, amount=-4)),
        )
        bill = billed(period(MAY, JUNE), unused=(UNUSED,))
        purchase = attrs.evolve(
            bought(user, payment, refunds=(Refund(id="re_1", amount=250, status=RefundStatus.PENDING),)),
            paid_at=datetime(2026, 5, 2, tzinfo=UTC),
            never_paid=5,
            overpaid=6,
            uncaptured_refunds=7,
            credit_notes=(note,),
            bill=bill,
            refunded_totals=(ChargeRefunds(charge="ch_1", amount=250),),
            disputes=(
                Dispute(
                    id="dp_1",
                    occurred_at=datetime(2026, 5, 2, 1, 2, 3, tzinfo=UTC),
                    amount=100,
                    status=DisputeStatus.UNDER_REVIEW,
                    currency="usd",
                    movements=(Movement(id="txn_1", amount=-100, currency="eur"),),
                ),
            ),
        )
        await world.ledger.commit([Change(revision=revision(payment, purchase))])
        links = frozenset({Link(f"payment_intent:{payment}")})
        snapshot = await world.ledger.read(SnapshotQuery(links=links))
        assert purchase == snapshot.purchases[0].purchase
        assert {} == snapshot.purchases[0].posted


async def test_what_is_unknown_is_none(open_world: Any) -> None:
    """Unknown events, users and links read as nothing."""
    async with open_world() as world:
        nobody = UserId(str(uuid.uuid4()))
        snapshot = await world.ledger.read(
            SnapshotQuery(event_id="evt_none", user_id=nobody, links=frozenset({Link("session:cs_none")}))
        )
        assert (None, None, ()) == (snapshot.event_status, snapshot.account, snapshot.purchases)
        assert await world.ledger.account(nobody) is None
        assert () == await world.ledger.entries(nobody, before_version=None, limit=5)


async def test_the_same_event_again_is_a_duplicate(open_world: Any) -> None:
    """A repeated event changes nothing, and answers with the account as it is now, not as it was then."""
    async with open_world() as world:
        user, payment, decision = await world.sign_up(None), new_id("pi"), event()
        await world.ledger.commit([buying(user, payment, decision=decision)])
        await world.ledger.commit([buying(user, new_id("pi"))])
        (result,) = await world.ledger.commit([buying(user, payment, decision=decision)])
        assert isinstance(result, Duplicate)
        assert (100, 2) == (result.accounts[0].balance, result.accounts[0].version)
        assert 2 == len(await world.ledger.entries(user, before_version=None, limit=10))


async def test_the_same_entry_again_is_a_duplicate(open_world: Any) -> None:
    """An idempotency key changes the ledger once, whichever event brings it."""
    async with open_world() as world:
        user, payment, other = await world.sign_up(None), new_id("pi"), event()
        await world.ledger.commit([buying(user, payment, decision=event())])
        repeated = attrs.evolve(buying(user, payment, decision=other), revision=None)
        (result,) = await world.ledger.commit([repeated])
        assert isinstance(result, Duplicate)
        snapshot = await world.ledger.read(SnapshotQuery(event_id=other.event.id, user_id=user))
        assert EventStatus.NOTHING_NEW == snapshot.event_status
        assert 50 == snapshot.account.balance


async def test_a_key_with_other_content_conflicts(open_world: Any) -> None:
    """The same key for another amount is refused."""
    async with open_world() as world:
        user, key = await world.sign_up(None), new_id("key")
        await world.ledger.commit([Change(postings=(posting(user, 50, key),))])
        (result,) = await world.ledger.commit([Change(postings=(posting(user, 60, key),))])
        assert Conflict("idempotency_key") == result


async def test_a_stale_revision_conflicts(open_world: Any) -> None:
    """A decision on an outdated purchase writes nothing, not even its event."""
    async with open_world() as world:
        user, payment, decision = await world.sign_up(None), new_id("pi"), event()
        await world.ledger.commit([buying(user, payment)])
        stale = Change(
            event=decision,
            revision=revision(payment, bought(user, payment, amount=600), expected=0),
            postings=(posting(user, 7, new_id("key"), payment),),
        )
        (result,) = await world.ledger.commit([stale])
        assert Conflict("revision") == result
        snapshot = await world.ledger.read(SnapshotQuery(event_id=decision.event.id, user_id=user))
        assert snapshot.event_status is None
        assert 50 == snapshot.account.balance


async def test_a_link_belongs_to_one_purchase(open_world: Any) -> None:
    """A second purchase can't take the link of a first."""
    async with open_world() as world:
        user, payment, other = await world.sign_up(None), new_id("pi"), new_id("pi")
        await world.ledger.commit([buying(user, payment)])
        thief = Change(revision=revision(other, bought(user, payment)))
        assert (Conflict("link"),) == await world.ledger.commit([thief])


async def test_an_entry_needs_its_user(open_world: Any) -> None:
    """Credits can't be put on the account of nobody."""
    async with open_world() as world:
        nobody = UserId(str(uuid.uuid4()))
        assert (Conflict("unknown_user"),) == await world.ledger.commit([buying(nobody, new_id("pi"))])


async def test_a_bad_change_harms_no_other(open_world: Any) -> None:
    """Of many changes in one call each is written whole or not at all."""
    async with open_world() as world:
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
        snapshot = await world.ledger.read(SnapshotQuery(event_id=decision.event.id, links=links))
        assert (None, ()) == (snapshot.event_status, snapshot.purchases)


async def test_twenty_purchases_at_the_same_moment_all_count(open_world: Any) -> None:
    """Changes of one account that come at once are all posted, one version after the other."""
    async with open_world() as world:
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


async def test_one_purchase_reported_at_the_same_moment_counts_once(open_world: Any) -> None:
    """Of twenty equal decisions by different events one is written; the others conflict or are duplicates."""
    async with open_world() as world:
        user, payment = await world.sign_up(None), new_id("pi")
        changes = [buying(user, payment, decision=event()) for _ in range(20)]
        results = await asyncio.gather(*(world.ledger.commit([change]) for change in changes))
        assert 1 == sum(isinstance(result, Committed) for (result,) in results)
        assert 50 == (await world.ledger.account(user)).balance


async def test_a_parked_event_can_be_decided_again(open_world: Any) -> None:
    """Parking is no end: the same event is applied once its cause is gone."""
    async with open_world() as world:
        user, payment, id_ = await world.sign_up(None), new_id("pi"), new_id("evt")
        await world.ledger.commit([Change(event=event(EventStatus.PARKED, event_id=id_))])
        parked = await world.ledger.read(SnapshotQuery(event_id=id_))
        assert EventStatus.PARKED == parked.event_status
        (result,) = await world.ledger.commit([buying(user, payment, decision=event(event_id=id_))])
        assert isinstance(result, Committed)
        applied = await world.ledger.read(SnapshotQuery(event_id=id_, user_id=user))
        assert (EventStatus.APPLIED, 50) == (applied.event_status, applied.account.balance)


async def test_any_body_that_stripe_may_sign_is_kept(open_world: Any) -> None:
    """Escaped NULs, lone surrogates and other scripts in a signed body do not stop the inbox."""
    async with open_world() as world:
        decision = event(body='{"a": "\\u0000 \\ud800 \\\\ \' ; drop table users; -- \U0001f9fe 積分"}')
        (result,) = await world.ledger.commit([Change(event=decision)])
        assert isinstance(result, Committed)


async def test_pages_go_back_to_the_first_entry(open_world: Any) -> None:
    """Entries are listed newest first, page by page, without gap or repetition."""
    async with open_world() as world:
        user = await world.sign_up(None)
        for _ in range(5):
            await world.ledger.commit([buying(user, new_id("pi"))])
        first = await world.ledger.entries(user, before_version=None, limit=2)
        second = await world.ledger.entries(user, before_version=4, limit=2)
        assert [5, 4, 3, 2] == [entry.version for entry in (*first, *second)]


async def test_the_state_that_returns_is_posted_step_by_step(open_world: Any) -> None:
    """50, 20, 50 and 20 credits again are four entries, and repeating the last step is none."""
    async with open_world() as world:
        user, payment = await world.sign_up(None), new_id("pi")
        links = frozenset({Link(f"payment_intent:{payment}")})
        for step, reversed_amount in enumerate((0, 300, 0, 300)):
            snapshot = await world.ledger.read(SnapshotQuery(user_id=user, links=links))
            posted = snapshot.purchases[0].posted if snapshot.purchases else {}
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


async def test_a_claimed_message_is_nobody_elses(open_world: Any) -> None:
    """A message is claimed once, is due again after a failure, and ends when it is delivered."""
    async with open_world() as world:
        user, payment = await world.sign_up(None), new_id("pi")
        await world.ledger.commit([buying(user, payment)])

        async def mine() -> list[int]:
            claimed = await world.outbox.claim(500, lease_seconds=600)
            ours = [message for message in claimed if message.payload.get("user_id") == user]
            assert {1, 2} >= {message.attempts for message in ours}
            return [message.id for message in ours]

        (message,) = await mine()
        assert [] == await mine()
        await world.outbox.record_deliveries(
            [DeliveryResult(id=message, error="cache unavailable", retry_in_seconds=0)]
        )
        assert [message] == await mine()
        await world.outbox.record_deliveries([DeliveryResult(id=message)])
        assert [] == await mine()


async def test_a_user_who_leaves_is_to_be_forgotten_by_the_cache(open_world: Any) -> None:
    """Each time, should the same user come back and leave once more."""
    async with open_world() as world:
        user = await world.sign_up(None)
        await world.leave(user)
        found = await world.outbox.claim(500, lease_seconds=600)
        assert ["refresh_cache"] == [message.topic for message in found if message.payload.get("user_id") == user]
        assert await world.ledger.account(user) is None


async def test_an_honest_ledger_is_consistent(open_world: Any) -> None:
    """After commits the audit has nothing to say of the account."""
    async with open_world() as world:
        user = await world.sign_up(None)
        await world.ledger.commit([buying(user, new_id("pi"))])
        assert user not in {row.user_id for row in await world.audit.inconsistencies()}


GRACE = timedelta(days=3)


async def test_an_invoice_has_a_grant_for_each_of_its_periods(open_world: Any) -> None:
    """What is posted and until when is told for each apart, as is what was posted for none."""
    async with open_world() as world:
        user, invoice = await world.sign_up(None), new_id("in")
        await pay(world, user, invoice, billed(period(MAY, JUNE), period(MAY, JULY)))
        (known,) = await recorded(world, invoice)
        assert {JUNE: {user: 50}, JULY: {user: 50}} == {end: one.by_user for end, one in known.posted.items()}
        assert {JUNE: {user: JUNE + GRACE}, JULY: {user: JULY + GRACE}} == {
            end: one.expires_at for end, one in known.posted.items()
        }
        assert 100 == known.credits_of(user)
        assert [(JUNE, 50, JUNE + GRACE), (JULY, 50, JULY + GRACE)] == await grants_of(world, user)
        # An entry of the same period puts into its grant; one of no period makes a grant of its own.
        more = Change(
            revision=revision(invoice, known.purchase, expected=1),
            postings=(
                of_period(user, invoice, 7, JULY, 2, kind=EntryKind.REINSTATEMENT),
                posting(user, 5, new_id("key"), invoice),
            ),
        )
        assert [Committed] == [type(result) for result in await world.ledger.commit([more])]
        expected = [(JUNE, 50, JUNE + GRACE), (JULY, 57, JULY + GRACE), (None, 5, None)]
        assert expected == await grants_of(world, user)
        (known,) = await recorded(world, invoice)
        assert {JUNE: 50, JULY: 57, None: 5} == {end: one.by_user[user] for end, one in known.posted.items()}
        assert user not in {row.user_id for row in await world.audit.inconsistencies()}


async def test_a_clawback_takes_from_its_own_period_first(open_world: Any) -> None:
    """Then from the other periods of its purchase and of those that were merged into it, then from other credits."""
    async with open_world() as world:
        user, invoice, twin, other = await world.sign_up(None), new_id("in_a"), new_id("in_b"), new_id("pi")
        await world.ledger.commit([buying(user, other)])
        await pay(world, user, invoice, billed(period(MAY, JUNE), period(MAY, JULY)))
        await pay(world, user, twin, billed(period(MAY, JULY)))
        (mine, same) = await recorded(world, invoice, twin)
        both = attrs.evolve(mine.purchase, links=mine.purchase.links | same.purchase.links)
        absorbed = (AbsorbedPurchase(id=PurchaseId(twin), expected_revision=1),)
        taken = [(-60, JULY), (-50, JULY), (-60, JUNE)]
        left = []
        for at, (amount, end) in enumerate(taken, start=2):
            next_one = attrs.evolve(revision(invoice, both, expected=at - 1), absorbed=absorbed if at == 2 else ())
            change = Change(revision=next_one, postings=(of_period(user, invoice, amount, end, at),))
            assert [Committed] == [type(result) for result in await world.ledger.commit([change])]
            left.append([remaining for _, remaining, _ in await grants_of(world, user)])
        assert [[50, 50, 0, 40], [50, 40, 0, 0], [30, 0, 0, 0]] == left
        (known,) = await recorded(world, twin)
        assert {JUNE: -10, JULY: -10} == {end: one.by_user[user] for end, one in known.posted.items()}
        assert user not in {row.user_id for row in await world.audit.inconsistencies()}


async def test_several_purchases_change_together_or_not_at_all(open_world: Any) -> None:
    """What one invoice gives back is taken of another in the same change; each is good at its revision only."""
    async with open_world() as world:
        user, old, new = await world.sign_up(None), new_id("in"), new_id("in")
        await pay(world, user, old, billed(period(MAY, JUNE)))
        (known,) = await recorded(world, old)
        bill = billed(period(MAY, JULY), unused=(UNUSED,))
        change = Change(
            revision=revision(new, invoiced(user, new, bill)),
            others=(revision(old, known.purchase, expected=1),),
            postings=(of_period(user, old, -20, JUNE, 2), of_period(user, new, 50, JULY)),
        )
        stale = attrs.evolve(change, others=(revision(old, known.purchase, expected=0),))
        assert (Conflict("revision"),) == await world.ledger.commit([stale])
        assert () == await recorded(world, new)
        assert [(JUNE, 50, JUNE + GRACE)] == await grants_of(world, user)
        assert [Committed] == [type(result) for result in await world.ledger.commit([change])]
        found = {one.id: one for one in await recorded(world, old, new)}
        assert {old: (2, 30), new: (1, 50)} == {id_: (one.revision, one.credits_of(user)) for id_, one in found.items()}
        assert (known.purchase, bill) == (found[old].purchase, found[new].purchase.bill)
        assert (Conflict("revision"),) == await world.ledger.commit([change])
        assert [30, 50] == [remaining for _, remaining, _ in await grants_of(world, user)]


async def test_changes_in_one_call_are_whole_whatever_stands_beside_them(open_world: Any) -> None:
    """Several purchases, periods and ends are not lost among changes that have none."""
    async with open_world() as world:
        user, old, new, later = await world.sign_up(None), new_id("in"), new_id("in"), new_id("in")
        await pay(world, user, old, billed(period(MAY, JUNE)))
        (known,) = await recorded(world, old)
        both = Change(
            revision=revision(new, invoiced(user, new, billed(period(MAY, JULY)))),
            others=(revision(old, known.purchase, expected=1),),
            postings=(of_period(user, old, -20, JUNE, 2), of_period(user, new, 50, JULY)),
        )
        end = GrantEnd(user_id=user, purchase_id=PurchaseId(old), period_ends_at=JUNE, expires_at=AUGUST)
        moved = Change(revision=revision(old, known.purchase, expected=2), ends=(end,))
        paid = Change(
            revision=revision(later, invoiced(user, later, billed(period(JULY, AUGUST), subscription=later))),
            postings=(of_period(user, later, 50, AUGUST),),
        )
        changes = [
            buying(user, new_id("pi")),
            both,
            moved,
            buying(user, new_id("pi")),
            paid,
            buying(user, new_id("pi")),
        ]
        assert [Committed] * 6 == [type(result) for result in await world.ledger.commit(changes)]
        of_invoices = [grant for grant in await grants_of(world, user) if grant[0] is not None]
        assert [(JUNE, 30, AUGUST), (JULY, 50, JULY + GRACE), (AUGUST, 50, AUGUST + GRACE)] == of_invoices
        snapshot = await world.ledger.read(SnapshotQuery(subscription_id=later, periods_since=MAY))
        assert [later] == [one.id for one in snapshot.family]
        assert user not in {row.user_id for row in await world.audit.inconsistencies()}


async def test_another_purchase_can_not_take_a_link_either(open_world: Any) -> None:
    """The links of every purchase of a change lead to it alone."""
    async with open_world() as world:
        user, payment, old, new = await world.sign_up(None), new_id("pi"), new_id("in"), new_id("in")
        await world.ledger.commit([buying(user, payment)])
        await pay(world, user, old, billed(period(MAY, JUNE)))
        thief = attrs.evolve(invoiced(user, old, billed(period(MAY, JUNE))), links=bought(user, payment).links)
        change = Change(
            revision=revision(new, invoiced(user, new, billed(period(JUNE, JULY)))),
            others=(revision(old, thief, expected=1),),
        )
        assert (Conflict("link"),) == await world.ledger.commit([change])
        assert ([1], ()) == ([one.revision for one in await recorded(world, old)], await recorded(world, new))


async def test_the_same_change_at_the_same_moment_happens_once(open_world: Any) -> None:
    """Of ten that also change another purchase; and two that meet in one are never both written."""
    async with open_world() as world:
        user, old = await world.sign_up(None), new_id("in")
        await pay(world, user, old, billed(period(MAY, JUNE)))
        (known,) = await recorded(world, old)

        def change(new: str) -> Change:
            return Change(
                revision=revision(new, invoiced(user, new, billed(period(MAY, JULY)))),
                others=(revision(old, known.purchase, expected=1),),
                postings=(of_period(user, old, -20, JUNE, 2), of_period(user, new, 50, JULY)),
            )

        changes = [change(new) for new in (new_id("in"), new_id("in")) for _ in range(5)]
        results = await asyncio.gather(*(world.ledger.commit([one]) for one in changes))
        assert 1 == sum(isinstance(result, Committed) for (result,) in results)
        assert 80 == (await world.ledger.account(user)).balance


async def test_a_grant_that_stands_may_end_at_another_time(open_world: Any) -> None:
    """That of the period alone, while something is left of it; those of merged purchases follow."""
    async with open_world() as world:
        user, bob, invoice = await world.sign_up(None), await world.sign_up(None), new_id("in")
        await pay(world, user, invoice, billed(period(MAY, JUNE), period(MAY, JULY)))
        (known,) = await recorded(world, invoice)

        async def end(at: int, period_end: datetime, expires: datetime | None, of: UserId = user) -> None:
            ends = (
                GrantEnd(user_id=of, purchase_id=PurchaseId(invoice), period_ends_at=period_end, expires_at=expires),
            )
            change = Change(revision=revision(invoice, known.purchase, expected=at), ends=ends)
            assert [Committed] == [type(result) for result in await world.ledger.commit([change])]

        await end(1, JUNE, AUGUST)
        assert [(JUNE, 50, AUGUST), (JULY, 50, JULY + GRACE)] == await grants_of(world, user)
        await end(2, JULY, None)
        await end(3, JULY, MAY, bob)
        assert [(JUNE, 50, AUGUST), (JULY, 50, None)] == await grants_of(world, user)
        (found,) = await recorded(world, invoice)
        assert {JUNE: {user: AUGUST}, JULY: {user: None}} == {
            period_end: one.expires_at for period_end, one in found.posted.items()
        }
        spend = Posting(
            user_id=user,
            amount=-50,
            kind=EntryKind.SPEND,
            idempotency_key=new_id("spend"),
            draws=(Draw(grant_id=(await world.audit.record_of(user)).grants[0].grant.id, credits=50),),
        )
        assert [Committed] == [type(result) for result in await world.ledger.commit([Change(postings=(spend,))])]
        await end(4, JUNE, JULY)
        assert [(JUNE, 0, AUGUST), (JULY, 50, None)] == await grants_of(world, user)
        (found,) = await recorded(world, invoice)
        assert {} == found.posted[JUNE].expires_at


async def test_what_expired_is_reported_for_each_period(open_world: Any) -> None:
    """With what stood posted then: what expired of one period is none of another's."""
    async with open_world() as world:
        user, invoice = await world.sign_up(None), new_id("in")
        await pay(world, user, invoice, billed(period(MAY, JUNE), period(MAY, JULY)))
        (known,) = await recorded(world, invoice)
        first = (await world.audit.record_of(user)).grants[0].grant
        expiry = of_period(user, invoice, -30, JUNE, 9, kind=EntryKind.EXPIRY)
        expiry = attrs.evolve(expiry, draws=(Draw(grant_id=first.id, credits=30),))
        assert [Committed] == [type(result) for result in await world.ledger.commit([Change(postings=(expiry,))])]
        back = Change(
            revision=revision(invoice, known.purchase, expected=1),
            postings=(of_period(user, invoice, -10, JUNE, 2), of_period(user, invoice, -10, JULY, 2)),
        )
        assert [Committed] == [type(result) for result in await world.ledger.commit([back])]
        (known,) = await recorded(world, invoice)
        assert {JUNE: ({user: 40}, {user: ExpiredCredits(amount=30, posted_before=50)}), JULY: ({user: 40}, {})} == {
            end: (one.by_user, one.lapsed) for end, one in known.posted.items()
        }
        assert user not in {row.user_id for row in await world.audit.inconsistencies()}


async def test_a_family_is_the_invoices_of_a_subscription_from_a_time_on(open_world: Any) -> None:
    """By the subscription that is named, or by a purchase that is reached, from that one's own beginning on."""
    async with open_world() as world:
        user, subscription = await world.sign_up(None), new_id("sub")
        invoices = [f"{new_id('in')}_{place}" for place in range(4)]
        for invoice, (begins, ends) in zip(invoices, ((MAY, JUNE), (JUNE, JULY), (JULY, AUGUST)), strict=False):
            await pay(world, user, invoice, billed(period(begins, ends), subscription=subscription))
        await pay(world, user, invoices[3], billed(period(JUNE, JULY), subscription=new_id("sub")))
        await world.ledger.commit([buying(user, invoices[3].replace("in_", "pi_"))])

        async def family(links: tuple[str, ...] = (), **asked: Any) -> list[str]:
            snapshot = await world.ledger.read(
                SnapshotQuery(links=frozenset(Link(f"invoice:{one}") for one in links), **asked)
            )
            return [one.id for one in snapshot.family]

        for since, place in ((MAY, 0), (JUNE, 0), (JUNE + timedelta(seconds=1), 1), (AUGUST, 2)):
            assert sorted(invoices[place:3]) == await family(subscription_id=subscription, periods_since=since)
        assert [] == await family(subscription_id=subscription, periods_since=AUGUST + timedelta(seconds=1))
        assert [] == await family(subscription_id=subscription)
        assert [] == await family(periods_since=MAY)
        assert sorted(invoices[:3]) == await family((invoices[1],))
        assert sorted(invoices[1:3]) == await family((invoices[2],), periods_since=AUGUST)
        assert sorted(invoices[:3]) == await family((invoices[2],), periods_since=MAY)
        assert [invoices[3]] == await family((invoices[3],))
        snapshot = await world.ledger.read(SnapshotQuery(subscription_id=subscription, periods_since=AUGUST))
        (last,) = snapshot.family
        assert (1, {user: 50}) == (last.revision, last.posted[AUGUST].by_user)
        assert billed(period(JULY, AUGUST), subscription=subscription) == last.purchase.bill


async def test_a_family_has_only_the_purchase_that_goes_on(open_world: Any) -> None:
    """And tells of it by the merged one's links as well."""
    async with open_world() as world:
        user, subscription, one, two = await world.sign_up(None), new_id("sub"), new_id("in_a"), new_id("in_b")
        bill = billed(period(MAY, JUNE), subscription=subscription)
        for invoice in (one, two):
            await pay(world, user, invoice, bill)
        (mine, same) = await recorded(world, one, two)
        both = attrs.evolve(mine.purchase, links=mine.purchase.links | same.purchase.links)
        absorbed = (AbsorbedPurchase(id=PurchaseId(two), expected_revision=1),)
        merged = attrs.evolve(revision(one, both, expected=1), absorbed=absorbed)
        await world.ledger.commit([Change(revision=merged)])
        links = frozenset({Link(f"invoice:{two}")})
        snapshot = await world.ledger.read(SnapshotQuery(links=links))
        assert ([one], [one]) == ([row.id for row in snapshot.family], [row.id for row in snapshot.purchases])
        assert 100 == snapshot.family[0].credits_of(user)
        # Two grants of one period stand; both end together.
        end = GrantEnd(user_id=user, purchase_id=PurchaseId(one), period_ends_at=JUNE, expires_at=JULY)
        change = Change(revision=revision(one, both, expected=2), ends=(end,))
        assert [Committed] == [type(result) for result in await world.ledger.commit([change])]
        assert [(JUNE, 50, JULY), (JUNE, 50, JULY)] == await grants_of(world, user)


async def test_trials_and_free_periods_that_an_account_has_had_are_reported(open_world: Any) -> None:
    """Where that is asked for: not those that brought nothing, nor what was paid for, nor another account's."""
    async with open_world() as world:
        user, bob, subscription = await world.sign_up(None), await world.sign_up(None), new_id("sub")
        trial = period(MAY, JUNE, kind=LineKind.TRIAL, plan_id="trial")
        free = period(JUNE, JULY, unit_amount="0", plan_id="free")
        nothing = [
            period(MAY, JUNE, kind=LineKind.TRIAL, brings=0),
            period(JUNE, JULY),
            period(JUNE, JULY, unit_amount="0", brings=0),
        ]
        for number, line in enumerate((trial, free, *nothing)):
            bill = billed(line, subscription=subscription)
            await pay(world, user, f"{new_id('in')}_{number}", bill)
        await pay(world, bob, new_id("in"), billed(trial, subscription=new_id("sub")))

        async def claimed(of: UserId | None, *, asked: bool = True) -> list[Claimed]:
            snapshot = await world.ledger.read(SnapshotQuery(user_id=of, claims=asked))
            return sorted(snapshot.claimed, key=lambda one: one.starts_at)

        expected = [
            Claimed(
                plan_id=line.plan_id,
                kind=line.kind,
                subscription_id=subscription,
                starts_at=line.starts_at,
                ends_at=line.ends_at,
            )
            for line in (trial, free)
        ]
        assert expected == await claimed(user)
        assert [] == await claimed(user, asked=False)
        assert [] == await claimed(None)
        assert 1 == len(await claimed(bob))


async def test_a_guard_of_an_account_that_left_conflicts(open_world: Any) -> None:
    """Although nothing is posted to it: a trial that brings nothing, say."""
    async with open_world() as world:
        user, invoice = await world.sign_up(None), new_id("in")
        await world.leave(user)
        change = Change(
            revision=revision(invoice, invoiced(user, invoice, billed(period(MAY, JUNE)))),
            account=AccountGuard(user_id=user, expected_revision=0),
        )
        assert (Conflict("unknown_user"),) == await world.ledger.commit([change])
        assert () == await recorded(world, invoice)


@pytest.mark.parametrize(
    "rpc",
    [
        PostgresRpc("postgresql://postgres@127.0.0.1:1/postgres"),
        SupabaseRpc("http://127.0.0.1:1", "sb_secret_x"),
    ],
    ids=["postgres", "supabase"],
)
async def test_a_ledger_that_is_away_says_so(rpc: PostgresRpc | SupabaseRpc) -> None:
    """An unreachable ledger raises one error of the domain's, whatever the transport's was."""
    async with contextlib.aclosing(rpc):
        with pytest.raises(LedgerUnavailable):
            await SqlLedger(rpc).account(UserId(str(uuid.uuid4())))
