"""A shop that pushes its plans to Stripe, sells them, changes them and takes them from sale, on real parts."""

import asyncio
from pathlib import Path

import httpx
import pytest

from features.harness.deployment import Deployment
from features.real_parts import execute, sign_up
from simulators.stripe.objects import Object

DAY = 24 * 60 * 60
STARTER = '[plans.starter]\nname = "50 credits"\ncredits = 50\nprice = 500\ncurrency = "usd"\n'
MONTHLY = """
[plans.monthly]
name = "100 credits a month"
credits = 100
price = 900
currency = "usd"
mode = "subscription"
interval = "month"
"""
YEARLY = MONTHLY.replace("credits = 100", "credits = 1500").replace("900", "9900").replace('"month"', '"year"')
"""The plan `monthly` with other terms, and even another interval."""


@pytest.fixture
def first(tmp_path: Path, database_url: str) -> dict[str, str]:
    """The settings of the shop as it opens."""
    return settings(tmp_path / "first.toml", STARTER + MONTHLY, database_url)


@pytest.fixture
def then(tmp_path: Path, database_url: str) -> dict[str, str]:
    """Its settings with other terms for new subscribers, and without the pack."""
    return settings(tmp_path / "then.toml", f"{STARTER}retired = true\n{YEARLY}", database_url)


def settings(file: Path, plans: str, database_url: str) -> dict[str, str]:
    file.write_text(plans)
    return {"CREDENCE_PLANS": str(file), "SUPABASE_DB_URL": database_url}


def pushes(deployment: Deployment, shop: dict[str, str], *options: str) -> str:
    code, said = deployment.command("plans", "push", *options, **shop)
    assert 0 == code, said
    return said


def prices(deployment: Deployment) -> list[Object]:
    return deployment.stripe.account.all_kept("price")


def buys(deployment: Deployment, http: httpx.Client, user: str, plan: str) -> Object:
    """Buy a plan and let Stripe report everything; returns the price that the checkout sold."""
    before = len(deployment.stripe.events)
    session = deployment.paid(http, user, plan)["data"]["object"]
    delivers(deployment, http, deployment.stripe.events[before:])
    (item,) = deployment.stripe.account.line_items(session["id"])
    return item["price"]


def delivers(deployment: Deployment, http: httpx.Client, events: list[Object]) -> None:
    assert {200} == {deployment.deliver(http, event) for event in events}


def test_old_subscriptions_keep_their_terms(
    deployment: Deployment, database_url: str, first: dict[str, str], then: dict[str, str]
) -> None:
    """Pushed, bought by the price's id, changed, pushed again: renewals go on, and new sales have the new terms."""
    ada, bob, carol = (asyncio.run(sign_up(database_url)) for _ in range(3))
    account = deployment.stripe.account
    pushes(deployment, first)
    pushed = {price["metadata"]["credence_plan"]: price["id"] for price in prices(deployment)}
    assert {"starter", "monthly"} == set(pushed)
    with deployment.serve(**first) as http:
        assert pushed["monthly"] == buys(deployment, http, ada, "monthly")["id"]
        assert pushed["starter"] == buys(deployment, http, ada, "starter")["id"]
        assert 2 == len(prices(deployment)), "checkouts make none"

        pushes(deployment, then)
        assert account.kept("price", pushed["monthly"])["active"] is False
        # The process still has the old catalogue: what it offers can be bought, if not by the archived price.
        sold = buys(deployment, http, bob, "starter")
        assert (500, True) == (sold["unit_amount"], sold["id"] not in pushed.values())
        deployment.assert_all_agrees(http, {ada: 150, bob: 50}, **first)

    with deployment.serve(**then) as http:
        delivers(deployment, http, account.billing.advance(31 * DAY))
        sold = buys(deployment, http, carol, "monthly")
        assert (9900, "year") == (sold["unit_amount"], sold["recurring"]["interval"])
        assert "monthly" == sold["metadata"]["credence_plan"]
        deployment.assert_all_agrees(http, {ada: 250, bob: 50, carol: 1500}, **then)
        headers = {"x-user-id": bob, "x-gateway-secret": deployment.environment["CREDENCE_GATEWAY_SECRET"]}
        refused = http.post("/checkout/sessions", json={"plan": "starter"}, headers=headers)
        assert (404, "urn:credence:unknown-plan") == (refused.status_code, refused.json()["type"])
    assert account.kept("product", "credence_starter")["active"] is False


def test_a_push_that_died_between_stripe_and_the_ledger_is_healed(
    deployment: Deployment, database_url: str, first: dict[str, str]
) -> None:
    """Nobody buys the price that the ledger does not have; the next push finds it, and makes no other."""
    ada = asyncio.run(sign_up(database_url))
    record = "alter function public.stripe_prices_record(jsonb) rename to"
    asyncio.run(execute(database_url, f"{record} taken_away"))
    code, said = deployment.command("plans", "push", **first)
    assert (1, True, True) == (code, "Pushed before it failed" in said, "plans push` again" in said), said
    (orphan,) = prices(deployment)
    with deployment.serve(**first) as http:
        assert orphan["id"] != buys(deployment, http, ada, "starter")["id"]
        asyncio.run(
            execute(database_url, f"{record.replace('stripe_prices_record', 'taken_away')} stripe_prices_record")
        )
        pushes(deployment, first)
        assert orphan["id"] == buys(deployment, http, ada, "starter")["id"]
        deployment.assert_all_agrees(http, {ada: 100}, **first)
    assert 1 == sum(price["metadata"].get("credence_plan") == "starter" for price in prices(deployment))


def test_what_was_pushed_counts_whatever_its_metadata_says_now(
    deployment: Deployment, database_url: str, tmp_path: Path
) -> None:
    """Several packs at once are valued by the ledger's record of their price, which nobody edits at Stripe."""
    ada = asyncio.run(sign_up(database_url))
    packs = f"{STARTER}quantity = {{ max = 9 }}\n\n{STARTER.replace('starter', 'another').replace('500', '600')}"
    shop = settings(tmp_path / "packs.toml", packs, database_url)
    pushes(deployment, shop)
    (price,) = [one for one in prices(deployment) if one["metadata"]["credence_plan"] == "starter"]
    price["metadata"] |= {"credence_plan": "another", "credence_credits": "999"}
    headers = {"x-user-id": ada, "x-gateway-secret": deployment.environment["CREDENCE_GATEWAY_SECRET"]}
    with deployment.serve(**shop) as http:
        opened = http.post("/checkout/sessions", json={"plan": "starter", "quantity": 3}, headers=headers).json()["id"]
        (item,) = deployment.stripe.account.line_items(opened)
        assert (price["id"], 3) == (item["price"]["id"], item["quantity"])
        before = len(deployment.stripe.events)
        deployment.stripe.pay(opened)
        delivers(deployment, http, deployment.stripe.events[before:])
        deployment.assert_all_agrees(http, {ada: 150}, **shop)


def test_a_price_that_was_archived_by_hand_prevents_no_sale(
    deployment: Deployment, database_url: str, first: dict[str, str]
) -> None:
    """Checkouts write the terms out; the doctor says that Stripe differs, and a push sells the price again."""
    ada = asyncio.run(sign_up(database_url))
    assert "not pushed: each checkout makes its own price" in deployment.command("doctor", **first)[1]
    pushes(deployment, first)
    assert "products and prices match the catalogue" in deployment.command("doctor", **first)[1]
    price = next(one for one in prices(deployment) if one["metadata"]["credence_plan"] == "starter")
    price["active"] = False
    assert "1 plans differ from the catalogue: starter" in deployment.command("doctor", **first)[1]
    with deployment.serve(**first) as http:
        assert price["id"] != buys(deployment, http, ada, "starter")["id"]
        pushes(deployment, first)
        assert price["id"] == buys(deployment, http, ada, "starter")["id"]
        deployment.assert_all_agrees(http, {ada: 100}, **first)


def test_the_doctor_says_what_it_cannot_compare(deployment: Deployment, first: dict[str, str], tmp_path: Path) -> None:
    """A key that may not read prices, and plans that vanished from the catalogue while they are for sale."""
    pushes(deployment, first)
    deployment.stripe.fail_next(status=403, path="/v1/products")
    assert "Give the restricted key the permission Products: Read." in deployment.command("doctor", **first)[1]
    vanished = settings(tmp_path / "vanished.toml", STARTER, first["SUPABASE_DB_URL"])
    assert "for sale at Stripe, but not in the catalogue: monthly" in deployment.command("doctor", **vanished)[1]
    assert "left for sale at Stripe: monthly" in pushes(deployment, vanished)
