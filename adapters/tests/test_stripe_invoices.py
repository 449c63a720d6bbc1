"""Paid invoices: which are for a period, what they cost, whose they are, and which grant nothing."""

from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.stripe_events import told_by
from domain.events import Irrelevant, Naming, PaymentNews, Sale, Unreadable
from domain.money import MAX_AMOUNT, Money
from domain.purchases import Link, PurchaseId

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
SOON, LATER = 1_780_000_000, 1_790_000_000
ADA, BOB = "6f1e0a52-3f0e-4d7c-9a55-0d5f6a1b2c3d", "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"


def line(amount: int = 1500, **changes: Any) -> dict[str, Any]:
    """A line in the shape before 2025-03-31."""
    told = {"type": "subscription", "proration": False, "amount": amount, "period": {"end": SOON}, "metadata": {}}
    return {**told, **changes}


def item(amount: int = 1500, *, kind: str = "subscription_item_details", proration: bool = False) -> dict[str, Any]:
    """A line in the shape since then."""
    parent = {"type": kind, kind: {"proration": proration, "subscription": "sub_1"}}
    return {"amount": amount, "period": {"end": SOON}, "metadata": {}, "parent": parent}


def invoice(*lines: dict[str, Any], **changes: Any) -> dict[str, Any]:
    told = {"id": "in_1", "status": "paid", "billing_reason": "subscription_create", "currency": "usd", "total": 1500}
    told |= {"amount_paid": 1500, "subscription": "sub_1", "charge": None, "metadata": {}}
    return {**told, "lines": {"data": list(lines or [line()])}, **changes}


def sale(about: dict[str, Any]) -> Sale:
    told = told_by("invoice.paid", about, NOON)
    assert isinstance(told, Sale), told
    return told


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
def test_the_reason_says_whether_a_period_was_paid(reason: str | None, is_sale: bool) -> None:
    """In 2017 there was none: then the subscription says it."""
    told = told_by("invoice.paid", invoice(billing_reason=reason, charge="ch_1"), NOON)
    assert is_sale is isinstance(told, Sale)
    assert is_sale is not isinstance(told, PaymentNews)


@pytest.mark.parametrize("reason", [["manual"], {}, 7])
def test_a_reason_that_is_no_word_is_unreadable(reason: object) -> None:
    """Money of ours may stand behind it."""
    assert Unreadable("billing_reason is no text") == told_by("invoice.paid", invoice(billing_reason=reason), NOON)


@pytest.mark.parametrize(
    "changes",
    [
        {"total": 0, "amount_paid": 0},
        {"total": -100, "amount_paid": 0},
        {"lines": {"data": [line(0)]}},
        {"lines": {"data": [line(700, proration=True), line(300, type="invoiceitem")]}},
        {"lines": {"data": [item(700, proration=True), item(300, kind="invoice_item_details")]}},
        {"lines": {"data": []}},
        {"status": "open"},
        {"status": None, "paid": False},
    ],
)
def test_an_invoice_that_paid_for_no_period_grants_nothing(changes: dict[str, Any]) -> None:
    """A trial, a gift, a change of plan in mid-period, and what is not paid at all."""
    assert isinstance(told_by("invoice.paid", invoice(**changes), NOON), Irrelevant)


def test_a_line_is_what_its_parent_s_type_says() -> None:
    """An invoice item may carry the details of a subscription's item too."""
    both = item(700, kind="invoice_item_details")
    both["parent"]["subscription_item_details"] = {"proration": False, "subscription": "sub_1"}
    assert isinstance(told_by("invoice.paid", invoice(both), NOON), Irrelevant)


@pytest.mark.parametrize("one", [line, item])
def test_the_price_is_the_period_s_lines_alone(one: Any) -> None:
    """Prorations and single items beside them change what is paid, not what was sold."""
    others = [one(1000), line(-400, proration=True, type="invoiceitem"), item(99, kind="invoice_item_details")]
    told = sale(invoice(one(1500), *others, total=2800, amount_paid=2800))
    assert (Money(amount=2500, currency="usd"), Money(amount=2800, currency="usd")) == (told.subtotal, told.paid)


def test_an_invoice_of_more_lines_than_it_shows_is_told_in_part() -> None:
    """Prorations come first: the period's own line may be one that is not shown."""
    shown = [line(10, proration=True)] * 10
    told = sale(invoice(lines={"data": shown, "has_more": True}))
    assert (False, Money(amount=0, currency="usd")) == (told.is_whole, told.subtotal)
    assert not sale(invoice(lines={"data": [line(1500), *shown], "has_more": True})).is_whole
    assert sale(invoice(lines={"data": [line(1500)], "has_more": False})).is_whole


def test_a_quote_may_be_for_a_period() -> None:
    """Where a subscription came of it."""
    assert isinstance(told_by("invoice.paid", invoice(billing_reason="quote_accept"), NOON), Sale)
    once = invoice(billing_reason="quote_accept", subscription=None, charge="ch_1")
    assert isinstance(told_by("invoice.paid", once, NOON), PaymentNews)


def test_what_is_free_beside_a_period_does_not_lengthen_it() -> None:
    """A free item for a year is none of what the credits were sold for."""
    lines = (line(period={"end": SOON}), line(0, period={"end": LATER}))
    assert datetime.fromtimestamp(SOON, UTC) == sale(invoice(*lines)).period_ends_at


def test_the_period_ends_with_the_last_of_its_lines() -> None:
    """A proration's period is none of the sale's."""
    lines = (line(period={"end": SOON}), line(period={"end": LATER}), line(proration=True, period={"end": LATER + 9}))
    assert datetime.fromtimestamp(LATER, UTC) == sale(invoice(*lines)).period_ends_at
    assert sale(invoice(line(period=None))).period_ends_at is None


@pytest.mark.parametrize(("amount_paid", "expected"), [(900, 900), (0, 1500), (None, 1500)])
def test_what_was_not_paid_by_card_was_paid_all_the_same(amount_paid: int | None, expected: int) -> None:
    """From the customer's balance, or outside of Stripe; or in 2017, when invoices did not say."""
    assert Money(amount=expected, currency="usd") == sale(invoice(amount_paid=amount_paid)).paid


def test_lines_within_bounds_may_not_be_so_together() -> None:
    """No payment is that large, so something was misread."""
    assert isinstance(sale(invoice(line(MAX_AMOUNT))), Sale)
    told = told_by("invoice.paid", invoice(line(MAX_AMOUNT), line(1)), NOON)
    assert Unreadable("lines come to no amount of money") == told


@pytest.mark.parametrize("changes", [{"total": "1500"}, {"amount_paid": True}, {"currency": None}, {"lines": "two"}])
def test_an_invoice_that_can_not_be_read_is_kept(changes: dict[str, Any]) -> None:
    """It concerns us, and can't be told from a smaller or a larger sum."""
    assert isinstance(told_by("invoice.paid", invoice(**changes), NOON), Unreadable)


def test_a_period_of_no_subscription_is_kept() -> None:
    """By its reason it is one, so the shape is one that we do not know."""
    told = told_by("invoice.paid", invoice(subscription=None), NOON)
    assert Unreadable("subscription is missing") == told


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
    assert Naming(user_reference=ADA) == sale(invoice(**{**others, **place})).naming


def test_the_subscription_s_own_metadata_comes_first() -> None:
    """What its lines or the invoice say may have been changed by hand."""
    bob = {"userId": BOB}
    for place in PLACES[:2]:
        about = {**place, "lines": {"data": [line(metadata=bob)]}, "metadata": bob}
        assert Naming(user_reference=ADA) == sale(invoice(**about)).naming
    assert Naming() == sale(invoice()).naming


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


@pytest.mark.parametrize(("metadata", "ours"), [({"userId": ADA}, True), ({}, None)])
def test_another_invoice_only_joins_what_belongs_together(metadata: dict[str, str], ours: bool | None) -> None:
    """A one-time sale's session tells of the sale; its invoice is only to be found by it."""
    about = invoice(billing_reason="manual", subscription=None, charge="ch_1", metadata=metadata)
    links = frozenset({Link("invoice:in_1"), Link("charge:ch_1")})
    assert PaymentNews(purchase_id=PurchaseId("ch_1"), links=links, ours=ours) == told_by("invoice.paid", about, NOON)
    alone = {**about, "charge": None}
    assert isinstance(told_by("invoice.paid", alone, NOON), Irrelevant)
