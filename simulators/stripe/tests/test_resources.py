"""The resources that are made by the API alone, under the real `stripe` package: methods, payments, invoices."""

from collections.abc import Iterator
from typing import Any

import pytest
import stripe

from simulators.stripe.stand_in import StripeStandIn


@pytest.fixture
def stand_in() -> Iterator[StripeStandIn]:
    with StripeStandIn(seed=8) as running:
        yield running


@pytest.fixture
def v1(stand_in: StripeStandIn) -> Any:
    client = stripe.StripeClient("sk_test_123456789012", base_addresses={"api": stand_in.url}, max_network_retries=0)
    return client.v1


def kinds(stand_in: StripeStandIn) -> list[str]:
    return [event["type"] for event in stand_in.events]


def paid(v1: Any, method: str = "pm_card_visa", **fields: Any) -> Any:
    return v1.payment_intents.create(
        {
            "amount": 1000,
            "currency": "usd",
            "payment_method": method,
            "payment_method_types": ["card"],
            "confirm": True,
            **fields,
        }
    )


@pytest.mark.parametrize(
    ("method", "code", "decline_code"),
    [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
        ("pm_card_chargeDeclinedProcessingError", "processing_error", "processing_error"),
    ],
)
def test_a_card_is_declined(stand_in: StripeStandIn, v1: Any, method: str, code: str, decline_code: str) -> None:
    """With its reason; the payment stands open, its charge failed, and another card may pay it."""
    with pytest.raises(stripe.CardError) as raised:
        paid(v1, method)
    assert (402, code) == (raised.value.http_status, raised.value.code)
    error = raised.value.error
    assert error is not None
    assert decline_code == error.decline_code
    assert error.payment_intent is not None
    intent = v1.payment_intents.retrieve(error.payment_intent.id)
    assert ("requires_payment_method", 0) == (intent.status, intent.amount_received)
    assert "failed" == v1.charges.retrieve(intent.latest_charge).status
    with pytest.raises(stripe.InvalidRequestError):
        v1.refunds.create({"payment_intent": intent.id})
    again = v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
    assert ("succeeded", 1000) == (again.status, again.amount_received)
    assert ["charge.failed", "payment_intent.payment_failed"] == kinds(stand_in)[1:3]


@pytest.mark.parametrize(
    ("method", "statuses"),
    [
        ("pm_card_visa", ["succeeded"]),
        ("pm_card_pendingRefund", ["pending"]),
        ("pm_card_refundFail", ["succeeded", "failed"]),
    ],
)
def test_a_refund_becomes_what_its_card_says(
    stand_in: StripeStandIn, v1: Any, method: str, statuses: list[str]
) -> None:
    """It succeeds, waits, or fails after it had succeeded; a failed one counts for nothing."""
    intent = paid(v1, method)
    refund = v1.refunds.create({"payment_intent": intent.id, "amount": 400})
    found = [event["data"]["object"]["status"] for event in stand_in.events if event["type"].startswith("refund.")]
    assert (statuses[0], statuses[-1]) == (found[0], refund.status)
    assert (0 if statuses[-1] == "failed" else 400) == v1.charges.retrieve(intent.latest_charge).amount_refunded


@pytest.mark.parametrize(
    ("method", "status", "reason", "moves"),
    [
        ("pm_card_createDispute", "needs_response", "fraudulent", [-1000]),
        ("pm_card_createDisputeProductNotReceived", "needs_response", "product_not_received", [-1000]),
        ("pm_card_createDisputeInquiry", "warning_needs_response", "fraudulent", []),
    ],
)
def test_a_card_is_disputed(v1: Any, method: str, status: str, reason: str, moves: list[int]) -> None:
    """Right after the payment; only a dispute takes the money."""
    intent = paid(v1, method)
    (dispute,) = v1.disputes.list({"payment_intent": intent.id}).data
    assert (status, reason) == (dispute.status, dispute.reason)
    assert moves == [move.amount for move in dispute.balance_transactions]


def test_a_payment_is_captured_in_part(stand_in: StripeStandIn, v1: Any) -> None:
    """What is not captured was never paid, and can't be refunded; Stripe shows it as a refund."""
    intent = paid(v1, capture_method="manual")
    assert ("requires_capture", 1000, 0) == (intent.status, intent.amount_capturable, intent.amount_received)
    intent = v1.payment_intents.capture(intent.id, {"amount_to_capture": 600})
    assert ("succeeded", 0, 600) == (intent.status, intent.amount_capturable, intent.amount_received)
    charge = v1.charges.retrieve(intent.latest_charge)
    assert (1000, 600, 400, False) == (charge.amount, charge.amount_captured, charge.amount_refunded, charge.refunded)
    assert [400] == [refund.amount for refund in v1.refunds.list({"payment_intent": intent.id}).data]
    assert ["charge.captured", "payment_intent.succeeded"] == kinds(stand_in)[-2:]
    with pytest.raises(stripe.InvalidRequestError):
        v1.refunds.create({"payment_intent": intent.id, "amount": 601})
    with pytest.raises(stripe.InvalidRequestError):
        v1.payment_intents.capture(intent.id)


@pytest.mark.parametrize(
    ("iban", "status"),
    [
        ("AT611904300234573201", "succeeded"),
        ("AT861904300235473202", "requires_payment_method"),
        ("AT321904300235473204", "processing"),
    ],
)
def test_a_debit_arrives_fails_or_waits(stand_in: StripeStandIn, v1: Any, iban: str, status: str) -> None:
    """By the test account that it is drawn on."""
    method = v1.payment_methods.create({"type": "sepa_debit", "sepa_debit": {"iban": iban}})
    intent = paid(v1, method.id, currency="eur", payment_method_types=["sepa_debit"])
    assert status == v1.payment_intents.retrieve(intent.id).status
    assert "payment_intent.processing" in kinds(stand_in)


def test_an_invoice_is_made_of_what_is_pending(stand_in: StripeStandIn, v1: Any) -> None:
    """Its customer's items, once each; paying it links payment, charge and invoice."""
    customer = v1.customers.create({"email": "ada@example.com", "payment_method": "pm_card_visa"})
    for amount in (300, 200):
        v1.invoice_items.create({"customer": customer.id, "amount": amount, "currency": "eur"})
    fields = {"customer": customer.id, "pending_invoice_items_behavior": "include"}
    bill = v1.invoices.create(fields)
    assert ("draft", 500, "eur", 0) == (bill.status, bill.total, bill.currency, bill.amount_paid)
    assert 0 == v1.invoices.create(fields).total
    method = v1.payment_methods.list({"customer": customer.id}).data[0]
    paid_bill = v1.invoices.pay(bill.id, {"payment_method": method.id})
    assert ("paid", 500, 0) == (paid_bill.status, paid_bill.amount_paid, paid_bill.amount_remaining)
    (payment,) = v1.invoice_payments.list({"invoice": bill.id}).data
    charge = v1.charges.list({"payment_intent": payment.payment.payment_intent}).data[0]
    assert (500, "eur") == (charge.amount, charge.currency)
    for refused in (v1.invoices.pay, v1.invoices.finalize_invoice, v1.invoices.void_invoice, v1.invoices.delete):
        with pytest.raises(stripe.InvalidRequestError):
            refused(bill.id)


def test_an_invoice_of_nothing_is_paid_when_it_is_final(stand_in: StripeStandIn, v1: Any) -> None:
    """Without a payment."""
    bill = v1.invoices.create({"customer": v1.customers.create({}).id})
    assert "paid" == v1.invoices.finalize_invoice(bill.id).status
    assert [] == v1.invoice_payments.list({"invoice": bill.id}).data
    assert "invoice.paid" in kinds(stand_in)


def test_a_subscription_needs_a_price_and_a_way_to_pay(stand_in: StripeStandIn, v1: Any) -> None:
    """A recurring price, and a customer whose card pays, unless a trial comes first."""
    product = v1.products.create({"name": "100 credits a month"})
    price = {"product": product.id, "unit_amount": 900, "currency": "usd"}
    once, monthly = v1.prices.create(price), v1.prices.create({**price, "recurring": {"interval": "month"}})
    customer = v1.customers.create({})
    for wrong in (once, monthly):
        with pytest.raises(stripe.InvalidRequestError):
            v1.subscriptions.create({"customer": customer.id, "items": [{"price": wrong.id}]})
    fields = {"customer": customer.id, "items": [{"price": monthly.id, "quantity": 2}], "metadata": {"plan": "monthly"}}
    assert "trialing" == v1.subscriptions.create({**fields, "trial_period_days": 7}).status
    method = v1.payment_methods.attach("pm_card_mastercard", {"customer": customer.id})
    v1.customers.update(customer.id, {"invoice_settings": {"default_payment_method": method.id}})
    made = v1.subscriptions.create(fields)
    bill = v1.invoices.retrieve(made.latest_invoice)
    assert ("active", 1800, "subscription_create") == (made.status, bill.total, bill.billing_reason)
    assert {"plan": "monthly"} == bill.parent.subscription_details.metadata.to_dict()


def test_a_subscription_that_the_bank_declines_is_incomplete(stand_in: StripeStandIn, v1: Any) -> None:
    """It begins when its invoice is paid after all, and renews only then."""
    price = {"product_data": {"name": "100 credits"}, "unit_amount": 900, "currency": "usd"}
    monthly = v1.prices.create({**price, "recurring": {"interval": "month"}})
    customer = v1.customers.create({})
    method = v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": customer.id})
    fields = {"customer": customer.id, "items": [{"price": monthly.id}], "default_payment_method": method.id}
    made = v1.subscriptions.create(fields)
    assert ("incomplete", "open") == (made.status, v1.invoices.retrieve(made.latest_invoice).status)
    assert ["invoice.payment_failed", "customer.subscription.created"] == kinds(stand_in)[-2:]
    assert [] == stand_in.account.billing.advance(40 * 24 * 3600)
    v1.invoices.pay(made.latest_invoice, {"payment_method": "pm_card_visa"})
    assert "active" == v1.subscriptions.retrieve(made.id).status
    assert {"status": "incomplete"} == stand_in.events[-1]["data"]["previous_attributes"]
    assert "invoice.paid" in [event["type"] for event in stand_in.account.billing.advance(0)]


def test_a_change_reports_what_was_before(stand_in: StripeStandIn, v1: Any) -> None:
    """Keys are added, replaced and removed; a change of nothing is no event."""
    customer = v1.customers.create({"name": "Ada", "metadata": {"a": "1", "b": "2"}})
    v1.customers.update(customer.id, {"name": "Ada Lovelace", "metadata": {"a": "", "c": "3"}})
    data = stand_in.events[-1]["data"]
    assert {"b": "2", "c": "3"} == data["object"]["metadata"]
    assert {"name": "Ada", "metadata": {"a": "1", "c": None}} == data["previous_attributes"]
    v1.customers.update(customer.id, {"name": "Ada Lovelace"})
    assert ["customer.created", "customer.updated"] == kinds(stand_in)


def test_what_is_removed_is_gone(v1: Any) -> None:
    """It can't be read any more, nor removed again."""
    product = v1.products.create({"name": "50 credits"})
    assert v1.products.delete(product.id).deleted
    for refused in (v1.products.retrieve, v1.products.delete):
        with pytest.raises(stripe.InvalidRequestError, match="No such product"):
            refused(product.id)


@pytest.mark.parametrize(
    ("resource", "fields", "param"),
    [
        ("customers", {"colour": "red"}, "colour"),
        ("payment_intents", {"amount": 1000, "currency": "xxx"}, "currency"),
        ("payment_intents", {"amount": 49, "currency": "usd"}, "amount"),
        ("payment_intents", {"amount": 1000, "currency": "usd", "payment_method": "pm_card_paper"}, "payment_method"),
        ("prices", {"currency": "usd", "unit_amount": 1, "product": "prod_unknown"}, "id"),
        ("products", {}, "name"),
        ("invoices", {}, "customer"),
        ("payment_methods", {"type": "cash"}, "type"),
    ],
)
def test_what_stripe_would_refuse_is_refused(
    stand_in: StripeStandIn, v1: Any, resource: str, fields: dict[str, Any], param: str
) -> None:
    """With the parameter's name, and without an event."""
    with pytest.raises(stripe.InvalidRequestError) as raised:
        getattr(v1, resource).create(fields)
    assert param == raised.value.param
    assert [] == stand_in.events
