"""Billing by the stand-in's API, under the real `stripe` package: subscriptions, coupons, balances, credit notes."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import stripe

from simulators.stripe.stand_in import StripeStandIn

DAY = 86400


@pytest.fixture
def stand_in() -> Iterator[StripeStandIn]:
    with StripeStandIn(seed=9) as running:
        yield running


@pytest.fixture
def v1(stand_in: StripeStandIn) -> Any:
    client = stripe.StripeClient("sk_test_123456789012", base_addresses={"api": stand_in.url}, max_network_retries=0)
    return client.v1


@pytest.fixture
def customer(v1: Any) -> str:
    made = v1.customers.create({"payment_method": "pm_card_visa"})
    method = v1.payment_methods.list({"customer": made.id}).data[0]
    v1.customers.update(made.id, {"invoice_settings": {"default_payment_method": method.id}})
    return str(made.id)


def price(v1: Any, unit_amount: int, interval: str = "month", **fields: Any) -> str:
    recurring = {"interval": interval, **fields}
    made = v1.prices.create(
        {"product_data": {"name": "Plan"}, "unit_amount": unit_amount, "currency": "usd", "recurring": recurring}
    )
    return str(made.id)


def lines(v1: Any, subscription: Any) -> list[int]:
    bill = v1.invoices.retrieve(v1.subscriptions.retrieve(subscription.id).latest_invoice)
    return [line.amount for line in bill.lines.data]


def test_an_item_is_changed_and_others_are_added(stand_in: StripeStandIn, v1: Any, customer: str) -> None:
    """With prorations on an invoice of their own, or with none."""
    made = v1.subscriptions.create({"customer": customer, "items": [{"price": price(v1, 1000), "quantity": 2}]})
    stand_in.account.billing.advance(15 * DAY)
    (item,) = made["items"].data
    changes = [{"id": item.id, "quantity": 4}, {"price": price(v1, 600)}]
    v1.subscriptions.update(made.id, {"items": changes, "proration_behavior": "always_invoice"})
    assert [1000, 2000, 300] == [abs(amount) for amount in lines(v1, made)]
    v1.subscriptions.update(made.id, {"items": [{"id": item.id, "deleted": True}], "proration_behavior": "none"})
    assert [600] == [one.price.unit_amount for one in v1.subscriptions.retrieve(made.id)["items"].data]
    with pytest.raises(stripe.InvalidRequestError, match="recur alike"):
        v1.subscriptions.update(made.id, {"items": [{"price": price(v1, 9000, "year")}]})


def test_a_period_begins_anew(stand_in: StripeStandIn, v1: Any, customer: str) -> None:
    """When that is asked for, and when the price recurs otherwise: every three months, say."""
    made = v1.subscriptions.create({"customer": customer, "items": [{"price": price(v1, 1000)}]})
    stand_in.account.billing.advance(15 * DAY)
    v1.subscriptions.update(made.id, {"billing_cycle_anchor": "now"})
    assert [-500, 1000] == lines(v1, made)
    quarterly = {"id": made["items"].data[0].id, "price": price(v1, 2500, interval_count=3)}
    v1.subscriptions.update(made.id, {"items": [quarterly]})
    assert [-1000, 2500] == lines(v1, made)
    (item,) = v1.subscriptions.retrieve(made.id)["items"].data
    assert 90 * DAY == item.current_period_end - item.current_period_start


@pytest.mark.parametrize(
    ("discounts", "expected"),
    [
        ({}, ([-250, 500], [[], []])),
        ({"type": "flexible"}, ([-250, 500], [[0], [0]])),
        ({"type": "flexible", "flexible": {"proration_discounts": "itemized"}}, ([-500, 1000], [[-250], [500]])),
    ],
)
def test_a_coupon_and_a_billing_mode_are_asked_for(
    stand_in: StripeStandIn, v1: Any, customer: str, discounts: dict[str, Any], expected: tuple[list[int], Any]
) -> None:
    """Prorations show the discount as the mode says."""
    coupon = v1.coupons.create({"percent_off": 50, "duration": "forever"})
    about = {"billing_mode": discounts} if discounts else {}
    items = [{"price": price(v1, 1000)}]
    made = v1.subscriptions.create(
        {"customer": customer, "items": items, "discounts": [{"coupon": coupon.id}], **about}
    )
    assert 500 == v1.invoices.retrieve(made.latest_invoice).amount_paid
    stand_in.account.billing.advance(15 * DAY)
    change = {"id": made["items"].data[0].id, "price": price(v1, 2000)}
    made = v1.subscriptions.update(made.id, {"items": [change], "proration_behavior": "always_invoice"})
    bill = v1.invoices.retrieve(made.latest_invoice)
    shown = [[one.amount for one in line.discount_amounts] for line in bill.lines.data]
    assert expected == ([line.amount for line in bill.lines.data], shown)
    assert (250, [made.discounts[0]]) == (bill.total, bill.discounts)


def test_a_cancellation_is_prorated_and_its_credit_pays_the_next(
    stand_in: StripeStandIn, v1: Any, customer: str
) -> None:
    """By the customer's balance, which other transactions move, too."""
    about = {"customer": customer, "items": [{"price": price(v1, 1000)}]}
    made = v1.subscriptions.create(about)
    stand_in.account.billing.advance(15 * DAY)
    v1.subscriptions.cancel(made.id, {"prorate": True, "invoice_now": True})
    v1.customers.balance_transactions.create(customer, {"amount": -200, "currency": "usd"})
    assert -700 == v1.customers.retrieve(customer).balance
    bill = v1.invoices.retrieve(v1.subscriptions.create(about).latest_invoice)
    assert (-700, 0, 300, 300) == (bill.starting_balance, bill.ending_balance, bill.amount_due, bill.amount_paid)
    given = v1.customers.balance_transactions.list(customer).data
    assert [(700, bill.id), (-200, None)] == [(one.amount, one.invoice) for one in given][:2]


def test_credit_notes_are_issued_listed_and_voided(stand_in: StripeStandIn, v1: Any, customer: str) -> None:
    """For an invoice that is sent: before its payment, and after it."""
    items = [{"price": price(v1, 5000)}]
    made = v1.subscriptions.create(
        {"customer": customer, "items": items, "collection_method": "send_invoice", "days_until_due": 30}
    )
    stand_in.account.billing.advance(3600)
    invoice_id = made.latest_invoice
    note = v1.credit_notes.create({"invoice": invoice_id, "amount": 1200, "reason": "order_change"})
    assert ("issued", "pre_payment") == (note.status, note.type)
    assert "void" == v1.credit_notes.void_credit_note(note.id).status
    assert "paid" == v1.invoices.pay(invoice_id, {"paid_out_of_band": True}).status
    line = v1.invoices.retrieve(invoice_id).lines.data[0]
    credited = [{"type": "invoice_line_item", "invoice_line_item": line.id, "amount": 1000}]
    credited.append({"type": "custom_line_item", "description": "Sorry", "unit_amount": 50, "quantity": 2})
    later = v1.credit_notes.create({"invoice": invoice_id, "lines": credited, "credit_amount": 1100})
    retrieved = v1.credit_notes.retrieve(later.id)
    assert (1100, line.id) == (retrieved.post_payment_amount, retrieved.lines.data[0].invoice_line_item)
    assert [1000, 100] == [one.amount for one in v1.credit_notes.line_items.list(later.id).data]
    assert [later.id, note.id] == [one.id for one in v1.credit_notes.list({"invoice": invoice_id}).data]
    assert {"a": "b"} == v1.credit_notes.update(later.id, {"metadata": {"a": "b"}}).metadata.to_dict()


def test_a_checkout_s_prices_can_be_read(stand_in: StripeStandIn, v1: Any) -> None:
    """Those that are kept, and those that it describes; each is a line of the first invoice."""
    kept, described = price(v1, 1000), {"currency": "usd", "unit_amount": 300, "product_data": {"name": "More"}}
    items = [
        {"price": kept, "quantity": 2},
        {"price_data": {**described, "recurring": {"interval": "month"}}, "quantity": 1},
    ]
    session = v1.checkout.sessions.create(
        {"mode": "subscription", "line_items": items, "success_url": "https://a.test/"}
    )
    stand_in.pay(session.id)
    sold = v1.checkout.sessions.line_items.list(session.id).data
    assert [(kept, 2, 2000), (sold[1].price.id, 1, 300)] == [
        (one.price.id, one.quantity, one.amount_total) for one in sold
    ]
    paid = v1.checkout.sessions.retrieve(session.id, {"expand": ["line_items"]})
    assert [one.id for one in sold] == [one.id for one in paid.line_items.data]
    bill = v1.invoices.retrieve(paid.invoice)
    priced = [v1.prices.retrieve(line.pricing.price_details.price) for line in bill.lines.data]
    assert [(kept, 2000), (priced[1].id, 300)] == [
        (one.id, line.amount) for one, line in zip(priced, bill.lines.data, strict=True)
    ]
    assert ("month", "More") == (priced[1].recurring.interval, v1.products.retrieve(priced[1].product).name)


def test_another_process_drives_billing(stand_in: StripeStandIn, v1: Any, customer: str) -> None:
    """By plain HTTP: a payment by card in part, the rest outside of Stripe, an appeal, a cancellation."""
    items = [{"price": price(v1, 1000)}]
    made = v1.subscriptions.create({"customer": customer, "items": items, "collection_method": "send_invoice"})
    with httpx.Client(base_url=f"{stand_in.url}/_stand_in") as http:
        assert [] == http.post("/clock/advance", data={"seconds": "3600"}).json()["events"]
        answer = http.post(f"/invoices/{made.latest_invoice}/pay", data={"amount": "600"}).json()["events"]
        intent = answer[0]["data"]["object"]["payment"]["payment_intent"]
        answer = http.post(f"/invoices/{made.latest_invoice}/pay_out_of_band").json()["events"]
        assert "invoice.paid" == answer[0]["type"]
        answer = http.post(f"/payments/{intent}/dispute").json()["events"]
        dispute = answer[0]["data"]["object"]["id"]
        http.post(f"/disputes/{dispute}/reinstate", data={"amount": "200"})
        http.post(f"/disputes/{dispute}/close", data={"status": "lost"})
        (answer,) = http.post(f"/disputes/{dispute}/appeal").json()["events"]
        assert ("appeal_needs_response", [-600, 200]) == (
            answer["data"]["object"]["status"],
            [move["amount"] for move in answer["data"]["object"]["balance_transactions"]],
        )
        answer = http.post(f"/subscriptions/{made.id}/cancel", data={"prorate": "true", "invoice_now": "true"}).json()
        assert "customer.subscription.deleted" == answer["events"][0]["type"]


@pytest.mark.parametrize(
    ("resource", "fields", "param"),
    [
        ("coupons", {"percent_off": 101}, "percent_off"),
        ("coupons", {"percent_off": 10, "duration": "repeating"}, "duration_in_months"),
        ("credit_notes", {"invoice": "in_unknown", "amount": 1}, "id"),
        ("subscriptions", {"customer": "cus_unknown", "items": [{"price": "price_unknown"}]}, "id"),
    ],
)
def test_what_stripe_would_refuse_is_refused(v1: Any, resource: str, fields: dict[str, Any], param: str) -> None:
    """With the parameter's name."""
    with pytest.raises(stripe.InvalidRequestError) as raised:
        getattr(v1, resource).create(fields)
    assert param == raised.value.param
