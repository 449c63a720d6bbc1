"""What operators may ask for by HTTP and on the command line, and the answer when it is wrong."""

import json
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from features.browser import browser_page
from features.harness.service import OPERATOR_KEY, SERVICE_KEY, Service, eventually
from features.http.signed_events import send_payment
from features.steps.story import Story
from features.steps.stripe_events import DAY, account, deliver_all, mine
from features.steps.subscriptions import subscribes
from simulators.stack.postgrest import free_port

NOBODY = "5d2f7a34-0c1e-4a6b-9f0d-1b2c3d4e5f60"


@pytest.fixture
def story(service: Service) -> Iterator[Story]:
    story = Story(service)
    story.sign_up("Ada")
    yield story
    assert [] == story.rows("select * from public.validate_credits_consistency()")


def park(story: Story, **changes: Any) -> str:
    """An event that waits: a payment that names nobody."""
    event_id, delivery = send_payment(story, **{"metadata": {"plan": "starter"}, **changes})
    assert 200 == delivery.status
    return event_id


def test_a_renewal_of_a_deleted_user_says_which_subscription_to_cancel(story: Story) -> None:
    """In the log, on the operator's page and by command, while metrics count it under its code alone."""
    subscribes(story, "monthly")
    ada, log_start = story.customers["Ada"], len(story.service.log.read_text())
    subscription = account(story).session(ada.sessions[-1])["subscription"]
    story.rows("delete from auth.users where id = $1", uuid.UUID(ada.user_id))
    deliver_all(story, mine(story, account(story).billing.advance(31 * DAY)))
    reason = f"user_deleted: cancel subscription {subscription}"
    assert f"Parked invoice.paid: {reason}" in story.service.log.read_text()[log_start:]
    for parked in (
        story.service.ops("GET", "/parked?limit=200").json()["events"],
        json.loads(story.service.command("parked", "--json").stdout)["parked"],
    ):
        (event,) = [one for one in parked if one["reason"] == reason and one["type"] == "invoice.paid"]
        assert event["hint"].startswith("cancel in Stripe the subscription")
    assert "parked: user_deleted" in story.service.ops("GET", "/backlog").json()["events"]
    metrics = story.service.http.get("/metrics").text
    assert re.search(r'credence_parked_events_total{reason="user_deleted"} [1-9]', metrics)
    assert subscription not in metrics


ROUTES = [
    ("GET", "/ops/events"),
    ("GET", "/ops/parked"),
    ("GET", "/ops/events/evt_1"),
    ("GET", "/ops/consistency"),
    ("GET", "/ops/backlog"),
    ("GET", "/ops/outbox/failures"),
    ("POST", "/ops/parked/retry"),
    ("POST", "/ops/events/evt_1/claim"),
    ("POST", "/ops/events/evt_1/replay"),
    ("POST", "/ops/outbox/1/retry"),
    ("POST", f"/ops/accounts/{NOBODY}/sync"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_only_operators_reach_what_is_theirs(story: Story, method: str, path: str) -> None:
    """Neither a stranger, nor a user, nor a service."""
    http, ada = story.service.http, story.customers["Ada"]
    for status, headers in (
        (401, {}),
        (401, {"Authorization": "Bearer guessed"}),
        (403, ada.headers),
        (403, {"Authorization": f"Bearer {SERVICE_KEY}"}),
    ):
        answer = http.request(method, path, headers=headers)
        assert (status, "application/problem+json") == (answer.status_code, answer.headers["content-type"])
        assert OPERATOR_KEY not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/events/evt_nobody", None, 404),
        ("GET", "/events?cursor=evt_nobody", None, 404),
        ("GET", "/events?limit=0", None, 400),
        ("GET", "/events?status=lost", None, 400),
        ("POST", "/events/evt_nobody/claim", {"user_id": str(uuid.uuid4())}, 404),
        ("POST", "/events/evt_nobody/claim", {"user_id": "ada"}, 400),
        ("POST", "/events/evt_nobody/claim", {}, 400),
        ("POST", "/events/evt_nobody/claim", [], 400),
        ("POST", "/events/evt_nobody/replay", None, 404),
        ("POST", "/accounts/ada/sync", None, 400),
        ("POST", f"/accounts/{NOBODY}/sync", None, 404),
    ],
)
def test_a_wrong_wish_is_refused_with_what_is_wrong(
    story: Story, method: str, path: str, body: object, status: int
) -> None:
    """As a problem, never a traceback."""
    answer = story.service.ops(method, path, body)
    assert (status, "application/problem+json") == (answer.status_code, answer.headers["content-type"]), answer.text


def test_a_message_that_was_not_given_up_is_not_retried(story: Story) -> None:
    """Nor one of a number that no message has."""
    for number in (0, 10**18, 10**30):
        assert {"retried": False} == story.service.ops("POST", f"/outbox/{number}/retry").json()


def test_the_inbox_is_shown_in_pages(story: Story) -> None:
    """Each event once, newest first, with its reason and what helps; one event with its exact body."""
    parked = [park(story) for _ in range(3)]
    seen: list[dict[str, Any]] = []
    cursor = ""
    while len(seen) < 3:
        page = story.service.ops("GET", f"/parked?limit=2{cursor}").json()
        seen += page["events"]
        cursor = f"&cursor={page['next_cursor']}"
    assert parked[::-1] == [one["id"] for one in seen[:3]]
    assert ("no_user_named", True) == (seen[0]["reason"], "credence claim" in seen[0]["hint"])
    whole = story.service.ops("GET", f"/events/{parked[0]}").json()
    assert parked[0] == json.loads(whole["body"])["id"]


def test_what_waits_is_counted(story: Story) -> None:
    """In the backlog at once, and in the metrics as the service counts."""
    park(story)
    assert 1 <= story.service.ops("GET", "/backlog").json()["events"]["parked: no_user_named"]

    def shown() -> bool:
        wanted = 'credence_waiting_events{reason="no_user_named",status="parked"}'
        return wanted in story.service.http.get("/metrics").text

    assert eventually(shown, True) is True


def test_a_claim_for_nobody_stays_parked(story: Story) -> None:
    """The route and the command say why, and the command exits with 1."""
    event_id, nobody = park(story), str(uuid.uuid4())
    answer = story.service.ops("POST", f"/events/{event_id}/claim", {"user_id": nobody})
    assert ("parked", "unknown_user") == (answer.json()["status"], answer.json()["reason"])
    done = story.service.command("claim", event_id, "--user", nobody)
    helps = "unknown_user" in done.stdout and "once the user exists" in done.stdout
    assert (1, True) == (done.returncode, helps), done.stdout


def test_a_price_is_accepted_only_by_a_person(story: Story) -> None:
    """The plan's credits for another price; a claim that does not say so is told how."""
    ada = story.customers["Ada"]
    event_id = park(story, amount_subtotal=400, amount_total=400, metadata={"plan": "starter", "userId": ada.user_id})
    assert "price_disagrees" == story.service.ops("GET", f"/events/{event_id}").json()["reason"]
    refused = story.service.command("claim", event_id, "--user", ada.user_id)
    helps = f"credence claim {event_id} --user <id> --accept-price"
    assert (1, True) == (refused.returncode, helps in refused.stdout), refused.stderr
    done = story.service.command("claim", event_id, "--user", ada.user_id, "--accept-price")
    assert (0, True) == (done.returncode, "+50 credits" in done.stdout), done.stderr
    assert 50 == story.get("/quota", ada).json()["balance"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("claim", "evt_nobody", "--user", "ada"),
        ("claim", "evt_nobody"),
        ("claim", "evt_nobody", "--user", str(uuid.uuid4())),
        ("replay", "evt_nobody"),
        ("explain", str(uuid.uuid4())),
        ("sync",),
        ("sync", str(uuid.uuid4())),
        ("sync", str(uuid.uuid4()), "--all"),
        ("reconcile",),
        ("reconcile", "--since", "yesterday"),
        ("reconcile", "--since", "2999-01-01"),
        ("reconcile", "--since", "99999w"),
        ("outbox", "--retry", "999999999"),
    ],
)
def test_a_wrong_command_is_reported_plainly(story: Story, arguments: tuple[str, ...]) -> None:
    """A message, an exit code that is not 0, and no traceback."""
    done = story.service.command(*arguments)
    assert 0 != done.returncode
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr + done.stdout


def test_a_reconciliation_says_when_stripe_is_away(story: Story) -> None:
    """It exits with 1; what was there is there."""
    nobody = f"http://127.0.0.1:{free_port()}"
    done = story.service.command("reconcile", "--since", "1h", STRIPE_API_BASE=nobody)
    assert (1, True) == (done.returncode, "Cannot reach Stripe" in done.stderr), done.stderr


def test_the_doctor_sees_what_is_good_and_what_is_not(story: Story) -> None:
    """The schema is closed over Supabase's API too; an endpoint is missing, then there, then lacks events."""
    found = story.service.command("doctor", "--json")
    diagnoses = json.loads(found.stdout)["diagnoses"]
    verdicts = {one["subject"]: one["verdict"] for one in diagnoses}
    closed = ("migrations", "row level security", "privileges on tables", "privileges on credits", "audit trail")
    assert {"good"} == {verdicts[subject] for subject in (*closed, "privileges on functions")}, diagnoses
    assert (1, "bad") == (found.returncode, verdicts["webhook endpoint"])
    url = f"{story.service.url}/webhooks/stripe"
    made = story.service.stripe.account.add_endpoint({"url": url, "enabled_events": {"0": "*"}})
    again = json.loads(story.service.command("doctor", "--json").stdout)["diagnoses"]
    assert "good" == {one["subject"]: one["verdict"] for one in again}["webhook endpoint"]
    endpoints = story.service.stripe.account.endpoints
    endpoints[:] = [{**one, "enabled_events": ["invoice.paid"]} for one in endpoints if one["id"] == made["id"]]
    lacking = story.service.command("doctor")
    assert (1, True) == (lacking.returncode, "charge.refunded" in lacking.stdout)
    endpoints.clear()


def test_the_doctor_says_which_key_the_api_wants(story: Story) -> None:
    """A secret key of the newer kind, shown to a PostgREST that reads JWTs alone, is named with what to set instead."""
    key = "sb_secret_abcdefghijklmnopqrstu_12345678"
    done = story.service.command("doctor", "--json", SUPABASE_SERVICE_ROLE_KEY=key)
    (found,) = [one for one in json.loads(done.stdout)["diagnoses"] if one["subject"] == "ledger"]
    assert (1, "bad") == (done.returncode, found["verdict"])
    assert "wants a JWT, and the key begins with sb_secret_" in found["seen"]
    assert "Set SUPABASE_SERVICE_ROLE_KEY to the project's service_role JWT" in found["remedy"]
    assert key not in done.stdout + done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_worker_runs_alone_and_ends_when_it_is_asked(story: Story, number: signal.Signals) -> None:
    """Beside the service's own; it says that it runs, ends cleanly, and logs no error."""
    command = [sys.executable, "-m", "entrypoints", "worker"]
    environment = {**story.service.environment, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert "The worker is running" in process.stdout.readline()
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert (0, False) == (process.returncode, "Traceback" in errors), errors


def test_an_operator_gives_a_payment_to_its_owner_in_a_browser(story: Story) -> None:
    """The page shows nothing without the key, then what waits, and afterwards that it does not wait any more."""
    event_id, ada = park(story), story.customers["Ada"]
    with browser_page() as page:
        page.goto(f"{story.service.url}/ops")
        page.get_by_label("Operator key").fill("guessed")
        page.get_by_role("button", name="Show").click()
        expect(page.get_by_role("status")).not_to_be_empty()
        expect(page.get_by_role("heading", name="Parked payments")).to_be_hidden()
        page.get_by_label("Operator key").fill(OPERATOR_KEY)
        page.get_by_role("button", name="Show").click()
        waiting = page.get_by_role("row").filter(has_text=event_id)
        expect(waiting).to_contain_text("no_user_named")
        page.get_by_label(f"Owner of {event_id}").fill(ada.user_id)
        waiting.get_by_role("button", name="Claim").click()
        expect(waiting).to_have_count(0)
        expect(page.get_by_role("status")).to_contain_text("50 credits")
    assert 50 == story.get("/quota", ada).json()["balance"]


def test_credits_are_given_on_the_operators_page(story: Story) -> None:
    """A gift, and a correction of which the first answer was lost: pressed again, it is written once."""
    ada = story.customers["Ada"]
    with browser_page() as page:
        page.goto(f"{story.service.url}/ops")
        page.get_by_label("Operator key").fill(OPERATOR_KEY)
        page.get_by_role("button", name="Show").click()
        page.get_by_label("User id").fill(ada.user_id)
        page.get_by_role("combobox", name="As").select_option("goodwill")
        page.get_by_label("Credits").fill("30")
        page.get_by_label("Reason").fill("an outage")
        page.get_by_label("Your name").fill("Grace")
        write = page.get_by_role("button", name="Add to account")
        write.click()
        expect(page.get_by_role("status")).to_contain_text("goodwill of 30 credits: 30 are available now")
        # The service does what is asked, and the answer gets lost.
        page.route("**/adjustments", lambda route: (route.fetch(), route.abort()), times=1)
        page.get_by_role("combobox", name="As").select_option("adjustment")
        page.get_by_label("Credits").fill("-12")
        write.click()
        expect(page.get_by_role("status")).to_contain_text("fetch")
        write.click()
        expect(page.get_by_role("status")).to_contain_text("adjustment of -12 credits: 18 are available now")
    deliver_all = story.get("/transactions", ada).json()["transactions"]
    assert [("adjustment", -12), ("goodwill", 30)] == [(entry["kind"], entry["amount"]) for entry in deliver_all]
    assert {"Grace"} == {entry["metadata"]["operator"] for entry in deliver_all}
