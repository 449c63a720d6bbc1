"""The portal: opened for its user alone, offering what the catalogue sells, examined for what it should not offer."""

import attrs
import pytest

from adapters.memory.ledger import MemoryLedger
from adapters.memory.payments import MemoryPayments
from adapters.memory.portal import MemoryPortal
from adapters.memory.selling.customers import LEDGER_ID, MemoryCustomers
from domain.changes.changes import Change
from domain.payments.line_terms import MadePrice
from domain.payments.reports import Price
from domain.ports.ledger import LedgerUnavailable
from domain.ports.payment_provider import PaymentsUnavailable
from domain.ports.portal import PortalNotSetUp
from domain.tests.examples import ADA, BOB, MONTHLY, SetClock
from domain.upkeep.diagnosis import Diagnosis, Verdict
from domain.usecases.read_account import UnknownUser
from domain.usecases.selling.examine_portal import PortalExaminer
from domain.usecases.selling.open_portal import PortalService
from domain.usecases.selling.push_portal import PortalPlan, PortalPusher
from domain.usecases.tests.memory_customers import customers_of
from domain.values.plans import Catalogue, PlanId
from domain.values.portal import PortalConfiguration, PortalProduct, PortalSettings, TrialsOnSwitch

BACK = "https://shop.test/account"
LISTED = attrs.evolve(MONTHLY, stripe_prices=("price_listed",))


def plan(name: str, *prices: str) -> PortalPlan:
    price_ids = frozenset(prices or (f"price_{name}",))
    return PortalPlan(plan_id=PlanId(name), product_id=f"prod_{name}", price_ids=price_ids)


def offering(*prices: str) -> PortalSettings:
    return PortalSettings(products=frozenset({PortalProduct(product_id="prod_1", price_ids=frozenset(prices))}))


class World:
    def __init__(self) -> None:
        self.ledger, self.portal = MemoryLedger(SetClock()), MemoryPortal()
        self.ledger.add_user(ADA, "ada@example.com")
        self.provider, self.payments = MemoryCustomers(), MemoryPayments()
        customers = customers_of(self.ledger, self.provider)
        self.service = PortalService(
            pages=self.portal,
            configurations=self.portal,
            customers=customers,
            accounts=self.ledger,
            return_url=BACK,
        )
        self.pusher = PortalPusher(configurations=self.portal, links=self.ledger.customers, return_url=BACK)
        self.examiner = PortalExaminer(
            configurations=self.portal,
            ledger=self.ledger,
            links=self.ledger.customers,
            payments=self.payments,
            catalogue=Catalogue({LISTED.id: LISTED}),
        )

    def save_default(self, settings: PortalSettings = PortalSettings(), *, has_login_page: bool = False) -> None:  # noqa: B008 - frozen
        """Let a person save the default configuration in the provider's dashboard."""
        self.portal.configurations["bpc_default"] = PortalConfiguration(
            id="bpc_default", settings=settings, is_default=True, has_login_page=has_login_page
        )


@pytest.fixture
def world() -> World:
    return World()


async def test_a_user_gets_the_portal_of_their_own_customer(world: World) -> None:
    """With the deployment's configuration once there is one, and the default one before."""
    world.save_default()
    first = await world.service.open(ADA, email=None)
    pushed = await world.pusher.push([plan("pro")])
    assert first != await world.service.open(ADA, email=None)
    (customer,) = world.provider.kept
    assert [(customer, None, BACK), (customer, pushed.configuration_id, BACK)] == world.portal.opened


async def test_another_deployments_configuration_is_not_used(world: World) -> None:
    """Two deployments may share an account of the provider's."""
    await world.portal.create(offering("price_theirs"), ledger_id="other")
    with pytest.raises(PortalNotSetUp):
        await world.service.open(ADA, email=None)


async def test_a_user_without_an_account_has_no_portal(world: World) -> None:
    """And no customer is made for them."""
    with pytest.raises(UnknownUser):
        await world.service.open(BOB, email="bob@example.com")
    assert {} == world.provider.kept


async def test_a_customer_that_is_gone_is_made_again(world: World) -> None:
    """The user gets to a portal all the same."""
    world.save_default()
    await world.service.open(ADA, email=None)
    (first,) = world.provider.kept
    world.provider.delete(first)
    world.portal.gone.add(first)
    await world.service.open(ADA, email=None)
    (second,) = world.provider.kept
    assert first != second
    assert [first, second] == [customer for customer, _, _ in world.portal.opened]


async def test_a_key_that_may_not_read_configurations_opens_the_default_one(world: World) -> None:
    """Opening it is another permission."""
    world.save_default()
    world.portal.hides_configurations = True
    await world.service.open(ADA, email=None)
    assert [None] == [configuration for _, configuration, _ in world.portal.opened]


async def test_a_push_offers_the_plans_and_nothing_else(world: World) -> None:
    """Downgrades wait, and a trial goes on, unless it is asked for otherwise; once more changes nothing."""
    first = await world.pusher.push([plan("pro"), plan("max", "price_usd", "price_eur")])
    settings = world.portal.configurations[str(first.configuration_id)].settings
    assert {"prod_pro": {"price_pro"}, "prod_max": {"price_usd", "price_eur"}} == {
        product.product_id: set(product.price_ids) for product in settings.products
    }
    assert (True, TrialsOnSwitch.CONTINUE, BACK) == (settings.downgrades_wait, settings.trials, settings.return_url)
    again = await world.pusher.push([plan("max", "price_eur", "price_usd"), plan("pro")])
    assert (first.configuration_id, ()) == (again.configuration_id, again.changes)


async def test_a_push_shows_what_it_changes(world: World) -> None:
    """A dry run writes nothing of it."""
    dry = await world.pusher.push([plan("pro")], dry_run=True)
    assert (None, {}) == (dry.configuration_id, world.portal.configurations)
    await world.pusher.push([plan("pro")])
    changed = {"downgrades_wait": False, "trials": TrialsOnSwitch.END}
    shown = await world.pusher.push([plan("pro", "price_new")], dry_run=True, **changed)
    done = await world.pusher.push([plan("pro", "price_new")], **changed)
    assert shown == done
    assert [
        ("plans to switch to", "pro (price_pro)", "pro (price_new)"),
        ("downgrades", "at the period's end", "at once"),
        ("trials on a switch", "continue", "end"),
    ] == [(one.what, one.before, one.after) for one in done.changes]
    assert 1 == len(world.portal.configurations)


async def test_what_somebody_else_changed_is_put_right(world: World) -> None:
    """The other features are ours, too."""
    pushed = await world.pusher.push([plan("pro")])
    kept = world.portal.configurations[str(pushed.configuration_id)]
    world.portal.configurations[kept.id] = attrs.evolve(kept, is_standard=False)
    assert ["other features"] == [one.what for one in (await world.pusher.push([plan("pro")])).changes]
    assert () == (await world.pusher.push([plan("pro")])).changes


async def test_ten_products_are_offered_at_most(world: World) -> None:
    """Those that the catalogue lists first; the others are named."""
    plans = [plan(f"plan{number}") for number in range(12)]
    pushed = await world.pusher.push(plans)
    settings = world.portal.configurations[str(pushed.configuration_id)].settings
    assert {f"prod_plan{number}" for number in range(10)} == {product.product_id for product in settings.products}
    assert ("plan10", "plan11") == pushed.left_out


async def test_without_plans_nobody_can_switch(world: World) -> None:
    """A catalogue of packs has a portal for invoices and cards; and it stays as it is."""
    await world.pusher.push([plan("pro")])
    pushed = await world.pusher.push([])
    assert [("plans to switch to", "pro", "none")] == [
        (one.what, one.before.partition(" ")[0].removeprefix("prod_"), one.after) for one in pushed.changes
    ]
    assert () == (await world.pusher.push([])).changes


async def test_an_unknown_price_is_named(world: World) -> None:
    """A customer who switches to it pays for what nobody can value."""
    world.save_default(offering("price_listed", "price_unknown"))
    (found,) = await world.examiner.examine()
    assert (Verdict.BAD, True, False) == (found.verdict, "price_unknown" in found.seen, "price_listed" in found.seen)


async def test_a_price_is_known_by_the_catalogue_the_ledger_or_its_metadata(world: World) -> None:
    """As when an invoice of it is valued."""
    made = MadePrice(id="price_made", plan_id=PlanId("monthly"), credits=50, unit_amount="500")
    await world.ledger.commit([Change(made_prices=(made,))])
    world.payments.teach_price(Price(id="price_named", plan_id="monthly", is_complete=True))
    world.payments.teach_price(Price(id="price_stray", plan_id="of nobody", is_complete=True))
    world.save_default(offering("price_listed", "price_made", "price_named"))
    assert [Verdict.GOOD] == [found.verdict for found in await world.examiner.examine()]
    world.save_default(offering("price_stray"))
    assert [Verdict.BAD] == [found.verdict for found in await world.examiner.examine()]


async def test_only_what_customers_meet_is_examined(world: World) -> None:
    """Beside a configuration of its own the default one matters if a link leads there."""
    await world.portal.create(offering("price_listed"), ledger_id=LEDGER_ID)
    await world.portal.create(offering("price_theirs"), ledger_id="other")
    world.save_default(offering("price_unknown"))
    assert [Verdict.GOOD] == [found.verdict for found in await world.examiner.examine()]
    world.save_default(offering("price_unknown"), has_login_page=True)
    assert [Verdict.GOOD, Verdict.BAD] == [found.verdict for found in await world.examiner.examine()]


async def test_what_can_not_be_examined_is_said_once(world: World) -> None:
    """An outage is reported elsewhere; a permission that lacks, and a portal that is not set up, here."""

    def verdicts(found: tuple[Diagnosis, ...]) -> list[Verdict]:
        return [one.verdict for one in found]

    assert [Verdict.DOUBTFUL] == verdicts(await world.examiner.examine())
    world.portal.hides_configurations = True
    assert [Verdict.DOUBTFUL] == verdicts(await world.examiner.examine())
    world.portal.is_away = True
    assert [] == verdicts(await world.examiner.examine())
    with pytest.raises(PaymentsUnavailable):
        await world.service.open(ADA, email=None)


async def test_a_ledger_that_can_not_be_read_opens_no_portal(world: World) -> None:
    """Whose customer it would be is not known."""

    class Silent:
        async def account(self, _: object) -> None:
            raise LedgerUnavailable("silent")

    with pytest.raises(LedgerUnavailable):
        await attrs.evolve(world.service, accounts=Silent()).open(ADA, email=None)
