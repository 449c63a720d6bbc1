"""One contract for every ledger: memory, a direct Postgres connection, and Supabase's API."""

import contextlib
import uuid
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from adapters.postgres.direct_rpc import PostgresRpc
from adapters.postgres.ledger import SqlLedger
from adapters.postgres.supabase_rpc import SupabaseRpc
from adapters.tests.written import (
    AUGUST,
    GRACE,
    JULY,
    JUNE,
    MAY,
    UNUSED,
    billed,
    bought,
    buying,
    event,
    grants_of,
    invoiced,
    new_id,
    of_period,
    pay,
    period,
    posting,
    recorded,
    revision,
)
from domain.changes.changes import Change, Committed, Conflict, Rejected, SnapshotQuery
from domain.changes.inbox import EventStatus
from domain.changes.outbox import DeliveryResult, OutboxMessage
from domain.credits.ledger import GrantEnd
from domain.credits.postings import postings_due
from domain.payments.disputes import Dispute, DisputeStatus, Movement
from domain.payments.invoices import CreditNote, CreditNoteStatus, NotedLine, NotedRefund
from domain.payments.purchases import ChargeRefunds, Link, PurchaseId, Refund, RefundStatus
from domain.ports.ledger import LedgerUnavailable
from domain.values.accounts import Account, UserId


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
    """A message is claimed once, by its topic, is due again after a failure, and is gone when it is delivered."""
    async with open_world() as world:
        user, payment = await world.sign_up(None), new_id("pi")
        message_ = OutboxMessage(topic="low_balance", key=payment, payload={"user_id": user})
        await world.ledger.commit([Change(outbox=(message_,))])

        async def mine() -> list[int]:
            assert user not in [
                other.payload.get("user_id") for other in await world.outbox.claim("send_invoice", 500, lease_seconds=0)
            ]
            claimed = await world.outbox.claim("low_balance", 500, lease_seconds=600)
            ours = [message for message in claimed if message.payload.get("user_id") == user]
            assert {1, 2} >= {message.attempts for message in ours}
            return [message.id for message in ours]

        (message,) = await mine()
        assert [] == await mine()
        await world.outbox.record_deliveries(
            [DeliveryResult(id=message, error="cache unavailable", retry_in_seconds=0)]
        )
        assert [message] == await mine()
        before = (await world.backlogs.backlog()).messages_due
        await world.outbox.record_deliveries([DeliveryResult(id=message)])
        assert ([], before - 1) == (await mine(), (await world.backlogs.backlog()).messages_due)


async def test_an_honest_ledger_is_consistent(open_world: Any) -> None:
    """After commits the audit has nothing to say of the account."""
    async with open_world() as world:
        user = await world.sign_up(None)
        await world.ledger.commit([buying(user, new_id("pi"))])
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
