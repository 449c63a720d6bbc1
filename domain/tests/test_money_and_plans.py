"""Money, terms and the catalogue hold only what can be true."""

import pytest

from domain.tests.examples import FIVE_DOLLARS
from domain.values.money import MAX_AMOUNT, Money
from domain.values.plans import MAX_CREDITS, Catalogue, Plan, PlanId, PlanMode, Terms


@pytest.mark.parametrize("amount", [0, 1, 500, MAX_AMOUNT])
def test_an_amount_may_be_anything_up_to_the_limit(amount: int) -> None:
    """Nothing (a no-cost order) and Stripe's largest amount are both money."""
    assert amount == Money(amount=amount, currency="usd").amount


@pytest.mark.parametrize("amount", [-1, MAX_AMOUNT + 1, True, False])
def test_an_amount_that_can_not_be_is_refused(amount: int) -> None:
    """A negative amount, one beyond the limit, and a truth value are no money."""
    with pytest.raises(ValueError, match="amount must be between 0 and"):
        Money(amount=amount, currency="usd")


@pytest.mark.parametrize(
    "currency", ["", "us", "usdd", "USD", "us1", " usd", "usd\n", "\uff55\uff53\uff44", "\u00fcsd"]
)
def test_a_currency_is_three_lower_case_letters(currency: str) -> None:
    """Only what Stripe writes is a currency."""
    with pytest.raises(ValueError, match="currency must be three lower-case letters"):
        Money(amount=1, currency=currency)


def test_the_same_amount_of_two_currencies_is_not_equal() -> None:
    """500 yen are not 500 cents."""
    assert FIVE_DOLLARS != Money(amount=500, currency="jpy")
    assert FIVE_DOLLARS == Money(amount=500, currency="usd")


@pytest.mark.parametrize("credits_sold", [0, -1, MAX_CREDITS + 1, True])
def test_terms_without_credits_are_refused(credits_sold: int) -> None:
    """A sale is worth one credit at least, and a whole number of them."""
    with pytest.raises(ValueError, match="credits must be between 1 and"):
        Terms(credits=credits_sold, price=FIVE_DOLLARS)


@pytest.mark.parametrize("credits_sold", [1, 50, MAX_CREDITS])
def test_terms_may_promise_anything_up_to_the_limit(credits_sold: int) -> None:
    """One credit and the most that fit are both terms."""
    assert credits_sold == Terms(credits=credits_sold, price=FIVE_DOLLARS).credits


def test_a_plan_is_a_pack_that_never_expires_unless_it_says_otherwise() -> None:
    """What a plan does not say is paid once, for good."""
    plan = Plan(id=PlanId("starter"), name="50 credits", terms=Terms(credits=50, price=FIVE_DOLLARS))
    assert (PlanMode.PAYMENT, None, False, 0) == (plan.mode, plan.interval, plan.rollover, plan.expires_after_days)


def test_a_plan_is_found_by_its_exact_id() -> None:
    """Neither another case nor a blank finds a plan."""
    plan = Plan(id=PlanId("starter"), name="50 credits", terms=Terms(credits=50, price=FIVE_DOLLARS))
    catalogue = Catalogue({plan.id: plan})
    assert plan == catalogue.find("starter")
    assert [None, None, None] == [catalogue.find(other) for other in ("Starter", "starter ", "")]
