"""Paid invoices: which are of a subscription, what each line is, what was asked for and paid, and whose they are."""

from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import pytest

from adapters.stripe.events import read_event
from domain.payments.purchases import Link, PaymentStatus, Purchase, PurchaseId
from domain.payments.reports import Attribution, InvoiceLine, Irrelevant, PaymentReport, SaleReport, Unreadable
from domain.values.money import MAX_AMOUNT, Money

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
BEGAN, SOON, LATER = 1_777_400_000, 1_780_000_000, 1_790_000_000
ADA, BOB = "6f1e0a52-3f0e-4d7c-9a55-0d5f6a1b2c3d", "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"


def line(amount: int = 1500, **changes: Any) -> dict[str, Any]:
    """A line in the shape before 2025-03-31."""
    fields = {"id": "il_1", "type": "subscription", "proration": False, "amount": amount, "currency": "usd"}
    fields |= {"period": {"start": BEGAN, "end": SOON}, "quantity": 1, "metadata": {}, "subscription": "sub_1"}
    fields |= {"subscription_item": "si_1", "discount_amounts": [], "tax_amounts": []}
    fields["price"] = {"id": "price_1", "unit_amount": 1500, "currency": "usd", "product": "prod_1"}
    fields["price"]["recurring"] = {"interval": "month", "interval_count": 1}
    return {**fields, **changes}


def item(amount: int = 1500, *, kind: str = "subscription_item_details", **details: Any) -> dict[str, Any]:
    """A line in the shape since then."""
    known = {"proration": False, "subscription": "sub_1", "subscription_item": "si_1", **details}
    priced = {"type": "price_details", "price_details": {"price": "price_1", "product": "prod_1"}}
    fields = {
        "id": "il_1",
        "amount": amount,
        "currency": "usd",
        "period": {"start": BEGAN, "end": SOON},
        "metadata": {},
    }
    fields |= {"quantity": 1, "discount_amounts": [], "taxes": [], "pricing": {**priced, "unit_amount_decimal": "1500"}}
    return {**fields, "parent": {"type": kind, kind: known}}


def invoice(*lines: dict[str, Any], **changes: Any) -> dict[str, Any]:
    fields = {"id": "in_1", "status": "paid", "billing_reason": "subscription_create", "currency": "usd", "total": 1500}
    fields |= {"amount_paid": 1500, "subscription": "sub_1", "charge": None, "metadata": {}, "created": BEGAN}
    return {**fields, "lines": {"data": list(lines or [line()])}, **changes}


def sale(about: dict[str, Any]) -> SaleReport:
    report = read_event("invoice.paid", about, NOON)
    assert isinstance(report, SaleReport), report
    return report


def lines_of(about: dict[str, Any]) -> tuple[InvoiceLine, ...]:
    lines = sale(about).lines
    assert lines is not None
    return lines


FEE = line(300, type="invoiceitem", subscription=None, subscription_item=None)


@pytest.mark.parametrize(
    ("reason", "is_sale"),
    [
        ("subscription", True),
        ("subscription_create", True),
        ("subscription_cycle", True),
        ("subscription_update", True),
        (None, True),
        ("", True),
        ("manual", False),
        ("subscription_threshold", False),
        ("of a later version", False),
    ],
)
def test_the_reason_says_whether_a_period_may_be_paid(reason: str | None, is_sale: bool) -> None:
    """In 2017 there was none: then the subscription says it. A line of its items says it whatever the reason."""
    report = read_event("invoice.paid", invoice(FEE, billing_reason=reason, charge="ch_1"), NOON)
    assert is_sale is isinstance(report, SaleReport)
    assert is_sale is not isinstance(report, PaymentReport)
    for one in (line(), item(), line(-700, type="invoiceitem", proration=True)):
        assert isinstance(
            read_event("invoice.paid", invoice(one, billing_reason=reason, charge="ch_1"), NOON), SaleReport
        )


def test_the_lines_name_the_subscription_where_the_invoice_does_not() -> None:
    """As of unused time that is left when a subscription is cancelled at once: that invoice was made by hand."""
    back = item(-700, kind="invoice_item_details", proration=True)
    report = sale(invoice(back, subscription=None, billing_reason="manual", total=-700))
    assert ("sub_1", True) == (report.subscription_id, lines_of(invoice(back))[0].gives_back)
    two = invoice(line(), line(subscription="sub_2"), subscription=None, billing_reason="manual", charge="ch_1")
    assert isinstance(read_event("invoice.paid", two, NOON), PaymentReport)


@pytest.mark.parametrize("reason", [["manual"], {}, 7])
def test_a_reason_that_is_no_word_is_unreadable(reason: object) -> None:
    """Money of ours may stand behind it."""
    assert Unreadable("billing_reason is not a string") == read_event(
        "invoice.paid", invoice(billing_reason=reason), NOON
    )


@pytest.mark.parametrize("changes", [{"status": "open"}, {"status": None, "paid": False}, {"status": "void"}])
def test_an_invoice_that_is_not_paid_is_no_sale(changes: dict[str, Any]) -> None:
    """One that is finalized only, say."""
    assert Irrelevant("the invoice is not paid") == read_event("invoice.finalized", invoice(**changes), NOON)


@pytest.mark.parametrize("total", [0, -100])
@pytest.mark.parametrize("status", ["open", "paid"])
def test_a_total_of_nothing_is_paid_as_it_is_finalized(total: int, status: str) -> None:
    """A sale of nothing is a sale; what is below it goes to the customer's balance."""
    about = invoice(line(0), total=total, amount_paid=0, status=status)
    report = read_event("invoice.finalized", about, NOON)
    assert isinstance(report, SaleReport)
    assert (0, 0, True) == (report.subtotal.amount, report.paid.amount, report.is_complete)
    assert Purchase(payment=PaymentStatus.PAID) == report.facts


@pytest.mark.parametrize(
    ("one", "is_subscription", "is_proration", "gives_back"),
    [
        (line(), True, False, False),
        (item(), True, False, False),
        (line(0), True, False, False),
        (line(700, proration=True), True, True, False),
        (line(700, proration=True, type="invoiceitem"), True, True, False),
        (line(-700, proration=True, type="invoiceitem"), True, True, True),
        (item(700, kind="invoice_item_details", proration=True), True, True, False),
        (item(-700, kind="invoice_item_details", proration=True), True, True, True),
        (line(300, type="invoiceitem"), False, False, False),
        (item(300, kind="invoice_item_details"), False, False, False),
        (line(-300, type="invoiceitem"), False, False, False),
    ],
)
def test_a_line_says_what_it_is_for(
    one: dict[str, Any], is_subscription: bool, is_proration: bool, gives_back: bool
) -> None:
    """A period, the rest of one, unused time that is given back, or a fee or a gift of its own."""
    (reported,) = lines_of(invoice(one))
    assert (is_subscription, is_proration, gives_back) == (
        reported.is_subscription,
        reported.is_proration,
        reported.gives_back,
    )
    assert one["amount"] == reported.amount == reported.net == reported.gross


def test_a_line_is_what_its_parent_s_type_says() -> None:
    """An invoice item may carry the details of a subscription's item too."""
    both = item(700, kind="invoice_item_details")
    both["parent"]["subscription_item_details"] = {"proration": False, "subscription": "sub_1"}
    (reported,) = lines_of(invoice(both))
    assert (False, False) == (reported.is_subscription, reported.is_proration)


def test_a_line_reports_what_is_left_of_its_amount() -> None:
    """After its discounts, and with the taxes that come on top."""
    off = [{"amount": 300, "discount": "di_1"}, {"amount": 200, "discount": "di_2"}]
    old_taxes = [{"amount": 100, "inclusive": False}, {"amount": 50, "inclusive": True}]
    new_taxes = [{"amount": 100, "tax_behavior": "exclusive"}, {"amount": 50, "tax_behavior": "inclusive"}]
    old = line(discount_amounts=off, tax_amounts=old_taxes)
    new = {**item(), "discount_amounts": off, "taxes": new_taxes}
    for one in (old, new):
        (reported,) = lines_of(invoice(one, total=1100))
        assert (1500, 1000, 1100) == (reported.amount, reported.net, reported.gross)
        assert Money(amount=1100, currency="usd") == sale(invoice(one, total=1100)).paid


@pytest.mark.parametrize(
    ("changes", "quantity"),
    [
        ({"quantity": 3}, Fraction(3)),
        ({"quantity": 2, "quantity_decimal": "2.5"}, Fraction(5, 2)),
        ({"quantity": None, "quantity_decimal": "0.5"}, Fraction(1, 2)),
        ({"quantity": None}, Fraction(1)),
    ],
)
def test_a_quantity_is_read_to_its_last_digit(changes: dict[str, Any], quantity: Fraction) -> None:
    """The whole number is cut off where there is a fraction."""
    assert quantity == lines_of(invoice(line(**changes)))[0].quantity


def test_unused_time_names_the_line_that_it_credits() -> None:
    """Old and new shapes keep it in different places."""
    details = {"credited_items": {"invoice": "in_0", "invoice_line_items": ["il_0"]}}
    old = line(-700, type="invoiceitem", proration=True, proration_details=details)
    new = item(-700, kind="invoice_item_details", proration=True, proration_details=details)
    for one in (old, new):
        (reported,) = lines_of(invoice(one))
        assert ("in_0", ("il_0",)) == (reported.credited_invoice, reported.credited_lines)
    (unnamed,) = lines_of(invoice(line(-700, type="invoiceitem", proration=True)))
    assert (None, ()) == (unnamed.credited_invoice, unnamed.credited_lines)


def test_a_line_has_an_id_of_its_own() -> None:
    """In old versions its id was that of the subscription, which every invoice shares."""
    reported = lines_of(invoice(line(id="sub_1"), line(id="sub_1", unique_id="il_7"), line(id="ii_3")))
    assert ["in_1:0:sub_1", "il_7", "ii_3"] == [one.id for one in reported]


@pytest.mark.parametrize("one", [line, item])
def test_what_was_asked_for_is_every_line_that_adds(one: Any) -> None:
    """Of whatever product; unused time that is given back is no purchase, and takes nothing off this one."""
    others = [one(1000), line(-400, proration=True, type="invoiceitem"), item(99, kind="invoice_item_details")]
    report = sale(invoice(one(1500), *others, total=2199, amount_paid=2199))
    assert (Money(amount=2599, currency="usd"), Money(amount=2599, currency="usd")) == (report.subtotal, report.paid)


def test_an_invoice_of_more_lines_than_it_shows_is_reported_in_part() -> None:
    """Prorations come first: the period's own line may be one that is not shown. So is one that shows none at all."""
    shown = [line(10, proration=True)] * 10
    report = sale(invoice(lines={"data": shown, "has_more": True}))
    assert (False, Money(amount=100, currency="usd")) == (report.is_complete, report.subtotal)
    assert not sale(invoice(lines={"data": []})).is_complete
    assert not sale(invoice(lines={"data": [line(1500), *shown], "has_more": True})).is_complete
    assert sale(invoice(lines={"data": [line(1500)], "has_more": False})).is_complete


def test_a_quote_may_be_for_a_period() -> None:
    """Where a subscription came of it."""
    assert isinstance(read_event("invoice.paid", invoice(billing_reason="quote_accept"), NOON), SaleReport)
    once = invoice(FEE, billing_reason="quote_accept", subscription=None, charge="ch_1")
    assert isinstance(read_event("invoice.paid", once, NOON), PaymentReport)


def test_each_line_has_a_period_of_its_own() -> None:
    """What is free beside a period lengthens it as little as a proration does."""
    lines = (
        line(period={"start": BEGAN, "end": SOON}),
        line(0, period={"start": BEGAN, "end": LATER}),
        line(proration=True, period={"start": SOON, "end": LATER + 9}),
    )
    expected = [(BEGAN, SOON), (BEGAN, LATER), (SOON, LATER + 9)]
    found = [(one.starts_at, one.ends_at) for one in lines_of(invoice(*lines))]
    assert [tuple(datetime.fromtimestamp(at, UTC) for at in times) for times in expected] == found


@pytest.mark.parametrize("period", [None, {}, {"start": BEGAN}, {"end": SOON}, {"start": "now", "end": SOON}])
def test_a_period_without_its_times_is_kept(period: object) -> None:
    """Nobody can tell until when its credits would last; that of a fee does not matter."""
    report = read_event("invoice.paid", invoice(line(period=period)), NOON)
    assert Unreadable("a line's period is missing or not a time") == report
    assert isinstance(sale(invoice(line(), {**FEE, "period": period})), SaleReport)


@pytest.mark.parametrize("amount_paid", [1500, 900, 0, None])
def test_what_was_not_paid_by_card_was_paid_all_the_same(amount_paid: int | None) -> None:
    """From the customer's balance, or outside of Stripe; or in 2017, when invoices did not say."""
    report = sale(invoice(amount_paid=amount_paid))
    assert Money(amount=1500, currency="usd") == report.paid
    assert Purchase(payment=PaymentStatus.PAID, paid_at=NOON) == report.facts


def test_what_was_never_paid_or_too_much_is_reported() -> None:
    """Credit notes took it off before the payment, or it goes to the customer's balance; and when that was."""
    about = invoice(pre_payment_credit_notes_amount=400, amount_overpaid=70, status_transitions={"paid_at": SOON})
    paid_at = datetime.fromtimestamp(SOON, UTC)
    expected = Purchase(payment=PaymentStatus.PAID, never_paid=400, overpaid=70, paid_at=paid_at)
    assert expected == sale(about).facts
    assert datetime.fromtimestamp(BEGAN, UTC) == sale(about).issued_at


def test_lines_within_bounds_may_not_be_so_together() -> None:
    """No payment is that large, so something was misread."""
    assert isinstance(sale(invoice(line(MAX_AMOUNT))), SaleReport)
    report = read_event("invoice.paid", invoice(line(MAX_AMOUNT), line(1)), NOON)
    assert Unreadable("the sum of the lines is not a valid amount") == report


@pytest.mark.parametrize(
    "changes",
    [
        {"total": "1500"},
        {"currency": None},
        {"lines": "two"},
        {"lines": {"data": [line("1500")]}},
        {"lines": {"data": [line(quantity="many")]}},
        {"amount_overpaid": "70"},
        {"pre_payment_credit_notes_amount": True},
    ],
)
def test_an_invoice_that_can_not_be_read_is_kept(changes: dict[str, Any]) -> None:
    """It concerns us, and can't be told from a smaller or a larger sum."""
    assert isinstance(read_event("invoice.paid", invoice(**changes), NOON), Unreadable)


def test_a_period_of_no_subscription_is_kept() -> None:
    """By its reason it is one, so the shape is one that we do not know."""
    report = read_event("invoice.paid", invoice(FEE, subscription=None), NOON)
    assert Unreadable("subscription is missing") == report


PLACES: list[dict[str, Any]] = [
    {"parent": {"subscription_details": {"subscription": "sub_1", "metadata": {"userId": ADA}}}},
    {"subscription_details": {"metadata": {"userId": ADA}}},
    {"lines": {"data": [line(metadata={"userId": ADA})]}},
    {"subscription": {"id": "sub_1", "metadata": {"userId": ADA}}},
    {"metadata": {"userId": ADA}},
]


@pytest.mark.parametrize("place", PLACES)
def test_metadata_is_found_wherever_the_version_keeps_it(place: dict[str, Any]) -> None:
    """What others wrote before it does not hide it."""
    others = {"subscription_details": {"metadata": {"shop": "another"}}, "parent": {"subscription_details": None}}
    assert Attribution(user_reference=ADA) == sale(invoice(**{**others, **place})).attribution


def test_the_subscription_s_own_metadata_comes_first() -> None:
    """What its lines or the invoice say may have been changed by hand."""
    bob = {"userId": BOB}
    for place in PLACES[:2]:
        about = {**place, "lines": {"data": [line(metadata=bob)]}, "metadata": bob}
        assert Attribution(user_reference=ADA) == sale(invoice(**about)).attribution
    assert Attribution() == sale(invoice()).attribution


def test_every_payment_of_the_invoice_is_linked_but_never_its_subscription() -> None:
    """Many invoices share one; and a try that failed paid nothing."""
    payments = [
        {"status": "paid", "payment": {"type": "payment_intent", "payment_intent": "pi_2"}},
        {"status": "paid", "payment": {"type": "payment_intent", "payment_intent": {"id": "pi_3"}}},
        {"status": "canceled", "payment": {"type": "payment_intent", "payment_intent": "pi_4"}},
        {"payment": {"type": "charge", "charge": "ch_2"}},
    ]
    about = invoice(payment_intent="pi_1", charge={"id": "ch_1"}, payments={"data": payments})
    expected = {"invoice:in_1", *(f"payment_intent:pi_{n}" for n in (1, 2, 3)), "charge:ch_1", "charge:ch_2"}
    assert expected == set(map(str, sale(about).links))


@pytest.mark.parametrize(("metadata", "ours"), [({"userId": ADA, "credence_session": "yes"}, True), ({}, None)])
def test_another_invoice_only_joins_what_belongs_together(metadata: dict[str, str], ours: bool | None) -> None:
    """A one-time sale's session reports the sale; its invoice is only to be found by it."""
    about = invoice(FEE, billing_reason="manual", subscription=None, charge="ch_1", metadata=metadata)
    links = frozenset({Link("invoice:in_1"), Link("charge:ch_1")})
    assert PaymentReport(purchase_id=PurchaseId("ch_1"), links=links, ours=ours) == read_event(
        "invoice.paid", about, NOON
    )
    alone = {**about, "charge": None}
    assert isinstance(read_event("invoice.paid", alone, NOON), Irrelevant)
