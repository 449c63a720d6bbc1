"""The catalogue is taken whole or refused whole, with every problem named."""

import uuid
from pathlib import Path

import pytest
from litestar.testing import TestClient

from domain.values.money import Money
from domain.values.plans import Terms
from entrypoints.catalogue import InvalidCatalogue, load_catalogue
from entrypoints.composition.stores import Storage
from entrypoints.composition.wiring import services
from entrypoints.http.app import create_app
from entrypoints.settings.reader import read_settings

GOOD = '[plans.one]\nname = "One"\ncredits = 10\nprice = 100\ncurrency = "usd"\n'

SUBSCRIPTION = GOOD + 'mode = "subscription"\ninterval = "month"\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "plans.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_packaged_catalogue_is_good() -> None:
    """50 credits for $5.00 stand in it."""
    starter = load_catalogue(None).find("starter")
    assert starter is not None
    assert Terms(credits=50, price=Money(amount=500, currency="usd")) == starter.terms


def test_plans_keep_their_order(tmp_path: Path) -> None:
    """The catalogue is shown in the file's order."""
    catalogue = load_catalogue(write(tmp_path, GOOD.replace("one", "zebra") + GOOD.replace("one", "ant")))
    assert ["zebra", "ant"] == list(catalogue.plans)
    assert catalogue.find("one") is None


def test_one_subscription_at_a_time_is_the_default(tmp_path: Path) -> None:
    """A catalogue may allow several, before its plans."""
    assert load_catalogue(write(tmp_path, GOOD)).one_subscription
    assert not load_catalogue(write(tmp_path, "one_subscription = false\n" + GOOD)).one_subscription


def test_a_retired_plan_can_not_be_bought(tmp_path: Path, database_url: str, redis_url: str) -> None:
    """It is found by what was sold of it, and neither shown nor sold any more."""
    path = write(tmp_path, GOOD + GOOD.replace("one", "old") + "retired = true\n")
    catalogue = load_catalogue(path)
    assert [["one"], ["one", "old"]] == [[plan.id for plan in catalogue.on_sale], list(catalogue.plans)]
    settings = read_settings(
        {"STRIPE_SECRET_KEY": "sk_test_retired", "STRIPE_WEBHOOK_SECRET": "whsec_1", "CREDENCE_PLANS": str(path)}
    )
    storage = Storage(postgres_url=database_url, redis_url=redis_url)
    with TestClient(create_app(services(settings, storage), settings)) as client:
        assert ["one"] == [plan["id"] for plan in client.get("/plans").json()["plans"]]
        answer = client.post("/checkout/sessions", json={"plan": "old"}, headers={"x-user-id": str(uuid.uuid4())})
    assert (404, "urn:credence:unknown-plan") == (answer.status_code, answer.json()["type"])


def test_a_pack_may_save_the_card(tmp_path: Path) -> None:
    """It does not unless the file says so."""
    catalogue = load_catalogue(write(tmp_path, GOOD + GOOD.replace("one", "two") + "save_card = true\n"))
    assert {"one": False, "two": True} == {plan.id: plan.saves_card for plan in catalogue.on_sale}


BAD = {
    "no file": None,
    "no TOML": "plans = [",
    "no such switch": 'one_subscription = "no"\n' + GOOD,
    "empty": "",
    "no plans": "[plans]\n",
    "another table": GOOD + "[other]\na = 1\n",
    "missing price": GOOD.replace("price = 100\n", ""),
    "unknown key": GOOD + "colour = 'red'\n",
    "no credits": GOOD.replace("credits = 10", "credits = 0"),
    "negative credits": GOOD.replace("credits = 10", "credits = -10"),
    "true credits": GOOD.replace("credits = 10", "credits = true"),
    "half a credit": GOOD.replace("credits = 10", "credits = 0.5"),
    "text price": GOOD.replace("price = 100", 'price = "100"'),
    "negative price": GOOD.replace("price = 100", "price = -1"),
    "upper-case currency": GOOD.replace('"usd"', '"USD"'),
    "no currency": GOOD.replace('"usd"', '"dollars"'),
    "unknown mode": GOOD + 'mode = "gift"\n',
    "subscription": GOOD + 'mode = "subscription"\n',
    "negative expiry": GOOD + "expires_after_days = -1\n",
    "expiry after all days": GOOD + "expires_after_days = 3000000\n",
    "expiry of no number": GOOD + "expires_after_days = true\n",
    "expiry apart from the period": GOOD + 'mode = "subscription"\ninterval = "month"\nexpires_after_days = 30\n',
    "retired of no truth": GOOD + "retired = 1\n",
    "card saved of no truth": GOOD + 'save_card = "always"\n',
    "card saved by a subscription": SUBSCRIPTION + "save_card = true\n",
    "grace of half a day": SUBSCRIPTION + "grace_days = 0.5\n",
    "negative grace": SUBSCRIPTION + "grace_days = -1\n",
    "grace beyond a quarter": SUBSCRIPTION + "grace_days = 91\n",
    "grace of a pack": GOOD + "grace_days = 3\n",
    "negative trial": SUBSCRIPTION + "trial_credits = -1\n",
    "trial of a pack": GOOD + "trial_credits = 5\n",
    "too many trial credits": SUBSCRIPTION + "trial_credits = 1000000000001\n",
    "rollover of a pack": GOOD + "rollover = true\n",
    "cap of a pack": GOOD + "rollover_cap = 50\n",
    "cap without rollover": SUBSCRIPTION + "rollover_cap = 50\n",
    "cap with rollover switched off": SUBSCRIPTION + "rollover = false\nrollover_cap = 50\n",
    "negative cap": SUBSCRIPTION + "rollover = true\nrollover_cap = -1\n",
    "one price, not a list": SUBSCRIPTION + 'stripe_prices = "price_1"\n',
    "price of no text": SUBSCRIPTION + "stripe_prices = [1]\n",
    "blank price": SUBSCRIPTION + 'stripe_prices = [""]\n',
    "price after a blank": SUBSCRIPTION + 'stripe_prices = [" price_1"]\n',
    "price twice in one plan": SUBSCRIPTION + 'stripe_prices = ["price_1", "price_1"]\n',
    "price of two plans": GOOD
    + 'stripe_prices = ["price_1"]\n'
    + GOOD.replace("one", "two")
    + 'stripe_prices = ["price_1"]\n',
    "blank name": GOOD.replace('"One"', '" "'),
    "bad id": GOOD.replace("[plans.one]", '[plans."One Plan"]'),
}


@pytest.mark.parametrize("how", BAD)
def test_a_bad_catalogue_is_refused(how: str, tmp_path: Path) -> None:
    """The message names the file."""
    text = BAD[how]
    path = tmp_path / "absent.toml" if text is None else write(tmp_path, text)
    with pytest.raises(InvalidCatalogue) as raised:
        load_catalogue(path)
    assert str(path) in str(raised.value)
    assert raised.value.problems


def test_every_problem_is_named(tmp_path: Path) -> None:
    """Two bad plans are two lines."""
    bad = GOOD.replace("credits = 10", "credits = 0")
    with pytest.raises(InvalidCatalogue) as raised:
        load_catalogue(write(tmp_path, bad + bad.replace("one", "two")))
    assert ["plan one", "plan two"] == [problem.partition(":")[0] for problem in raised.value.problems]


def test_every_fault_of_a_plan_is_named_at_once(tmp_path: Path) -> None:
    """Whoever mends them all is not told of more."""
    text = (
        GOOD.replace("credits = 10", "credits = 0").replace("price = 100", "price = -1").replace('"usd"', '"USD"')
        + 'colour = "red"\nexpires_after_days = -1\n'
    )
    with pytest.raises(InvalidCatalogue) as raised:
        load_catalogue(write(tmp_path, text))
    assert (
        "plan one: colour is not a known key",
        "plan one: credits must be between 1 and 1000000000000, not 0",
        "plan one: amount must be between 0 and 1000000000000 minor units, not -1",
        "plan one: currency must be three lower-case letters, not 'USD'",
        "plan one: expires_after_days must be between 0, for never, and 36500",
    ) == raised.value.problems


def test_bought_credits_may_expire(tmp_path: Path) -> None:
    """So many days after they were sold; without a word of it, never."""
    catalogue = load_catalogue(write(tmp_path, GOOD + GOOD.replace("one", "two") + "expires_after_days = 30\n"))
    assert [0, 30] == [plan.expires_after_days for plan in catalogue.plans.values()]


def test_a_subscription_has_terms_of_its_own(tmp_path: Path) -> None:
    """How long its credits outlast a period, what a trial brings, what rolls over, and its prices at Stripe."""
    terms = "grace_days = 0\ntrial_credits = 20\nrollover = true\nrollover_cap = 50\n"
    terms += 'stripe_prices = ["price_1", "price_2"]\n'
    plan = load_catalogue(write(tmp_path, SUBSCRIPTION + terms)).find("one")
    assert plan is not None
    assert (0, 20, True, 50) == (plan.grace_days, plan.trial_credits, plan.rollover, plan.rollover_cap)
    assert ("price_1", "price_2") == plan.stripe_prices


def test_without_a_word_a_subscription_has_the_usual_terms(tmp_path: Path) -> None:
    """Three days of grace, no trial credits, no rollover, and no price but that of the file."""
    plan = load_catalogue(write(tmp_path, SUBSCRIPTION)).find("one")
    assert plan is not None
    assert (3, 0, False, 0, ()) == (
        plan.grace_days,
        plan.trial_credits,
        plan.rollover,
        plan.rollover_cap,
        plan.stripe_prices,
    )


def test_prices_name_their_plan(tmp_path: Path) -> None:
    """Packs may have prices at Stripe, too."""
    catalogue = load_catalogue(
        write(tmp_path, GOOD + 'stripe_prices = ["price_1"]\n' + SUBSCRIPTION.replace("one", "two"))
    )
    assert (catalogue.find("one"), None, None) == tuple(map(catalogue.of_price, ("price_1", "price_2", None)))


def test_a_price_of_two_plans_is_reported_with_both(tmp_path: Path) -> None:
    """Beside everything else that is wrong."""
    text = (
        GOOD
        + 'stripe_prices = ["price_1"]\n'
        + SUBSCRIPTION.replace("one", "two")
        + ('stripe_prices = ["price_1"]\ngrace_days = 91\n')
    )
    with pytest.raises(InvalidCatalogue) as raised:
        load_catalogue(write(tmp_path, text))
    assert (
        "plan two: grace_days must be between 0 and 90",
        "plan two: stripe_prices lists price_1, which is already listed under plan one",
    ) == raised.value.problems
