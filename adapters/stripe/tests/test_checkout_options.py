"""Each option of a plan reaches Stripe, in parameters that its own types and the stand-in accept."""

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Literal, get_args, get_origin, get_type_hints

import attrs
import pytest
from stripe.params.checkout import _session_create_params as stripe_params

from adapters.stripe.checkout import StripeCheckouts
from adapters.stripe.checkout_parameters import parameters_of
from adapters.stripe.connection import StripeConnection
from domain.ports.payment_provider import Checkout, CheckoutRequest
from domain.values.accounts import UserId
from domain.values.checkout_options import CheckoutOptions, Quantity, TaxBehavior, TaxIds, Ui
from domain.values.free_amounts import FreeAmount
from domain.values.money import Money
from domain.values.plans import Plan, PlanId, PlanMode, Terms
from domain.values.return_pages import ReturnPages
from simulators.stripe.objects import Object
from simulators.stripe.stand_in import StripeStandIn

ADA = UserId("00000000-0000-0000-0000-00000000000a")
PACK = Plan(id=PlanId("starter"), name="50 credits", terms=Terms(credits=50, price=Money(amount=500, currency="usd")))
MONTHLY = attrs.evolve(PACK, mode=PlanMode.SUBSCRIPTION, interval="month")
FREE = FreeAmount(currency="usd", least=500, most=50_000, credits=10, per=100)
PAGES = ReturnPages(success_url="https://shop.test/ok?id={CHECKOUT_SESSION_ID}", cancel_url="https://shop.test/")
REQUEST = CheckoutRequest(user_id=ADA, email="ada@example.com", plan=PACK, idempotency_key="key-1", pages=PAGES)
ALL = CheckoutOptions(
    promotion_codes=True,
    automatic_tax=True,
    tax_behavior=TaxBehavior.INCLUSIVE,
    tax_code="txcd_10103001",
    billing_address=True,
    tax_ids=TaxIds.REQUIRED,
    terms_of_service=True,
    locale="de",
)
MANAGED = CheckoutOptions(managed_payments=True, tax_code="txcd_10105002", promotion_codes=True)
OPTIONS = {
    "all": ALL,
    "optional tax ids": CheckoutOptions(tax_ids=TaxIds.OPTIONAL),
    "embedded": attrs.evolve(ALL, ui=Ui.EMBEDDED),
    "no invoice": CheckoutOptions(invoice=False),
    "managed": MANAGED,
    "managed and embedded": attrs.evolve(MANAGED, ui=Ui.EMBEDDED),
}
NAMES = {**vars(stripe_params), "Mapping": Mapping, "StripeContext": str}
"""What the annotations of the package name."""


@pytest.fixture
def stripe() -> Iterator[StripeStandIn]:
    with StripeStandIn(seed=7) as stand_in:
        yield stand_in


@contextlib.asynccontextmanager
async def checkouts_at(base: str) -> AsyncIterator[StripeCheckouts]:
    connection = StripeConnection(api_key="sk_test_123456789012", api_base=base)
    async with contextlib.aclosing(connection):
        yield StripeCheckouts(connection)


async def opened(stripe: StripeStandIn, request: CheckoutRequest) -> tuple[Checkout, Object]:
    """Open a checkout; returns it, and the session at Stripe."""
    async with checkouts_at(stripe.url) as checkouts:
        checkout = await checkouts.create(request)
    session = stripe.account.session(checkout.session_id)
    assert session is not None
    return checkout, session


def strangers(given: Any, wanted: Any, place: str = "") -> list[str]:  # noqa: PLR0911 - one return per kind of type
    """Return the places of parameters that Stripe's types do not know, by name, kind or word."""
    alternatives, kind = get_args(wanted), get_origin(wanted)
    if kind is Literal:
        return [] if given in alternatives else [f"{place}={given}"]
    if kind is list:
        return [found for one in given for found in strangers(one, alternatives[0], place)]
    if kind is dict:
        return [f"{place}.{key}" for key, value in given.items() if not isinstance(value, str)]
    if alternatives:
        # A union's `str` is for words of later versions: those of this one are tried.
        tried = [strangers(given, one, place) for one in alternatives if one is not str or len(alternatives) == 1]
        return min(tried, key=len)
    if not hasattr(wanted, "__required_keys__"):
        return [] if isinstance(given, wanted) else [f"{place}: {type(given).__name__}"]
    if not isinstance(given, dict):
        return [f"{place}: {type(given).__name__}"]
    hints = get_type_hints(wanted, NAMES)
    unknown = [f"{place}.{key}" for key in given if key not in hints]
    known = (strangers(value, hints[key], f"{place}.{key}") for key, value in given.items() if key in hints)
    return unknown + [found for one in known for found in one]


@pytest.mark.parametrize("how", OPTIONS)
@pytest.mark.parametrize("plan", [PACK, MONTHLY], ids=["pack", "subscription"])
async def test_stripe_knows_every_parameter(how: str, plan: Plan, stripe: StripeStandIn) -> None:
    """By the types of its package and by the stand-in, which refuses what Stripe refuses."""
    sold = attrs.evolve(plan, checkout=OPTIONS[how], quantity=Quantity(least=2, most=9, adjustable=True))
    request = attrs.evolve(REQUEST, plan=sold, quantity=3, trial_days=14 if plan is MONTHLY else 0)
    assert [] == strangers(parameters_of(request), stripe_params.SessionCreateParams)
    _, session = await opened(stripe, request)
    assert (1_500, 1_500) == (session["amount_subtotal"], session["amount_total"] - _exclusive_tax(session, how))


def _exclusive_tax(session: Object, how: str) -> int:
    return int(session["total_details"]["amount_tax"]) if "managed" in how else 0


async def test_options_are_on_the_session(stripe: StripeStandIn) -> None:
    """As the page then shows them."""
    _, session = await opened(stripe, attrs.evolve(REQUEST, plan=attrs.evolve(PACK, checkout=ALL)))
    shown = {
        "allow_promotion_codes": True,
        "billing_address_collection": "required",
        "locale": "de",
        "managed_payments": {"enabled": False},
        "tax_id_collection": {"enabled": True, "required": "if_supported"},
        "ui_mode": "hosted_page",
    }
    assert shown == {key: session[key] for key in shown}
    assert session["automatic_tax"]["enabled"]
    assert "required" == session["consent_collection"]["terms_of_service"]
    (item,) = stripe.account.line_items(session["id"])
    assert ("inclusive", 83, 500) == (item["price"]["tax_behavior"], item["amount_tax"], item["amount_total"])
    assert "txcd_10103001" == stripe.account.kept("product", item["price"]["product"])["tax_code"]


async def test_nothing_is_asked_that_the_plan_does_not_ask(stripe: StripeStandIn) -> None:
    """But that Stripe shall not sell in the merchant's place, which some accounts do by default."""
    _, session = await opened(stripe, REQUEST)
    assert {"enabled": False} == session["managed_payments"]
    asked = ("allow_promotion_codes", "billing_address_collection", "consent_collection", "locale")
    assert {None} == {session[key] for key in asked}
    assert not session["automatic_tax"]["enabled"]


async def test_an_embedded_checkout_has_a_secret_and_no_address(stripe: StripeStandIn) -> None:
    """The buyer returns to the page that other buyers see, too."""
    plan = attrs.evolve(PACK, checkout=CheckoutOptions(ui=Ui.EMBEDDED))
    checkout, session = await opened(stripe, attrs.evolve(REQUEST, plan=plan))
    assert checkout.url is None
    assert checkout.client_secret is not None
    assert session["client_secret"] == checkout.client_secret
    assert checkout.client_secret not in repr(checkout)
    pages = ("embedded_page", PAGES.success_url, None, None)
    assert pages == tuple(session[key] for key in ("ui_mode", "return_url", "success_url", "cancel_url"))


async def test_a_quantity_may_be_adjusted_within_its_limits(stripe: StripeStandIn) -> None:
    """Only if the plan says so."""
    limits = Quantity(least=2, most=9, adjustable=True)
    _, session = await opened(stripe, attrs.evolve(REQUEST, plan=attrs.evolve(PACK, quantity=limits), quantity=3))
    (item,) = stripe.account.line_items(session["id"])
    assert {"enabled": True, "minimum": 2, "maximum": 9} == item["adjustable_quantity"]
    fixed = attrs.evolve(PACK, quantity=attrs.evolve(limits, adjustable=False))
    _, session = await opened(stripe, attrs.evolve(REQUEST, plan=fixed, quantity=3, idempotency_key="key-2"))
    (item,) = stripe.account.line_items(session["id"])
    assert (None, 3) == (item["adjustable_quantity"], item["quantity"])


async def test_quoted_terms_are_recorded(stripe: StripeStandIn) -> None:
    """A chosen amount, or a price in another currency: what it brings stands with the sale."""
    quoted = Terms(credits=370, price=Money(amount=3_700, currency="eur"))
    plan = attrs.evolve(PACK, amounts=(attrs.evolve(FREE, currency="eur"),))
    _, session = await opened(stripe, attrs.evolve(REQUEST, plan=plan, quoted=quoted))
    assert ("eur", 3_700) == (session["currency"], session["amount_total"])
    assert "370/3700/eur" == session["metadata"]["credence_terms"]
    parameters: Any = parameters_of(attrs.evolve(REQUEST, plan=plan, quoted=quoted))
    assert "370 credits" == parameters["line_items"][0]["price_data"]["product_data"]["description"]


async def test_periods_and_trials_are_of_the_subscription(stripe: StripeStandIn) -> None:
    """Three months as one period, after two weeks for nothing."""
    plan = attrs.evolve(MONTHLY, interval_count=3)
    _, session = await opened(stripe, attrs.evolve(REQUEST, plan=plan, trial_days=14))
    stripe.account.pay(session["id"])
    paid = stripe.account.session(session["id"])
    assert paid is not None
    subscription = stripe.account.kept("subscription", paid["subscription"])
    assert 14 * 86_400 == subscription["trial_end"] - subscription["created"]
    (item,) = stripe.account.line_items(session["id"])
    assert ("month", 3) == (item["price"]["recurring"]["interval"], item["price"]["recurring"]["interval_count"])


@pytest.mark.parametrize(("invoice", "makes"), [(None, True), (True, True), (False, False)])
async def test_a_pack_makes_an_invoice_or_not(invoice: bool | None, makes: bool, stripe: StripeStandIn) -> None:
    """Unless the plan says that it makes none, it does."""
    plan = attrs.evolve(PACK, checkout=CheckoutOptions(invoice=invoice))
    _, session = await opened(stripe, attrs.evolve(REQUEST, plan=plan))
    stripe.account.pay(session["id"])
    paid = stripe.account.session(session["id"])
    assert paid is not None
    assert makes is (paid["invoice"] is not None)
