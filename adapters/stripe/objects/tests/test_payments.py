"""Refunds, charges, disputes and invoice payments: what each says of the money, and which payment it is."""

from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from adapters.stripe.events import read_event
from domain.payments.disputes import DisputeStatus, Movement
from domain.payments.purchases import ChargeRefunds, Link, Purchase, PurchaseId, Refund, RefundStatus
from domain.payments.reports import Irrelevant, PaymentReport, Unreadable

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
OURS = {"userId": "6f1e0a52-3f0e-4d7c-9a55-0d5f6a1b2c3d"}
CREATED, UPDATED, CLOSED, WITHDRAWN, REINSTATED = (
    f"charge.dispute.{what}" for what in ("created", "updated", "closed", "funds_withdrawn", "funds_reinstated")
)


def refund(**changes: Any) -> dict[str, Any]:
    fields = {"id": "re_1", "amount": 100, "currency": "usd", "status": "succeeded", "charge": "ch_1"}
    return {**fields, "payment_intent": "pi_1", **changes}


def charge(**changes: Any) -> dict[str, Any]:
    fields = {"id": "ch_1", "amount_refunded": 300, "currency": "usd", "payment_intent": "pi_1", "metadata": {}}
    return {**fields, **changes}


def dispute(**changes: Any) -> dict[str, Any]:
    fields = {"id": "dp_1", "amount": 500, "currency": "usd", "status": "needs_response", "charge": "ch_1"}
    return {**fields, "payment_intent": "pi_1", "balance_transactions": [], **changes}


def news(event_type: str, about: dict[str, Any], *, retrieved: bool = False) -> PaymentReport:
    report = read_event(event_type, about, NOON, retrieved=retrieved)
    assert isinstance(report, PaymentReport), report
    return report


def linked(*links: str) -> frozenset[Link]:
    return frozenset(map(Link, links))


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("pending", RefundStatus.PENDING),
        ("requires_action", RefundStatus.PENDING),
        ("succeeded", RefundStatus.SUCCEEDED),
        ("failed", RefundStatus.FAILED),
        ("canceled", RefundStatus.CANCELED),
        (None, RefundStatus.SUCCEEDED),
        ("", RefundStatus.SUCCEEDED),
    ],
)
def test_a_refund_s_status_is_read(status: str | None, expected: RefundStatus) -> None:
    """A refund that waits for the customer is not yet made; one without a status was made before there were any."""
    report = news("refund.updated", refund(status=status))
    assert (
        Purchase(
            refunds=(Refund(id="re_1", amount=100, status=expected, charge="ch_1"),), currencies=frozenset({"usd"})
        )
        == report.facts
    )


@pytest.mark.parametrize("status", ["succeeded", "pending", "canceled", None, "of a later version", 7])
def test_a_failed_refund_failed_whatever_it_says(status: object) -> None:
    """The event outranks the object, which may have been drawn a moment before."""
    (fact,) = news("refund.failed", refund(status=status)).facts.refunds
    assert Refund(id="re_1", amount=100, status=RefundStatus.FAILED, charge="ch_1") == fact


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"status": "of a later version"}, "the refund's status is unknown"),
        ({"status": ["failed"]}, "status is not a string"),
        ({"amount": True}, "amount is missing or not an integer"),
        ({"amount": 1.0}, "amount is missing or not an integer"),
        ({"amount": -1}, "amount is not a valid amount"),
        ({"amount": 10**13}, "amount is not a valid amount"),
        ({"currency": "dollars"}, "currency is not a currency"),
        ({"id": None}, "id is missing or not an id"),
        ({"payment_intent": {"object": "payment_intent"}}, "payment_intent is neither an id nor an object with one"),
    ],
)
def test_a_refund_that_can_not_be_read_says_why(changes: dict[str, Any], reason: str) -> None:
    """It is kept whole until it can."""
    assert Unreadable(reason) == read_event("refund.updated", refund(**changes), NOON)


def test_a_refund_of_no_payment_is_irrelevant_and_one_that_names_none_is_kept() -> None:
    """Money that a customer keeps with us by bank transfer is refunded without a charge, and says so."""
    balance = refund(charge=None, payment_intent=None)
    assert isinstance(read_event("refund.created", balance, NOON), Irrelevant)
    nameless = {key: value for key, value in refund().items() if key not in ("charge", "payment_intent")}
    assert isinstance(read_event("refund.created", nameless, NOON), Unreadable)


@pytest.mark.parametrize(
    ("event_type", "about"),
    [("refund.updated", refund), ("charge.refund.updated", refund), (UPDATED, dispute)],
)
def test_an_expanded_charge_reports_all_that_it_knows(event_type: str, about: Any) -> None:
    """Its payment intent, its invoice, and whose it is."""
    whole = charge(payment_intent={"id": "pi_9"}, invoice={"id": "in_9"}, metadata=OURS)
    report = news(event_type, about(payment_intent=None, charge=whole))
    assert linked("payment_intent:pi_9", "charge:ch_1", "invoice:in_9") == report.links
    assert (PurchaseId("pi_9"), True) == (report.purchase_id, report.ours)


@pytest.mark.parametrize(("metadata", "ours"), [(OURS, True), ({}, None), ([], None), (None, None), ({"a": "b"}, None)])
def test_metadata_of_ours_proves_that_a_payment_is_ours_and_its_absence_nothing(
    metadata: object, ours: bool | None
) -> None:
    """A session made elsewhere keeps its metadata to itself, and so does a subscription."""
    assert ours is news("charge.refunded", charge(metadata=metadata)).ours
    assert ours is news("refund.updated", refund(payment_intent={"id": "pi_1", "metadata": metadata})).ours
    assert news("refund.updated", refund(metadata=OURS)).ours is None


def listed(*refunds: dict[str, Any], has_more: bool = False) -> dict[str, Any]:
    return {"object": "list", "data": list(refunds), "has_more": has_more}


ONE = Purchase(refunds=(Refund(id="re_1", amount=100, status=RefundStatus.SUCCEEDED, charge="ch_1"),))
TWO = Refund(id="re_2", amount=200, status=RefundStatus.PENDING, charge="ch_1")
BOTH = Purchase(refunds=(*ONE.refunds, TWO))
TOTAL = Purchase(refunded_totals=(ChargeRefunds(charge="ch_1", amount=300),))


@pytest.mark.parametrize(
    ("refunds", "expected"),
    [
        (listed(refund(), refund(id="re_2", amount=200, status="pending")), BOTH),
        (listed(refund(), has_more=True), attrs.evolve(TOTAL, refunds=ONE.refunds)),
        (listed(), TOTAL),
        (None, TOTAL),
        ([], TOTAL),
    ],
)
def test_a_charge_names_its_refunds_or_their_total(refunds: object, expected: Purchase) -> None:
    """The total only where the list is missing or not the whole one."""
    report = news("charge.refunded", charge(refunds=refunds, invoice="in_1"))
    assert attrs.evolve(expected, currencies=frozenset({"usd"})) == report.facts
    assert linked("payment_intent:pi_1", "charge:ch_1", "invoice:in_1") == report.links


def moved(id_: str, amount: int, currency: str = "usd") -> dict[str, Any]:
    return {"id": id_, "object": "balance_transaction", "amount": amount, "currency": currency}


OUT, BACK, PART, AGAIN = moved("txn_1", -500), moved("txn_2", 500), moved("txn_3", 200), moved("txn_4", -500)


@pytest.mark.parametrize(
    ("event_type", "status", "moves", "expected"),
    [
        (CREATED, "needs_response", [], DisputeStatus.NEEDS_RESPONSE),
        (CREATED, "needs_response", None, DisputeStatus.NEEDS_RESPONSE),
        (CREATED, "needs_response", [OUT], DisputeStatus.NEEDS_RESPONSE),
        (CREATED, "needs_response", [BACK], DisputeStatus.NEEDS_RESPONSE),
        (UPDATED, "under_review", [OUT, PART], DisputeStatus.UNDER_REVIEW),
        (UPDATED, "under_review", [OUT, BACK], DisputeStatus.REINSTATED),
        (WITHDRAWN, "needs_response", [OUT], DisputeStatus.WITHDRAWN),
        (WITHDRAWN, "under_review", [OUT, BACK, AGAIN], DisputeStatus.WITHDRAWN),
        (WITHDRAWN, "lost", [OUT], DisputeStatus.LOST),
        (WITHDRAWN, "won", [OUT, BACK], DisputeStatus.WON),
        (WITHDRAWN, "prevented", [], DisputeStatus.PREVENTED),
        (WITHDRAWN, "charge_refunded", [], DisputeStatus.CHARGE_REFUNDED),
        (WITHDRAWN, "warning_needs_response", [], DisputeStatus.WARNING_NEEDS_RESPONSE),
        (REINSTATED, "under_review", [], DisputeStatus.REINSTATED),
        (REINSTATED, "won", [OUT, BACK], DisputeStatus.REINSTATED),
        (REINSTATED, "lost", [OUT], DisputeStatus.LOST),
        (REINSTATED, "lost", [OUT, PART], DisputeStatus.LOST),
        (REINSTATED, "lost", [OUT, BACK], DisputeStatus.REINSTATED),
        (CLOSED, "lost", [OUT], DisputeStatus.LOST),
        (CLOSED, "won", [], DisputeStatus.WON),
        (CLOSED, "warning_closed", [], DisputeStatus.WARNING_CLOSED),
        (UPDATED, "charge_refunded", [], DisputeStatus.CHARGE_REFUNDED),
        (UPDATED, "appeal_needs_response", [OUT], DisputeStatus.APPEAL_NEEDS_RESPONSE),
        (UPDATED, "appeal_under_review", [], DisputeStatus.APPEAL_UNDER_REVIEW),
        (UPDATED, "of a later version", [OUT], DisputeStatus.UNKNOWN),
        (UPDATED, "withdrawn", [OUT], DisputeStatus.UNKNOWN),
    ],
)
def test_a_dispute_is_reported_by_where_the_money_is(
    event_type: str, status: str, moves: object, expected: DisputeStatus
) -> None:
    """The moves of the money outrank an open status, and only its whole return outranks a loss."""
    (reported,) = news(event_type, dispute(status=status, balance_transactions=moves)).facts.disputes
    assert (expected, NOON, "usd") == (reported.status, reported.occurred_at, reported.currency)


def test_movements_of_a_dispute_are_reported_one_by_one() -> None:
    """Each by its id, once, in the currency in which it was settled."""
    moves = [BACK, moved("txn_1", -440, "EUR"), BACK]
    (known,) = news(UPDATED, dispute(balance_transactions=moves)).facts.disputes
    reported = (Movement(id="txn_1", amount=-440, currency="eur"), Movement(id="txn_2", amount=500, currency="usd"))
    assert reported == known.movements
    for broken in ({**OUT, "id": None}, {**OUT, "amount": "5"}, {**OUT, "currency": None}):
        assert isinstance(read_event(UPDATED, dispute(balance_transactions=[broken]), NOON), Unreadable)


@pytest.mark.parametrize(
    ("changes", "released"),
    [
        ({"amount": 1000, "amount_captured": 700, "captured": True, "invoice": None}, 300),
        ({"amount": 1000, "amount_captured": 1000, "captured": True, "invoice": None}, 0),
        ({"amount": 1000, "amount_captured": 700, "captured": True}, 0),
        ({"amount": 1000, "amount_captured": 0, "captured": False, "invoice": None}, 0),
        ({"amount": 1000, "captured": True, "invoice": None}, 0),
    ],
)
def test_what_was_never_captured_is_not_refunded(changes: dict[str, Any], released: int) -> None:
    """API versions before 2025-03-31, which show a charge's invoice, make a refund of what is released."""
    facts = news("charge.refunded", charge(**changes)).facts
    assert released == facts.uncaptured_refunds


@pytest.mark.parametrize("status", ["withdrawn", "reinstated", "of a later version", None, 7])
def test_a_status_that_no_dispute_has_is_unreadable(status: object) -> None:
    """The names of the money's moves are ours, not Stripe's."""
    assert isinstance(read_event(UPDATED, dispute(status=status), NOON), Unreadable)


def test_a_dispute_of_nothing_is_kept() -> None:
    """Money is away, and nobody knows whose: that is for a person to see."""
    report = read_event(CREATED, dispute(charge=None, payment_intent=None), NOON)
    assert Unreadable("neither a charge nor a payment intent is named") == report


@pytest.mark.parametrize("payment", ["pi_1", {"id": "pi_1", "object": "payment_intent"}])
def test_an_invoice_payment_joins_an_invoice_and_its_payment(payment: object) -> None:
    """Since 2025 neither of them names the other."""
    about = {"id": "inpay_1", "invoice": "in_1", "payment": {"type": "payment_intent", "payment_intent": payment}}
    expected = PaymentReport(purchase_id=PurchaseId("in_1"), links=linked("invoice:in_1", "payment_intent:pi_1"))
    assert expected == read_event("invoice_payment.paid", about, NOON)


def test_an_invoice_paid_outside_of_stripe_joins_nothing() -> None:
    """A payment record is no payment of ours to refund; without its invoice the report is no use at all."""
    record = {"id": "inpay_1", "invoice": "in_1", "payment": {"type": "payment_record", "payment_record": "prec_1"}}
    assert isinstance(read_event("invoice_payment.paid", record, NOON), Irrelevant)
    assert Unreadable("invoice is missing") == read_event("invoice_payment.paid", {"id": "inpay_1"}, NOON)
