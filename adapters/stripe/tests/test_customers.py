"""Customers through the real stripe package, against the stand-in: what only Stripe does."""

import contextlib
from collections.abc import AsyncIterator, Iterator

import attrs
import pytest

from adapters.stripe.connection import StripeConnection
from adapters.stripe.customers import StripeCustomers
from adapters.stripe.events import read_event
from domain.payments.reports import CustomerDeleted, Irrelevant, Unreadable
from domain.ports.customers import CustomerOwner
from domain.ports.payment_provider import PaymentsRefused, PaymentsUnavailable
from domain.tests.examples import ADA, NOON
from domain.values.customers import CustomerId
from simulators.http.server import HttpServer, Request, Response
from simulators.stripe.stand_in import StripeStandIn

LEDGER = "11111111-0000-0000-0000-000000000000"
OWNER = CustomerOwner(ledger_id=LEDGER, user_id=ADA, email="ada@example.com")


@pytest.fixture
def stripe() -> Iterator[StripeStandIn]:
    with StripeStandIn(seed=7) as stand_in:
        yield stand_in


@contextlib.asynccontextmanager
async def customers_at(base: str) -> AsyncIterator[StripeCustomers]:
    connection = StripeConnection(api_key="sk_test_123456789012", api_base=base, retries=1)
    async with contextlib.aclosing(connection):
        yield StripeCustomers(connection)


async def test_a_stored_error_does_not_last_for_a_day(stripe: StripeStandIn) -> None:
    """Stripe repeats an error of its own under the same key, so another key follows."""
    stripe.fail_next(1, status=500, path="/v1/customers", is_stored=True)
    async with customers_at(stripe.url) as customers:
        made = await customers.make(OWNER)
        assert made.id == (await customers.make(OWNER)).id
    assert [made.id] == [one["id"] for one in stripe.account.all_kept("customer")]


async def test_an_outage_is_no_stored_error(stripe: StripeStandIn) -> None:
    """The key stays the same as long as Stripe may still make the customer under it."""
    stripe.fail_next(2, status=503, path="/v1/customers")
    async with customers_at(stripe.url) as customers:
        with pytest.raises(PaymentsUnavailable):
            await customers.make(OWNER)
        await customers.make(OWNER)
    assert 1 == len(stripe.account.all_kept("customer"))


@pytest.mark.parametrize("status", [400, 403, 429])
async def test_a_search_that_is_refused_finds_nothing(stripe: StripeStandIn, status: int) -> None:
    """Stripe offers no search in some countries; the key and the list by address are enough there."""
    async with customers_at(stripe.url) as customers:
        stripe.fail_next(2, status=status, path="/v1/customers/search")
        assert await customers.find(OWNER) is None


async def test_a_key_without_permission_is_refused(stripe: StripeStandIn) -> None:
    """That is for an operator to know, and no outage that passes."""
    async with customers_at(stripe.url) as customers:
        for call in (lambda: customers.find(OWNER), lambda: customers.make(OWNER)):
            stripe.fail_next(1, status=403, path="/v1/customers")
            with pytest.raises(PaymentsRefused):
                await call()


async def test_an_address_that_stripe_refuses_is_left_out() -> None:
    """The customer is made all the same."""

    def answer(request: Request) -> Response:
        made = b'{"object": "customer", "id": "cus_1", "created": 1, "metadata": {}}'
        refused = b'{"error": {"type": "invalid_request_error", "code": "email_invalid", "param": "email"}}'
        status, body = (400, refused) if request.path.endswith("cus_1") else (200, made)
        return Response(status=status, headers={"Content-Type": "application/json"}, body=body)

    with HttpServer(answer, port=0) as server:
        async with customers_at(server.url) as customers:
            made = await customers.make(attrs.evolve(OWNER, email="nobody"))
    assert ("cus_1", None) == (made.id, made.email)


async def test_sales_name_their_customers(stripe: StripeStandIn) -> None:
    """Those of other applications name nobody."""
    ours, others = {"metadata": {"userId": ADA}}, {"metadata": {}}
    account = stripe.account
    live, ended, unrelated = account.new_customer(), account.new_customer(), account.new_customer()
    async with customers_at(stripe.url) as customers:
        client = customers._v1
        price = await client.prices.create_async(
            {"currency": "usd", "unit_amount": 500, "recurring": {"interval": "month"}, "product_data": {"name": "Pro"}}
        )
        for customer, extra in ((live, ours), (ended, ours), (unrelated, others)):
            method = await client.payment_methods.attach_async("pm_card_visa", {"customer": customer})
            given = {"customer": customer, "items": [{"price": price.id}], "default_payment_method": method.id, **extra}
            made = await client.subscriptions.create_async(given)  # type: ignore[arg-type]
            if customer == ended:
                await client.subscriptions.cancel_async(made.id)
        found = {(use.customer_id, use.user_reference, use.is_subscribed) async for use in customers.uses()}
    assert {(live, ADA, True), (ended, ADA, False)} == found


def test_a_deletion_is_reported_of_what_names_a_user() -> None:
    """Customers of other applications are none of ours."""
    ours = {"id": "cus_1", "object": "customer", "metadata": {"userId": ADA}}
    assert CustomerDeleted(CustomerId("cus_1")) == read_event("customer.deleted", ours, NOON)
    assert isinstance(read_event("customer.deleted", {"id": "cus_1", "metadata": {}}, NOON), Irrelevant)
    assert isinstance(read_event("customer.deleted", {**ours, "id": None}, NOON), Unreadable)
