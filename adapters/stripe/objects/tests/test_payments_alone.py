"""Payment intents as Stripe reports them, and what is asked where they, a session or an invoice don't say enough."""

import contextlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from adapters.stripe.connection import StripeConnection
from adapters.stripe.events import read_event
from adapters.stripe.lookup import StripeLookup
from domain.payments.purchases import Link, OrderRank, PaymentStatus, Purchase
from domain.payments.reports import Irrelevant, PaymentReport, ProviderReport, SaleReport, Unreadable
from domain.values.money import Money
from simulators.http.server import HttpServer, Request, Response

ADA = "00000000-0000-0000-0000-00000000000a"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
CHARGED = datetime(2026, 1, 1, 11, tzinfo=UTC)
OURS = {"userId": ADA, "plan": "starter"}
INTENT: dict[str, Any] = {
    "id": "pi_1",
    "object": "payment_intent",
    "status": "succeeded",
    "amount": 500,
    "amount_received": 500,
    "currency": "usd",
    "created": int(NOON.timestamp()),
    "latest_charge": "ch_1",
    "metadata": OURS,
}
SESSION: dict[str, Any] = {
    "id": "cs_1",
    "object": "checkout.session",
    "mode": "payment",
    "status": "complete",
    "payment_status": "paid",
    "amount_subtotal": 1500,
    "amount_total": 1500,
    "currency": "usd",
    "created": int(NOON.timestamp()),
    "payment_intent": {"id": "pi_1", "latest_charge": {"id": "ch_1", "created": int(CHARGED.timestamp())}},
    "metadata": {},
}
INVOICE: dict[str, Any] = {
    "id": "in_1",
    "object": "invoice",
    "billing_reason": "manual",
    "status": "paid",
    "currency": "usd",
    "created": int(NOON.timestamp()),
    "subtotal": 500,
    "total": 500,
    "lines": {"data": []},
    "metadata": OURS,
}
PAYMENTS = {"data": [{"status": "paid", "payment": {"type": "payment_intent", "payment_intent": "pi_1"}}]}


def reported(**changes: Any) -> ProviderReport:
    return read_event("payment_intent.succeeded", {**INTENT, **changes}, NOON)


def links(*named: str) -> frozenset[Link]:
    return frozenset(map(Link, named))


@contextlib.asynccontextmanager
async def asking(answers: dict[str, Any]) -> AsyncIterator[StripeLookup]:
    """Open a way to ask a Stripe that has these objects and lists by their paths."""
    async with asking_and_asked(answers) as (lookup, _):
        yield lookup


@contextlib.asynccontextmanager
async def asking_and_asked(answers: dict[str, Any]) -> AsyncIterator[tuple[StripeLookup, list[str]]]:
    """Open it together with the targets of the requests that it gets."""
    asked: list[str] = []

    def answer(request: Request) -> Response:
        asked.append(request.target)
        found = answers.get(request.path.removeprefix("/v1/"))
        if isinstance(found, list):
            found = {"object": "list", "data": found, "has_more": False, "url": request.path}
        missing = {"error": {"type": "invalid_request_error", "code": "resource_missing", "message": "none"}}
        body = json.dumps(missing if found is None else found).encode()
        status = 404 if found is None else 200
        return Response(status=status, headers={"Content-Type": "application/json"}, body=body)

    with HttpServer(answer, port=0) as server:
        connection = StripeConnection(api_key="sk_test_123456789012", api_base=server.url, retries=0)
        async with contextlib.aclosing(connection):
            yield StripeLookup(connection), asked


def test_an_intent_is_a_sale_that_is_reported_in_part() -> None:
    """It never shows the session that it may pay."""
    sale = reported()
    assert isinstance(sale, SaleReport)
    assert (OrderRank.INTENT, False) == (sale.rank, sale.is_complete)
    assert links("payment_intent:pi_1", "charge:ch_1") == sale.links
    assert (Money(amount=500, currency="usd"), ADA, "starter") == (
        sale.subtotal,
        sale.attribution.user_reference,
        sale.attribution.plan_id,
    )
    assert Purchase(payment=PaymentStatus.PAID, paid_at=NOON) == sale.facts


def test_an_intent_of_a_session_is_news_of_its_payment() -> None:
    """The session orders."""
    news = reported(metadata={**OURS, "credence_session": "yes"})
    assert isinstance(news, PaymentReport)
    assert (True, links("payment_intent:pi_1", "charge:ch_1")) == (news.ours, news.links)


@pytest.mark.parametrize(
    ("shape", "facts"),
    [
        ({}, Purchase(never_paid=200)),
        ({"invoice": None}, Purchase(never_paid=200, uncaptured_refunds=200)),
        ({"invoice": "in_1"}, Purchase(never_paid=200, uncaptured_refunds=200)),
    ],
)
def test_what_is_not_captured_is_never_paid(shape: dict[str, Any], facts: Purchase) -> None:
    """Versions that still show the invoice make a refund of it."""
    sale = reported(amount_received=300, **shape)
    assert isinstance(sale, SaleReport)
    assert attrs.evolve(facts, payment=PaymentStatus.PAID, paid_at=NOON) == sale.facts


def test_the_charge_is_found_in_old_versions_too() -> None:
    """Before 2022-11-15 the intent lists its charges, tries that failed among them."""
    charges = {"data": [{"id": "ch_2", "paid": False}, {"id": "ch_1", "paid": True}]}
    old = {key: value for key, value in INTENT.items() if key != "latest_charge"}
    news = read_event("payment_intent.succeeded", {**old, "charges": charges}, NOON)
    assert isinstance(news, SaleReport)
    assert Link("charge:ch_1") in news.links


@pytest.mark.parametrize("changes", [{"metadata": {}}, {"metadata": {"order": "1"}}, {"status": "processing"}])
def test_another_intent_does_not_matter(changes: dict[str, Any]) -> None:
    """Another application's, or one that is not paid."""
    assert isinstance(reported(**changes), Irrelevant)


@pytest.mark.parametrize(
    "changes", [{"amount": None}, {"amount_received": "5"}, {"currency": 5}, {"charges": 7, "latest_charge": None}]
)
def test_an_intent_that_can_not_be_read_is_kept(changes: dict[str, Any]) -> None:
    """Money may stand behind it."""
    assert isinstance(reported(**changes), Unreadable)


@pytest.mark.parametrize(
    ("invoice", "is_complete"),
    [({}, False), ({"payments": {"data": []}}, True), ({"payment_intent": "pi_1"}, True), ({"total": 0}, True)],
)
def test_an_invoice_by_hand_reports_its_sale(invoice: dict[str, Any], is_complete: bool) -> None:
    """Whole, once it shows what paid it."""
    sale = read_event("invoice.paid", {**INVOICE, **invoice}, NOON)
    assert isinstance(sale, SaleReport)
    assert (OrderRank.INVOICE, is_complete, "in_1") == (sale.rank, sale.is_complete, sale.purchase_id)
    assert is_complete == sale.is_complete


ALONE: dict[str, Any] = {"payment_intents/pi_1": INTENT, "checkout/sessions": [], "invoice_payments": []}


async def test_an_intent_that_pays_nothing_else_is_whole() -> None:
    """Neither a session nor an invoice has it."""
    async with asking_and_asked(ALONE) as (lookup, asked):
        sale = reported()
        assert isinstance(sale, SaleReport)
        assert attrs.evolve(sale, is_complete=True) == await lookup.complete_sale(sale)

    (listed,) = [target for target in asked if target.startswith("/v1/checkout/sessions?")]
    assert "payment_intent=pi_1" in listed


@pytest.mark.parametrize(
    ("has", "linked"),
    [
        (
            {
                "checkout/sessions": [{**SESSION, "metadata": OURS}],
                "checkout/sessions/cs_1": {**SESSION, "metadata": OURS},
            },
            "session:cs_1",
        ),
        ({"invoice_payments": [{"id": "inpay_1", "invoice": "in_1"}]}, "invoice:in_1"),
        ({"invoice_payments": [{"id": "inpay_1", "invoice": "in_1"}, {"id": "inpay_2", "invoice": "in_2"}]}, None),
    ],
)
async def test_an_intent_of_a_session_or_invoice_only_pays_that(has: dict[str, Any], linked: str | None) -> None:
    """One that pays several invoices is linked with none of them."""
    async with asking({**ALONE, **has}) as lookup:
        sale = reported()
        assert isinstance(sale, SaleReport)
        news = await lookup.complete_sale(sale)
        assert isinstance(news, PaymentReport)
        assert (True, sale.facts) == (news.ours, news.facts)
        assert sale.links | links(*([linked] if linked else [])) == news.links


async def test_an_intent_names_who_bought_at_a_session_that_names_nobody() -> None:
    """Another program's session may have our metadata on its payment alone: what was sold is in the session."""
    async with asking({**ALONE, "checkout/sessions": [SESSION], "checkout/sessions/cs_1": SESSION}) as lookup:
        sale = reported()
        assert isinstance(sale, SaleReport)
        whole = await lookup.complete_sale(sale)
        assert isinstance(whole, SaleReport)
        assert (OrderRank.SESSION, "cs_1", 1500, ADA) == (
            whole.rank,
            whole.session_id,
            whole.subtotal.amount,
            whole.attribution.user_reference,
        )


async def test_a_session_is_asked_for_all_of_its_items() -> None:
    """Page after page, each with its price in whole."""
    price = {"id": "price_1", "unit_amount": 500, "currency": "usd", "product": "prod_1", "metadata": {}}
    items = [{"id": "li_1", "amount_subtotal": 1500, "currency": "usd", "quantity": 3, "price": price}]

    async with asking({"checkout/sessions/cs_1/line_items": items}) as lookup:
        sale = read_event("checkout.session.completed", {**SESSION, "metadata": OURS}, NOON)
        assert isinstance(sale, SaleReport)
        whole = await lookup.complete_sale(attrs.evolve(sale, is_complete=False))
        assert isinstance(whole, SaleReport)
        assert whole.is_complete
        (item,) = whole.items or ()
        assert ("price_1", 3, 1500, 500) == (item.price.id, item.quantity, item.amount, item.price.unit_amount)

    async with asking({}) as lookup:
        sale = read_event("checkout.session.completed", {**SESSION, "metadata": OURS}, NOON)
        assert isinstance(sale, SaleReport)
        whole = await lookup.complete_sale(sale)
        assert isinstance(whole, SaleReport)
        assert () == whole.items


async def test_an_invoice_by_hand_is_asked_for_what_paid_it() -> None:
    """In new API versions it shows that only then."""
    async with asking({"invoices/in_1": {**INVOICE, "payments": PAYMENTS}, "invoices/in_1/lines": []}) as lookup:
        sale = read_event("invoice.paid", INVOICE, NOON)
        assert isinstance(sale, SaleReport)
        whole = await lookup.complete_sale(sale)
        assert isinstance(whole, SaleReport)
        assert (True, links("invoice:in_1", "payment_intent:pi_1")) == (whole.is_complete, whole.links)


@pytest.mark.parametrize(
    ("object_id", "amount"),
    [("cs_1", 1500), ("pi_1", 500), ("in_1", 500), ("cs_2", None), ("re_1", None), ("pi_2", None)],
)
async def test_any_object_may_be_read_as_a_sale(object_id: str, amount: int | None) -> None:
    """Whatever its metadata: a person says whose it is."""
    nobody_s: dict[str, Any] = {"metadata": {}}
    answers = {
        "checkout/sessions/cs_1": SESSION,
        "payment_intents/pi_1": {**INTENT, **nobody_s},
        "invoices/in_1": {**INVOICE, **nobody_s, "payments": PAYMENTS},
        "invoices/in_1/lines": [],
    }
    async with asking(answers) as lookup:
        found = await lookup.sale(object_id)
        assert isinstance(found, SaleReport) or found is None
        assert amount == (found.subtotal.amount if found else None)
