"""What a push makes of currencies, taxes, periods and amounts that the buyer chooses."""

from typing import Any

from domain.values.checkout_options import CheckoutOptions, TaxBehavior
from domain.values.free_amounts import FreeAmount
from domain.values.money import Money
from domain.values.plans import Terms
from domain.values.prices import price_selling
from features.selling.pushing import Shop, catalogue, plan, shop

EUROS = Money(amount=850, currency="eur")


def prices(on: Shop) -> list[dict[str, Any]]:
    return on.stripe.account.all_kept("price")


async def test_each_currency_has_a_price_of_its_own() -> None:
    """With a lookup key of its own; a checkout finds the one of its currency, and none of terms that are not sold."""
    async with shop() as on:
        sold = plan("monthly", 100, 900, "month", prices=(EUROS,))
        await on.push(catalogue(sold))
        await on.assert_matches(catalogue(sold))
        assert ["credence_monthly_eur", "credence_monthly_usd"] == sorted(one["lookup_key"] for one in prices(on))
        of_amount = {one["unit_amount"]: one["id"] for one in prices(on)}
        book = await on.book.for_sale("monthly")
        for amount, terms in ((900, sold.terms), (850, Terms(credits=100, price=EUROS))):
            found = price_selling(sold, terms, book)
            assert found is not None
            assert of_amount[amount] == found.id
        for others in (Terms(credits=99, price=EUROS), Terms(credits=100, price=Money(amount=1, currency="eur"))):
            assert price_selling(sold, others, book) is None
        fewer = catalogue(plan("monthly", 100, 900, "month"))
        await on.push(fewer)
        await on.assert_matches(fewer)


async def test_taxes_and_tax_codes_are_pushed() -> None:
    """A price cannot be taxed otherwise later: then it is another one. The code is the product's."""
    async with shop() as on:
        before, after = (
            catalogue(plan("pack", 50, 500, checkout=CheckoutOptions(tax_behavior=how, tax_code=code)))
            for how, code in ((TaxBehavior.EXCLUSIVE, "txcd_10000000"), (TaxBehavior.INCLUSIVE, "txcd_10103001"))
        )
        await on.push(before)
        assert ["exclusive"] == [one["tax_behavior"] for one in prices(on)]
        assert "txcd_10000000" == on.stripe.account.kept("product", "credence_pack")["tax_code"]
        await on.push(after)
        await on.assert_matches(after)
        assert [] == await on.push(after)
        assert ["inclusive"] == [one["tax_behavior"] for one in prices(on) if one["active"]]
        assert "txcd_10103001" == on.stripe.account.kept("product", "credence_pack")["tax_code"]


async def test_a_period_of_several_intervals_is_pushed() -> None:
    """Three months at once are not one month."""
    async with shop() as on:
        await on.push(catalogue(plan("quarterly", 300, 2500, "month", interval_count=3)))
        assert [("month", 3)] == [
            (one["recurring"]["interval"], one["recurring"]["interval_count"]) for one in prices(on)
        ]
        await on.push(catalogue(plan("quarterly", 300, 2500, "month")))
        assert [1] == [one["recurring"]["interval_count"] for one in prices(on) if one["active"]]


async def test_an_amount_that_the_buyer_chooses_has_no_price() -> None:
    """Each checkout describes its own; a price from before is taken from sale."""
    async with shop() as on:
        await on.push(catalogue(plan("credits", 50, 500)))
        free = FreeAmount(currency="usd", least=500, most=50_000, credits=10, per=100)
        await on.push(catalogue(plan("credits", 50, 500, amounts=(free,))))
        assert {} == on.active()
        assert () == await on.book.for_sale("credits")
