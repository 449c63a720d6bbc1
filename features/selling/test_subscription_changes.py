"""Changes and cancellations over HTTP, on the real parts: who may, what is repeated, and what is refused in words."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from features.harness.service import OPERATOR_KEY, SERVICE_KEY, Service
from features.http.description import Description
from features.steps.story import Story
from features.steps.stripe_events import DAY
from simulators.stripe.selling.schedules import schedule

AS_SERVICE = {"Authorization": f"Bearer {SERVICE_KEY}"}


@pytest.fixture
def story(selling_service: Service) -> Iterator[Story]:
    """Ada, who subscribed to 100 credits a month, a minute ago."""
    story = Story(selling_service)
    subscribe(story, "Ada", "monthly")
    # Stripe dates to the second: a change within the one in which the subscription began has no order.
    selling_service.stripe.account.billing.advance(60)
    yield story
    assert [] == story.rows("select * from public.validate_credits_consistency()")


def subscribe(story: Story, name: str, plan: str) -> str:
    """Sign somebody up who subscribes to a plan; returns the subscription."""
    customer = story.customers.get(name) or story.sign_up(name)
    account = story.service.stripe.account
    before = len(account.events)
    session_id = story.open_checkout(customer, plan)
    assert 303 == story.pay(session_id)
    story.deliver(*account.events[before:])
    return subscription_of(story, name)


def subscription_of(story: Story, name: str = "Ada") -> str:
    return str(story.service.stripe.account.session(story.customers[name].sessions[-1])["subscription"])


def post(story: Story, path: str, body: object, *, name: str = "Ada", **headers: str) -> httpx.Response:
    known = {**story.customers[name].headers, "Idempotency-Key": uuid.uuid4().hex, **headers}
    answer: httpx.Response = story.service.http.post(path, json=body, headers=known)
    return answer


def held(story: Story, name: str = "Ada") -> list[tuple[str, str | None, bool]]:
    answer = story.get("/subscription", story.customers[name])
    assert 200 == answer.status_code, answer.text
    return [(one["status"], one["plan"], one["cancels_at_period_end"]) for one in answer.json()["subscriptions"]]


def hear(story: Story, before: int) -> None:
    """Let Stripe report all that happened since."""
    story.deliver(*story.service.stripe.account.events[before:])


def balance(story: Story) -> int:
    return int(story.get("/quota", story.customers["Ada"]).json()["balance"])


def bills(story: Story) -> int:
    """How many invoices the subscription has."""
    return len(
        [
            one
            for one in story.service.stripe.account.all_kept("invoice")
            if one["_subscription"] == subscription_of(story)
        ]
    )


def changes(story: Story) -> int:
    """How often a subscription has changed, or an invoice was paid; the service itself sends invoices meanwhile."""
    kinds = ("customer.subscription.", "invoice.paid")
    return len([one for one in story.service.stripe.account.events if one["type"].startswith(kinds)])


def refused(answer: httpx.Response) -> tuple[int, str]:
    assert "application/problem+json" == answer.headers["content-type"], answer.text
    return answer.status_code, str(answer.json()["type"]).removeprefix("urn:credence:")


def test_the_answer_of_a_change_brings_nothing_and_its_events_all(story: Story) -> None:
    """The plan and the credits follow when Stripe reports the invoice, whoever asked."""
    account = story.service.stripe.account
    before = len(account.events)
    body = {"user_id": story.customers["Ada"].user_id, "plan": "team"}
    changed = post(story, "/subscription/change", body, **AS_SERVICE)
    assert (200, "active") == (changed.status_code, changed.json()["status"]), changed.text
    assert (100, [("active", "monthly", False)]) == (balance(story), held(story))
    hear(story, before)
    assert [("active", "team", False)] == held(story)
    assert 299 <= balance(story) <= 300, "a period that has hardly begun is given back whole, or nearly"


def test_a_change_that_is_repeated_is_made_once(story: Story) -> None:
    """One after the other and at once; another change under the same key is refused."""
    key = {"Idempotency-Key": uuid.uuid4().hex}
    with ThreadPoolExecutor(6) as threads:
        answers = [*threads.map(lambda _: post(story, "/subscription/change", {"plan": "team"}, **key), range(6))]
    answers.append(post(story, "/subscription/change", {"plan": "team"}, **key))
    assert [200] * 7 == [answer.status_code for answer in answers], answers[0].text
    assert 1 == len({answer.json()["latest_invoice"] for answer in answers})
    assert 2 == bills(story)
    other = post(story, "/subscription/change", {"plan": "annual"}, **key)
    assert (422, "key-reused") == refused(other)


def test_what_was_previewed_is_charged(story: Story) -> None:
    """As of the moment of the preview, though time has passed since."""
    account = story.service.stripe.account
    account.billing.advance(10 * DAY)
    preview = post(story, "/subscription/change/preview", {"plan": "team"}).json()
    account.billing.advance(600)
    body = {"plan": "team", "proration_date": preview["proration_date"], "price": preview["price"]}
    changed = post(story, "/subscription/change", body)
    assert (200, 2) == (changed.status_code, bills(story)), changed.text
    bill = account.kept("invoice", changed.json()["latest_invoice"])
    assert preview["money"]["amount_due"] == bill["amount_paid"]
    assert [line["amount"] for line in preview["money"]["lines"]] == [line["amount"] for line in bill["_lines"]]


def test_a_preview_holds_for_a_while(story: Story) -> None:
    """Not for a moment long ago or to come, nor for a change at the period's end."""
    now = datetime.fromtimestamp(story.service.stripe.account.now(), UTC)
    for moment, when in ((now - timedelta(hours=1), "now"), (now + timedelta(hours=1), "now"), (now, "period_end")):
        body = {"plan": "team", "proration_date": moment.isoformat(), "when": when}
        for path in ("/subscription/change", "/subscription/change/preview"):
            assert (409, "preview-expired") == refused(post(story, path, body))
    assert 1 == bills(story)


def test_a_preview_ends_with_its_price_and_with_the_next_invoice(story: Story) -> None:
    """What was shown is charged or refused: also where a change was made since, which began another plan's time."""
    other = {"plan": "team", "price": "price_of_another_day"}
    for path in ("/subscription/change", "/subscription/change/preview"):
        assert (409, "preview-expired") == refused(post(story, path, other))
    story.service.stripe.account.billing.advance(10 * DAY)
    before = post(story, "/subscription/change/preview", {"plan": "light"}).json()
    story.service.stripe.account.billing.advance(60)
    assert 200 == post(story, "/subscription/change", {"plan": "team"}).status_code
    body = {name: before[name] for name in ("plan", "price", "proration_date")}
    late = post(story, "/subscription/change", body)
    assert (409, "preview-expired", 2) == (*refused(late), bills(story))


def test_time_that_was_not_billed_is_not_given_back(story: Story) -> None:
    """Neither at a price of the next period, nor of an invoice that is unpaid; changed back, it is as before."""
    user = {"user_id": story.customers["Ada"].user_id}
    assert 200 == post(story, "/subscription/change", {"plan": "light", "when": "period_end"}).status_code
    later = {**user, "when": "period_end", "give_back": True}
    for path in ("/subscription/cancel", "/subscription/cancel/preview"):
        assert (422, "not-at-once") == refused(post(story, path, later, **AS_SERVICE))
    ended = {**user, "when": "now", "give_back": True}
    assert (409, "change-pending") == refused(post(story, "/subscription/change", {"plan": "team"}))
    assert (409, "change-pending") == refused(post(story, "/subscription/cancel", ended, **AS_SERVICE))
    assert 200 == post(story, "/subscription/change", {"plan": "monthly", "when": "period_end"}).status_code
    assert 200 == post(story, "/subscription/change/preview", {"plan": "team"}).status_code
    story.service.stripe.account.billing.advance(31 * DAY)
    account = story.service.stripe.account
    account.kept("invoice", account.kept("subscription", subscription_of(story))["latest_invoice"])["status"] = "open"
    assert (409, "payment-due") == refused(post(story, "/subscription/change", {"plan": "team"}))
    assert (409, "payment-due") == refused(post(story, "/subscription/cancel", ended, **AS_SERVICE))


def test_a_subscription_that_was_to_end_goes_on(story: Story) -> None:
    """By a change to the plan that it is on, which costs nothing; without that it is refused."""
    path, before = "/subscription/change", len(story.service.stripe.account.events)
    assert (409, "already-on-plan") == refused(post(story, path, {"plan": "monthly"}))
    ending = post(story, "/subscription/cancel", {"when": "period_end"})
    assert (200, True) == (ending.status_code, ending.json()["cancels_at_period_end"]), ending.text
    assert ending.json() == post(story, "/subscription/cancel", {}).json(), "it is the default, and repeatable"
    hear(story, before)
    assert [("active", "monthly", True)] == held(story)
    goes_on = post(story, path, {"plan": "monthly"})
    assert (200, False, 1) == (goes_on.status_code, goes_on.json()["cancels_at_period_end"], bills(story))


def test_a_cancellation_gives_back_what_a_service_wants(story: Story) -> None:
    """Unused time, to the customer's balance at Stripe; users may not ask for it, and what ended is ended."""
    before = len(story.service.stripe.account.events)
    story.service.stripe.account.billing.advance(15 * DAY)
    user, body = {"user_id": story.customers["Ada"].user_id}, {"when": "now", "give_back": True}
    assert (403, "forbidden") == refused(post(story, "/subscription/cancel", body))
    assert (403, "forbidden") == refused(post(story, "/subscription/cancel/preview", body))
    preview = post(story, "/subscription/cancel/preview", {**user, **body}, **AS_SERVICE)
    assert 200 == preview.status_code, preview.text
    assert (-450, 0, -50) == (
        preview.json()["money"]["total"],
        preview.json()["money"]["amount_due"],
        preview.json()["credits"]["credits"],
    )
    done = [post(story, "/subscription/cancel", {**user, **body}, **AS_SERVICE) for _ in range(2)]
    assert [(200, "canceled")] * 2 == [(answer.status_code, answer.json()["status"]) for answer in done]
    hear(story, before)
    assert (50, []) == (balance(story), held(story))
    assert (409, "no-subscription") == refused(post(story, "/subscription/cancel", {}))
    assert (409, "no-subscription") == refused(post(story, "/subscription/change", {"plan": "team"}))


def test_a_change_at_the_end_of_the_period_costs_no_more_and_lasts_as_long(story: Story) -> None:
    """What costs more, and a year, begin when they are paid. What was changed so is changed back."""
    for path in ("/subscription/change", "/subscription/change/preview"):
        dearer = post(story, path, {"plan": "team", "when": "period_end"})
        assert (409, "not-at-period-end") == refused(dearer)
        assert "costs more" in dearer.json()["detail"]
    for plan in ("light", "free", "monthly"):
        changed = post(story, "/subscription/change", {"plan": plan, "when": "period_end"})
        assert (200, 1) == (changed.status_code, bills(story)), changed.text
    later = {"plan": "annual", "when": "period_end"}
    answer = post(story, "/subscription/change/preview", later)
    assert (409, "not-at-period-end") == refused(answer)
    assert "a year" in answer.json()["detail"]
    preview = post(story, "/subscription/change/preview", {"plan": "annual"}).json()
    assert [9000] == [line["amount"] for line in preview["money"]["lines"] if line["amount"] > 0]


def test_a_change_that_waits_in_the_portal_gives_way(story: Story) -> None:
    """To another change, and to a cancellation."""
    account = story.service.stripe.account
    found = account.kept("subscription", subscription_of(story))
    for path, body in (("change", {"plan": "team"}), ("cancel", {"when": "period_end"})):
        schedule(account, found, found["_items"][0]["_price"])
        answer = post(story, f"/subscription/{path}", body)
        assert (200, None) == (answer.status_code, found["schedule"]), answer.text
    assert (2, True) == (bills(story), found["cancel_at_period_end"])


def test_a_free_plan_is_had_once(story: Story) -> None:
    """A change to it takes the place of what was paid."""
    before = len(story.service.stripe.account.events)
    assert 200 == post(story, "/subscription/change", {"plan": "free"}).status_code
    hear(story, before)
    assert [("active", "free", False)] == held(story)
    assert (409, "already-on-plan") == refused(post(story, "/subscription/change", {"plan": "free"}))
    assert (409, "already-subscribed") == refused(post(story, "/checkout/sessions", {"plan": "free"}))


def test_an_account_begins_one_subscription_at_a_time(story: Story) -> None:
    """Neither after the first is known, nor by two pages at once, nor while the report of the first is late."""
    assert (409, "subscription-exists") == refused(post(story, "/checkout/sessions", {"plan": "team"}))
    assert 201 == post(story, "/checkout/sessions", {"plan": "starter"}).status_code, "packs are sold beside it"
    bob = story.sign_up("Bob")
    first, pack = story.open_checkout(bob, "monthly"), story.open_checkout(bob, "starter")
    story.service.stripe.account.billing.advance(1)
    second = story.open_checkout(bob, "team")
    sessions = story.service.stripe.account
    assert ["expired", "open", "open"] == [sessions.session(one)["status"] for one in (first, pack, second)]
    assert 303 == story.pay(second)
    late = post(story, "/checkout/sessions", {"plan": "monthly"}, name="Bob")
    assert (409, "subscription-exists") == refused(late)
    own = [one for one in sessions.sessions() if one["client_reference_id"] == bob.user_id]
    assert {"expired", "complete"} == {one["status"] for one in own if one["mode"] == "subscription"}


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("change", {"plan": "nothing"}, (404, "unknown-plan")),
        ("change", {"plan": "starter"}, (409, "not-a-subscription")),
        ("change", {"plan": "euro"}, (409, "currency-differs")),
        ("change", {"plan": "team", "subscription": "sub_of_somebody"}, (404, "unknown-subscription")),
        ("change", {"plan": "team", "subscription": "\x00"}, (400, "bad-request")),
        ("change", {"plan": "team", "subscription": "s" * 256}, (400, "bad-request")),
        ("change", {"plan": "team", "when": "later"}, (400, "bad-request")),
        ("change", {"plan": "team", "proration_date": "yesterday"}, (400, "invalid-time")),
        ("change", {"plan": "team", "proration_date": 5}, (400, "bad-request")),
        ("change", {"plan": "team", "user_id": "ada"}, (400, "invalid-user-id")),
        ("change", {"plan": "team", "user_id": str(uuid.uuid4())}, (403, "forbidden")),
        ("change", {"plan": "team", "price": "a price"}, (400, "bad-request")),
        ("change", {}, (400, "bad-request")),
        ("change", ["team"], (400, "bad-request")),
        ("cancel", {"when": "yesterday"}, (400, "bad-request")),
        ("cancel", {"give_back": "yes"}, (400, "bad-request")),
        ("cancel", {"subscription": "sub_of_somebody"}, (404, "unknown-subscription")),
        ("cancel", {"plan": "team"}, (400, "bad-request")),
    ],
)
def test_what_can_not_be_done_is_refused_in_words(
    story: Story, path: str, body: Any, expected: tuple[int, str]
) -> None:
    """As a change or as its preview; nothing happens at Stripe."""
    before = changes(story)
    for place in (f"/subscription/{path}", f"/subscription/{path}/preview"):
        answer = post(story, place, body)
        assert expected == refused(answer), answer.text
        assert answer.json()["detail"]
    assert before == changes(story)


def test_who_may_ask_is_checked(story: Story) -> None:
    """Users for themselves, services for a user whom they name and who exists; nobody else."""
    http, ada = story.service.http, story.customers["Ada"].user_id
    assert (401, "unauthenticated") == refused(http.get("/subscription"))
    assert (403, "forbidden") == refused(http.get("/subscription", headers={"Authorization": f"Bearer {OPERATOR_KEY}"}))
    assert (400, "invalid-user-id") == refused(http.get("/subscription", headers=AS_SERVICE))
    assert (404, "unknown-user") == refused(http.get(f"/subscription?user_id={uuid.uuid4()}", headers=AS_SERVICE))
    assert 1 == len(http.get(f"/subscription?user_id={ada}", headers=AS_SERVICE).json()["subscriptions"])
    bob = story.sign_up("Bob")
    assert (403, "forbidden") == refused(story.get(f"/subscription?user_id={ada}", bob))
    named = {"plan": "team", "subscription": subscription_of(story)}
    assert (409, "no-subscription") == refused(post(story, "/subscription/change", {"plan": "team"}, name="Bob"))
    assert (404, "unknown-subscription") == refused(post(story, "/subscription/change", named, name="Bob"))
    unkeyed = http.post("/subscription/change", json={"plan": "team"}, headers=story.customers["Ada"].headers)
    assert (400, "invalid-idempotency-key") == refused(unkeyed)


def test_time_that_nobody_paid_is_not_given_back(story: Story) -> None:
    """Neither by a change now nor to a service; the next period may change, and the subscription may end."""
    account, before = story.service.stripe.account, len(story.service.stripe.account.events)
    account.billing.decline(subscription_of(story))
    account.billing.advance(30 * DAY + 7200)
    hear(story, before)
    assert [("past_due", "monthly", False)] == held(story)
    back = {"user_id": story.customers["Ada"].user_id, "when": "now", "give_back": True}
    for place in ("", "/preview"):
        for plan in ("team", "free"):
            answer = post(story, f"/subscription/change{place}", {"plan": plan})
            assert (409, "payment-due") == refused(answer)
        assert (409, "payment-due") == refused(post(story, f"/subscription/cancel{place}", back, **AS_SERVICE))
    assert 200 == post(story, "/subscription/change", {"plan": "light", "when": "period_end"}).status_code
    assert 200 == post(story, "/subscription/cancel", {"when": "now"}).status_code
    assert 2 == bills(story)


def test_a_declined_change_is_not_made(story: Story) -> None:
    """Nothing is charged, credited or changed; the same key is told the same."""
    account = story.service.stripe.account
    account.billing.decline(subscription_of(story))
    key, before = {"Idempotency-Key": uuid.uuid4().hex}, changes(story)
    for _ in range(2):
        answer = post(story, "/subscription/change", {"plan": "team"}, **key)
        assert (402, "payment-declined") == refused(answer)
        assert "(generic_decline)" in answer.json()["detail"]
    assert (before, 1) == (changes(story), bills(story))


def test_a_declined_change_says_that_a_scheduled_one_is_dropped(story: Story) -> None:
    """Stripe takes no other change beside it, so it was released before; a repetition says so too."""
    account = story.service.stripe.account
    found = account.kept("subscription", subscription_of(story))
    schedule(account, found, found["_items"][0]["_price"])
    account.billing.decline(subscription_of(story))
    key = {"Idempotency-Key": uuid.uuid4().hex}
    for _ in range(2):
        answer = post(story, "/subscription/change", {"plan": "team"}, **key)
        assert (402, "payment-declined") == refused(answer)
        assert "scheduled in the portal was dropped" in answer.json()["detail"]
        assert "nothing" not in answer.json()["detail"]
    assert (None, 1) == (found["schedule"], bills(story))


def test_the_answers_are_as_described(story: Story) -> None:
    """What an account has, what a change would bring, and what it made."""
    description = Description.of(story.service.http)
    body = {"plan": "team"}
    answers = [
        story.get("/subscription", story.customers["Ada"]),
        post(story, "/subscription/change/preview", body),
        post(story, "/subscription/change/preview", {"plan": "light", "when": "period_end"}),
        post(story, "/subscription/change", body),
        post(story, "/subscription/cancel/preview", {"when": "now"}),
        post(story, "/subscription/cancel", {}),
        post(story, "/subscription/change", {"plan": "nothing"}),
    ]
    assert [] == [fault for answer in answers for fault in description.faults(answer)]
    assert [200] * 6 + [404] == [answer.status_code for answer in answers]
