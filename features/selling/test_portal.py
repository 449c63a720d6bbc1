"""`POST /portal` over HTTP and in a browser, and what the doctor says of the portal."""

import asyncio
import uuid

import httpx
import pytest
from playwright.sync_api import expect

from features.browser import browser_page
from features.harness.deployment import GATEWAY_SECRET, Deployment, bearer
from features.harness.service import OPERATOR_KEY, SERVICE_KEY
from features.http.description import Description
from features.http.signed_events import PROBLEM
from features.real_parts import sign_up
from features.steps.pushing import new_plan, push_portal
from simulators.stripe.selling.portal import save_in_dashboard


def headers_of(user: str) -> dict[str, str]:
    return {"x-user-id": user, "x-gateway-secret": GATEWAY_SECRET}


def open_portal(http: httpx.Client, user: str) -> httpx.Response:
    return http.post("/portal", headers=headers_of(user))


def test_a_portal_is_described_and_refused_as_described(deployment: Deployment, database_url: str) -> None:
    """Not set up, without a user, with the wrong caller, without Stripe, too often: each says so."""
    user = asyncio.run(sign_up(database_url))
    settings = {"SUPABASE_DB_URL": database_url, "CREDENCE_CHECKOUTS_PER_MINUTE": "4"}
    with deployment.serve(**settings) as http:
        not_set_up = open_portal(http, user)
        push_portal(deployment.stripe, database_url, return_url="https://shop.test/")
        opened = open_portal(http, user)
        deployment.stripe.fail_next(3, status=500, path="/v1/billing_portal/sessions")
        away = open_portal(http, user)
        deployment.stripe.fail_next(1, status=403, path="/v1/billing_portal/sessions")
        refused = open_portal(http, user)
        too_often = open_portal(http, user)
        others = [
            open_portal(http, str(uuid.uuid4())),
            http.post("/portal"),
            http.post("/portal", headers=bearer(SERVICE_KEY)),
            http.post("/portal", headers=bearer(OPERATOR_KEY)),
            http.post("/portal", headers={"x-user-id": user, "x-gateway-secret": "guessed" * 5}),
        ]
        answers = [not_set_up, opened, away, refused, too_often, *others]
        description = Description.of(http)
        assert [] == [fault for answer in answers for fault in description.faults(answer)]
    assert [409, 201, 502, 502, 429, 404, 401, 403, 403, 401] == [answer.status_code for answer in answers]
    kinds = ["portal-not-set-up", "payments-unavailable", "payments-refused"]
    assert [f"urn:credence:{kind}" for kind in kinds] == [
        answer.json()["type"] for answer in (not_set_up, away, refused)
    ]
    assert opened.json()["url"] not in "".join(log.read_text() for log in deployment.folder.glob("*.log"))


@pytest.mark.parametrize("content", [b"", b"{}", b"{", b"\xff", b'{"customer": "cus_of_somebody", "return_url": "x"}'])
def test_a_portal_takes_nothing_from_its_caller(deployment: Deployment, database_url: str, content: bytes) -> None:
    """Neither the customer nor the way back: the portal is the caller's own, whatever the body says."""
    user = asyncio.run(sign_up(database_url))
    push_portal(deployment.stripe, database_url, return_url="https://shop.test/")
    with deployment.serve(SUPABASE_DB_URL=database_url, CREDENCE_PORTAL_RETURN_URL="https://shop.test/back") as http:
        answer = http.post("/portal", headers=headers_of(user) | {"Content-Type": "application/json"}, content=content)
    assert answer.status_code in {201, 400}, answer.text
    for session in deployment.stripe.account.all_kept("billing_portal.session"):
        customer = deployment.stripe.account.kept("customer", session["customer"])
        assert (user, "https://shop.test/back") == (customer["metadata"]["userId"], session["return_url"])


def test_a_get_of_the_portal_opens_nothing(deployment: Deployment, database_url: str) -> None:
    """A link that a browser follows ahead makes no session."""
    user = asyncio.run(sign_up(database_url))
    with deployment.serve(SUPABASE_DB_URL=database_url) as http:
        answer = http.get("/portal", headers=headers_of(user))
    assert (405, PROBLEM) == (answer.status_code, answer.headers["content-type"])
    assert [] == deployment.stripe.account.all_kept("customer")


SUBSCRIPTIONS = """
[plans.monthly]
name = "100 credits a month"
credits = 100
price = 900
currency = "usd"
mode = "subscription"
interval = "month"

[plans.pro]
name = "300 credits a month"
credits = 300
price = 2700
currency = "usd"
mode = "subscription"
interval = "month"
"""


def shop_selling_subscriptions(deployment: Deployment, database_url: str) -> dict[str, str]:
    """Return the settings of a shop with two subscriptions."""
    plans = deployment.folder / "plans.toml"
    plans.write_text(SUBSCRIPTIONS)
    return {"CREDENCE_PLANS": str(plans), "SUPABASE_DB_URL": database_url}


def test_a_customer_goes_to_the_portal_and_back_in_a_browser(deployment: Deployment, database_url: str) -> None:
    """From the pricing page; they cancel their subscription there, and the link back leads to the pricing page."""
    user = asyncio.run(sign_up(database_url))
    shop = shop_selling_subscriptions(deployment, database_url)
    code, said = deployment.command("plans", "push", **shop)
    assert 0 == code, said
    with deployment.serve(**shop) as http:
        assert 200 == deployment.deliver(http, deployment.paid(http, user, "monthly"))
        with browser_page({"x-gateway-secret": GATEWAY_SECRET}) as page:
            page.goto(f"{http.base_url}?user={user}")
            manage = page.get_by_role("button", name="Manage subscription")
            manage.click()
            expect(page.get_by_role("heading", name="100 credits a month")).to_be_visible()
            expect(page.get_by_role("button", name="Switch to 300 credits a month")).to_be_visible()
            page.get_by_role("button", name="Cancel subscription").click()
            expect(page.get_by_text("it ends with its period")).to_be_visible()
            page.get_by_role("link", name="Return to").click()
            expect(page).to_have_url(f"{str(http.base_url).rstrip('/')}/")
            expect(page.get_by_role("heading", name="Buy credits")).to_be_visible()
            expect(manage).to_be_enabled()
    (subscription,) = deployment.stripe.account.all_kept("subscription")
    assert subscription["cancel_at_period_end"]


def test_a_page_says_why_the_portal_cannot_be_opened(deployment: Deployment, database_url: str) -> None:
    """In words for customers; the button may be pressed again. Without a user there is none."""
    user = asyncio.run(sign_up(database_url))
    with (
        deployment.serve(SUPABASE_DB_URL=database_url) as http,
        browser_page({"x-gateway-secret": GATEWAY_SECRET}) as page,
    ):
        page.goto(str(http.base_url))
        manage, note = page.get_by_role("button", name="Manage subscription"), page.get_by_role("status")
        expect(note).to_contain_text("Nobody is signed in")
        expect(manage).to_be_hidden()
        page.goto(f"{http.base_url}?user={user}")
        manage.click()
        expect(note).to_have_text("Subscriptions can't be managed here yet. Please contact us instead.")
        deployment.stripe.fail_next(3, status=500, path="/v1/billing_portal/sessions")
        manage.click()
        expect(note).to_contain_text("Stripe")
        page.route("**/portal", lambda route: route.fulfill(status=504, body="<h1>Gateway timeout</h1>"), times=1)
        manage.click()
        expect(note).to_have_text("The service answered 504. Please try again in a moment.")
        page.route("**/portal", lambda route: route.abort(), times=1)
        manage.click()
        expect(note).to_have_text("The service cannot be reached. Please try again in a moment.")
        expect(manage).to_be_enabled()


def test_the_doctor_names_what_customers_could_switch_to(deployment: Deployment, database_url: str) -> None:
    """Prices that the catalogue does not know, in the configuration that customers meet."""
    known, unknown = (new_plan(deployment.stripe, plan, 300, 2700) for plan in ("monthly", "of nobody"))

    def said() -> str:
        return deployment.command("doctor", "--json", SUPABASE_DB_URL=database_url)[1]

    assert "not set up: POST /portal is refused" in said()
    products = {
        str(place): {"product": plan.product_id, "prices": dict(enumerate(map(str, plan.price_ids)))}
        for place, plan in enumerate((known, unknown))
    }
    switching = {"enabled": "true", "default_allowed_updates": {"0": "price"}, "products": products}
    save_in_dashboard(deployment.stripe.account, {"subscription_update": switching})
    found = said()
    assert f"lets customers switch to what Credence does not know: {min(unknown.price_ids)}" in found
    assert min(known.price_ids) not in found
    push_portal(deployment.stripe, database_url, known, return_url="https://shop.test/")
    assert "the configuration of `credence plans push` offers only prices that Credence knows" in said()
