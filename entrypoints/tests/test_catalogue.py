"""The catalogue is taken whole or refused whole, with every problem named."""

import uuid
from pathlib import Path

import pytest
from litestar.testing import TestClient

from domain.money import Money
from domain.plans import Terms
from entrypoints.app import create_app
from entrypoints.catalogue import InvalidCatalogue, load_catalogue
from entrypoints.composition import Storage, services
from entrypoints.settings import Settings

GOOD = '[plans.one]\nname = "One"\ncredits = 10\nprice = 100\ncurrency = "usd"\n'


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


def test_a_retired_plan_can_not_be_bought(tmp_path: Path, database_url: str, redis_url: str) -> None:
    """It is found by what was sold of it, and neither shown nor sold any more."""
    path = write(tmp_path, GOOD + GOOD.replace("one", "old") + "retired = true\n")
    catalogue = load_catalogue(path)
    assert [["one"], ["one", "old"]] == [[plan.id for plan in catalogue.on_sale], list(catalogue.plans)]
    settings = Settings.from_environment(
        {"STRIPE_SECRET_KEY": "sk_test_retired", "STRIPE_WEBHOOK_SECRET": "whsec_1", "CREDENCE_PLANS": str(path)}
    )
    storage = Storage(postgres_url=database_url, redis_url=redis_url, embedded_postgres=False, embedded_redis=False)
    with TestClient(create_app(services(settings, storage), settings)) as client:
        assert ["one"] == [plan["id"] for plan in client.get("/plans").json()["plans"]]
        answer = client.post("/checkout/sessions", json={"plan": "old"}, headers={"x-user-id": str(uuid.uuid4())})
    assert (404, "urn:credence:unknown-plan") == (answer.status_code, answer.json()["type"])


BAD = {
    "no file": None,
    "no TOML": "plans = [",
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


def test_bought_credits_may_expire(tmp_path: Path) -> None:
    """So many days after they were sold; without a word of it, never."""
    catalogue = load_catalogue(write(tmp_path, GOOD + GOOD.replace("one", "two") + "expires_after_days = 30\n"))
    assert [0, 30] == [plan.expires_after_days for plan in catalogue.plans.values()]
