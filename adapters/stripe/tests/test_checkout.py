"""Checkout through the real stripe package, against the stand-in."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import attrs
import pytest

from adapters.stripe.checkout import StripeCheckouts
from adapters.stripe.connection import StripeConnection
from domain.payments.purchases import Link, PaymentStatus, Purchase
from domain.payments.reports import Attribution, SaleReport
from domain.ports.customers import CustomerMissing
from domain.ports.payment_provider import Checkout, CheckoutDiffers, CheckoutRequest, PaymentsUnavailable, PriceNotSold
from domain.values.accounts import UserId
from domain.values.customers import CustomerId
from domain.values.money import Money
from domain.values.plans import Plan, PlanId, PlanMode, Terms
from domain.values.return_pages import ReturnPages
from simulators.http.server import HttpServer, Request, Response
from simulators.stripe.account.prices import new_price, new_product
from simulators.stripe.stand_in import StripeStandIn

ADA = UserId("00000000-0000-0000-0000-00000000000a")
TERMS = Terms(credits=50, price=Money(amount=500, currency="usd"))
REQUEST = CheckoutRequest(
    user_id=ADA,
    email="ada@example.com",
    plan=Plan(id=PlanId("starter"), name="50 credits <b>", terms=TERMS),
    idempotency_key="key-1",
    pages=ReturnPages(success_url="https://shop.test/ok?id={CHECKOUT_SESSION_ID}", cancel_url="https://shop.test/"),
)


@pytest.fixture
def stripe() -> Iterator[StripeStandIn]:
    with StripeStandIn(seed=7) as stand_in:
        yield stand_in


@contextlib.asynccontextmanager
async def with_checkouts(base: str, *, key: str = "sk_test_123456789012") -> AsyncIterator[StripeCheckouts]:
    connection = StripeConnection(api_key=key, api_base=base)
    async with contextlib.aclosing(connection):
        yield StripeCheckouts(connection)


async def test_a_session_carries_who_buys_what(stripe: StripeStandIn) -> None:
    """User, email, plan and terms are on the session and on its payment intent, and an invoice will be made."""
    async with with_checkouts(stripe.url) as checkouts:
        opened = await checkouts.create(REQUEST)
        assert opened.url == f"{stripe.url}/c/pay/{opened.session_id}"
        session = stripe.account.session(opened.session_id)
        assert session is not None
        metadata = {
            "userId": ADA,
            "userEmail": "ada@example.com",
            "plan": "starter",
            "credence_terms": "50/500/usd",
        }
        assert metadata == session["metadata"]
        assert {"enabled": True} == session["invoice_creation"]
        assert (ADA, "ada@example.com") == (session["client_reference_id"], session["customer_email"])
        stripe.account.pay(opened.session_id)
        paid = stripe.account.session(opened.session_id)
        assert paid is not None
        intent = stripe.account.intent(paid["payment_intent"])
        assert intent is not None
        assert {**metadata, "credence_session": "yes"} == intent["metadata"]


async def test_the_same_key_opens_one_session(stripe: StripeStandIn) -> None:
    """A repeated request is the first session; another key is another."""
    async with with_checkouts(stripe.url) as checkouts:
        first, again = await checkouts.create(REQUEST), await checkouts.create(REQUEST)
        other = await checkouts.create(attrs.evolve(REQUEST, idempotency_key="key-2"))
        assert first.session_id == again.session_id != other.session_id
        assert 2 == len(stripe.account.sessions())


async def test_a_key_that_opened_another_session_is_distinguished(stripe: StripeStandIn) -> None:
    """To try again changes nothing then, which is no matter of Stripe's being away."""
    async with with_checkouts(stripe.url) as checkouts:
        await checkouts.create(REQUEST)
        with pytest.raises(CheckoutDiffers):
            await checkouts.create(attrs.evolve(REQUEST, email="ada@new.example.com"))
        assert 1 == len(stripe.account.sessions())


async def test_a_key_that_is_in_use_may_be_tried_again() -> None:
    """While the first request under it is at work nobody knows whether they differ."""
    body = b'{"error": {"type": "idempotency_error", "code": "idempotency_key_in_use", "message": "in use"}}'
    with answering(409, body) as server:
        async with with_checkouts(server.url) as checkouts:
            with pytest.raises(PaymentsUnavailable):
                await checkouts.create(REQUEST)


async def test_a_retrieved_session_reports_its_sale(stripe: StripeStandIn) -> None:
    """Asked for, a session reports the same sale as its webhook does, paid when its charge was made."""
    async with with_checkouts(stripe.url) as checkouts:
        opened = await checkouts.create(REQUEST)
        event = stripe.account.pay(opened.session_id)
        assert event is not None
        found = await checkouts.retrieve(opened.session_id)
        assert found is not None
        intent = event["data"]["object"]["payment_intent"]
        links = {Link(f"session:{opened.session_id}"), Link(f"payment_intent:{intent}")}
        if invoice := event["data"]["object"]["invoice"]:
            links.add(Link(f"invoice:{invoice}"))
        (charge,) = stripe.account.all_kept("charge")
        charged_at = datetime.fromtimestamp(charge["created"], UTC)
        expected = SaleReport(
            purchase_id=intent,
            session_id=opened.session_id,
            links=frozenset(links),
            mode=REQUEST.plan.mode,
            facts=Purchase(payment=PaymentStatus.PAID, paid_at=charged_at),
            subtotal=TERMS.price,
            paid=TERMS.price,
            attribution=Attribution(
                user_reference=ADA,
                email="ada@example.com",
                plan_id="starter",
                terms=TERMS,
                client_reference=ADA,
            ),
            sold_at=datetime.fromtimestamp(event["data"]["object"]["created"], UTC),
        )
        assert Checkout(session_id=opened.session_id, url=None, status="complete", report=expected) == found


async def test_a_session_is_the_customers(stripe: StripeStandIn) -> None:
    """What is paid belongs to the account's customer; its address is the one on the page."""
    customer = CustomerId(stripe.account.new_customer("ada@example.com"))
    async with with_checkouts(stripe.url) as checkouts:
        opened = await checkouts.create(attrs.evolve(REQUEST, customer_id=customer))
        stripe.account.pay(opened.session_id, email="eve@example.com")
    session = stripe.account.session(opened.session_id)
    assert session is not None
    assert (customer, None) == (session["customer"], session["customer_email"])
    assert "ada@example.com" == session["customer_details"]["email"]
    assert "enabled" == session["saved_payment_method_options"]["payment_method_save"]
    paid = [stripe.account.kept("payment_intent", session["payment_intent"]), *stripe.account.all_kept("invoice")]
    assert [customer, customer] == [one["customer"] for one in paid]
    assert 1 == len(stripe.account.all_kept("customer"))


async def test_a_subscription_is_the_customers(stripe: StripeStandIn) -> None:
    """No checkout makes another customer."""
    customer = CustomerId(stripe.account.new_customer("ada@example.com"))
    plan = attrs.evolve(REQUEST.plan, mode=PlanMode.SUBSCRIPTION, interval="month")
    async with with_checkouts(stripe.url) as checkouts:
        for key in ("key-1", "key-2"):
            wanted = attrs.evolve(REQUEST, plan=plan, customer_id=customer, idempotency_key=key)
            stripe.account.pay((await checkouts.create(wanted)).session_id)
    assert [customer, customer] == [one["customer"] for one in stripe.account.all_kept("subscription")]
    assert 1 == len(stripe.account.all_kept("customer"))


async def test_a_customer_that_stripe_has_no_longer_is_named(stripe: StripeStandIn) -> None:
    """So that another can be made; anything else that is missing is an error."""
    async with with_checkouts(stripe.url) as checkouts:
        with pytest.raises(CustomerMissing) as raised:
            await checkouts.create(attrs.evolve(REQUEST, customer_id=CustomerId("cus_gone")))
    assert "cus_gone" == raised.value.customer_id
    body = b'{"error": {"type": "invalid_request_error", "code": "resource_missing", "param": "line_items[0][price]"}}'
    with answering(400, body) as server:
        async with with_checkouts(server.url) as checkouts:
            with pytest.raises(PaymentsUnavailable):
                await checkouts.create(attrs.evolve(REQUEST, customer_id=CustomerId("cus_1")))


async def test_an_unknown_session_is_none(stripe: StripeStandIn) -> None:
    """Stripe's 'no such session' is an answer, not an error."""
    async with with_checkouts(stripe.url) as checkouts:
        assert await checkouts.retrieve("cs_test_unknown") is None


async def test_a_refused_key_is_named_and_not_shown(stripe: StripeStandIn) -> None:
    """A wrong key is reported by its variable, never by its value."""
    async with with_checkouts(stripe.url, key="sk_wrong_123456789012") as checkouts:
        with pytest.raises(PaymentsUnavailable) as raised:
            await checkouts.create(REQUEST)
        assert "STRIPE_SECRET_KEY" in raised.value.cause
        assert "sk_wrong" not in raised.value.cause


async def test_an_invalid_request_is_reported(stripe: StripeStandIn) -> None:
    """What Stripe refuses is reported as such."""
    async with with_checkouts(stripe.url) as checkouts:
        terms = Terms(credits=1, price=Money(amount=1, currency="xxx"))
        with pytest.raises(PaymentsUnavailable):
            await checkouts.create(attrs.evolve(REQUEST, plan=attrs.evolve(REQUEST.plan, terms=terms)))


def answering(status: int, body: bytes, asked: list[Request] | None = None) -> HttpServer:
    """A server that gives one answer to everything, and keeps what it was asked."""

    def answer(request: Request) -> Response:
        if asked is not None:
            asked.append(request)
        return Response(status=status, headers={"Content-Type": "application/json"}, body=body)

    return HttpServer(answer, port=0)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, b'{"error": "Not found"}'),
        (404, b'{"error": []}'),
        (404, b'{"error": {"type": "invalid_request_error", "message": "Unrecognized request URL"}}'),
        (404, b"<html>"),
        (403, b'{"error": {"type": "invalid_request_error", "message": "rk_test_1 has no permission"}}'),
        (401, b"{}"),
        (200, b"<html>"),
        (200, b"\xff"),
        (200, b"null"),
        (200, b"[]"),
        (200, b"{}"),
        (200, b'{"object": "checkout.session", "id": "cs_1"}'),
        (200, b'{"object": "checkout.session", "id": 7, "status": "open", "url": null}'),
        (200, b'{"object": "checkout.session", "id": "cs_1", "status": "open", "url": 7}'),
        (200, b'{"object": "list", "data": [], "has_more": false}'),
    ],
)
async def test_an_answer_that_is_no_session_is_no_answer(status: int, body: bytes) -> None:
    """Something between us and Stripe answered, or another API: that is an outage, not a session that is missing."""
    with answering(status, body) as server:
        async with with_checkouts(server.url) as checkouts:
            for call in (lambda: checkouts.create(REQUEST), lambda: checkouts.retrieve("cs_1")):
                with pytest.raises(PaymentsUnavailable) as raised:
                    await call()
                assert "_test_" not in raised.value.cause


async def test_nobody_who_answers_is_reported() -> None:
    """A Stripe out of reach is the domain's error too."""
    async with with_checkouts("http://127.0.0.1:1") as checkouts:
        with pytest.raises(PaymentsUnavailable) as raised:
            await checkouts.retrieve("cs_1")
        assert "no answer" in raised.value.cause


OPENED = b'{"object": "checkout.session", "id": "cs_1", "status": "open", "url": null, "metadata": {}}'


@pytest.mark.parametrize(
    ("mode", "interval", "carrier", "others"),
    [
        (PlanMode.PAYMENT, None, "payment_intent_data", "subscription_data"),
        (PlanMode.SUBSCRIPTION, "month", "subscription_data", "payment_intent_data"),
    ],
)
async def test_what_is_sent_to_stripe(mode: PlanMode, interval: str | None, carrier: str, others: str) -> None:
    """The order is on the session and on what will be paid; only a single payment asks for an invoice."""
    asked: list[Request] = []
    plan = attrs.evolve(REQUEST.plan, mode=mode, interval=interval)

    with answering(200, OPENED, asked) as server:
        async with with_checkouts(server.url) as checkouts:
            await checkouts.create(attrs.evolve(REQUEST, plan=plan, email=None))

    (request,) = asked
    sent = dict(parse_qsl(request.body.decode()))
    assert "key-1" == request.headers["idempotency-key"]
    price = "line_items[0][price_data]"
    expected = {
        "mode": mode.value,
        "managed_payments[enabled]": "false",
        "line_items[0][quantity]": "1",
        f"{price}[currency]": "usd",
        f"{price}[unit_amount]": "500",
        f"{price}[product_data][name]": "50 credits <b>",
        "client_reference_id": ADA,
        "success_url": "https://shop.test/ok?id={CHECKOUT_SESSION_ID}",
        "cancel_url": "https://shop.test/",
    }
    metadata = {"userId": ADA, "plan": "starter", "credence_terms": "50/500/usd"}
    for holder in ("metadata", f"{carrier}[metadata]"):
        expected |= {f"{holder}[{key}]": value for key, value in metadata.items()}
    if mode is PlanMode.PAYMENT:
        expected["invoice_creation[enabled]"] = "true"
        expected |= {f"invoice_creation[invoice_data][metadata][{key}]": value for key, value in metadata.items()}
        for made in ("payment_intent_data", "invoice_creation[invoice_data]"):
            expected[f"{made}[metadata][credence_session]"] = "yes"
    else:
        expected |= {f"{price}[recurring][interval]": "month", f"{price}[recurring][interval_count]": "1"}
    assert expected == sent
    assert [] == [name for name in sent if name.startswith((others, "payment_method_types"))]


@pytest.mark.parametrize("mode", [PlanMode.PAYMENT, PlanMode.SUBSCRIPTION])
async def test_what_is_sent_of_a_customer(mode: PlanMode) -> None:
    """The customer in place of the address; a card is offered to be saved where it is not saved anyhow."""
    asked: list[Request] = []
    plan = attrs.evolve(REQUEST.plan, mode=mode, interval="month" if mode is PlanMode.SUBSCRIPTION else None)
    with answering(200, OPENED, asked) as server:
        async with with_checkouts(server.url) as checkouts:
            await checkouts.create(attrs.evolve(REQUEST, plan=plan, customer_id=CustomerId("cus_1")))
    sent = dict(parse_qsl(asked[0].body.decode()))
    expected = {"customer": "cus_1", "customer_update[address]": "auto", "customer_update[name]": "auto"}
    if mode is PlanMode.PAYMENT:
        expected["saved_payment_method_options[payment_method_save]"] = "enabled"
    assert expected == {name: value for name, value in sent.items() if name.startswith(("customer", "saved_"))}


async def test_a_pushed_price_is_sold_by_its_id(stripe: StripeStandIn) -> None:
    """The session has that price, and still says who buys what on which terms."""
    product = new_product(stripe.account, "50 credits")
    price = new_price(stripe.account, 500, "usd", product=product["id"], recurring=None)
    request = attrs.evolve(REQUEST, price_id=price["id"])
    async with with_checkouts(stripe.url) as checkouts:
        opened = await checkouts.create(request)
        (item,) = stripe.account.line_items(opened.session_id)
        assert (price["id"], 500) == (item["price"]["id"], item["amount_total"])
        session = stripe.account.session(opened.session_id)
        assert session is not None
        assert "50/500/usd" == session["metadata"]["credence_terms"]
        price["active"] = False
        for unsold in (price["id"], "price_none"):
            with pytest.raises(PriceNotSold) as raised:
                await checkouts.create(attrs.evolve(request, price_id=unsold, idempotency_key=f"of-{unsold}"))
            assert unsold == raised.value.price_id
        assert 1 == len(stripe.account.sessions())
