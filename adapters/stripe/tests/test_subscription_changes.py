"""Changes of subscriptions through the real stripe package, against the stand-in and against other answers."""

import contextlib
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest
from stripe.params._invoice_create_preview_params import InvoiceCreatePreviewParams
from stripe.params._price_create_params import PriceCreateParams
from stripe.params._subscription_cancel_params import SubscriptionCancelParams
from stripe.params._subscription_update_params import SubscriptionUpdateParams

from adapters.stripe.connection import StripeConnection
from adapters.stripe.objects.invoice_previews import read_preview
from adapters.stripe.subscription_changes import StripeSubscriptionChanges
from adapters.stripe.tests.test_typed_parameters import faults
from domain.payments.subscription_changes import Cancellation, PlanChange
from domain.payments.subscriptions import SubscriptionId, SubscriptionStatus
from domain.ports.payment_provider import PaymentsRefused, PaymentsUnavailable
from domain.ports.subscription_changes import ChangeDeclined, ChangeRefused
from domain.values.accounts import UserId
from domain.values.money import Money
from domain.values.plans import Plan, PlanId, PlanMode, Terms
from domain.values.prices import prices_of
from simulators.http.server import HttpServer, Request, Response
from simulators.stripe.requests.forms import decode
from simulators.stripe.stand_in import StripeStandIn

ADA = UserId("00000000-0000-0000-0000-00000000000a")
DAY = 24 * 60 * 60
TERMS = Terms(credits=1000, price=Money(amount=4900, currency="usd"))
PRO = Plan(id=PlanId("pro"), name="1,000 credits", terms=TERMS, mode=PlanMode.SUBSCRIPTION, interval="month")
(PRO_PRICE,) = prices_of(PRO)


@pytest.fixture
def stripe() -> Iterator[StripeStandIn]:
    with StripeStandIn(seed=7) as stand_in:
        yield stand_in


@contextlib.asynccontextmanager
async def changes_at(base: str) -> AsyncIterator[StripeSubscriptionChanges]:
    connection = StripeConnection(api_key="sk_test_123456789012", api_base=base, retries=0)
    async with contextlib.aclosing(connection):
        yield StripeSubscriptionChanges(connection)


def subscribed(stripe: StripeStandIn) -> str:
    """A subscription at $9.00 a month, of which ten days are over."""
    account = stripe.account
    _, made, _ = account.billing.subscribe(account.new_customer("ada@example.com"), [(account.billing.price(900), 1)])
    account.billing.advance(10 * DAY)
    return str(made["id"])


async def to_pro(changes: StripeSubscriptionChanges, subscription_id: str) -> PlanChange:
    found = await changes.find(SubscriptionId(subscription_id))
    assert found is not None
    price = await changes.make_price(PRO, PRO_PRICE)
    (item,) = found.items
    return PlanChange(
        user_id=ADA,
        subscription_id=found.id,
        item_id=item.id,
        price_id=price.id,
        quantity=item.quantity,
        plan_id=PRO.id,
        terms=TERMS,
        at_once=True,
    )


async def test_a_price_says_its_plan_and_is_made_once_a_day(stripe: StripeStandIn) -> None:
    """So that renewals are known by it, and a double click makes one."""
    async with changes_at(stripe.url) as changes:
        first, again = await changes.make_price(PRO, PRO_PRICE), await changes.make_price(PRO, PRO_PRICE)
        assert ("pro", 1000, "4900") == (first.plan_id, first.credits, first.unit_amount)
        assert first == again
        price = stripe.account.kept("price", first.id)
        assert {"credence_plan": "pro", "credence_credits": "1000"} == price["metadata"]
        assert "1,000 credits" == stripe.account.kept("product", price["product"])["name"]


async def test_a_change_writes_whose_and_what_it_is(stripe: StripeStandIn) -> None:
    """The subscription says what its next invoices are for, as a checkout does."""
    async with changes_at(stripe.url) as changes:
        wanted = await to_pro(changes, subscribed(stripe))
        changed = await changes.change(wanted, idempotency_key="key")
        assert [wanted.price_id] == [item.price.id for item in changed.items]
        metadata = stripe.account.kept("subscription", wanted.subscription_id)["metadata"]
        assert {"userId": ADA, "plan": "pro", "credence_terms": "1000/4900/usd"} == metadata
        assert changed.latest_invoice == stripe.account.kept("subscription", wanted.subscription_id)["latest_invoice"]


async def test_a_preview_says_when_and_what_it_bills(stripe: StripeStandIn) -> None:
    """At once with the moment of its prorations; else when the period ends. None where nothing is billed."""
    async with changes_at(stripe.url) as changes:
        wanted = await to_pro(changes, subscribed(stripe))
        now = datetime.fromtimestamp(stripe.account.now(), UTC)
        preview = await changes.preview(wanted)
        assert preview is not None
        assert (2667, 2667, 0) == (preview.total, preview.amount_due, preview.starting_balance)
        assert [-600, 3267] == [line.amount for line in preview.lines]
        assert preview.billed_at == preview.prorated_at
        assert abs((preview.billed_at - now).total_seconds()) <= 5
        later = await changes.preview(attrs.evolve(wanted, at_once=False))
        assert later is not None
        assert ([4900], None) == ([line.amount for line in later.lines], later.prorated_at)
        found = await changes.find(wanted.subscription_id)
        assert found is not None
        assert later.billed_at == found.state.period_ends_at
        ends = Cancellation(subscription_id=wanted.subscription_id, at_once=False)
        assert await changes.preview(ends) is None


async def test_what_is_over_is_said_to_be(stripe: StripeStandIn) -> None:
    """A subscription that is unknown is none, and one that was canceled is not canceled twice."""
    async with changes_at(stripe.url) as changes:
        subscription_id = SubscriptionId(subscribed(stripe))
        canceled = await changes.cancel(Cancellation(subscription_id=subscription_id, at_once=True))
        assert canceled is not None
        assert SubscriptionStatus.CANCELED is canceled.state.status
        assert await changes.find(SubscriptionId("sub_unknown")) is None
        unknown = Cancellation(subscription_id=SubscriptionId("sub_unknown"), at_once=True)
        assert await changes.cancel(unknown) is None


async def test_refusals_are_told_apart(stripe: StripeStandIn) -> None:
    """By the bank, by Stripe for good, and by Stripe's being away."""
    async with changes_at(stripe.url) as changes:
        wanted = await to_pro(changes, subscribed(stripe))
        with pytest.raises(ChangeRefused, match="No such price"):
            await changes.preview(attrs.evolve(wanted, price_id="price_unknown"))
        long_ago = datetime(2020, 1, 1, tzinfo=UTC)
        with pytest.raises(ChangeRefused, match="proration date"):
            await changes.change(attrs.evolve(wanted, prorated_at=long_ago), idempotency_key="long ago")
        stripe.fail_next()
        with pytest.raises(PaymentsUnavailable):
            await changes.change(wanted, idempotency_key="away")
        for refused in (changes.preview(wanted), changes.change(wanted, idempotency_key="refused")):
            stripe.fail_next(status=403)
            with pytest.raises(PaymentsRefused):
                await refused
        stripe.account.billing.decline(wanted.subscription_id)
        with pytest.raises(ChangeDeclined) as declined:
            await changes.change(wanted, idempotency_key="declined")
        assert "generic_decline" == declined.value.code


@pytest.mark.parametrize("body", [b"{}", b'{"id": "sub_1", "status": "gone"}', b"[]", b"<html>"])
async def test_another_programs_answer_is_not_taken_for_stripes(body: bytes) -> None:
    """Neither as a subscription nor as a preview."""

    def answer(_: Request) -> Response:
        headers = {"Content-Type": "application/json", "Date": "Fri, 01 May 2026 12:00:00 GMT"}
        return Response(status=200, headers=headers, body=body)

    wanted = Cancellation(subscription_id=SubscriptionId("sub_1"), at_once=True, gives_back=True)
    with HttpServer(answer) as server:
        async with changes_at(server.url) as changes:
            with pytest.raises(PaymentsUnavailable):
                await changes.find(SubscriptionId("sub_1"))
            with pytest.raises(PaymentsUnavailable):
                await changes.preview(wanted)
            with pytest.raises(PaymentsUnavailable):
                await changes.cancel(wanted)


def shown(line_id: str, amount: int, start: int, end: int, *, proration: bool) -> dict[str, Any]:
    details = {"subscription": "sub_1", "subscription_item": "si_1", "proration": proration}
    return {
        "id": line_id,
        "amount": amount,
        "currency": "usd",
        "description": line_id,
        "parent": {"type": "subscription_item_details", "subscription_item_details": details},
        "period": {"start": start, "end": end},
        "pricing": {"price_details": {"price": "price_1", "product": "prod_1"}, "type": "price_details"},
        "quantity": 1,
        "taxes": [{"amount": amount // 10, "tax_behavior": "exclusive"}],
    }


def test_the_next_period_is_no_part_of_a_change_at_once() -> None:
    """Where Stripe shows it beside the prorations, it is left out of the lines and of what is due."""
    lines = [
        shown("unused", -500, 50, 100, proration=True),
        shown("rest", 1500, 50, 100, proration=True),
        shown("next", 3000, 100, 200, proration=False),
    ]
    invoice = json.loads(
        json.dumps(
            {
                "id": "upcoming_in_1",
                "amount_due": 4300,
                "created": 50,
                "currency": "usd",
                "lines": {"data": lines, "has_more": False},
                "parent": {"type": "subscription_details", "subscription_details": {"subscription": "sub_1"}},
                "starting_balance": -100,
                "total": 4400,
            }
        )
    )
    at_once, whole = read_preview(invoice, is_at_once=True), read_preview(invoice, is_at_once=False)
    assert (["unused", "rest"], 1100, 1000, 100) == (
        [line.description for line in at_once.lines],
        at_once.total,
        at_once.amount_due,
        at_once.tax,
    )
    assert (3, 4400, 4300, 400) == (len(whole.lines), whole.total, whole.amount_due, whole.tax)
    assert datetime.fromtimestamp(50, UTC) == at_once.prorated_at
    assert 2 == len(at_once.report.lines or ())


AT_ONCE = PlanChange(
    user_id=ADA,
    subscription_id=SubscriptionId("sub_1"),
    item_id="si_1",
    price_id="price_1",
    quantity=1,
    plan_id=PRO.id,
    terms=TERMS,
    at_once=True,
    prorated_at=datetime(2026, 5, 1, tzinfo=UTC),
    schedule_id="sub_sched_1",
)
LATER = attrs.evolve(AT_ONCE, at_once=False, prorated_at=None, schedule_id=None)
GOES_ON = attrs.evolve(LATER, is_switch=False)
NOW = Cancellation(subscription_id=SubscriptionId("sub_1"), at_once=True, gives_back=True)
Work = Callable[[StripeSubscriptionChanges], Coroutine[Any, Any, object]]
CALLS: dict[str, tuple[str, Any, Work]] = {
    "price": ("POST /v1/prices", PriceCreateParams, lambda changes: changes.make_price(PRO, PRO_PRICE)),
    **{
        f"preview {name}": (
            "POST /v1/invoices/create_preview",
            InvoiceCreatePreviewParams,
            lambda changes, one=wanted: changes.preview(one),
        )
        for name, wanted in {"now": AT_ONCE, "later": LATER, "on": GOES_ON, "end": NOW}.items()
    },
    **{
        f"change {name}": (
            "POST /v1/subscriptions/sub_1",
            SubscriptionUpdateParams,
            lambda changes, one=wanted: changes.change(one, idempotency_key="key"),
        )
        for name, wanted in {"now": AT_ONCE, "later": LATER, "on": GOES_ON}.items()
    },
    "cancel now": ("DELETE /v1/subscriptions/sub_1", SubscriptionCancelParams, lambda changes: changes.cancel(NOW)),
    "cancel later": (
        "POST /v1/subscriptions/sub_1",
        SubscriptionUpdateParams,
        lambda changes: changes.cancel(attrs.evolve(NOW, at_once=False)),
    ),
}


@pytest.mark.parametrize("name", CALLS)
async def test_parameters_are_those_of_the_package(name: str) -> None:
    """A parameter that is misspelt, or a word that Stripe does not know, is found without Stripe."""
    asked: list[Request] = []

    def answer(request: Request) -> Response:
        asked.append(request)
        return Response(status=200, headers={"Content-Type": "application/json"}, body=b"{}")

    call, typed, work = CALLS[name]
    with HttpServer(answer) as server:
        async with changes_at(server.url) as changes:
            with contextlib.suppress(PaymentsUnavailable):
                await work(changes)
    (request,) = [one for one in asked if f"{one.method} {one.path}" == call]
    parameters = decode(request.body or request.target.partition("?")[2].encode())
    assert parameters
    assert [] == [*faults(parameters, typed)]
