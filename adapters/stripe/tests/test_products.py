"""The catalogue through the real stripe package, against the stand-in."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import attrs
import httpx
import pytest

from adapters.stripe.connection import StripeConnection
from adapters.stripe.products import StripeProducts
from domain.ports.payment_provider import PaymentsRefused, PaymentsUnavailable
from domain.ports.provider_catalogue import PermissionMissing
from domain.values.money import Money
from domain.values.plans import PlanId
from domain.values.prices import PlanPrice, ProviderPrice, ProviderProduct
from simulators.http.server import HttpServer, Request, Response
from simulators.stripe.stand_in import StripeStandIn

PRODUCT = "credence_monthly"
MONTHLY = PlanPrice(plan_id=PlanId("monthly"), credits=100, money=Money(amount=900, currency="usd"), interval="month")
DEARER = attrs.evolve(MONTHLY, money=Money(amount=1200, currency="usd"))
NONE: frozenset[str] = frozenset()


@pytest.fixture
def stripe() -> Iterator[StripeStandIn]:
    with StripeStandIn(seed=7) as stand_in:
        yield stand_in


@contextlib.asynccontextmanager
async def with_products(base: str, *, key: str = "sk_test_123456789012") -> AsyncIterator[StripeProducts]:
    connection = StripeConnection(api_key=key, api_base=base, retries=0)
    async with contextlib.aclosing(connection):
        yield StripeProducts(connection)


async def test_what_is_made_is_read_again(stripe: StripeStandIn) -> None:
    """A product with its name, and its price with what it sells, the lookup key, and metadata for who looks at it."""
    async with with_products(stripe.url) as products:
        assert await products.product(PRODUCT) is None
        await products.make_product(PRODUCT, plan_id="monthly", name="100 credits")
        made = await products.make_price(PRODUCT, MONTHLY, known=NONE)
        await products.change_product(PRODUCT, default_price=made.id)
        expected = ProviderPrice(id=made.id, is_active=True, lookup_key="credence_monthly_usd", sells=MONTHLY)
        assert expected == made
        assert ProviderProduct(
            id=PRODUCT, name="100 credits", is_active=True, default_price=made.id, prices=(expected,)
        ) == await products.product(PRODUCT)
        metadata = {"credence_plan": "monthly", "credence_credits": "100", "credence_pushed": "yes"}
        assert metadata == stripe.account.kept("price", made.id)["metadata"]


async def test_a_product_that_exists_is_named_and_sold_again(stripe: StripeStandIn) -> None:
    """Two pushes may make it at once; it may also have been archived by hand."""
    async with with_products(stripe.url) as products:
        await products.make_product(PRODUCT, plan_id="monthly", name="an old name")
        await products.change_product(PRODUCT, is_active=False)
        await products.make_product(PRODUCT, plan_id="monthly", name="100 credits")
        found = await products.product(PRODUCT)
        assert found is not None
        assert ("100 credits", True) == (found.name, found.is_active)


async def test_prices_of_packs_and_of_others_are_read_for_what_they_are(stripe: StripeStandIn) -> None:
    """A pack has no interval; what no push made sells nothing that we know."""
    pack = attrs.evolve(MONTHLY, interval=None)
    async with with_products(stripe.url) as products:
        await products.make_product(PRODUCT, plan_id="monthly", name="100 credits")
        made = await products.make_price(PRODUCT, pack, known=NONE)
        assert pack == made.sells
        stripe.account.kept("price", made.id)["metadata"] = {"credence_plan": "monthly", "credence_credits": "100"}
        found = await products.product(PRODUCT)
        assert found is not None
        assert [None] == [price.sells for price in found.prices]


async def test_the_same_price_is_made_once(stripe: StripeStandIn) -> None:
    """By however many at the same moment."""
    async with with_products(stripe.url) as products:
        await products.make_product(PRODUCT, plan_id="monthly", name="100 credits")
        made = await asyncio.gather(*(products.make_price(PRODUCT, MONTHLY, known=NONE) for _ in range(5)))
        assert 1 == len({price.id for price in made}) == len(stripe.account.all_kept("price"))


async def test_a_price_that_was_there_before_does_not_serve(stripe: StripeStandIn) -> None:
    """Its key is answered for a day with what it was when it was made, whatever became of it."""
    async with with_products(stripe.url) as products:
        await products.make_product(PRODUCT, plan_id="monthly", name="100 credits")
        first = await products.make_price(PRODUCT, MONTHLY, known=NONE)
        second = await products.make_price(PRODUCT, MONTHLY, known=frozenset({first.id}))
        assert first.id != second.id
        found = await products.product(PRODUCT)
        assert found is not None
        assert {first.id: None, second.id: MONTHLY.lookup_key} == {one.id: one.lookup_key for one in found.prices}


async def test_a_lookup_key_moves_and_a_default_stays(stripe: StripeStandIn) -> None:
    """An old price is archived only once another is the product's default."""
    async with with_products(stripe.url) as products:
        await products.make_product(PRODUCT, plan_id="monthly", name="100 credits")
        old = await products.make_price(PRODUCT, MONTHLY, known=NONE)
        await products.change_product(PRODUCT, default_price=old.id)
        new = await products.make_price(PRODUCT, DEARER, known=NONE)
        with pytest.raises(PaymentsRefused) as raised:
            await products.change_price(old.id, is_active=False)
        assert "default price" in raised.value.cause
        await products.change_product(PRODUCT, default_price=new.id)
        await products.change_price(old.id, is_active=False)
        found = await products.product(PRODUCT)
        assert found is not None
        assert {(old.id, False, None), (new.id, True, MONTHLY.lookup_key)} == {
            (one.id, one.is_active, one.lookup_key) for one in found.prices
        }
        await products.change_price(old.id, is_active=True, lookup_key=MONTHLY.lookup_key)
        assert MONTHLY.lookup_key == stripe.account.kept("price", old.id)["lookup_key"]


FORWARDED = ("authorization", "idempotency-key", "stripe-version")
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("loses_answer", [False, True])
async def test_an_error_that_stripe_repeats_for_a_day_blocks_nothing(stripe: StripeStandIn, loses_answer: bool) -> None:
    """Under its key it is answered again and again; whether the price was made meanwhile is looked up."""

    def forward(request: Request) -> Response:
        headers = {name: value for name, value in request.headers.items() if name in FORWARDED}
        address = f"{stripe.url}{request.target}"
        answered = httpx.request(request.method, address, content=request.body, headers=headers)
        return Response(status=answered.status_code, headers=JSON, body=answered.content)

    def answer(request: Request) -> Response:
        if not request.headers.get("idempotency-key", "").endswith(":1"):
            return forward(request)
        if loses_answer:
            forward(request)
        return Response(status=500, headers=JSON, body=b'{"error": {}}')

    async with with_products(stripe.url) as products:
        await products.make_product(PRODUCT, plan_id="monthly", name="100 credits")
    with HttpServer(answer, port=0) as server:
        async with with_products(server.url) as products:
            made = await products.make_price(PRODUCT, MONTHLY, known=NONE)
    assert MONTHLY == made.sells
    assert [made.id] == [price["id"] for price in stripe.account.all_kept("price")]


async def test_a_missing_permission_is_named(stripe: StripeStandIn) -> None:
    """As the Dashboard names it: to read is less than to write."""
    async with with_products(stripe.url) as products:
        stripe.fail_next(status=403, path="/v1/products")
        with pytest.raises(PermissionMissing) as raised:
            await products.product(PRODUCT)
        assert "Products: Read" == raised.value.permission
        await products.make_product(PRODUCT, plan_id="monthly", name="100 credits")
        stripe.fail_next(status=403, path="/v1/prices")
        with pytest.raises(PermissionMissing) as raised:
            await products.product(PRODUCT)
        assert "Prices: Read" == raised.value.permission
        stripe.fail_next(status=403, path="/v1/prices")
        with pytest.raises(PermissionMissing) as raised:
            await products.make_price(PRODUCT, MONTHLY, known=NONE)
        assert "Prices: Write" == raised.value.permission
        stripe.fail_next(status=403, path="/v1/products")
        with pytest.raises(PermissionMissing) as raised:
            await products.change_product(PRODUCT, name="Much")
        assert "Products: Write" == raised.value.permission


async def test_what_stripe_refuses_is_said_in_its_words(stripe: StripeStandIn) -> None:
    """A catalogue may have a currency that Stripe does not."""
    async with with_products(stripe.url) as products:
        await products.make_product(PRODUCT, plan_id="monthly", name="100 credits")
        strange = attrs.evolve(MONTHLY, money=Money(amount=900, currency="xxx"))
        with pytest.raises(PaymentsRefused) as raised:
            await products.make_price(PRODUCT, strange, known=NONE)
        assert "Invalid currency: xxx" in raised.value.cause


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_an_outage_is_one(stripe: StripeStandIn, status: int) -> None:
    """Nothing is concluded from it."""
    async with with_products(stripe.url) as products:
        stripe.fail_next(status=status)
        with pytest.raises(PaymentsUnavailable):
            await products.product(PRODUCT)


async def test_a_refused_key_is_named(stripe: StripeStandIn) -> None:
    """By its variable."""
    async with with_products(stripe.url, key="sk_wrong_123456789012") as products:
        with pytest.raises(PaymentsUnavailable) as raised:
            await products.product(PRODUCT)
        assert "STRIPE_SECRET_KEY" in raised.value.cause


@pytest.mark.parametrize(("before", "then"), [(True, False), (False, True)])
async def test_a_price_that_changes_while_prices_are_read_is_one(
    stripe: StripeStandIn, before: bool, then: bool
) -> None:
    """Another push archives or sells it between the two lists; one that is sold again is never overlooked."""
    async with with_products(stripe.url) as products:
        await products.make_product(PRODUCT, plan_id="monthly", name="100 credits")
        made = await products.make_price(PRODUCT, MONTHLY, known=NONE)
    price, lists = stripe.account.kept("price", made.id), 0
    price["active"] = before

    def answer(request: Request) -> Response:
        nonlocal lists
        lists += request.path == "/v1/prices"
        if lists == 2:
            price["active"] = then
        headers = {name: value for name, value in request.headers.items() if name in FORWARDED}
        answered = httpx.request(request.method, f"{stripe.url}{request.target}", headers=headers)
        return Response(status=answered.status_code, headers=JSON, body=answered.content)

    with HttpServer(answer, port=0) as server:
        async with with_products(server.url) as products:
            found = await products.product(PRODUCT)
    assert found is not None
    assert [(made.id, True)] * then == [(one.id, one.is_active) for one in found.prices]
