"""The catalogue at Stripe: pushed, changed and taken from sale while customers buy."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_bdd import given, parsers, then

from features.steps.pushing import SOLD, push, retire
from features.steps.story import Story
from features.steps.stripe_events import account, cents


@pytest.fixture
def pushed_plans(story: Story, tmp_path: Path) -> Iterator[Path]:
    """Plans at Stripe until the scenario ends; yields the place of another catalogue."""
    push(story)
    yield tmp_path / "plans.toml"
    # Other scenarios sell by the same service, without anything at Stripe.
    push(story, retire(tmp_path / "retired.toml"))


@given("the plans are for sale at Stripe")
def plans_are_for_sale(pushed_plans: Path) -> None:
    assert not pushed_plans.exists()


@given(parsers.parse('the "monthly" plan has been changed to {credits:d} credits for {price}'))
def plan_is_changed(story: Story, pushed_plans: Path, credits: int, price: str) -> None:  # noqa: A002 - Gherkin's word
    changed = SOLD.read_text().replace("credits = 100\nprice = 900", f"credits = {credits}\nprice = {cents(price)}")
    assert changed != SOLD.read_text()
    pushed_plans.write_text(changed)
    push(story, pushed_plans)


@given("all plans have been taken from sale at Stripe")
def plans_are_taken_from_sale(story: Story, pushed_plans: Path) -> None:
    push(story, retire(pushed_plans))


@then(parsers.parse('Ada has bought the price that Stripe shows for "{plan}"'))
def bought_the_shown_price(story: Story, plan: str) -> None:
    (item,) = account(story).line_items(story.customers["Ada"].sessions[-1])
    assert f"credence_{plan}_usd" == item["price"]["lookup_key"]
