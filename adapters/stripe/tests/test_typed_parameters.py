"""Requests to Stripe have the names and values that the package's own types allow."""

import contextlib
from collections.abc import Callable, Coroutine, Iterator, Mapping
from datetime import UTC, datetime
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints
from urllib.parse import unquote

import pytest
from stripe.params._customer_create_params import CustomerCreateParams
from stripe.params._customer_list_params import CustomerListParams
from stripe.params._customer_payment_method_list_params import CustomerPaymentMethodListParams
from stripe.params._customer_search_params import CustomerSearchParams
from stripe.params._customer_update_params import CustomerUpdateParams
from stripe.params._payment_intent_create_params import PaymentIntentCreateParams
from stripe.params._payment_intent_list_params import PaymentIntentListParams
from stripe.params._price_create_params import PriceCreateParams
from stripe.params._price_list_params import PriceListParams
from stripe.params._price_update_params import PriceUpdateParams
from stripe.params._product_create_params import ProductCreateParams
from stripe.params._product_update_params import ProductUpdateParams
from stripe.params.billing_portal._configuration_create_params import ConfigurationCreateParams
from stripe.params.billing_portal._configuration_list_params import ConfigurationListParams
from stripe.params.billing_portal._configuration_update_params import ConfigurationUpdateParams
from stripe.params.billing_portal._session_create_params import SessionCreateParams

from adapters.stripe.connection import StripeConnection
from adapters.stripe.customers import StripeCustomers
from adapters.stripe.portal import StripePortal
from adapters.stripe.products import StripeProducts
from adapters.stripe.saved_cards import StripeSavedCards
from adapters.system.clock import SystemClock
from domain.payments.charges import Charge, ChargeId, ChargeStatus, SavedCard
from domain.ports.customers import CustomerOwner
from domain.ports.payment_provider import PaymentsUnavailable
from domain.tests.examples import ADA
from domain.values.checkout_options import TaxBehavior
from domain.values.customers import CustomerId
from domain.values.money import Money
from domain.values.plans import PlanId
from domain.values.portal import PortalProduct, PortalSettings
from domain.values.prices import PlanPrice
from simulators.http.server import HttpServer, Request, Response
from simulators.stripe.requests.forms import decode

OWNER = CustomerOwner(ledger_id="11111111-0000-0000-0000-000000000000", user_id=ADA, email="ada@example.com")
SETTINGS = PortalSettings(
    products=frozenset({PortalProduct(product_id="prod_1", price_ids=frozenset({"price_1", "price_2"}))}),
    return_url="https://shop.test/",
)
SOLD = PlanPrice(
    plan_id=PlanId("monthly"),
    credits=100,
    money=Money(amount=900, currency="usd"),
    interval="month",
    interval_count=3,
    tax_behavior=TaxBehavior.EXCLUSIVE,
)
CARD = SavedCard(customer_id=CustomerId("cus_1"), payment_method="pm_1", read_at=datetime(2026, 5, 1, tzinfo=UTC))
CHARGE = Charge(
    id=ChargeId("00000000-0000-0000-0000-0000000000c1"),
    user_id=ADA,
    plan_id=PlanId("starter"),
    credits=50,
    amount=500,
    currency="usd",
    status=ChargeStatus.CHARGING,
    attempts=1,
    created_at=CARD.read_at,
    card=CARD,
)
ANSWERS = {
    "GET": b'{"object": "list", "data": [], "has_more": false}',
    "POST": b'{"object": "customer", "id": "cus_1"}',
}
UNRESOLVED = {"StripeContext": object, "Mapping": Mapping}
"""What the package names in a type and imports for type checkers alone."""


def faults(given: object, wanted: Any, place: str = "") -> Iterator[str]:
    """Yield what of decoded parameters a type does not allow: names, and words that are none of its literals."""
    options = [*get_args(wanted)] if get_origin(wanted) in (Union, UnionType) else [wanted]
    if isinstance(given, Mapping):
        typed = next((one for one in options if hasattr(one, "__total__")), None)
        listed = next((one for one in options if get_origin(one) is list), None)
        if typed is not None:
            hints = get_type_hints(typed, localns=UNRESOLVED)
            for name, value in given.items():
                if name in hints:
                    yield from faults(value, hints[name], f"{place}.{name}")
                else:
                    yield f"{place}.{name}"
        elif listed is not None:
            for number, value in given.items():
                yield from faults(value, get_args(listed)[0], f"{place}[{number}]")
        elif not any(get_origin(one) is dict for one in options):
            yield f"{place} is no object"
        return
    words = [word for one in options if get_origin(one) is Literal for word in get_args(one)]
    truths = ["true", "false"] if bool in options else []
    if {*words} - {""} and given not in (*words, *truths):
        yield f"{place} is {given}"


CALLS: dict[str, tuple[Any, Callable[[StripeConnection], Coroutine[Any, Any, object]]]] = {
    "GET /v1/customers": (CustomerListParams, lambda opened: StripeCustomers(opened).find(OWNER)),
    "GET /v1/customers/search": (CustomerSearchParams, lambda opened: StripeCustomers(opened).find(OWNER)),
    "POST /v1/customers": (CustomerCreateParams, lambda opened: StripeCustomers(opened).make(OWNER)),
    "POST /v1/customers/cus_1": (CustomerUpdateParams, lambda opened: StripeCustomers(opened).make(OWNER)),
    "GET /v1/customers/cus_1/payment_methods": (
        CustomerPaymentMethodListParams,
        lambda opened: StripeSavedCards(opened, SystemClock()).card_of(CARD.customer_id),
    ),
    "POST /v1/payment_intents": (
        PaymentIntentCreateParams,
        lambda opened: StripeSavedCards(opened, SystemClock()).charge(
            CHARGE, send_before=datetime.max.replace(tzinfo=UTC), is_first=True
        ),
    ),
    "GET /v1/payment_intents": (
        PaymentIntentListParams,
        lambda opened: StripeSavedCards(opened, SystemClock()).find(CHARGE),
    ),
    "GET /v1/prices": (PriceListParams, lambda opened: StripeProducts(opened).product("credence_monthly")),
    "POST /v1/products": (
        ProductCreateParams,
        lambda opened: StripeProducts(opened).make_product("p", plan_id="monthly", name="Monthly", tax_code="txcd_1"),
    ),
    "POST /v1/products/p": (
        ProductUpdateParams,
        lambda opened: StripeProducts(opened).change_product(
            "p", name="Monthly", tax_code="txcd_1", is_active=False, default_price="price_1"
        ),
    ),
    "POST /v1/prices": (
        PriceCreateParams,
        lambda opened: StripeProducts(opened).make_price("p", SOLD, known=frozenset()),
    ),
    "POST /v1/prices/price_1": (
        PriceUpdateParams,
        lambda opened: StripeProducts(opened).change_price("price_1", is_active=True, lookup_key=SOLD.lookup_key),
    ),
    "GET /v1/billing_portal/configurations": (ConfigurationListParams, lambda opened: StripePortal(opened).active()),
    "POST /v1/billing_portal/configurations": (
        ConfigurationCreateParams,
        lambda opened: StripePortal(opened).create(SETTINGS, ledger_id=OWNER.ledger_id),
    ),
    "POST /v1/billing_portal/configurations/bpc_1": (
        ConfigurationUpdateParams,
        lambda opened: StripePortal(opened).update("bpc_1", SETTINGS),
    ),
    "POST /v1/billing_portal/sessions": (
        SessionCreateParams,
        lambda opened: StripePortal(opened).open_for(
            CustomerId("cus_1"), configuration_id="bpc_1", return_url="https://shop.test/"
        ),
    ),
}


@pytest.mark.parametrize("call", CALLS)
async def test_parameters_are_those_of_the_package(call: str) -> None:
    """A parameter that is misspelt, or a word that Stripe does not know, is found without Stripe."""
    asked: list[Request] = []

    def answer(request: Request) -> Response:
        asked.append(request)
        headers = {"Content-Type": "application/json"}
        return Response(status=200, headers=headers, body=ANSWERS[request.method])

    typed, work = CALLS[call]
    with HttpServer(answer, port=0) as server:
        async with contextlib.aclosing(StripeConnection(api_key="sk_test_123456789012", api_base=server.url)) as opened:
            with contextlib.suppress(PaymentsUnavailable):
                await work(opened)
    requests = [one for one in asked if f"{one.method} {one.path}" == call]
    assert requests
    for request in requests:
        parameters = decode(request.body or request.target.partition("?")[2].encode())
        assert parameters, unquote(request.target)
        assert [] == [*faults(parameters, typed)]


def test_a_wrong_parameter_is_found() -> None:
    """By its name, or by its value, however deep."""
    wrong = {"features": {"subscription_cancel": {"mode": "some_day"}, "switching": {"enabled": "true"}}}
    assert [".features.subscription_cancel.mode is some_day", ".features.switching"] == [
        *faults(wrong, ConfigurationCreateParams)
    ]
