"""What is posted for a purchase, step by step: 50 credits for $5.00."""

from collections.abc import Iterable
from datetime import UTC, datetime

import attrs
import pytest

from domain.credits.idempotency import key_of_revision
from domain.credits.ledger import (
    EntryKind,
    ExpiredCredits,
    GrantEnd,
    LedgerEntry,
    Posted,
    PostedByPeriod,
    Posting,
    period_of,
    post,
)
from domain.credits.postings import PostingOrigin, ends_due, postings_due
from domain.payments.disputes import Dispute, DisputeStatus
from domain.payments.entitlements import GrantDue
from domain.payments.purchases import PaymentStatus, Purchase, PurchaseId, Refund, RefundStatus, learn
from domain.tests.examples import ADA, BOB, ORDER
from domain.values.accounts import Account

PAYMENT = PurchaseId("pi_1")
PAID = Purchase(payment=PaymentStatus.PAID)
NOON, LATER = datetime(2026, 1, 1, 12, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)


def dispute(status: DisputeStatus, second: int) -> Purchase:
    when = datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC)
    return Purchase(disputes=(Dispute(id="dp_1", occurred_at=when, amount=300, status=status),))


def refund(status: RefundStatus) -> Purchase:
    return Purchase(refunds=(Refund(id="re_1", amount=500, status=status),))


def steps(facts: Iterable[Purchase]) -> list[tuple[Posting, ...]]:
    """What is posted after each fact, told one by one."""
    purchase, found = Purchase(), []
    posted: PostedByPeriod = {}
    for revision, fact in enumerate(facts, start=1):
        purchase = learn(purchase, [fact])
        due = postings_due(PAYMENT, purchase, posted, revision=revision)
        sums = dict(posted.get(None, Posted()).by_user)
        for posting in due:
            sums[posting.user_id] = sums.get(posting.user_id, 0) + posting.amount
        posted = {None: Posted(sums)}
        found.append(due)
    return found


REVISITED = (
    Purchase(order=ORDER),
    PAID,
    dispute(DisputeStatus.NEEDS_RESPONSE, 1),
    dispute(DisputeStatus.WON, 2),
    dispute(DisputeStatus.LOST, 3),
    dispute(DisputeStatus.REINSTATED, 4),
)


def test_a_state_that_returns_is_posted_each_time() -> None:
    """50, 20, 50, 20 and 50 again are five entries, each of its own key."""
    posted = [posting for due in steps(REVISITED) for posting in due]
    assert [50, -30, 30, -30, 30] == [posting.amount for posting in posted]
    assert 5 == len({posting.idempotency_key for posting in posted})


def test_a_replay_gives_the_same_postings() -> None:
    """The same facts reported again from the start are the same entries, key by key."""
    assert steps(REVISITED) == steps(REVISITED)


def test_a_key_names_who_is_not_the_owner() -> None:
    """Credits that change hands are two entries of one revision."""
    due = postings_due(
        PAYMENT, Purchase(order=ORDER, payment=PaymentStatus.PAID), {None: Posted({BOB: 50})}, revision=2
    )
    found = {posting.user_id: posting.idempotency_key for posting in due}
    assert {ADA: f"{PAYMENT}:revision=2", BOB: f"{PAYMENT}:revision=2:{BOB}"} == found


def test_a_key_names_the_state_and_the_user() -> None:
    """Another revision, purchase or user is another key; nothing else shows in it."""
    assert ("pi_1:revision=7", f"pi_1:revision=7:{ADA}") == (
        key_of_revision("pi_1", 7),
        key_of_revision("pi_1", 7, ADA),
    )
    others = {key_of_revision("pi_1", 8, ADA), key_of_revision("pi_2", 7, ADA), key_of_revision("pi_1", 7, BOB)}
    assert 4 == len({*others, key_of_revision("pi_1", 7)} - {key_of_revision("pi_1", 7, ADA)})


def test_the_kind_says_why() -> None:
    """The first credits are a purchase, less is a clawback, and more again a reinstatement."""
    kinds = [posting.kind for due in steps(REVISITED) for posting in due]
    clawback, reinstatement = EntryKind.CLAWBACK, EntryKind.REINSTATEMENT
    assert [EntryKind.PURCHASE, clawback, reinstatement, clawback, reinstatement] == kinds


def test_what_was_refunded_before_it_was_paid_is_not_posted() -> None:
    """Neither a grant nor a clawback: there is nothing to tell the customer."""
    assert [(), (), ()] == steps([refund(RefundStatus.SUCCEEDED), Purchase(order=ORDER), PAID])


def test_the_first_credits_are_a_purchase_however_late() -> None:
    """Where the refund that came first fails, the credits are granted for the first time."""
    *before, last = steps([refund(RefundStatus.SUCCEEDED), Purchase(order=ORDER), PAID, refund(RefundStatus.FAILED)])
    assert [(), (), ()] == before
    assert [(50, EntryKind.PURCHASE)] == [(posting.amount, posting.kind) for posting in last]


def test_credits_that_come_back_to_nothing_are_not_forgotten() -> None:
    """After a clawback to nothing, a user who had entries gets a reinstatement."""
    (posting,) = postings_due(
        PAYMENT, learn(Purchase(), [Purchase(order=ORDER), PAID]), {None: Posted({ADA: 0})}, revision=5
    )
    assert (50, EntryKind.REINSTATEMENT) == (posting.amount, posting.kind)


def test_credits_follow_the_owner() -> None:
    """What stands with another than the owner is taken back, in the order of their ids."""
    of_bob = learn(Purchase(), [Purchase(order=attrs.evolve(ORDER, user_id=BOB)), PAID])
    taken, given = postings_due(PAYMENT, of_bob, {None: Posted({ADA: 50})}, revision=2)
    assert (ADA, -50, EntryKind.CLAWBACK) == (taken.user_id, taken.amount, taken.kind)
    assert (BOB, 50, EntryKind.PURCHASE) == (given.user_id, given.amount, given.kind)
    assert taken.idempotency_key != given.idempotency_key


def test_what_is_in_line_needs_no_entry() -> None:
    """Nothing is posted for nothing known, nor twice for the same worth."""
    assert () == postings_due(PAYMENT, Purchase(), {}, revision=1)
    stands = {None: Posted({ADA: 50})}
    assert () == postings_due(PAYMENT, learn(Purchase(), [Purchase(order=ORDER), PAID]), stands, revision=2)


def test_what_stands_without_an_order_is_taken_back() -> None:
    """A purchase that nobody ordered is worth nothing to anybody."""
    (posting,) = postings_due(PAYMENT, Purchase(), {None: Posted({ADA: 50})}, revision=2)
    assert (ADA, -50, None) == (posting.user_id, posting.amount, posting.description)


def test_a_posting_carries_what_it_came_of() -> None:
    """Session, event, plan and time stand on the entry, for whoever asks later."""
    (posting,) = postings_due(
        PAYMENT,
        learn(Purchase(), [Purchase(order=ORDER), PAID]),
        {},
        revision=3,
        origin=PostingOrigin(stripe_session_id="cs_1", stripe_event_id="evt_1", event_at=NOON),
    )
    expected = Posting(
        user_id=ADA,
        amount=50,
        kind=EntryKind.PURCHASE,
        idempotency_key=key_of_revision("pi_1", 3),
        purchase_id=PAYMENT,
        stripe_session_id="cs_1",
        stripe_event_id="evt_1",
        description="starter plan",
        event_at=NOON,
    )
    assert expected == posting


@pytest.mark.parametrize(("before", "amount", "after"), [(0, 50, 50), (50, -30, 20), (10, -30, -20), (-20, 50, 30)])
def test_an_entry_says_the_balance_before_and_after(before: int, amount: int, after: int) -> None:
    """A clawback may leave debt, the next credits pay it, and held credits and email stay as they are."""
    account = Account(user_id=ADA, email="ada@example.com", balance=before, held=5, version=3)
    posting = Posting(
        user_id=ADA, amount=amount, kind=EntryKind.PURCHASE, idempotency_key=key_of_revision("pi_1", 1, ADA)
    )
    expected = LedgerEntry(posting=posting, version=4, balance_before=before, balance_after=after, created_at=LATER)
    assert (attrs.evolve(account, balance=after, version=4, revision=4), expected) == post(account, posting, now=LATER)


@pytest.mark.parametrize(
    ("refunded", "spent", "expired", "expected"),
    [
        (500, 0, 50, 0),  # nothing was used, and all of it is gone already
        (500, 30, 20, -30),  # what was used is owed
        (250, 30, 20, -5),  # half is 25, of which 20 had expired
        (200, 30, 20, 0),
        (0, 30, 20, 0),
    ],
)
def test_a_refund_after_the_expiry_takes_back_only_what_was_used(
    refunded: int, spent: int, expired: int, expected: int
) -> None:
    """What expired is not owed a second time."""
    assert ORDER.credits == spent + expired
    returned = Purchase(refunds=(Refund(id="re_1", amount=refunded, status=RefundStatus.SUCCEEDED),))
    purchase = learn(Purchase(), [Purchase(order=ORDER), PAID, returned])
    posted = {None: Posted({ADA: 50}, {ADA: ExpiredCredits(amount=expired, posted_before=50)})}
    assert expected == sum(posting.amount for posting in postings_due(PAYMENT, purchase, posted, revision=3))


def test_a_refund_that_fails_after_the_expiry_gives_back_what_it_took() -> None:
    """30 of 50 were used and are owed; when the refund fails they are not."""
    purchase = learn(
        Purchase(), [Purchase(order=ORDER), PAID, refund(RefundStatus.SUCCEEDED), refund(RefundStatus.FAILED)]
    )
    posted = {None: Posted({ADA: 20}, {ADA: ExpiredCredits(amount=20, posted_before=50)})}
    assert [30] == [posting.amount for posting in postings_due(PAYMENT, purchase, posted, revision=4)]


JUNE, JULY = datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)


def due(credits_: int, ends: datetime | None, expires: datetime | None = None) -> GrantDue:
    return GrantDue(period_ends_at=ends, credits=credits_, expires_at=expires)


def test_each_grant_is_brought_in_line_by_itself() -> None:
    """In the order of their periods' ends; one that is due no more is taken back, one that is in line is left."""
    purchase = learn(Purchase(), [Purchase(order=ORDER), PAID])
    posted = {None: Posted({ADA: 7}), JUNE: Posted({ADA: 50}), JULY: Posted({ADA: 20})}
    dues = [due(50, JULY, LATER), due(50, JUNE)]
    postings = postings_due(PAYMENT, purchase, posted, revision=4, dues=dues)
    assert [(-7, EntryKind.CLAWBACK, None), (30, EntryKind.REINSTATEMENT, LATER)] == [
        (posting.amount, posting.kind, posting.expires_at) for posting in postings
    ]
    assert [None, JULY] == [period_of(posting) for posting in postings]
    assert {key_of_revision("pi_1", 4), key_of_revision("pi_1", 4, None, JULY)} == {
        posting.idempotency_key for posting in postings
    }


def test_what_expired_of_one_period_is_none_of_another_s() -> None:
    """A refund of all takes what was used of each."""
    purchase = learn(Purchase(), [Purchase(order=ORDER), PAID])
    posted = {JUNE: Posted({ADA: 50}, {ADA: ExpiredCredits(amount=30, posted_before=50)}), JULY: Posted({ADA: 50})}
    postings = postings_due(PAYMENT, purchase, posted, revision=2, dues=[due(0, JUNE), due(0, JULY)])
    assert [(-20, JUNE), (-50, JULY)] == [(posting.amount, period_of(posting)) for posting in postings]


def test_a_grant_that_stands_gets_the_end_that_is_due() -> None:
    """Only where it stands with the owner and something is left of it, and where the end is another."""
    purchase = learn(Purchase(), [Purchase(order=ORDER), PAID])
    posted = {
        JUNE: Posted({ADA: 50}, {}, {ADA: JUNE}),
        JULY: Posted({ADA: 50}, {}, {ADA: JULY}),
        NOON: Posted({ADA: 50}),
        LATER: Posted({BOB: 50}, {}, {BOB: LATER}),
    }
    dues = [due(50, JUNE, LATER), due(50, JULY, JULY), due(50, NOON, LATER), due(50, LATER, NOON), due(50, None, NOON)]
    expected = GrantEnd(user_id=ADA, purchase_id=PAYMENT, period_ends_at=JUNE, expires_at=LATER)
    assert (expected,) == ends_due(PAYMENT, purchase, posted, dues)
    assert () == ends_due(PAYMENT, Purchase(), posted, dues)
