"""Customers at Stripe on a deployment: outages, races, deaths, keys without permission, and customers from before."""

import asyncio
import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from features.harness.deployment import GATEWAY_SECRET, Deployment, set_read_only
from features.harness.service import eventually
from features.real_parts import execute, fetched, sign_up
from simulators.stripe.objects import Object

KEY = {"Authorization": "Bearer sk_test_of_the_deployment"}


def buy(http: httpx.Client, user: str, *, key: str | None = None, plan: str = "starter") -> httpx.Response:
    """Open a checkout as a user."""
    headers = {"x-user-id": user, "x-gateway-secret": GATEWAY_SECRET}
    if key is not None:
        headers["Idempotency-Key"] = key
    return http.post("/checkout/sessions", json={"plan": plan}, headers=headers)


def customers(deployment: Deployment) -> list[Object]:
    return deployment.stripe.account.all_kept("customer")


def session_of(deployment: Deployment, opened: httpx.Response) -> Object:
    assert 201 == opened.status_code, opened.text
    found = deployment.stripe.session(opened.json()["id"])
    assert found is not None
    return found


def linked(url: str, user: str) -> object:
    query = f"select customer_id from public.stripe_customers where user_id = '{user}'"  # noqa: S608 - a uuid of ours
    return asyncio.run(fetched(url, query))


def log_of(deployment: Deployment) -> str:
    return "".join(log.read_text() for log in deployment.folder.glob("*.log"))


def test_a_click_on_many_processes_at_once_makes_one_customer(deployment: Deployment, database_url: str) -> None:
    """Each with a checkout of its own, all of them the customer's."""
    user = asyncio.run(sign_up(database_url))
    settings = {"SUPABASE_DB_URL": database_url, "CREDENCE_CHECKOUTS_PER_MINUTE": "0"}
    with deployment.serve(**settings) as one, deployment.serve(**settings) as another, ThreadPoolExecutor(8) as pool:
        opened = [*pool.map(lambda number: buy((one, another)[number % 2], user), range(16))]
    sessions = [session_of(deployment, answer) for answer in opened]
    (customer,) = customers(deployment)
    assert {customer["id"]} == {session["customer"] for session in sessions}
    assert customer["id"] == linked(database_url, user)
    assert 16 == len({session["id"] for session in sessions})


def test_a_repeated_click_is_one_session_although_the_customer_is_deleted(
    deployment: Deployment, database_url: str
) -> None:
    """Before the customer is deleted, and after another has taken its place."""
    user, key = asyncio.run(sign_up(database_url)), uuid.uuid4().hex
    with deployment.serve(SUPABASE_DB_URL=database_url) as http:
        first = [buy(http, user, key=key).json()["id"] for _ in range(2)]
        httpx.delete(f"{deployment.stripe.url}/v1/customers/{customers(deployment)[0]['id']}", headers=KEY)
        assert first[0] == buy(http, user, key=key).json()["id"], "Stripe repeats its answer"
        later = [buy(http, user, key=uuid.uuid4().hex) for _ in range(2)]
    assert first[0] == first[1]
    (customer,) = customers(deployment)
    assert {customer["id"]} == {session_of(deployment, answer)["customer"] for answer in later}
    assert f"user {user} has customer {customer['id']} now" in log_of(deployment)


def test_a_click_whose_customer_was_deleted_before_the_session_is_one_session(
    deployment: Deployment, database_url: str
) -> None:
    """The customer is made again under the same click, and the click repeated."""
    user, key = asyncio.run(sign_up(database_url)), uuid.uuid4().hex
    with deployment.serve(SUPABASE_DB_URL=database_url) as http:
        assert 201 == buy(http, user).status_code
        httpx.delete(f"{deployment.stripe.url}/v1/customers/{customers(deployment)[0]['id']}", headers=KEY)
        opened = [buy(http, user, key=key) for _ in range(3)]
    assert 1 == len({session_of(deployment, answer)["id"] for answer in opened})
    assert [linked(database_url, user)] == [customer["id"] for customer in customers(deployment)]


def test_a_ledger_that_takes_no_writes_lets_users_pay(deployment: Deployment, database_url: str) -> None:
    """One customer of Stripe's then, too, which the ledger knows once it takes writes again."""
    user = asyncio.run(sign_up(database_url))
    with deployment.serve(SUPABASE_DB_URL=database_url) as http:
        set_read_only(database_url, True)
        assert 503 == eventually(lambda: http.get("/readyz").status_code, 503)
        opened = [session_of(deployment, buy(http, user, key=key)) for key in ("a", "a", "b")]
        (customer,) = customers(deployment)
        assert {customer["id"]} == {session["customer"] for session in opened}
        assert opened[0]["id"] == opened[1]["id"] != opened[2]["id"]
        assert linked(database_url, user) is None
        set_read_only(database_url, False)
        assert 200 == eventually(lambda: http.get("/readyz").status_code, 200)
        assert opened[0]["id"] == session_of(deployment, buy(http, user, key="a"))["id"]
    assert customer["id"] == linked(database_url, user)
    assert 1 == len(customers(deployment))


def test_a_key_that_may_not_make_customers_prevents_no_checkout(deployment: Deployment, database_url: str) -> None:
    """Restricted keys from before go on working; the log says what is missing."""
    user = asyncio.run(sign_up(database_url))
    with deployment.serve(SUPABASE_DB_URL=database_url) as http:
        deployment.stripe.fail_next(2, status=403, path="/v1/customers")  # the search, and the making
        session = session_of(deployment, buy(http, user))
    assert (None, []) == (session["customer"], customers(deployment))
    assert f"A checkout of user {user} went on without a customer: PermissionError" in log_of(deployment)


def test_an_outage_of_stripes_is_one(deployment: Deployment, database_url: str) -> None:
    """The customer's share of it is answered as the checkout's; the next click succeeds."""
    user = asyncio.run(sign_up(database_url))
    with deployment.serve(SUPABASE_DB_URL=database_url) as http:
        deployment.stripe.fail_next(3, status=500, path="/v1/customers")
        failed = buy(http, user)
        session = session_of(deployment, buy(http, user))
    assert (502, "urn:credence:payments-unavailable") == (failed.status_code, failed.json()["type"])
    assert [session["customer"]] == [customer["id"] for customer in customers(deployment)]


def test_an_address_that_stripe_refuses_is_shown(deployment: Deployment, database_url: str) -> None:
    """The message fails for good, with Stripe's reason; what follows is delivered."""
    user = asyncio.run(sign_up(database_url))
    with deployment.serve(SUPABASE_DB_URL=database_url) as http:
        assert 201 == buy(http, user).status_code
        (customer,) = customers(deployment)
        deployment.stripe.fail_next(1, status=400, path=f"/v1/customers/{customer['id']}")
        change = f"update public.users set email = '{{}}' where id = '{user}'"  # noqa: S608 - a uuid of ours
        asyncio.run(execute(database_url, change.format("nobody")))
        failures = "select count(*) from public.outbox where topic = 'customer_address' and failed_at is not null"
        assert 1 == eventually(lambda: asyncio.run(fetched(database_url, failures)), 1)
        asyncio.run(execute(database_url, change.format("ada@example.com")))
        assert "ada@example.com" == eventually(lambda: customers(deployment)[0]["email"], "ada@example.com")
    code, said = deployment.command("outbox", SUPABASE_DB_URL=database_url)
    assert (0, True) == (code, "customer_address" in said), said


@pytest.fixture
def old_customers(deployment: Deployment, database_url: str) -> dict[str, Any]:
    """Ada subscribed and bought by checkouts without a customer; Bob's customer was made by another program."""
    account = deployment.stripe.account
    ada, bob, eve = (asyncio.run(sign_up(database_url)) for _ in range(3))
    change = f"update public.users set email = 'eve@example.com' where id = '{eve}'"  # noqa: S608 - a uuid of ours
    asyncio.run(execute(database_url, change))
    with deployment.serve(SUPABASE_DB_URL=database_url) as http:
        for plan in ("monthly", "monthly"):
            deployment.stripe.fail_next(2, status=403, path="/v1/customers")  # the search, and the making
            deployment.stripe.pay(buy(http, ada, plan=plan).json()["id"])
    of_ada = [one["customer"] for one in account.all_kept("subscription")]
    account.billing.cancel(account.all_kept("subscription")[1]["id"])
    of_bob = account.new_customer("bob@example.com")
    account.kept("customer", of_bob)["metadata"] = {"userId": bob}
    of_eve = account.new_customer("Eve@example.com")
    return {"users": (ada, bob, eve), "customers": (*of_ada, of_bob, of_eve), "url": database_url}


def adopt(deployment: Deployment, url: str, *options: str) -> dict[str, str]:
    """What becomes of each customer, as the command says in JSON."""
    code, said = deployment.command("customers", "adopt", "--json", *options, SUPABASE_DB_URL=url)
    assert 0 == code, said
    return {one["customer_id"]: one["verdict"] for one in json.loads(said)}


def test_customers_from_before_are_shown_and_then_adopted(
    deployment: Deployment, old_customers: dict[str, Any]
) -> None:
    """Nothing is written before --yes; an address alone is not enough without being asked for."""
    url, (ada, bob, eve) = old_customers["url"], old_customers["users"]
    live, ended, of_bob, of_eve = old_customers["customers"]
    shown = {live: "link", ended: "another of its customers is better", of_bob: "link"}
    assert shown == adopt(deployment, url)
    assert [None, None, None] == [linked(url, user) for user in (ada, bob, eve)]
    code, said = deployment.command("customers", "adopt", SUPABASE_DB_URL=url)
    assert (0, True) == (code, "Run it with --yes to link 2 of these customers." in said), said
    assert {**shown, live: "linked", of_bob: "linked"} == adopt(deployment, url, "--yes")
    assert [live, of_bob, None] == [linked(url, user) for user in (ada, bob, eve)]
    assert "link" == adopt(deployment, url, "--by-address")[of_eve]
    assert "linked" == adopt(deployment, url, "--by-address", "--yes")[of_eve]
    with deployment.serve(SUPABASE_DB_URL=url) as http:
        assert live == session_of(deployment, buy(http, ada))["customer"]


def test_what_prevents_an_adoption_is_said(deployment: Deployment, old_customers: dict[str, Any]) -> None:
    """Stripe is away, or the key may not write customers: a sentence, and nothing is linked."""
    url, (ada, *_) = old_customers["url"], old_customers["users"]
    deployment.stripe.fail_next(3, status=503, path="/v1/subscriptions")
    code, said = deployment.command("customers", "adopt", SUPABASE_DB_URL=url)
    assert (1, True) == (code, said.startswith("Error: Cannot reach Stripe: ")), said
    for customer in old_customers["customers"]:
        deployment.stripe.fail_next(1, status=403, path=f"/v1/customers/{customer}")
    code, said = deployment.command("customers", "adopt", "--yes", SUPABASE_DB_URL=url)
    assert (1, True) == (code, said.startswith("Error: Stripe refused: PermissionError (403")), said
    assert linked(url, ada) is None
