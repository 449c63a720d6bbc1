"""Signed events that can't be believed, are not ours, or name things oddly: parked, ignored, or read all the same."""

import json
import uuid
from typing import Any

import pytest

from features.harness.service import SERVICE_KEY
from features.http.signed_events import balance, completed, inbox, send
from features.steps.story import Story

PARKED: dict[str, tuple[dict[str, Any], str]] = {
    "live mode under a test key": ({"envelope": {"livemode": True}}, "livemode_disagrees"),
    "a connected account": ({"envelope": {"account": "acct_1"}}, "connected_account"),
    "a connected account of our own": (
        {"envelope": {"account": "acct_1", "context": "acct_simulated"}},
        "connected_account",
    ),
    "another account of the organization": ({"envelope": {"context": "acct_1"}}, "connected_account"),
    "a connected account of the organization": (
        {"envelope": {"context": "acct_simulated/acct_1"}},
        "connected_account",
    ),
    "no user": ({"metadata": {"plan": "starter"}}, "no_user_named"),
    "a user that is no uuid": ({"metadata": {"userId": "ada", "plan": "starter"}}, "user_not_a_uuid"),
    "an unknown user": (
        {"metadata": {"userId": "6f1e0a52-3f0e-4d7c-9a55-0d5f6a1b2c3d", "plan": "starter"}},
        "unknown_user",
    ),
    "a buyer-chosen reference": (
        {"metadata": {}, "client_reference_id": "6f1e0a52-3f0e-4d7c-9a55-0d5f6a1b2c3d"},
        "reference_unconfirmed",
    ),
    "a lower price": ({"amount_subtotal": 1, "amount_total": 1}, "price_disagrees"),
    "another currency": ({"currency": "jpy"}, "currency_disagrees"),
}


@pytest.mark.parametrize("how", PARKED)
def test_what_can_not_be_believed_is_parked(story: Story, how: str) -> None:
    """A verified event that fails a check is kept with its reason, answered 200, and gives nothing."""
    changes, reason = PARKED[how]
    event = completed(story, **changes)
    answer = send(story, event)
    assert (200, {"status": "parked"}) == (answer.status_code, answer.json())
    assert [("parked", reason)] == inbox(story, event)
    assert 0 == balance(story)
    counted = f'credence_parked_events_total{{reason="{reason}"}} '
    (line,) = (line for line in story.service.http.get("/metrics").text.splitlines() if line.startswith(counted))
    assert float(line.removeprefix(counted)) >= 1


@pytest.mark.parametrize(
    "envelope",
    [
        {"account": "acct_simulated"},
        {"context": "acct_simulated"},
        {"context": "org_1/acct_simulated"},
        {"account": "acct_simulated", "context": "acct_simulated"},
    ],
    ids=repr,
)
def test_an_event_that_names_our_own_account_is_applied(story: Story, envelope: dict[str, str]) -> None:
    """An organization's event destination names the account of each event, and the key knows which one is its own."""
    event = completed(story, envelope=envelope)
    assert (200, "applied") == ((answer := send(story, event)).status_code, answer.json()["status"])
    assert 50 == balance(story)


def test_the_own_account_may_be_reported_by_the_settings(story: Story) -> None:
    """Where the key may not read the account; what was parked until then is good now."""
    event = completed(story, envelope={"context": "acct_1"})
    assert "parked" == send(story, event).json()["status"]
    for account, expected in (("acct_2", 0), ("acct_1", 50)):
        story.service.stripe.fail_next(1, status=403, path="/v1/account")
        done = story.service.command("replay", event["id"], STRIPE_ACCOUNT_ID=account)
        assert expected == balance(story), done.stdout + done.stderr


def test_an_address_that_changed_in_supabase_auth_is_the_user_s(story: Story) -> None:
    """Metadata that was made elsewhere may have the new one; the old one is nobody's any more."""
    old, new = completed(story), completed(story)
    ada = story.customers["Ada"]
    story.rows("update auth.users set email = $2 where id = $1", uuid.UUID(ada.user_id), f"new-{ada.email}")
    new["data"]["object"]["metadata"]["userEmail"] = f"new-{ada.email}"
    assert ["parked", "applied"] == [send(story, event).json()["status"] for event in (old, new)]
    assert 50 == balance(story)


def test_an_address_that_changed_since_our_checkout_parks_nothing(story: Story) -> None:
    """The user's id decides alone in metadata that we wrote; in what was made elsewhere the address must agree."""
    ours, elsewhere = completed(story), completed(story)
    for event in (ours, elsewhere):
        event["data"]["object"]["metadata"]["userEmail"] = "ada@before.example"
    ours["data"]["object"]["metadata"]["credence_terms"] = "50/500/usd"
    assert "parked" == send(story, elsewhere).json()["status"]
    assert [("parked", "email_disagrees")] == inbox(story, elsewhere)
    assert "applied" == send(story, ours).json()["status"]
    assert 50 == balance(story)


def test_blanks_around_metadata_are_trimmed(story: Story) -> None:
    """A plan's id that was copied with a blank, or a line's end, is that plan."""
    event = completed(story)
    named = event["data"]["object"]["metadata"]
    named.update({key: f" {value}\n" for key, value in named.items()})
    assert (200, {"status": "applied"}) == ((answer := send(story, event)).status_code, answer.json())
    assert 50 == balance(story)


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [({"plan": "gold"}, "unknown_plan"), ({"userEmail": "eve@example.com"}, "email_disagrees")],
)
def test_metadata_that_disagrees_is_parked(story: Story, metadata: dict[str, str], reason: str) -> None:
    """A plan that is not on sale, or an email that is not the user's, waits for an operator."""
    story.sign_up("Ada")
    event = completed(story)
    event["data"]["object"]["metadata"].update(metadata)
    assert "parked" == send(story, event).json()["status"]
    assert [("parked", reason)] == inbox(story, event)
    assert 0 == balance(story)


@pytest.mark.parametrize(
    "changes",
    [
        {"metadata": "starter"},
        {"payment_status": None},
        {"payment_status": 7},
        {"amount_total": "500"},
        {"amount_total": 10**30},
        {"amount_total": True},
        {"amount_subtotal": -500},
        {"amount_subtotal": None},
        {"currency": None},
        {"currency": "us dollars"},
        {"mode": "gift"},
        {"mode": None},
        {"payment_intent": ["pi_1"]},
        {"payment_intent": "pi_\x00"},
        {"payment_intent": "pi_\ud800"},
    ],
    ids=repr,
)
def test_a_session_of_another_shape_is_parked_whole(story: Story, changes: dict[str, Any]) -> None:
    """What can't be read is kept, body and all, and gives nothing."""
    event = completed(story, **changes)
    answer = send(story, event)
    assert (200, {"status": "parked"}) == (answer.status_code, answer.json()), answer.text
    ((status, reason),) = inbox(story, event)
    assert ("parked", True) == (status, str(reason).startswith("unreadable"))
    kept = story.rows("select body from public.webhook_events where id = $1", event["id"])
    assert json.dumps(event) == kept[0]["body"]
    assert 0 == balance(story)


@pytest.mark.parametrize(
    "changes",
    [
        {"metadata": None},
        {"metadata": []},
        {"metadata": {"order": "7"}},
        {"mode": "setup"},
        {"envelope": {"type": "customer.created"}},
        {"envelope": {"type": "a.type.of.the.future"}},
    ],
    ids=repr,
)
def test_what_is_not_ours_is_ignored(story: Story, changes: dict[str, Any]) -> None:
    """Other applications' payments and other events are answered 200, so that Stripe goes on delivering."""
    event = completed(story, **changes)
    answer = send(story, event)
    assert (200, {"status": "ignored"}) == (answer.status_code, answer.json())
    assert "ignored" == inbox(story, event)[0][0]
    assert 0 == balance(story)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"type": "v1.checkout.session.completed"},
        {"type": "v2.core.event_destination.ping", "related_object": None},
        {"livemode": None},
        {"livemode": True},
        {"context": "acct_1/acct_2"},
    ],
    ids=repr,
)
def test_a_thin_event_is_kept_and_ignored(story: Story, changes: dict[str, Any]) -> None:
    """Answered 200, so that it is not delivered for days; kept once, with its body, however often it comes."""
    story.sign_up("Ada")
    event = {
        "id": f"evt_test_{uuid.uuid4().hex}",
        "object": "v2.core.event",
        "type": "v1.payment_intent.succeeded",
        "created": "2026-09-20T12:00:00.123Z",
        "livemode": False,
        "related_object": {"id": "pi_1", "type": "payment_intent", "url": "/v1/payment_intents/pi_1"},
        **changes,
    }
    answers = [send(story, event) for _ in range(3)]
    assert [(200, "ignored"), *2 * [(200, "nothing_new")]] == [
        (answer.status_code, answer.json()["status"]) for answer in answers
    ]
    ((status, reason),) = inbox(story, event)
    assert ("ignored", True) == (status, str(reason).startswith("a thin event"))
    kept = story.rows("select body from public.webhook_events where id = $1", event["id"])
    assert [json.dumps(event)] == [row["body"] for row in kept]
    assert 0 == balance(story)


def test_expanded_ids_are_read(story: Story) -> None:
    """A session whose payment intent is expanded is the same payment as one with its id."""
    event = completed(story)
    session = event["data"]["object"]
    expanded = {**session, "payment_intent": {"id": session["payment_intent"], "object": "payment_intent"}}
    assert "applied" == send(story, event).json()["status"]
    twin = {**event, "id": f"evt_{uuid.uuid4().hex}", "data": {"object": expanded}}
    assert "nothing_new" == send(story, twin).json()["status"]
    assert 50 == balance(story)


def test_a_no_cost_order_is_credited(story: Story) -> None:
    """A coupon of 100 % leaves nothing to pay, and gives all the credits, once."""
    event = completed(story, amount_total=0, payment_status="no_payment_required", payment_intent=None)
    assert ["applied", "nothing_new"] == [send(story, event).json()["status"] for _ in range(2)]
    assert 50 == balance(story)


def test_a_user_who_signs_up_later_is_found_by_the_retry(story: Story) -> None:
    """A parked event is decided again when Stripe, or a person, sends it again."""
    story.sign_up("Ada")
    late = str(uuid.uuid4())
    event = completed(story, metadata={"userId": late, "plan": "starter"})
    assert "parked" == send(story, event).json()["status"]
    story.rows("insert into auth.users (id, email) values ($1, $2)", uuid.UUID(late), f"{late}@example.com")
    assert "applied" == send(story, event).json()["status"]
    quota = story.service.http.get(f"/quota?user_id={late}", headers={"Authorization": f"Bearer {SERVICE_KEY}"})
    assert 50 == quota.json()["balance"]
