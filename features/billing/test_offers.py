"""Plans of several currencies, periods and chosen amounts: each sale brings what was promised, with tax or without."""

import attrs
import pytest

from adapters.stripe.objects.items import read_items
from adapters.stripe.objects.sessions import read_session
from domain.payments.admission import Confirmation
from domain.payments.reports import SaleReport
from domain.usecases.recorded import Recorded
from domain.values.free_amounts import Bonus, FreeAmount
from domain.values.money import Money
from features.billing.packs import completed, item, refund_of, session
from features.billing.payloads import USER, Payload, StripePrice, in_new_shape, invoice, line
from features.billing.world import ADA, StripeEvent, World, delivered_in_every_way, paid, plan

DOLLARS = FreeAmount(
    currency="usd", least=500, most=50_000, credits=10, per=100, bonuses=(Bonus(amount=5_000, percent=10),)
)
EUROS = Money(amount=800, currency="eur")
MONTHLY_EUROS = StripePrice(id="price_euros", amount=800, currency="eur")
QUARTERLY = StripePrice(id="price_quarter", amount=2_500, interval_count=3)
PLANS = (
    plan("topup", 50, 500, None, amounts=(DOLLARS,)),
    plan("pack", 20, 300, None, prices=(Money(amount=280, currency="eur"),)),
    plan("monthly", 100, 900, prices=(EUROS,)),
    plan("quarterly", 300, 2_500, interval_count=3),
)
TOPUP = {"userId": USER, "plan": "topup"}


async def after(about: Payload, *items: Payload) -> tuple[World, Recorded]:
    """Return the world after a session was reported, and what became of it."""
    world = World(plans=PLANS, prices=())
    world.payments.teach_items("cs_1", read_items(items))
    recorded = await world.deliver(completed(about))
    await world.check()
    return world, recorded


async def test_a_chosen_amount_brings_what_was_quoted() -> None:
    """Whatever the rate is by then: the quote is recorded with the sale."""
    quoted = {**TOPUP, "credence_terms": "444/3700/usd"}
    world, _ = await after(session(subtotal=3_700, metadata=quoted))
    assert 444 == await world.balance()


async def test_without_a_quote_the_rate_of_the_catalogue_counts() -> None:
    """As for a payment link of one's own that names the plan."""
    world, _ = await after(session(subtotal=6_000, metadata=TOPUP))
    assert 660 == await world.balance()


@pytest.mark.parametrize("metadata", [{**TOPUP, "credence_terms": "444/3700/usd"}, TOPUP])
@pytest.mark.parametrize("subtotal", [400, 50_001])
async def test_a_quote_of_another_amount_promises_nothing(metadata: Payload, subtotal: int) -> None:
    """Metadata copied to a cheaper sale waits for a person, as does an amount that nobody may choose."""
    other = item("li_1", subtotal)
    world, recorded = await after(session(subtotal=subtotal, metadata=metadata), other)
    assert (0, "price_disagrees") == (await world.balance(), recorded.reason)


async def test_another_product_in_the_range_of_amounts_is_no_topup() -> None:
    """A product beside the chosen amount brings nothing of its own."""
    quoted = {**TOPUP, "credence_terms": "370/3700/usd"}
    items = (item("li_1", 3_700), item("li_2", 1_200))
    world, _ = await after(session(subtotal=4_900, metadata=quoted), *items)
    assert 370 == await world.balance()
    world, recorded = await after(session(subtotal=1_200, metadata={"userId": USER}), item("li_1", 1_200))
    assert (0, "unknown_plan") == (await world.balance(), recorded.reason)


async def test_a_price_may_name_the_plan_of_an_amount() -> None:
    """The rate values it; a price beyond the limits waits."""
    marked = item("li_1", 6_000, metadata={"credence_plan": "topup"})
    world, _ = await after(session(subtotal=6_000, metadata={"userId": USER}), marked)
    assert 660 == await world.balance()
    marked = item("li_1", 100, metadata={"credence_plan": "topup"})
    _, recorded = await after(session(subtotal=100, metadata={"userId": USER}), marked)
    assert "price_disagrees: price_li_1" == recorded.reason


async def test_a_part_of_a_chosen_amount_is_refunded() -> None:
    """It takes its part of the quoted credits, tax included on both sides."""
    quoted = {**TOPUP, "credence_terms": "370/3700/usd"}
    world, _ = await after(session(subtotal=3_700, total=4_440, metadata=quoted))
    await world.deliver(refund_of("pi_1", 2_220))
    assert 185 == await world.balance()


@pytest.mark.parametrize(("total", "discount"), [(360, 0), (300, 0), (150, 150), (0, 300)])
async def test_neither_tax_nor_a_promotion_code_changes_a_pack(total: int, discount: int) -> None:
    """Tax on top, tax within, half off, all off: 20 credits, and half of them after half of the money is back."""
    about = session(
        subtotal=300,
        total=total,
        intent="pi_1" if total else None,
        metadata={"userId": USER, "plan": "pack", "credence_terms": "20/300/usd"},
        total_details={"amount_discount": discount, "amount_tax": max(total - 300 + discount, 0)},
    )
    world, _ = await after(about)
    assert 20 == await world.balance()
    if total:
        await world.deliver(refund_of("pi_1", total // 2))
        assert 10 == await world.balance()


@pytest.mark.parametrize("terms", [{}, {"credence_terms": "20/280/eur"}])
async def test_a_pack_in_another_currency_brings_the_same(terms: Payload) -> None:
    """By what was recorded, or by the catalogue's price in that currency."""
    metadata = {"userId": USER, "plan": "pack", **terms}
    world, _ = await after(session(subtotal=280, metadata=metadata, currency="eur"))
    assert 20 == await world.balance()


async def test_a_price_is_of_its_currency() -> None:
    """As many euros as the plan costs dollars, or a currency in which it is not sold, wait."""
    named = {"userId": USER, "plan": "pack"}
    _, recorded = await after(session(subtotal=300, metadata=named, currency="eur"))
    assert "price_disagrees" == recorded.reason
    _, recorded = await after(session(subtotal=300, metadata=named, currency="gbp"))
    assert "currency_disagrees" == recorded.reason


async def test_an_operator_gives_an_amount_beyond_the_limits_by_the_rate() -> None:
    """Nobody loses what was paid."""
    world = World(plans=PLANS, prices=())
    about = session(subtotal=400, metadata={"plan": "topup"}, client_reference_id=USER)
    event = completed(about)
    await world.deliver(event)
    report = read_session(about, None)
    assert isinstance(report, SaleReport)
    confirmed = Confirmation(user_id=ADA, accepts_price=True).of(report.attribution)
    await world.recorder.record(None, attrs.evolve(report, attribution=confirmed))
    assert 40 == await world.balance()


def quarter(id_: str, *, start: float, end: float, metadata: Payload | None = None) -> Payload:
    """Return the paid invoice of a quarter."""
    one = line(f"il_{id_}", 2_500, QUARTERLY, days=(start, end))
    return invoice(id_, one, paid=start, metadata=metadata)


@pytest.mark.parametrize("shape", [dict, in_new_shape])
@pytest.mark.parametrize("days", [89, 90, 92])
async def test_a_quarter_is_one_period(shape: type[Payload], days: int) -> None:
    """It brings the plan's credits once, in older and newer payloads, and so does the next."""
    world = World(plans=PLANS, prices=())
    await world.pay(shape(quarter("in_1", start=0, end=days)))
    assert 300 == await world.balance()
    await world.pay(shape(quarter("in_2", start=days, end=2 * days)))
    await world.check()
    assert 600 == await world.balance()


async def test_a_month_at_a_quarters_price_is_not_the_quarterly_plan() -> None:
    """The period tells them apart."""
    world = World(plans=PLANS, prices=(StripePrice(id="price_other", amount=2_500),))
    other = line("il_1", 2_500, StripePrice(id="price_other", amount=2_500), days=(0, 30))
    recorded = await world.pay(in_new_shape(invoice("in_1", other, paid=0)))
    assert (0, "price_disagrees: price_other") == (await world.balance(), recorded.reason)


@pytest.mark.parametrize("shape", [dict, in_new_shape])
async def test_a_month_in_another_currency_brings_the_plans_credits(shape: type[Payload]) -> None:
    """Also after a refund of a part, in that currency."""
    one = line("il_1", 800, MONTHLY_EUROS, days=(0, 30))
    events = [
        paid(shape(invoice("in_1", one, paid=0, currency="eur"))),
        StripeEvent(type="refund.created", about={**refund_of("pi_in_1", 400).about, "currency": "eur"}, days=2),
    ]
    ways = await delivered_in_every_way(events, plans=PLANS, prices=(MONTHLY_EUROS,))
    # Reported first, the refund gives the purchase its name.
    assert {way: [(50, 33.0)] for way in ways} == {way: list(grants.values()) for way, grants in ways.items()}


@pytest.mark.parametrize("shape", [dict, in_new_shape])
@pytest.mark.parametrize("tax", [{"tax": 180}, {"tax_within": 150}])
async def test_tax_changes_neither_credits_nor_shares(shape: type[Payload], tax: dict[str, int]) -> None:
    """Half of what was paid, tax included, is half of the credits."""
    price = StripePrice(id="price_monthly", amount=900)
    one = line("il_1", 900, price, days=(0, 30), **tax)  # type: ignore[arg-type]  # fields by name
    world = World(plans=PLANS, prices=(price,))
    bill = shape(invoice("in_1", one, paid=0))
    await world.pay(bill)
    assert 100 == await world.balance()
    await world.deliver(refund_of("pi_in_1", (900 + tax.get("tax", 0)) // 2))
    assert 50 == await world.balance()
