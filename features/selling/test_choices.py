"""Buyers choose at the checkout, on the real parts: what is sold so, what is not, and what each sale brings."""

import uuid
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Page, expect

from features.browser import browser_page
from features.steps.choosing import choose, finish, promotion_code
from features.steps.story import Customer, Story
from features.steps.stripe_events import DAY, account, deliver_all


@pytest.fixture
def ada(story: Story) -> Customer:
    """A customer who has bought nothing yet."""
    return story.sign_up("Ada")


@pytest.fixture
def page(ada: Customer) -> Iterator[Page]:
    """A browser in which Ada is signed in; its loop begins after her sign-up and ends before the story's."""
    with browser_page(ada.headers) as page:
        yield page


def balance(story: Story) -> int:
    """Return Ada's credits."""
    return int(story.get("/quota", story.customers["Ada"]).json()["balance"])


def plan(story: Story, name: str) -> dict[str, object]:
    """Return a plan as pages see it."""
    plans = story.service.http.get("/plans").json()["plans"]
    return next(one for one in plans if one["id"] == name)  # type: ignore[no-any-return]  # JSON


REFUSED = {
    "none": ({"plan": "box", "quantity": 0}, "invalid-quantity", "between 1 and 20"),
    "fewer than none": ({"plan": "box", "quantity": -1}, "invalid-quantity", "between 1 and 20"),
    "too many": ({"plan": "box", "quantity": 21}, "invalid-quantity", "between 1 and 20"),
    "far too many": ({"plan": "box", "quantity": 10**30}, "invalid-quantity", "between 1 and 20"),
    "two of what is sold alone": ({"plan": "starter", "quantity": 2}, "invalid-quantity", "between 1 and 1"),
    "two of an amount": ({"plan": "topup", "quantity": 2, "amount": 2000}, "invalid-quantity", "between 1 and 1"),
    "an amount of a price": ({"plan": "box", "amount": 140}, "invalid-amount", "fixed price"),
    "no amount": ({"plan": "topup"}, "invalid-amount", "between 1000 and 50000 minor units of usd"),
    "too little": ({"plan": "topup", "amount": 999}, "invalid-amount", "between 1000 and 50000"),
    "too much": ({"plan": "topup", "amount": 50_001}, "invalid-amount", "between 1000 and 50000"),
    "too many yen": ({"plan": "topup", "amount": 100_001, "currency": "jpy"}, "invalid-amount", "100000 minor units"),
    "pounds": ({"plan": "box", "currency": "gbp"}, "invalid-currency", "usd, eur"),
    "euros in upper case": ({"plan": "box", "currency": "EUR"}, "invalid-currency", "GET /plans"),
    "no currency": ({"plan": "box", "currency": ""}, "invalid-currency", "GET /plans"),
}


@pytest.mark.parametrize("how", REFUSED)
def test_what_is_not_sold_so_is_refused_in_words(how: str, story: Story, ada: Customer) -> None:
    """No session is opened for it."""
    body, kind, words = REFUSED[how]
    before = len(account(story).sessions())
    answer = story.service.http.post("/checkout/sessions", json=body, headers=ada.headers)
    assert (422, f"urn:credence:{kind}") == (answer.status_code, answer.json()["type"])
    assert words in answer.json()["detail"]
    assert before == len(account(story).sessions())


@pytest.mark.parametrize("wrong", [{"quantity": "2"}, {"quantity": 1.5}, {"quantity": True}, {"amount": []}])
def test_what_is_no_number_is_refused(wrong: dict[str, object], story: Story, ada: Customer) -> None:
    """Like in every other body."""
    answer = story.service.http.post("/checkout/sessions", json={"plan": "box", **wrong}, headers=ada.headers)
    assert 400 == answer.status_code
    assert next(iter(wrong)) in answer.json()["detail"]


def test_a_page_learns_what_may_be_chosen(story: Story) -> None:
    """Prices in each currency, limits of quantities and amounts, rates and bonuses, periods and trials."""
    box = plan(story, "box")
    assert ({"usd": 140, "eur": 130}, {"min": 1, "max": 20, "adjustable": True}) == (box["prices"], box["quantity"])
    topup = plan(story, "topup")
    bonuses = [{"amount": 5_000, "percent": 10}, {"amount": 10_000, "percent": 20}]
    dollars = {"currency": "usd", "min": 1_000, "max": 50_000, "credits": 10, "per": 100, "bonuses": bonuses}
    yen = {"currency": "jpy", "min": 1_000, "max": 100_000, "credits": 1, "per": 15, "bonuses": []}
    assert ([dollars, yen], {}, None) == (topup["amounts"], topup["prices"], topup["quantity"])
    assert (1_000, "usd", 100) == (topup["price"], topup["currency"], topup["credits"])
    assert ("month", 3) == (plan(story, "quarterly")["interval"], plan(story, "quarterly")["interval_count"])
    assert 14 == plan(story, "tried")["trial_days"]
    assert ("embedded", "hosted") == (plan(story, "inside")["ui"], box["ui"])


def test_an_amount_in_yen_has_no_cents(story: Story, ada: Customer) -> None:
    """Minor units are those of the currency."""
    finish(story, story.open_checkout(ada, "topup", amount=3_000, currency="jpy"))
    assert 200 == balance(story)


def test_a_key_opens_one_checkout_of_one_choice(story: Story, ada: Customer) -> None:
    """The same choice is the same session; another one under the key is refused."""
    headers = {**ada.headers, "Idempotency-Key": "three-boxes"}
    asked = {"plan": "box", "quantity": 3, "currency": "eur"}
    first, again = (story.service.http.post("/checkout/sessions", json=asked, headers=headers) for _ in range(2))
    assert (201, first.json()) == (again.status_code, again.json())
    other = story.service.http.post("/checkout/sessions", json={**asked, "quantity": 4}, headers=headers)
    assert (422, "urn:credence:key-reused") == (other.status_code, other.json()["type"])


def test_an_embedded_checkout_answers_with_its_secret(story: Story, ada: Customer) -> None:
    """Paid there, it is followed as any other."""
    answer = story.service.http.post("/checkout/sessions", json={"plan": "inside"}, headers=ada.headers)
    opened = answer.json()
    assert (201, None) == (answer.status_code, opened["url"])
    session = account(story).session(opened["id"])
    assert (opened["client_secret"], "embedded_page") == (session["client_secret"], session["ui_mode"])
    ada.sessions.append(opened["id"])
    account(story).pay(opened["id"])
    followed = story.follow(ada)
    assert ("credited", 11) == (followed["status"], followed["credits"])


def test_stripe_sells_as_the_merchant_of_record(story: Story, ada: Customer) -> None:
    """The tax is on top, no invoice of ours is made, and the credits are the plan's."""
    finish(story, story.open_checkout(ada, "managed"))
    session = account(story).session(ada.sessions[-1])
    assert ({"enabled": True}, 1_116, None) == (
        session["managed_payments"],
        session["amount_total"],
        session["invoice"],
    )
    assert 90 == balance(story)


def test_tax_within_the_price_leaves_the_credits(story: Story, ada: Customer) -> None:
    """Also without an invoice: half of what was paid is half of the credits."""
    finish(story, story.open_checkout(ada, "taxed_within"))
    session = account(story).session(ada.sessions[-1])
    assert (792, 132, None) == (session["amount_total"], session["total_details"]["amount_tax"], session["invoice"])
    assert 60 == balance(story)
    deliver_all(story, account(story).reversals.refund(session["payment_intent"], 396))
    assert 30 == balance(story)


def test_quarters_in_euros_with_tax_and_a_code(story: Story, ada: Customer) -> None:
    """Two of them bring twice the credits each quarter, whatever they cost; a refund of half takes half."""
    session_id = story.open_checkout(ada, "quarterly", quantity=2, currency="eur")
    choose(story, session_id, code=promotion_code(story, 50))
    finish(story, session_id)
    session = account(story).session(session_id)
    assert (4_940, 2_964, "eur") == (session["amount_subtotal"], session["amount_total"], session["currency"])
    assert 660 == balance(story)
    (intent,) = [
        one["payment"]["payment_intent"]
        for one in account(story).all_kept("invoice_payment")
        if one["invoice"] == session["invoice"]
    ]
    deliver_all(story, account(story).reversals.refund(intent, 1_482))
    assert 330 == balance(story)


def test_a_trial_begins_once(story: Story, ada: Customer) -> None:
    """It brings its credits, then the plan's; the next subscription begins with a payment."""
    finish(story, story.open_checkout(ada, "tried"))
    assert 20 == balance(story)
    first = account(story).session(ada.sessions[-1])
    deliver_all(story, account(story).billing.cancel(first["subscription"]))
    finish(story, story.open_checkout(ada, "tried"))
    second = account(story).session(ada.sessions[-1])
    assert (0, 770) == (
        account(story).kept("invoice", first["invoice"])["total"],
        account(story).kept("invoice", second["invoice"])["total"],
    )
    assert 100 == balance(story)


def test_an_old_key_revives_no_trial(story: Story, ada: Customer) -> None:
    """A checkout that was opened before the trial and is asked for again after it: Stripe forgot its key meanwhile."""
    headers = {**ada.headers, "Idempotency-Key": uuid.uuid4().hex}

    def ask() -> httpx.Response:
        return story.service.http.post("/checkout/sessions", json={"plan": "tried"}, headers=headers)

    first = ask().json()["id"]
    finish(story, story.open_checkout(ada, "tried"))
    tried = account(story).session(ada.sessions[-1])["subscription"]
    deliver_all(story, account(story).billing.cancel(tried))
    refused = ask()
    assert (422, "urn:credence:key-reused") == (refused.status_code, refused.json()["type"])
    account(story).set_clock(account(story).now() + 2 * DAY)
    again = ask().json()["id"]
    finish(story, again)
    assert (True, 770) == (
        again != first,
        account(story).kept("invoice", account(story).session(again)["invoice"])["total"],
    )
    assert 100 == balance(story)


def test_a_trial_is_followed_by_the_plans_credits(story: Story, ada: Customer) -> None:
    """Once its days are over."""
    finish(story, story.open_checkout(ada, "tried"))
    before = len(account(story).events)
    account(story).billing.advance(14 * DAY + 3_600)
    subscription = account(story).session(ada.sessions[-1])["subscription"]
    deliver_all(story, [one for one in account(story).events[before:] if subscription in str(one)])
    assert 100 == balance(story)


def test_a_buyer_redeems_a_promotion_code_in_a_browser(story: Story, ada: Customer, page: Page) -> None:
    """A wrong code is refused, a good one shows what it takes off, and the page they return to shows their credits."""
    code = promotion_code(story, 25)
    page.goto(f"{story.service.url}/?user={ada.user_id}")
    page.get_by_role("button", name="Buy 60 credits, and tax").click()
    page.wait_for_url("**/c/pay/*")
    session_id = page.url.rpartition("/")[2]
    expect(page.get_by_text("7.92 USD")).to_be_visible()
    page.get_by_label("Promotion code").fill("NOTHING")
    page.get_by_role("button", name="Apply promotion code").click()
    expect(page.get_by_role("alert")).to_have_text("This code is invalid.")
    page.get_by_label("Promotion code").fill(code)
    page.get_by_role("button", name="Apply promotion code").click()
    expect(page.get_by_text("Discount -1.65 USD")).to_be_visible()
    expect(page.get_by_text("Tax 0.99 USD")).to_be_visible()
    expect(page.get_by_text("5.94 USD")).to_be_visible()
    page.get_by_role("button", name="Pay by card").click()
    expect(page.get_by_role("alert")).to_have_text("Agree to the terms of service to pay.")
    page.get_by_label("I agree to the terms of service").check()
    page.get_by_role("button", name="Pay by card").click()
    expect(page.get_by_role("heading", name="Thank you!")).to_be_visible()
    expect(page.get_by_role("status")).to_have_text("60 credits were added.")
    page.get_by_role("link", name="Back to the plans").click()
    expect(page.get_by_role("heading", name="Buy credits")).to_be_visible()
    expect(page.get_by_text("60 credits", exact=True)).to_be_visible()
    deliver_all(story, [story.event_of(session_id)])
    assert 60 == balance(story)


def test_a_buyer_chooses_on_the_pricing_page(story: Story, ada: Customer, page: Page) -> None:
    """Two boxes in euros, whose price the page shows first."""
    page.goto(f"{story.service.url}/?user={ada.user_id}")
    box = page.get_by_role("listitem").filter(has_text="A box of 7 credits")
    box.get_by_label("Quantity of A box of 7 credits").fill("2")
    box.get_by_label("Currency of A box of 7 credits").select_option("eur")
    expect(box).to_contain_text("€1.30")
    with page.expect_request("**/checkout/sessions") as asked:
        box.get_by_role("button", name="Buy A box of 7 credits").click()
    assert {"plan": "box", "quantity": 2, "currency": "eur"} == asked.value.post_data_json
    page.wait_for_url("**/c/pay/*")
    page.goto(f"{story.service.url}/?user={ada.user_id}")
    topup = page.get_by_role("listitem").filter(has_text="Credits as you like")
    topup.get_by_label("Amount of Credits as you like").fill("37")
    with page.expect_request("**/checkout/sessions") as asked:
        topup.get_by_role("button", name="Buy Credits as you like").click()
    assert {"plan": "topup", "amount": 3_700, "currency": "usd"} == asked.value.post_data_json
