"""Checkout's options at the stand-in, under Stripe's own library: what they do to a session, and what is refused."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from simulators.stripe.ordering.totals import session_totals, total_of
from simulators.stripe.requests.refusals import Refusal
from simulators.stripe.stand_in import StripeStandIn

DIGITAL = "txcd_10103001"


@pytest.fixture
def stand_in() -> Iterator[StripeStandIn]:
    with StripeStandIn(seed=9) as running:
        yield running


@pytest.fixture
def v1(stand_in: StripeStandIn) -> Any:
    client = stripe.StripeClient("sk_test_123456789012", base_addresses={"api": stand_in.url}, max_network_retries=0)
    return client.v1


def asked(
    *, tax: str | None = None, code: str | None = None, recurring: Any = None, line: Any = None, **more: Any
) -> Any:
    """Parameters of a checkout of one thing at $5.00; a change to None leaves one out."""
    product = {"name": "50 credits", "tax_code": code}
    price = {
        "currency": "usd",
        "unit_amount": 500,
        "product_data": product,
        "tax_behavior": tax,
        "recurring": recurring,
    }
    fields = {
        "mode": "subscription" if recurring else "payment",
        "line_items": [{"quantity": 2, "price_data": _given(price), **(line or {})}],
        "success_url": "https://shop.test/ok",
        **more,
    }
    return _given(fields)


def _given(fields: Any) -> Any:
    if not isinstance(fields, dict):
        return fields
    return {name: _given(value) for name, value in fields.items() if value is not None}


MONTH = {"interval": "month"}
EMBEDDED = {"ui_mode": "embedded_page", "success_url": None}
BACK = {"return_url": "https://a.test"}
LIMITS = "line_items[0][adjustable_quantity]"
MANAGED = {"managed_payments": {"enabled": True}, "code": DIGITAL}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no way back": ({"success_url": None}, "success_url"),
    "embedded without a way back": (EMBEDDED, "return_url"),
    "embedded with the hosted page's": (
        {**EMBEDDED, "return_url": "https://a.test", "cancel_url": "https://a.test"},
        "cancel_url",
    ),
    "hosted with the embedded page's": (BACK, "return_url"),
    "a page of old": ({"ui_mode": "embedded"}, "ui_mode"),
    "a language of nobody's": ({"locale": "tlh"}, "locale"),
    "an address sometimes": ({"billing_address_collection": "never"}, "billing_address_collection"),
    "consent at will": (
        {"consent_collection": {"terms_of_service": "optional"}},
        "consent_collection[terms_of_service]",
    ),
    "tax ids always": ({"tax_id_collection": {"enabled": True, "required": "always"}}, "tax_id_collection[required]"),
    "tax on the side": ({"tax": "beside"}, "line_items[0][price_data][tax_behavior]"),
    "too many": (
        {"line": {"adjustable_quantity": {"enabled": True, "maximum": 1}}},
        "line_items[0][adjustable_quantity]",
    ),
    "far too many": (
        {"line": {"adjustable_quantity": {"enabled": True, "maximum": 1_000_000}}},
        "line_items[0][adjustable_quantity]",
    ),
    "a trial of one sale": ({"subscription_data": {"trial_period_days": 7}}, "subscription_data"),
    "a trial of no days": (
        {"recurring": MONTH, "subscription_data": {"trial_period_days": 0}},
        "subscription_data[trial_period_days]",
    ),
    "an invoice of a subscription": ({"recurring": MONTH, "invoice_creation": {"enabled": True}}, "invoice_creation"),
    "four years": (
        {"recurring": {"interval": "year", "interval_count": 4}},
        "line_items[0][price_data][recurring][interval_count]",
    ),
    "managed without a code": ({**MANAGED, "code": None}, "line_items[0]"),
    "managed things": ({**MANAGED, "code": "txcd_99999999"}, "line_items[0]"),
    "managed tax": ({**MANAGED, "automatic_tax": {"enabled": True}}, "automatic_tax"),
    "managed tax ids": ({**MANAGED, "tax_id_collection": {"enabled": True}}, "tax_id_collection"),
    "managed invoices": ({**MANAGED, "invoice_creation": {"enabled": True}}, "invoice_creation"),
    "managed consent": ({**MANAGED, "consent_collection": {"terms_of_service": "required"}}, "consent_collection"),
    "managed shipping": ({**MANAGED, "shipping_options": [{"shipping_rate": "shr_1"}]}, "shipping_options"),
    "managed for others": (
        {**MANAGED, "payment_intent_data": {"on_behalf_of": "acct_1"}},
        "payment_intent_data[on_behalf_of]",
    ),
    "managed in parts": (
        {**MANAGED, "ui_mode": "elements", "success_url": None, "return_url": "https://a.test"},
        "ui_mode",
    ),
}


@pytest.mark.parametrize("how", REFUSED)
def test_what_does_not_go_together_is_refused(how: str, v1: Any) -> None:
    """As an invalid request, with the parameter that is in the way."""
    changes, place = REFUSED[how]
    with pytest.raises(stripe.InvalidRequestError) as raised:
        v1.checkout.sessions.create(asked(**changes))
    assert (400, place) == (raised.value.http_status, raised.value.param)


@pytest.mark.parametrize(
    ("tax", "shown"),
    [(None, (1_000, 200, 1_200)), ("exclusive", (1_000, 200, 1_200)), ("inclusive", (1_000, 167, 1_000))],
)
def test_tax_is_on_top_of_a_price_or_within_it(tax: str | None, shown: tuple[int, ...], v1: Any) -> None:
    """On the session, its item and its invoice alike."""
    made = v1.checkout.sessions.create(
        asked(tax=tax, automatic_tax={"enabled": True}, invoice_creation={"enabled": True})
    )
    assert shown == (made.amount_subtotal, made.total_details.amount_tax, made.amount_total)
    (item,) = v1.checkout.sessions.line_items.list(made.id).data
    assert shown == (item.amount_subtotal, item.amount_tax, item.amount_total)


def test_a_taxed_sale_is_paid_as_its_invoice_says(stand_in: StripeStandIn, v1: Any) -> None:
    """With a promotion code: the discount comes before the tax."""
    coupon = v1.coupons.create({"percent_off": 50, "duration": "once"})
    promotion = {"type": "coupon", "coupon": coupon.id}
    code = v1.promotion_codes.create({"promotion": promotion, "code": "HALF", "max_redemptions": 1})
    made = v1.checkout.sessions.create(
        asked(automatic_tax={"enabled": True}, invoice_creation={"enabled": True}, allow_promotion_codes=True)
    )
    stand_in.account.change_order(made.id, code=" half ")
    stand_in.account.pay(made.id)
    session = v1.checkout.sessions.retrieve(made.id, {"expand": ["payment_intent", "invoice"]})
    assert (1_000, 500, 100, 600) == (
        session.amount_subtotal,
        session.total_details.amount_discount,
        session.total_details.amount_tax,
        session.amount_total,
    )
    assert (600, 600, 600) == (session.payment_intent.amount, session.invoice.total, session.invoice.amount_paid)
    assert [code.id] == [one.promotion_code for one in session.discounts]
    (line,) = session.invoice.lines.data
    assert (1_000, 500, 100) == (line.amount, line.discount_amounts[0].amount, line.taxes[0].amount)
    assert 1 == v1.promotion_codes.retrieve(code.id).times_redeemed


def test_each_renewal_is_taxed(stand_in: StripeStandIn, v1: Any) -> None:
    """And a promotion code for once takes its part of the first invoice alone."""
    coupon = v1.coupons.create({"percent_off": 50, "duration": "once"})
    v1.promotion_codes.create({"promotion": {"type": "coupon", "coupon": coupon.id}, "code": "HALF"})
    made = v1.checkout.sessions.create(
        asked(recurring=MONTH, automatic_tax={"enabled": True}, allow_promotion_codes=True)
    )
    stand_in.account.change_order(made.id, code="HALF")
    stand_in.account.pay(made.id)
    stand_in.account.billing.advance(31 * 24 * 60 * 60)
    bills = v1.invoices.list({"subscription": stand_in.account.session(made.id)["subscription"]}).data
    assert [1_200, 600] == [bill.total for bill in bills]


@pytest.mark.parametrize("wrong", ["", "OTHER", "OLD", "USED UP"])
def test_a_code_that_does_not_count_is_refused(wrong: str, stand_in: StripeStandIn, v1: Any) -> None:
    """An unknown one, one that is switched off, one that was redeemed often enough; and any where none is wanted."""
    coupon = v1.coupons.create({"percent_off": 50, "duration": "once"})
    promotion = {"type": "coupon", "coupon": coupon.id}
    for code, fields in (("GOOD", {}), ("OLD", {"active": False}), ("USED UP", {"max_redemptions": 0})):
        v1.promotion_codes.create({"promotion": promotion, "code": code, **fields})
    made = v1.checkout.sessions.create(asked(allow_promotion_codes=True))
    without = v1.checkout.sessions.create(asked())
    for session, code in ((made, wrong), (without, "GOOD")):
        with pytest.raises(Refusal) as raised:
            stand_in.account.change_order(session.id, code=code)
        assert "This code is invalid." == raised.value.body["error"]["message"]
    assert 1_000 == v1.checkout.sessions.retrieve(made.id).amount_total


def test_a_promotion_code_has_letters_and_a_coupon(v1: Any) -> None:
    """Its letters are its own while it counts."""
    coupon = v1.coupons.create({"percent_off": 10, "duration": "once"})
    made = v1.promotion_codes.create({"promotion": {"type": "coupon", "coupon": coupon.id}, "code": "TENTH"})
    assert (True, coupon.id, "TENTH") == (made.active, made.promotion.coupon, made.code)
    assert [made.id] == [one.id for one in v1.promotion_codes.list({"code": "TENTH"}).data]
    for wrong in (
        {"promotion": {"type": "coupon", "coupon": coupon.id}, "code": "tenth"},
        {"promotion": {"type": "coupon", "coupon": "nothing"}, "code": "NEW"},
        {"code": "NEW"},
        {"promotion": {"type": "coupon", "coupon": coupon.id}},
    ):
        with pytest.raises(stripe.InvalidRequestError):
            v1.promotion_codes.create(wrong)
    v1.promotion_codes.update(made.id, {"active": False})
    assert not v1.promotion_codes.retrieve(made.id).active


def test_a_quantity_is_changed_on_the_page(stand_in: StripeStandIn, v1: Any) -> None:
    """Within its limits; a fixed one, or one of a paid session, stays."""
    limits = {"adjustable_quantity": {"enabled": True, "minimum": 2, "maximum": 9}}
    made = v1.checkout.sessions.create(asked(line=limits))
    stand_in.account.change_order(made.id, quantity=9)
    assert 4_500 == v1.checkout.sessions.retrieve(made.id).amount_total
    fixed = v1.checkout.sessions.create(asked())
    for session, quantity in ((made, 1), (made, 10), (fixed, 3)):
        with pytest.raises(Refusal) as raised:
            stand_in.account.change_order(session.id, quantity=quantity)
        assert "quantity" == raised.value.body["error"]["param"]
    stand_in.account.pay(made.id)
    (item,) = v1.checkout.sessions.line_items.list(made.id).data
    assert (9, 4_500) == (item.quantity, item.amount_total)


def test_managed_payments_sell_with_tax(v1: Any) -> None:
    """On the hosted page and on the embedded one."""
    made = v1.checkout.sessions.create(asked(**MANAGED))
    assert (True, 1_200) == (made.managed_payments.enabled, made.amount_total)
    made = v1.checkout.sessions.create(asked(**MANAGED, **EMBEDDED, return_url="https://shop.test/back"))
    assert (None, "embedded_page") == (made.url, made.ui_mode)
    assert made.client_secret.startswith(f"{made.id}_secret_")


@given(
    amounts=st.lists(st.tuples(st.integers(0, 100_000), st.integers(1, 9), st.booleans()), min_size=1, max_size=4),
    percent=st.integers(0, 100),
)
def test_totals_add_up(amounts: list[tuple[int, int, bool]], percent: int) -> None:
    """Subtotal less discount, plus the tax that is not within, is the total; nothing is below zero."""
    off = Fraction(percent)
    prices = [
        {"unit_amount": unit, "tax_behavior": "inclusive" if within else "exclusive"} for unit, _, within in amounts
    ]
    sold = [
        (total_of(price, quantity, percent_off=off, is_taxed=True), within)
        for price, (_, quantity, within) in zip(prices, amounts, strict=True)
    ]
    shown = session_totals([total for total, _ in sold])
    on_top = sum(total.tax for total, within in sold if not within)
    assert shown["amount_total"] == shown["amount_subtotal"] - shown["total_details"]["amount_discount"] + on_top
    assert min(value for total, _ in sold for value in (total.discount, total.tax, total.total)) >= 0
