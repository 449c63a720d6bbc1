"""Free amounts: more money never brings fewer credits, and the smallest amount brings some."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.values.free_amounts import MAX_PERCENT, Bonus, FreeAmount
from domain.values.money import MAX_AMOUNT

DOLLARS = FreeAmount(
    currency="usd",
    least=500,
    most=50_000,
    credits=10,
    per=100,
    bonuses=(Bonus(amount=5_000, percent=10), Bonus(amount=10_000, percent=20)),
)


@st.composite
def free_amounts(draw: st.DrawFn) -> FreeAmount:
    """Draw limits, a rate and bonuses as a catalogue may have them."""
    per = draw(st.integers(1, 10_000))
    credits_ = draw(st.integers(1, 10_000))
    least = draw(st.integers(-(-per // credits_), 1_000_000))
    amounts = sorted(draw(st.sets(st.integers(0, 2_000_000), max_size=5)))
    percents = sorted(draw(st.lists(st.integers(0, MAX_PERCENT), min_size=len(amounts), max_size=len(amounts))))
    return FreeAmount(
        currency="usd",
        least=least,
        most=draw(st.integers(least, 2_000_000)),
        credits=credits_,
        per=per,
        bonuses=tuple(Bonus(amount=one, percent=percent) for one, percent in zip(amounts, percents, strict=True)),
    )


@given(free=free_amounts(), amounts=st.lists(st.integers(0, 2_000_000), min_size=2, max_size=20))
def test_more_money_never_brings_fewer_credits(free: FreeAmount, amounts: list[int]) -> None:
    """Neither within a bonus nor where the next one begins."""
    around = [edge + step for edge in (one.amount for one in free.bonuses) for step in (-1, 0, 1)]
    brought = [free.credits_for(amount) for amount in sorted([*amounts, *around])]
    assert [] == [(fewer, more) for fewer, more in pairwise(brought) if more < fewer]


@given(free=free_amounts())
def test_what_may_be_chosen_brings_credits(free: FreeAmount) -> None:
    """The smallest amount brings one at least."""
    assert free.credits_for(free.least) >= 1


@given(free=free_amounts(), amount=st.integers(0, 2_000_000))
def test_credits_are_the_rate_and_one_bonus_rounded_down(free: FreeAmount, amount: int) -> None:
    """Never more than the money is worth at the rate, with the bonus that it reaches; less than one credit is lost."""
    reached = [one.percent for one in free.bonuses if one.amount <= amount]
    exact = amount * free.credits * (100 + (reached[-1] if reached else 0))
    brought = free.credits_for(amount) * free.per * 100
    assert brought <= exact < brought + free.per * 100


@pytest.mark.parametrize(
    ("amount", "credits_"), [(500, 50), (3_700, 370), (4_999, 499), (5_000, 550), (9_999, 1_099), (10_000, 1_200)]
)
def test_a_bonus_counts_from_its_amount_on(amount: int, credits_: int) -> None:
    """$37 bring 370 credits at ten for a dollar; $50 bring a tenth more, $100 a fifth."""
    assert credits_ == DOLLARS.credits_for(amount)


@pytest.mark.parametrize(
    "wrong",
    [
        {"least": 0},
        {"least": 600, "most": 599},
        {"most": MAX_AMOUNT + 1},
        {"credits": 0},
        {"per": 0},
        {"least": 1, "credits": 1},
        {"bonuses": (Bonus(amount=2, percent=20), Bonus(amount=1, percent=30))},
        {"bonuses": (Bonus(amount=1, percent=20), Bonus(amount=1, percent=30))},
        {"bonuses": (Bonus(amount=1, percent=30), Bonus(amount=2, percent=20))},
        {"bonuses": (Bonus(amount=1, percent=-1),)},
        {"bonuses": (Bonus(amount=1, percent=MAX_PERCENT + 1),)},
    ],
)
def test_amounts_that_would_bring_less_for_more_are_refused(wrong: dict[str, object]) -> None:
    """So are those without a rate, or whose smallest amount brings nothing."""
    good = {"currency": "usd", "least": 500, "most": 50_000, "credits": 10, "per": 100}
    with pytest.raises(ValueError, match=r"must be|each bonus|brings no credits"):
        FreeAmount(**{**good, **wrong})  # type: ignore[arg-type]  # fields by name
