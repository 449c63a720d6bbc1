"""What is asked of Stripe, through the real `stripe` package: payments, subscriptions, history, endpoints, invoices."""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from unittest.mock import ANY

import attrs
import pytest
import stripe as stripe_package

from adapters.stripe.checkout import StripeCheckouts
from adapters.stripe.connection import StripeConnection, plain
from adapters.stripe.endpoints import StripeDeployment
from adapters.stripe.events import read_event
from adapters.stripe.history import StripeHistory
from adapters.stripe.invoice_mailer import StripeInvoices
from adapters.stripe.lookup import StripeLookup
from domain.payments.purchases import Link, PurchaseId
from domain.payments.reports import PaymentReport, ProviderReport, SaleReport, SubscriptionReport
from domain.payments.subscriptions import SubscriptionId, SubscriptionStatus
from domain.ports.payment_provider import CheckoutRequest, PaymentsRefused, PaymentsUnavailable
from domain.tests.examples import ADA, MONTHLY, STARTER
from domain.values.money import Money
from domain.values.plans import Plan
from domain.values.return_pages import ReturnPages
from simulators.stripe.stand_in import StripeStandIn


@pytest.fixture
def stripe() -> Iterator[StripeStandIn]:
    with StripeStandIn(seed=5) as stand_in:
        yield stand_in


def asking(stripe: StripeStandIn) -> contextlib.aclosing[StripeConnection]:
    return contextlib.aclosing(StripeConnection(api_key="sk_test_123456789012", api_base=stripe.url, retries=0))


async def buy(stripe: StripeStandIn, connection: StripeConnection, plan: Plan = STARTER) -> Any:
    """A paid session of ours."""
    pages = ReturnPages(success_url="https://a.test/?id={CHECKOUT_SESSION_ID}", cancel_url="https://a.test/")
    key = f"key-{len(stripe.events)}"
    request = CheckoutRequest(user_id=ADA, email=None, plan=plan, idempotency_key=key, pages=pages)
    opened = await StripeCheckouts(connection).create(request)
    stripe.pay(opened.session_id)
    return stripe.session(opened.session_id)


def news(*links: str, **report: Any) -> PaymentReport:
    return PaymentReport(purchase_id=PurchaseId("x"), links=frozenset(map(Link, links)), **report)


async def test_a_payment_is_looked_up_from_any_of_its_objects(stripe: StripeStandIn) -> None:
    """Charge, intent or invoice: each leads to the others, and to the session whose metadata says that it is ours."""
    async with asking(stripe) as connection:
        session = await buy(stripe, connection)
        charge = stripe.account.all_kept("charge")[0]["id"]
        every = {
            f"session:{session['id']}",
            f"payment_intent:{session['payment_intent']}",
            f"invoice:{session['invoice']}",
            f"charge:{charge}",
        }
        for asked in (f"charge:{charge}", f"payment_intent:{session['payment_intent']}"):
            found = await StripeLookup(connection).look_up(news(asked))
            assert (every, True) == (set(found.links), found.ours)


async def test_an_invoice_s_lines_are_asked_for_where_it_does_not_show_them_all(stripe: StripeStandIn) -> None:
    """Six changes of plan within a month make twelve prorations before the line of the next one."""
    async with asking(stripe) as connection:
        session = await buy(stripe, connection, MONTHLY)
        for price in (900, 500, 900, 500, 900, 500):
            stripe.account.billing.change_plan(session["subscription"], price)
        stripe.account.billing.advance(31 * 24 * 3600)
        report = [event for event in stripe.events if event["type"] == "invoice.paid"][-1]["data"]["object"]
        assert (10, 13, True) == (
            len(report["lines"]["data"]),
            report["lines"]["total_count"],
            report["lines"]["has_more"],
        )
        part = read_event("invoice.paid", report, datetime.now(UTC))
        assert isinstance(part, SaleReport)
        assert not part.is_complete
        whole = await StripeLookup(connection).complete_sale(part)
        assert isinstance(whole, SaleReport)
        assert whole.lines is not None
        assert part.lines == whole.lines[:10]
        assert [500] == [line.amount for line in whole.lines if not line.is_proration]
        assert ([6, 6], 13) == ([sum(map(bool, way)) for way in _ways(whole)], len(whole.lines))
        charged = sum(line.amount for line in whole.lines if line.amount > 0)
        subtotal = Money(amount=charged, currency="usd")
        assert (
            attrs.evolve(part, is_complete=True, subtotal=subtotal, paid=subtotal, links=ANY, lines=whole.lines)
            == whole
        )
        unknown = attrs.evolve(part, purchase_id=PurchaseId("in_unknown"))
        assert unknown == await StripeLookup(connection).complete_sale(unknown)


def _ways(sale: SaleReport) -> tuple[list[bool], list[bool]]:
    """Which of the prorations give unused time back, and which pay for the rest of a period."""
    prorations = [line for line in sale.lines or () if line.is_proration]
    return [line.gives_back for line in prorations], [line.amount > 0 for line in prorations]


async def test_a_period_s_payment_is_ours_by_its_subscription(stripe: StripeStandIn) -> None:
    """The payment intent of a renewal has no metadata; its invoice's subscription has."""
    async with asking(stripe) as connection:
        await buy(stripe, connection, MONTHLY)
        stripe.account.billing.advance(31 * 24 * 3600)
        charge = stripe.account.all_kept("charge")[-1]
        found = await StripeLookup(connection).look_up(news(f"charge:{charge['id']}"))
        assert found.ours
        assert f"invoice:{charge['_invoice']}" in found.links


async def test_a_payment_of_others_is_not_ours_and_an_unknown_one_stays_open(stripe: StripeStandIn) -> None:
    """Only an answer proves that it is somebody else's."""
    async with asking(stripe) as connection:
        intent = stripe.account.new_intent(700, "usd", metadata={"shop": "another"})
        lookup = StripeLookup(connection)
        assert (await lookup.look_up(news(f"payment_intent:{intent['id']}"))).ours is False
        unknown = news("charge:ch_nobody", "payment_intent:pi_nobody")
        assert unknown == await lookup.look_up(unknown)
        stripe.fail_next(1)
        with pytest.raises(PaymentsUnavailable):
            await lookup.look_up(unknown)


async def test_a_subscription_reports_whose_it_is(stripe: StripeStandIn) -> None:
    """Its metadata, and how it stands now; one that does not exist is none."""
    async with asking(stripe) as connection:
        session = await buy(stripe, connection, MONTHLY)
        found = await StripeLookup(connection).subscription(session["subscription"])
        assert isinstance(found, SubscriptionReport)
        assert found.state is not None
        assert (ADA, "monthly", SubscriptionStatus.ACTIVE) == (
            found.attribution.user_reference,
            found.attribution.plan_id,
            found.state.status,
        )
        assert await StripeLookup(connection).subscription("sub_nobody") is None


async def test_what_is_looked_up_is_older_than_what_happens_in_the_same_second(stripe: StripeStandIn) -> None:
    """Stripe dates by whole seconds: an event that follows at once must not lose to what it replaces."""
    async with asking(stripe) as connection:
        session = await buy(stripe, connection, MONTHLY)
        found = await StripeLookup(connection).subscription(session["subscription"])
        event = stripe.account.billing.cancel(session["subscription"])[0]
        assert found is not None
        assert found.occurred_at.timestamp() < event["created"]


async def test_a_subscription_is_ours_by_its_session_too(stripe: StripeStandIn) -> None:
    """A session that was made elsewhere keeps its metadata to itself; its invoices are ours all the same."""
    async with asking(stripe) as connection:
        session = await buy(stripe, connection, MONTHLY)
        stripe.account.kept("subscription", session["subscription"])["metadata"] = {}
        bill = stripe.account.kept("invoice", session["invoice"])
        bill["_subscription_metadata"] = {}
        lookup = StripeLookup(connection)
        found = await lookup.subscription(session["subscription"])
        assert found is not None
        assert ADA == found.attribution.user_reference
        report = await lookup.look_up(news(f"charge:{bill['_charge']}"))
        assert report.ours
        by_invoice = await lookup.look_up(news(f"invoice:{session['invoice']}"))
        assert (True, True) == (by_invoice.ours, f"payment_intent:{bill['_payment_intent']}" in by_invoice.links)


async def test_a_session_of_ours_that_can_not_be_read_is_ours(stripe: StripeStandIn) -> None:
    """A refund of it must wait, not be passed over."""
    async with asking(stripe) as connection:
        session = await buy(stripe, connection)
        stripe.account._checkouts[session["id"]].session["metadata"]["credence_terms"] = "many"
        stripe.account.kept("payment_intent", session["payment_intent"])["metadata"] = {}
        assert (await StripeLookup(connection).look_up(news(f"payment_intent:{session['payment_intent']}"))).ours


async def test_history_is_every_event_and_every_object(stripe: StripeStandIn) -> None:
    """Pages and types do not show; what came by an object says what its event would have."""
    async with asking(stripe) as connection:
        sessions = [await buy(stripe, connection) for _ in range(35)]
        stripe.account.reversals.refund(sessions[0]["payment_intent"], 100)
        stripe.account.reversals.dispute(sessions[1]["payment_intent"])
        stripe.expire(stripe.account.create_session(*_open(stripe))["id"])
        history = StripeHistory(connection, livemode=False)
        since = datetime.now(UTC) - timedelta(hours=1)
        events = [delivery async for delivery in history.events(since)]
        assert {event["id"] for event in stripe.events} == {delivery.event.id for delivery in events}
        assert len(events) == len(stripe.events)
        objects = [found async for found in history.objects(since)]
        kinds = [found.kind for found in objects]
        assert [35, 35, 1, 1] == [kinds.count(kind) for kind in ("checkout.session", "invoice", "refund", "dispute")]
        by_event = {delivery.event.session_id: delivery.report for delivery in events if delivery.event.session_id}
        for found in objects[:35]:
            report = found.delivery.report
            assert isinstance(report, SaleReport)
            # The list of the stand-in expands nothing, and only a charge says when a session was paid.
            assert _undated(by_event[found.object_id]) == _undated(report)
        assert [] == [delivery async for delivery in history.events(datetime.now(UTC) + timedelta(hours=1))]


def _undated(report: ProviderReport) -> SaleReport:
    assert isinstance(report, SaleReport)
    return attrs.evolve(report, facts=attrs.evolve(report.facts, paid_at=None))


def _open(stripe: StripeStandIn) -> tuple[Any, str]:
    from simulators.stripe.ordering.orders import order

    price = {"currency": "usd", "unit_amount": "500"}
    report = {"mode": "payment", "success_url": "https://a.test/", "line_items": {"0": {"price_data": price}}}
    return order(report), stripe.url


async def test_one_event_is_fetched_by_its_id(stripe: StripeStandIn) -> None:
    """To be replayed although it never arrived."""
    async with asking(stripe) as connection:
        await buy(stripe, connection)
        history = StripeHistory(connection, livemode=False)
        found = await history.event(stripe.events[-1]["id"])
        assert found is not None
        assert isinstance(found.report, SaleReport)
        assert await history.event("evt_nobody") is None


async def test_the_return_page_learns_of_a_subscription_s_first_period(stripe: StripeStandIn) -> None:
    """The session brings its invoice, which leads back to the session."""
    async with asking(stripe) as connection:
        session = await buy(stripe, connection, MONTHLY)
        found = await StripeCheckouts(connection).retrieve(session["id"])
        assert found is not None
        assert isinstance(found.report, SubscriptionReport)
        assert isinstance(found.invoice_report, SaleReport)
        assert {f"session:{session['id']}", f"invoice:{session['invoice']}"} <= set(found.invoice_report.links)
        assert PurchaseId(session["invoice"]) == found.invoice_report.purchase_id


@pytest.mark.parametrize("answers", [0, 1, 3])
async def test_all_that_is_asked_about_one_thing_has_one_time_limit(answers: int) -> None:
    """However many requests it takes, and whichever of them hangs: to the caller Stripe is away."""
    report = [
        {"id": "ch_1", "object": "charge", "payment_intent": "pi_1", "metadata": {}},
        {"id": "pi_1", "object": "payment_intent", "latest_charge": "ch_1", "metadata": {}},
        {"object": "list", "data": [], "has_more": False},
    ][:answers]
    done = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                if not report:
                    break
                body = json.dumps(report.pop(0)).encode()
                head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
                writer.write(head.encode() + body)
            await done.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    connection = StripeConnection(api_key="sk_test_123456789012", api_base=url, seconds=60, retries=0)
    async with server, contextlib.aclosing(connection):
        lookup = StripeLookup(connection, seconds=0.5)
        for ask in (lookup.look_up(news("charge:ch_1")), lookup.subscription(SubscriptionId("sub_1"))):
            with pytest.raises(PaymentsUnavailable) as raised:
                await ask
            assert "no answer within 0.5 seconds" == raised.value.cause
        done.set()


async def test_an_invoice_is_sent_once_and_refusals_are_for_good(stripe: StripeStandIn) -> None:
    """The key makes a repetition harmless; what Stripe does not know is refused, and trouble is only trouble."""
    async with asking(stripe) as connection:
        session, invoices = await buy(stripe, connection), StripeInvoices(connection)
        for _ in range(2):
            await invoices.send(session["invoice"], idempotency_key="once")
        assert [(session["invoice"], "once")] == stripe.account.billing.sent
        with pytest.raises(PaymentsRefused):
            await invoices.send("in_nobody", idempotency_key="other")
        stripe.fail_next(1, status=503)
        with pytest.raises(PaymentsUnavailable):
            await invoices.send(session["invoice"], idempotency_key="another")


async def test_endpoints_are_described(stripe: StripeStandIn) -> None:
    """Where events go, which ones, and in which version."""
    async with asking(stripe) as connection:
        wanted = {"url": "https://a.test/hook", "enabled_events": {"0": "invoice.paid"}, "api_version": "2024-06-20"}
        stripe.account.add_endpoint(wanted)
        (found,) = await StripeDeployment(connection).endpoints()
        assert ("https://a.test/hook", True, {"invoice.paid"}, "2024-06-20", False) == (
            found.url,
            found.is_enabled,
            found.events,
            found.api_version,
            found.livemode,
        )


def test_decimals_are_reported_as_stripe_writes_them() -> None:
    """The library makes numbers of them, which are written otherwise where they are small."""
    line = {"quantity_decimal": "2.50", "price": {"unit_amount_decimal": "0.0000005", "unit_amount": None}}
    values = {"id": "il_1", "object": "line_item", **line, "discounts": ["di_1"], "lines": [line]}
    answer = stripe_package.InvoiceLineItem.construct_from(values, None)
    decoded = stripe_package.Price.construct_from({"unit_amount_decimal": Decimal("0.0000005")}, None)
    assert values == plain(answer)
    assert {"unit_amount_decimal": "0.0000005"} == plain(decoded)
