"""Whatever is changed, and when: what is billed for a subscription is its price, second by second."""

import random
from fractions import Fraction

import pytest

from simulators.stripe.account.account import StripeAccount
from simulators.stripe.account.coupons import new_coupon
from simulators.stripe.account.lines import net
from simulators.stripe.account.subscription_shapes import Terms

DAY, NOW = 86400, 1_790_000_000
PRICES = ((0, "month"), (900, "month"), (4900, "month"), (9900, "year"), (700, "week"))
SECONDS = {"week": 7 * DAY, "month": 30 * DAY, "year": 365 * DAY}


@pytest.mark.parametrize("percent", [0, 50, 100])
@pytest.mark.parametrize(
    "terms",
    [Terms(), Terms(billing_mode="flexible"), Terms(billing_mode="flexible", proration_discounts="itemized")],
    ids=["classic", "included", "itemized"],
)
@pytest.mark.parametrize("seed", range(6))
def test_what_is_billed_is_the_price_of_the_time(seed: int, terms: Terms, percent: int) -> None:
    """Until it is canceled with what is unused given back; each line is rounded once."""
    chance, account = random.Random(seed), StripeAccount(seed=seed, now=NOW)
    prices = {account.billing.price(amount, interval): (amount, interval) for amount, interval in PRICES}
    price, quantity, due, since = chance.choice(list(prices)), 1, Fraction(0), NOW
    coupon = new_coupon(account, percent)["id"] if percent else None
    _, made, _ = account.billing.subscribe(account.new_customer(), [(price, quantity)], coupon=coupon, terms=terms)
    for is_last in (*[False] * 8, True):
        account.billing.advance(chance.randrange(1, 45 * DAY))
        unit_amount, interval = prices[price]
        lasted, since = account.now() - since, account.now()
        due += Fraction(unit_amount * quantity * lasted * (100 - percent), SECONDS[interval] * 100)
        if is_last:
            account.billing.cancel(made["id"], prorate=True, invoice_now=True)
            break
        price, quantity = chance.choice(list(prices)), chance.randrange(1, 4)
        account.billing.change(
            made["id"],
            price=price,
            quantity=quantity,
            invoice_now=chance.random() < 0.5,
            new_period=chance.random() < 0.3,
        )
    bills = account.all_kept("invoice")
    lines = [line for bill in bills for line in bill["_lines"]]
    assert abs(sum(map(net, lines)) - due) <= len(lines)
    assert sum(bill["total"] for bill in bills) == sum(map(net, lines))
