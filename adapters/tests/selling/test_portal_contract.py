"""A payment provider's portal: memory, and Stripe's own library against the stand-in, keep the same rules."""

import contextlib
from collections.abc import AsyncIterator, Callable

import attrs
import pytest

from adapters.memory.portal import MemoryPortal
from adapters.stripe.connection import StripeConnection
from adapters.stripe.portal import StripePortal
from domain.ports.customers import CustomerMissing
from domain.ports.portal import PortalNotSetUp
from domain.values.customers import CustomerId
from domain.values.portal import PortalConfiguration, PortalProduct, PortalSettings, TrialsOnSwitch
from simulators.stripe.account.prices import new_price, new_product, recurring
from simulators.stripe.selling.portal import save_in_dashboard
from simulators.stripe.stand_in import StripeStandIn

LEDGER = "11111111-0000-0000-0000-000000000000"
BACK = "https://shop.test/account"


@attrs.frozen
class Provider:
    """A provider under test, with a customer, and a product of a monthly and a yearly price."""

    portal: MemoryPortal | StripePortal
    customer: CustomerId
    product: PortalProduct
    save_default: Callable[[], object]


@contextlib.asynccontextmanager
async def in_memory() -> AsyncIterator[Provider]:
    portal = MemoryPortal()
    portal.gone.add(CustomerId("cus_gone"))

    def save_default() -> None:
        default = PortalConfiguration(id="bpc_default", settings=PortalSettings(), is_default=True, is_standard=False)
        portal.configurations[default.id] = default

    product = PortalProduct(product_id="prod_1", price_ids=frozenset({"price_month", "price_year"}))
    yield Provider(portal, CustomerId("cus_1"), product, save_default)


@contextlib.asynccontextmanager
async def of_stripe() -> AsyncIterator[Provider]:
    with StripeStandIn(seed=5) as stripe:
        account = stripe.account
        made = new_product(account, "Pro")
        prices = [
            new_price(account, amount, "usd", product=made["id"], recurring=recurring(interval))["id"]
            for amount, interval in ((500, "month"), (5000, "year"))
        ]
        product = PortalProduct(product_id=made["id"], price_ids=frozenset(prices))
        customer = CustomerId(account.new_customer("ada@example.com"))
        async with contextlib.aclosing(StripeConnection(api_key="sk_test_123456789012", api_base=stripe.url)) as opened:
            yield Provider(StripePortal(opened), customer, product, lambda: save_in_dashboard(account, {}))


@pytest.fixture(params=[in_memory, of_stripe])
async def provider(request: pytest.FixtureRequest) -> AsyncIterator[Provider]:
    async with request.param() as opened:
        yield opened


@pytest.mark.parametrize("downgrades_wait", [True, False])
@pytest.mark.parametrize("trials", TrialsOnSwitch)
async def test_what_is_pushed_is_what_is_read(
    provider: Provider, trials: TrialsOnSwitch, *, downgrades_wait: bool
) -> None:
    """Made, and made again with the same settings, it is one."""
    settings = PortalSettings(
        products=frozenset({provider.product}), downgrades_wait=downgrades_wait, trials=trials, return_url=BACK
    )
    made = [await provider.portal.create(settings, ledger_id=LEDGER) for _ in range(2)]
    (found,) = await provider.portal.active()
    assert [found.id] * 2 == made
    assert PortalConfiguration(id=found.id, settings=settings, ledger_id=LEDGER) == found


async def test_a_configuration_is_changed_in_every_setting(provider: Provider) -> None:
    """To other settings and back, and to none."""
    first = PortalSettings(products=frozenset({provider.product}), return_url=BACK)
    monthly = PortalProduct(
        product_id=provider.product.product_id, price_ids=frozenset(sorted(provider.product.price_ids)[:1])
    )
    second = PortalSettings(products=frozenset({monthly}), downgrades_wait=False, trials=TrialsOnSwitch.END)
    made = await provider.portal.create(first, ledger_id=LEDGER)
    for settings in (second, first, PortalSettings(), first):
        await provider.portal.update(made, settings)
        (found,) = await provider.portal.active()
        assert PortalConfiguration(id=made, settings=settings, ledger_id=LEDGER) == found


async def test_a_portal_opens_with_either_configuration(provider: Provider) -> None:
    """Each time at an address of its own."""
    provider.save_default()
    own = await provider.portal.create(PortalSettings(), ledger_id=LEDGER)
    opened = {
        await provider.portal.open_for(provider.customer, configuration_id=configuration, return_url=BACK)
        for configuration in (None, own, own)
    }
    assert 3 == len(opened)
    assert {None, LEDGER} == {one.ledger_id for one in await provider.portal.active()}


async def test_a_portal_that_nobody_has_set_up_is_told_from_an_outage(provider: Provider) -> None:
    """The operator has something to do."""
    with pytest.raises(PortalNotSetUp):
        await provider.portal.open_for(provider.customer, configuration_id=None, return_url=BACK)


async def test_a_customer_that_is_gone_has_no_portal(provider: Provider) -> None:
    """Whether there is a configuration or not."""
    gone = CustomerId("cus_gone")
    own = await provider.portal.create(PortalSettings(), ledger_id=LEDGER)
    for configuration in (None, own):
        with pytest.raises(CustomerMissing):
            await provider.portal.open_for(gone, configuration_id=configuration, return_url=BACK)
