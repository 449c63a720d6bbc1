"""A checkout sells what the plan offers, in the currency and quantity that the buyer wants, or says what it sells."""

import attrs
import pytest

from domain.decisions.quotes import (
    AS_OFFERED,
    AmountIsFixed,
    AmountRefused,
    CurrencyRefused,
    QuantityRefused,
    Quote,
    Unsellable,
    Wish,
    quote,
)
from domain.tests.examples import STARTER
from domain.values.checkout_options import Quantity
from domain.values.free_amounts import FreeAmount
from domain.values.money import Money
from domain.values.plans import Plan, PlanId, Terms

DOLLARS = FreeAmount(currency="usd", least=500, most=50_000, credits=10, per=100)
EUROS = Money(amount=450, currency="eur")
SEVERAL = attrs.evolve(STARTER, prices=(EUROS,), quantity=Quantity(least=2, most=10))
SMALLEST = Terms(credits=50, price=Money(amount=500, currency="usd"))
TOPUP = Plan(
    id=PlanId("topup"),
    name="Credits",
    terms=SMALLEST,
    amounts=(DOLLARS, attrs.evolve(DOLLARS, currency="eur", least=400, credits=11)),
)


def test_one_is_sold_on_the_plans_own_terms() -> None:
    """Unless the buyer wants something else."""
    assert Quote(terms=STARTER.terms, quantity=1) == quote(STARTER, AS_OFFERED)
    assert Quote(terms=STARTER.terms, quantity=1) == quote(STARTER, Wish(quantity=1, currency="usd"))


def test_each_currency_brings_the_same_credits() -> None:
    """A quantity is of the same terms; without one, it is the smallest that is sold."""
    assert Quote(terms=Terms(credits=50, price=EUROS), quantity=2) == quote(SEVERAL, Wish(currency="eur"))
    assert Quote(terms=STARTER.terms, quantity=10) == quote(SEVERAL, Wish(quantity=10))


@pytest.mark.parametrize(
    ("amount", "currency", "credits_"), [(3_700, None, 370), (3_700, "usd", 370), (3_700, "eur", 407), (400, "eur", 44)]
)
def test_a_chosen_amount_is_quoted_by_the_rate_of_its_currency(
    amount: int, currency: str | None, credits_: int
) -> None:
    """The terms are those of that amount."""
    price = Money(amount=amount, currency=currency or "usd")
    assert Terms(credits=credits_, price=price) == quote(TOPUP, Wish(amount=amount, currency=currency)).terms


@pytest.mark.parametrize(
    ("plan", "wish", "refusal"),
    [
        (STARTER, Wish(quantity=2), QuantityRefused(1, 1)),
        (STARTER, Wish(quantity=0), QuantityRefused(1, 1)),
        (STARTER, Wish(quantity=-1), QuantityRefused(1, 1)),
        (SEVERAL, Wish(quantity=1), QuantityRefused(2, 10)),
        (SEVERAL, Wish(quantity=11), QuantityRefused(2, 10)),
        (SEVERAL, Wish(currency="gbp"), CurrencyRefused(("usd", "eur"))),
        (STARTER, Wish(currency="EUR"), CurrencyRefused(("usd",))),
        (STARTER, Wish(currency=""), CurrencyRefused(("usd",))),
        (STARTER, Wish(amount=500), AmountIsFixed()),
        (TOPUP, AS_OFFERED, AmountRefused(500, 50_000, "usd")),
        (TOPUP, Wish(amount=499), AmountRefused(500, 50_000, "usd")),
        (TOPUP, Wish(amount=50_001), AmountRefused(500, 50_000, "usd")),
        (TOPUP, Wish(amount=-1), AmountRefused(500, 50_000, "usd")),
        (TOPUP, Wish(amount=399, currency="eur"), AmountRefused(400, 50_000, "eur")),
        (TOPUP, Wish(amount=3_700, currency="gbp"), CurrencyRefused(("usd", "eur"))),
        (TOPUP, Wish(amount=3_700, quantity=2), QuantityRefused(1, 1)),
    ],
)
def test_what_is_not_sold_is_refused(plan: Plan, wish: Wish, refusal: Unsellable) -> None:
    """With the limits or the currencies in which the plan is sold."""
    with pytest.raises(type(refusal)) as raised:
        quote(plan, wish)
    assert attrs.asdict(refusal) == attrs.asdict(raised.value)  # type: ignore[arg-type]  # each is an attrs class
