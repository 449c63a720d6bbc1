"""What a purchase is worth, by example: 50 credits for $5.00."""

from datetime import UTC, datetime

import attrs
import pytest

from domain.credits.ledger import EntryKind, Posted, PostedByPeriod
from domain.credits.postings import postings_due
from domain.payments.disputes import Dispute, DisputeStatus, Movement
from domain.payments.entitlements import entitlement
from domain.payments.invoices import CreditNote, CreditNoteStatus, NotedRefund
from domain.payments.purchases import ChargeRefunds, PaymentStatus, Purchase, PurchaseId, Refund, RefundStatus, learn
from domain.tests.examples import ADA, ORDER

BOUGHT: tuple[Purchase, ...] = (Purchase(order=ORDER), Purchase(payment=PaymentStatus.PAID))


def worth(*heard: Purchase) -> int:
    return entitlement(learn(Purchase(), heard))


def refund(amount: int, status: RefundStatus = RefundStatus.SUCCEEDED, *, of: str = "re_1") -> Purchase:
    return Purchase(refunds=(Refund(id=of, amount=amount, status=status),))


def total(amount: int, *, of: str = "") -> Purchase:
    return Purchase(refunded_totals=(ChargeRefunds(charge=of, amount=amount),))


def dispute(amount: int, status: DisputeStatus, *, second: int = 0, of: str = "dp_1") -> Purchase:
    when = datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC)
    return Purchase(disputes=(Dispute(id=of, occurred_at=when, amount=amount, status=status),))


def test_a_paid_order_is_worth_its_credits() -> None:
    """Paid is worth 50; ordered, unpaid or failed is worth nothing."""
    assert 50 == worth(*BOUGHT)
    assert 0 == worth(Purchase(order=ORDER))
    assert 0 == worth(Purchase(order=ORDER), Purchase(payment=PaymentStatus.FAILED))


def test_a_failed_try_does_not_undo_a_success() -> None:
    """Paid wins over failed and unpaid, whenever they come."""
    assert 50 == worth(*BOUGHT, Purchase(payment=PaymentStatus.FAILED), Purchase(payment=PaymentStatus.UNPAID))


def test_refunds_take_their_share() -> None:
    """Half the money back is half the credits, two equal partial refunds both count, all back is nothing."""
    assert 25 == worth(*BOUGHT, refund(250))
    assert 10 == worth(*BOUGHT, refund(200), refund(200, of="re_2"))
    assert 0 == worth(*BOUGHT, refund(500))
    assert 0 == worth(*BOUGHT, refund(400), refund(400, of="re_2"))


def test_a_fraction_of_a_credit_stays_with_the_merchant() -> None:
    """One cent back takes a whole credit."""
    assert 49 == worth(*BOUGHT, refund(1))


def test_a_refund_may_come_first() -> None:
    """A refund of a purchase nobody has heard of counts once the purchase is reported."""
    assert 25 == worth(refund(250), *BOUGHT)


@pytest.mark.parametrize("dead", [RefundStatus.FAILED, RefundStatus.CANCELED])
def test_a_refund_that_fails_gives_the_credits_back(dead: RefundStatus) -> None:
    """A refund may fail after it had succeeded, and the order in which that is reported does not show."""
    assert 50 == worth(*BOUGHT, refund(250), refund(250, dead))
    assert 50 == worth(*BOUGHT, refund(250, dead), refund(250))


def test_a_pending_refund_counts() -> None:
    """Money that is on its way back is not the merchant's any more."""
    assert 25 == worth(*BOUGHT, refund(250, RefundStatus.PENDING))


def test_a_total_counts_until_its_refunds_are_known() -> None:
    """A charge's cumulative total and the refunds behind it are not added up."""
    assert 20 == worth(*BOUGHT, total(300))
    assert 20 == worth(*BOUGHT, total(300), refund(300))
    assert 50 == worth(*BOUGHT, total(300), refund(300, RefundStatus.FAILED))
    assert 20 == worth(
        *BOUGHT,
        total(100),
        total(300),
    )


@pytest.mark.parametrize(
    ("status", "left"),
    [
        (DisputeStatus.WARNING_NEEDS_RESPONSE, 50),
        (DisputeStatus.WARNING_UNDER_REVIEW, 50),
        (DisputeStatus.WARNING_CLOSED, 50),
        (DisputeStatus.NEEDS_RESPONSE, 20),
        (DisputeStatus.UNDER_REVIEW, 20),
        (DisputeStatus.WITHDRAWN, 20),
        (DisputeStatus.LOST, 20),
        (DisputeStatus.WON, 50),
        (DisputeStatus.PREVENTED, 50),
        (DisputeStatus.CHARGE_REFUNDED, 50),
        (DisputeStatus.REINSTATED, 50),
    ],
)
def test_a_dispute_takes_what_is_away(status: DisputeStatus, left: int) -> None:
    """Credits go with the money: inquiries take none, open and lost disputes do, and what returns gives back."""
    assert left == worth(*BOUGHT, dispute(300, status))


@pytest.mark.parametrize(
    ("status", "left"),
    [
        (DisputeStatus.APPEAL_NEEDS_RESPONSE, 20),
        (DisputeStatus.APPEAL_UNDER_REVIEW, 20),
        (DisputeStatus.UNKNOWN, 50),
    ],
)
def test_an_appeal_keeps_the_money_away(status: DisputeStatus, left: int) -> None:
    """A status that nobody knows yet takes nothing by itself: its movements say what is away."""
    assert left == worth(*BOUGHT, dispute(300, status))


@pytest.mark.parametrize(
    ("status", "moves", "left"),
    [
        (DisputeStatus.UNDER_REVIEW, [("txn_1", -300, "usd")], 20),
        (DisputeStatus.UNDER_REVIEW, [("txn_1", -300, "usd"), ("txn_2", 100, "usd")], 30),
        (DisputeStatus.LOST, [("txn_1", -300, "usd"), ("txn_2", 300, "usd")], 50),
        (DisputeStatus.WON, [("txn_1", -300, "usd")], 50),
        (DisputeStatus.UNKNOWN, [("txn_1", -300, "usd")], 20),
        # Settled in another currency, movements tell the part that is away, and no amount.
        (DisputeStatus.UNDER_REVIEW, [("txn_1", -280, "eur"), ("txn_2", 140, "eur")], 35),
        (DisputeStatus.UNKNOWN, [("txn_1", -280, "eur")], 20),
        (DisputeStatus.WON, [("txn_1", -280, "eur"), ("txn_2", 140, "eur")], 50),
        (DisputeStatus.LOST, [("txn_1", -280, "eur"), ("txn_2", 140, "eur")], 20),
    ],
)
def test_movements_report_what_of_a_dispute_is_away(
    status: DisputeStatus, moves: list[tuple[str, int, str]], left: int
) -> None:
    """Joined by their ids, whichever event told them; the amount that moves is no more than what is disputed."""
    found = [Movement(id=id_, amount=amount, currency=currency) for id_, amount, currency in moves]
    when = datetime(2026, 1, 1, tzinfo=UTC)
    whole = Dispute(id="dp_1", occurred_at=when, amount=300, status=status, currency="usd", movements=tuple(found))
    assert left == worth(*BOUGHT, Purchase(disputes=(whole,)))
    apart = [Purchase(disputes=(attrs.evolve(whole, movements=(move,)),)) for move in found]
    assert left == worth(*BOUGHT, *apart, *reversed(apart))


def test_what_each_charge_refunded_adds_up() -> None:
    """Of one charge the largest total counts, over the charges of one payment their sum."""
    reported = (
        total(100, of="ch_1"),
        total(50, of="ch_1"),
        total(150, of="ch_2"),
    )
    assert 25 == worth(*BOUGHT, *reported)
    assert 40 == worth(*BOUGHT, *reported[:2])


def test_a_refund_and_the_total_of_another_charge_add_up() -> None:
    """A refund that names its charge is no part of another charge's total; one that names none may be."""
    known = total(100, of="ch_1")
    of_other = Purchase(refunds=(Refund(id="re_2", amount=150, status=RefundStatus.SUCCEEDED, charge="ch_2"),))
    assert 25 == worth(*BOUGHT, known, of_other) == worth(*BOUGHT, of_other, known)
    unnamed = Purchase(refunds=(Refund(id="re_2", amount=150, status=RefundStatus.SUCCEEDED),))
    assert 35 == worth(*BOUGHT, known, unnamed)
    assert 25 == worth(*BOUGHT, known, unnamed, of_other) == worth(*BOUGHT, known, of_other, unnamed)
    own = Purchase(refunds=(Refund(id="re_1", amount=100, status=RefundStatus.SUCCEEDED, charge="ch_1"),))
    assert 25 == worth(*BOUGHT, known, of_other, own) == worth(*BOUGHT, own, of_other)


def test_a_refund_of_what_was_overpaid_takes_nothing() -> None:
    """Beyond the excess it does, and so does what was never paid."""
    assert 50 == worth(*BOUGHT, Purchase(overpaid=100), refund(100))
    assert 40 == worth(*BOUGHT, Purchase(overpaid=100), refund(200))
    assert 40 == worth(*BOUGHT, Purchase(never_paid=100))


def test_what_was_not_captured_is_no_refund() -> None:
    """Older API versions make a refund of what they release."""
    assert 50 == worth(*BOUGHT, Purchase(uncaptured_refunds=100), refund(100))
    assert 30 == worth(*BOUGHT, Purchase(uncaptured_refunds=100), total(300, of="ch_1"))


def test_a_credit_note_and_its_refund_are_one() -> None:
    """Money to the balance and by refunds counts once; a refund that failed, or a voided note, gives it back."""
    note = CreditNote(
        id="cn_1",
        status=CreditNoteStatus.ISSUED,
        post_payment=200,
        refunds=(NotedRefund(refund_id="re_1", amount=100),),
    )
    noted, voided = (
        Purchase(credit_notes=(note,)),
        Purchase(credit_notes=(attrs.evolve(note, status=CreditNoteStatus.VOID),)),
    )
    assert 30 == worth(*BOUGHT, noted) == worth(*BOUGHT, noted, refund(100)) == worth(*BOUGHT, refund(100), noted)
    assert 40 == worth(*BOUGHT, noted, refund(100, RefundStatus.FAILED))
    assert 50 == worth(*BOUGHT, noted, voided) == worth(*BOUGHT, voided, noted)
    assert 40 == worth(*BOUGHT, noted, voided, refund(100))
    before = Purchase(credit_notes=(CreditNote(id="cn_2", status=CreditNoteStatus.ISSUED, pre_payment=100),))
    assert 40 == worth(*BOUGHT, before) == worth(*BOUGHT, before, Purchase(never_paid=100))
    assert 30 == worth(*BOUGHT, before, Purchase(never_paid=200))


def test_a_newer_state_of_the_same_second_is_not_dropped() -> None:
    """Stripe's times have whole seconds: within one, the later stage of a dispute decides."""
    assert 50 == worth(*BOUGHT, dispute(300, DisputeStatus.WON), dispute(300, DisputeStatus.NEEDS_RESPONSE))


def test_the_latest_state_of_a_dispute_decides() -> None:
    """A dispute that was won and is lost later takes the credits again."""
    won, lost = dispute(300, DisputeStatus.WON, second=1), dispute(300, DisputeStatus.LOST, second=2)
    assert 20 == worth(*BOUGHT, lost, won)


def test_refunds_and_disputes_take_no_more_than_was_paid() -> None:
    """Two disputes and a refund of more than the whole leave nothing, not less."""
    lost = dispute(300, DisputeStatus.LOST), dispute(300, DisputeStatus.LOST, of="dp_2")
    assert 0 == worth(*BOUGHT, *lost, refund(100))


def test_a_state_that_returns_is_posted_step_by_step() -> None:
    """50, 20, 50 and 20 credits again are four entries of four keys, and a step repeated is the same key."""
    heard, steps = list(BOUGHT), []
    posted: PostedByPeriod = {}
    states = (DisputeStatus.WARNING_CLOSED, DisputeStatus.LOST, DisputeStatus.WON, DisputeStatus.LOST)
    for revision, status in enumerate(states, start=1):
        heard.append(dispute(300, status, second=revision))
        purchase = learn(Purchase(), heard)
        (posting,) = postings_due(PurchaseId("pi_1"), purchase, posted, revision=revision)
        assert (posting,) == postings_due(PurchaseId("pi_1"), purchase, posted, revision=revision)
        stands = posted.get(None, Posted()).by_user.get(ADA, 0)
        posted = {None: Posted({ADA: stands + posting.amount})}
        assert () == postings_due(PurchaseId("pi_1"), purchase, posted, revision=revision + 1)
        steps.append(posting)
    kinds = [EntryKind.PURCHASE, EntryKind.CLAWBACK, EntryKind.REINSTATEMENT, EntryKind.CLAWBACK]
    assert [50, -30, 30, -30] == [step.amount for step in steps]
    assert kinds == [step.kind for step in steps]
    assert 4 == len({step.idempotency_key for step in steps})
