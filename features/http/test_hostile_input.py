"""Bad input of every kind, over HTTP, on the real stack: a clear refusal, nothing changed, nothing lost."""

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.harness.service import SERVICE_KEY, WEBHOOK_SECRET, Service
from features.steps.story import Story
from simulators.stripe.signatures import mint_token, sign_webhook

PROBLEM = "application/problem+json"


def post_webhook(service: Service, body: bytes, *, secret: str = WEBHOOK_SECRET, age: int = 0) -> httpx.Response:
    signature = sign_webhook(body, secret, int(time.time()) - age)
    return service.http.post("/webhooks/stripe", content=body, headers={"Stripe-Signature": signature})


def completed(story: Story, **changes: Any) -> dict[str, Any]:
    """An event that would give Ada 50 credits, with changes to its session; `envelope` changes the event itself."""
    ada = story.customers.get("Ada") or story.sign_up("Ada")
    envelope = changes.pop("envelope", {})
    session = {
        "id": f"cs_test_{uuid.uuid4().hex}",
        "object": "checkout.session",
        "mode": "payment",
        "status": "complete",
        "payment_status": "paid",
        "payment_intent": f"pi_{uuid.uuid4().hex}",
        "amount_subtotal": 500,
        "amount_total": 500,
        "currency": "usd",
        "metadata": {"userId": ada.user_id, "userEmail": ada.email, "plan": "starter"},
        **changes,
    }
    return {
        "id": f"evt_{uuid.uuid4().hex}",
        "object": "event",
        "api_version": "2024-06-20",
        "created": int(time.time()),
        "livemode": False,
        "type": "checkout.session.completed",
        "data": {"object": session},
        **envelope,
    }


def send(story: Story, event: object) -> httpx.Response:
    return post_webhook(story.service, json.dumps(event).encode())


def balance(story: Story) -> int:
    credits: int = story.get("/quota", story.customers["Ada"]).json()["balance"]  # noqa: A001 - the word for it
    return credits


def inbox(story: Story, event: dict[str, Any]) -> list[tuple[str, str | None]]:
    found = story.rows("select status, reason from public.webhook_events where id = $1", event["id"])
    return [(row["status"], row["reason"]) for row in found]


def test_a_good_event_is_applied(story: Story) -> None:
    """The event that the other tests spoil is good as it stands."""
    event = completed(story)
    answer = send(story, event)
    assert (200, {"status": "applied"}) == (answer.status_code, answer.json())
    assert 50 == balance(story)


SIGNATURES: dict[str, Callable[[bytes, int], str | None]] = {
    "none": lambda body, now: None,
    "empty": lambda body, now: "",
    "broken": lambda body, now: "v1=abc",
    "no v1": lambda body, now: f"t={now}",
    "v0 only": lambda body, now: sign_webhook(body, WEBHOOK_SECRET, now).replace("v1=", "v0="),
    "stale": lambda body, now: sign_webhook(body, WEBHOOK_SECRET, now - 301 - 5),
    "an hour in the future": lambda body, now: sign_webhook(body, WEBHOOK_SECRET, now + 3600),
    "another secret": lambda body, now: sign_webhook(body, "whsec_another", now),
    "an empty secret": lambda body, now: sign_webhook(body, "", now),
    "two times": lambda body, now: f"t={now - 4000}," + sign_webhook(body, WEBHOOK_SECRET, now),
    "a time that is no number": lambda body, now: "t=soon,v1=" + "0" * 64,
    "a huge time": lambda body, now: "t=" + "9" * 400 + ",v1=" + "0" * 64,
    "another body": lambda body, now: sign_webhook(body + b" ", WEBHOOK_SECRET, now),
    "a re-encoded body": lambda body, now: sign_webhook(
        json.dumps(json.loads(body), indent=2).encode(), WEBHOOK_SECRET, now
    ),
    "a twice encoded body": lambda body, now: sign_webhook(json.dumps(body.decode()).encode(), WEBHOOK_SECRET, now),
}


@pytest.mark.parametrize("how", SIGNATURES)
def test_a_bad_signature_is_refused(story: Story, how: str) -> None:
    """400, a reason, and no trace of the event."""
    event = completed(story)
    body = json.dumps(event).encode()
    signature = SIGNATURES[how](body, int(time.time()))
    headers = {} if signature is None else {"Stripe-Signature": signature}
    answer = story.service.http.post("/webhooks/stripe", content=body, headers=headers)
    assert (400, PROBLEM) == (answer.status_code, answer.headers["content-type"])
    assert "urn:credence:invalid-signature" == answer.json()["type"]
    assert [] == inbox(story, event)
    assert 0 == balance(story)


def test_each_secret_of_a_rotation_is_good(story: Story) -> None:
    """While the secret is rotated, deliveries by the old and the new one are taken."""
    for secret in ("whsec_of_last_month", WEBHOOK_SECRET):
        body = json.dumps(completed(story)).encode()
        assert 200 == post_webhook(story.service, body, secret=secret).status_code
    assert 100 == balance(story)


BODIES = {
    "empty": b"",
    "not UTF-8": b"\xff\xfe{}",
    "not JSON": b"id=evt_1&type=checkout.session.completed",
    "cut off": b'{"id": "evt_1", "object": "event", "type": "checkout.se',
    "a list": b"[]",
    "a text": b'"evt_1"',
    "null": b"null",
    "NaN": b'{"id": NaN}',
    "deep": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "a thin event without an id": b'{"object":"v2.core.event","type":"v1.billing.meter","livemode":false}',
    "a thin event without a type": b'{"id":"evt_1","object":"v2.core.event","livemode":false}',
    "no object": b'{"id":"evt_1","object":"event","type":"a.b","livemode":false,"data":{}}',
    "an object of the wrong kind": b'{"id":"evt_1","object":"charge","livemode":false}',
    "data of the wrong kind": b'{"id":"evt_1","object":"event","type":"a.b","livemode":false,"data":[]}',
    "no id": b'{"object":"event","type":"a.b","livemode":false,"data":{"object":{}}}',
    "an id that is no text": b'{"id":1,"object":"event","type":"a.b","livemode":false,"data":{"object":{}}}',
    "an id with a NUL": b'{"id":"evt_\\u0000","object":"event","type":"a.b","livemode":false,"data":{"object":{}}}',
    "an endless id": b'{"id":"'
    + b"e" * 300
    + b'","object":"event","type":"a.b","livemode":false,"data":{"object":{}}}',
    "no type": b'{"id":"evt_1","object":"event","livemode":false,"data":{"object":{}}}',
    "no mode": b'{"id":"evt_1","object":"event","type":"a.b","data":{"object":{}}}',
    "a huge number": b'{"id":' + b"9" * 5000 + b"}",
}


@pytest.mark.parametrize("how", BODIES)
def test_a_bad_body_is_refused(story: Story, how: str) -> None:
    """A signed body that is no event is 400, never 500."""
    answer = post_webhook(story.service, BODIES[how])
    assert (400, PROBLEM) == (answer.status_code, answer.headers["content-type"]), answer.text
    assert "urn:credence:invalid-body" == answer.json()["type"]


def test_a_huge_body_is_refused(story: Story) -> None:
    """More than a megabyte is not read."""
    answer = post_webhook(story.service, b'{"a": "' + b"x" * 2_000_000 + b'"}')
    assert (413, PROBLEM) == (answer.status_code, answer.headers["content-type"])


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
    assert f'reason="{reason}",status="parked"' in story.service.http.get("/metrics").text


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


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)
fields = st.sampled_from(
    ["id", "mode", "payment_status", "payment_intent", "amount_total", "amount_subtotal", "currency", "metadata"]
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(changes=st.dictionaries(fields, json_values, min_size=1, max_size=3))
def test_any_session_is_answered_200_and_kept(story: Story, changes: dict[str, Any]) -> None:
    """Whatever stands in a signed session, it is never 500, and the event is in the inbox."""
    event = completed(story, **changes)
    answer = send(story, event)
    assert 200 == answer.status_code, answer.text
    assert 1 == len(inbox(story, event))


# Callers.


def test_nobody_is_turned_away(story: Story) -> None:
    """Without a token there is neither quota, statement nor checkout."""
    http = story.service.http
    answers = [
        http.get("/quota"),
        http.get("/transactions"),
        http.get("/checkout/sessions/cs_test_1"),
        http.post("/checkout/sessions", json={"plan": "starter"}),
    ]
    assert [(401, PROBLEM)] * 4 == [(answer.status_code, answer.headers["content-type"]) for answer in answers]


TOKENS: dict[str, Callable[[Story], str]] = {
    "nonsense": lambda story: "nonsense",
    "another secret": lambda story: mint_token(
        "x" * 40, {"sub": story.customers["Ada"].user_id, "aud": "authenticated"}
    ),
    "expired": lambda story: story.service.supabase.token(story.customers["Ada"].user_id, exp=1),
    "no expiry": lambda story: story.service.supabase.token(story.customers["Ada"].user_id, exp=None),
    "another audience": lambda story: story.service.supabase.token(story.customers["Ada"].user_id, aud="other"),
    "another issuer": lambda story: story.service.supabase.token(story.customers["Ada"].user_id, iss="https://x.test"),
    "not a user's role": lambda story: story.service.supabase.token(story.customers["Ada"].user_id, role="anon"),
    "the anon key": lambda story: story.service.supabase.anon_key,
    "the service_role key": lambda story: story.service.supabase.service_key,
    "no user": lambda story: story.service.supabase.token(""),
    "a user that is no uuid": lambda story: story.service.supabase.token("ada"),
    "no signature": lambda story: story.customers["Ada"].token.rpartition(".")[0] + ".",
    "algorithm none": lambda story: "eyJhbGciOiJub25lIn0." + story.customers["Ada"].token.split(".")[1] + ".",
}


@pytest.mark.parametrize("how", TOKENS)
def test_a_bad_token_is_refused(story: Story, how: str) -> None:
    """401 for every token that is not a signed-in user's, and nothing of it is told back."""
    story.sign_up("Ada")
    token = TOKENS[how](story)
    answer = story.service.http.get("/quota", headers={"Authorization": f"Bearer {token}"})
    assert (401, PROBLEM) == (answer.status_code, answer.headers["content-type"])
    assert token not in answer.text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"x-user-id": "6f1e0a52-3f0e-4d7c-9a55-0d5f6a1b2c3d"}, 403),
        ({"x-user-email": "eve@example.com", "x-user-id": ""}, 400),
        ({"x-user-id": "ada"}, 400),
    ],
)
def test_a_header_that_disagrees_with_the_token_is_refused(story: Story, headers: dict[str, str], status: int) -> None:
    """Beside a token, x-user-id must name the same user."""
    ada = story.sign_up("Ada")
    answer = story.service.http.get("/quota", headers={**ada.headers, **headers})
    assert (status, PROBLEM) == (answer.status_code, answer.headers["content-type"])


def test_an_email_header_that_disagrees_is_refused(story: Story) -> None:
    """Beside a token, x-user-email must be the token's."""
    ada = story.sign_up("Ada")
    headers = {**ada.headers, "x-user-id": ada.user_id}
    assert 200 == story.service.http.get("/quota", headers={**headers, "x-user-email": ada.email}).status_code
    assert 403 == story.service.http.get("/quota", headers={**headers, "x-user-email": "e@x.test"}).status_code


def test_headers_alone_are_not_believed(story: Story) -> None:
    """Outside of the demonstration an x-user-id without a token or the gateway's secret is nobody."""
    ada = story.sign_up("Ada")
    headers = {"x-user-id": ada.user_id, "x-user-email": ada.email, "x-gateway-secret": ""}
    assert 401 == story.service.http.get("/quota", headers=headers).status_code


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"plan": "gold"}, 404),
        ({"plan": ""}, 404),
        ({"plan": "x" * 60_000}, 404),
        ({"plan": 7}, 400),
        ({"plan": None}, 400),
        ({}, 400),
        ([], 400),
        ("starter", 400),
        (None, 400),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_bad_wish_is_refused(story: Story, body: object, status: int) -> None:
    """A checkout needs a plan that is on sale."""
    ada = story.sign_up("Ada")
    answer = story.service.http.post("/checkout/sessions", json=body, headers=ada.headers)
    assert (status, PROBLEM) == (answer.status_code, answer.headers["content-type"]), answer.text


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"plan=starter"])
def test_a_wish_that_is_no_json_is_refused(story: Story, content: bytes) -> None:
    """What can't be parsed is 400."""
    headers = {**story.sign_up("Ada").headers, "Content-Type": "application/json"}
    answer = story.service.http.post("/checkout/sessions", content=content, headers=headers)
    assert (400, PROBLEM) == (answer.status_code, answer.headers["content-type"]), answer.text


def test_a_user_without_an_account_can_not_buy(story: Story) -> None:
    """Nobody pays for credits that would have no owner."""
    token = story.service.supabase.token(str(uuid.uuid4()), "ghost@example.com")
    headers = {"Authorization": f"Bearer {token}"}
    answers = [
        story.service.http.post("/checkout/sessions", json={"plan": "starter"}, headers=headers),
        story.service.http.get("/quota", headers=headers),
        story.service.http.get("/transactions", headers=headers),
    ]
    assert [404, 404, 404] == [answer.status_code for answer in answers]


@pytest.mark.parametrize("session_id", ["cs_test_unknown", "pi_1", "cs_'; drop table", "%00", "cs_" + "x" * 300])
def test_an_unknown_session_is_not_found(story: Story, session_id: str) -> None:
    """404 for what is no session of one's own."""
    answer = story.get(f"/checkout/sessions/{session_id}", story.sign_up("Ada"))
    assert (404, PROBLEM) == (answer.status_code, answer.headers["content-type"])


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "cursor=-1", "cursor=x", "cursor=" + "9" * 40])
def test_a_bad_page_is_refused(story: Story, query: str) -> None:
    """Pages have bounds."""
    answer = story.get(f"/transactions?{query}", story.sign_up("Ada"))
    assert (400, PROBLEM) == (answer.status_code, answer.headers["content-type"])


def test_the_same_idempotency_key_opens_the_same_checkout(story: Story) -> None:
    """A double click with a key is one session; another user's same key is another."""
    ada, bob, key = story.sign_up("Ada"), story.sign_up("Bob"), {"Idempotency-Key": "click"}
    opened = [
        story.service.http.post("/checkout/sessions", json={"plan": "starter"}, headers={**who.headers, **key}).json()
        for who in (ada, ada, bob)
    ]
    assert opened[0] == opened[1]
    assert opened[0]["id"] != opened[2]["id"]


def test_a_key_that_opened_another_checkout_is_reported_so(story: Story) -> None:
    """Somebody whose email changed meanwhile hears to take a new key, and is served with one."""
    ada, http = story.sign_up("Ada"), story.service.http

    def opened(key: str) -> httpx.Response:
        headers = {**ada.headers, "Idempotency-Key": key}
        answer: httpx.Response = http.post("/checkout/sessions", json={"plan": "starter"}, headers=headers)
        return answer

    assert 201 == opened("click").status_code
    story.rows("update public.users set email = 'new-' || email where id = $1", uuid.UUID(ada.user_id))
    refused = opened("click")
    assert (422, "urn:credence:key-reused") == (refused.status_code, refused.json()["type"]), refused.text
    assert "Use a new key." in refused.json()["detail"]
    assert 201 == opened("another click").status_code


def test_a_service_asks_for_anyone(story: Story) -> None:
    """With its key a backend reads any account, names it, and can't buy."""
    ada, http = story.sign_up("Ada"), story.service.http
    headers = {"Authorization": f"Bearer {SERVICE_KEY}"}
    assert 0 == http.get(f"/quota?user_id={ada.user_id}", headers=headers).json()["balance"]
    assert 200 == http.get(f"/transactions?user_id={ada.user_id}", headers=headers).status_code
    assert 400 == http.get("/quota?user_id=ada", headers=headers).status_code
    assert 403 == http.post("/checkout/sessions", json={"plan": "starter"}, headers=headers).status_code
    assert 400 == http.get("/quota", headers=headers).status_code


def test_a_statement_comes_as_csv_too(story: Story) -> None:
    """`Accept: text/csv` gives the same entries, and the link to the next page."""
    ada = story.sign_up("Ada")
    for _ in range(3):
        send(story, completed(story))
    headers = {**ada.headers, "Accept": "text/csv"}
    answer = story.service.http.get("/transactions?limit=2", headers=headers)
    lines = answer.text.splitlines()
    assert "text/csv" == answer.headers["content-type"].partition(";")[0]
    assert [["version", "kind", "amount"], ["3", "purchase", "50"], ["2", "purchase", "50"]] == [
        line.split(",")[:3] for line in lines
    ]
    following = story.service.http.get(answer.links["next"]["url"].join(["/transactions", ""]), headers=headers)
    assert ["1"] == [line.split(",")[0] for line in following.text.splitlines()[1:]]


def test_what_machines_ask_for_is_there(story: Story) -> None:
    """Health, readiness, metrics, the API's description and the catalogue answer without a token."""
    http = story.service.http
    for path in ("/healthz", "/readyz", "/metrics", "/schema/openapi.json", "/plans", "/", "/return"):
        assert 200 == http.get(path).status_code, path
    assert {"/webhooks/stripe", "/checkout/sessions", "/quota", "/transactions", "/plans"} <= set(
        http.get("/schema/openapi.json").json()["paths"]
    )
    assert [404, 405] == [http.get("/nope").status_code, http.get("/webhooks/stripe").status_code]


def test_not_ready_without_the_ledger(story: Story) -> None:
    """Readiness says which part is away."""
    story.service.supabase.gateway.down()
    try:
        answer = story.service.http.get("/readyz")
    finally:
        story.service.supabase.gateway.up()
    assert (503, "unavailable") == (answer.status_code, answer.json()["ledger"])


def test_the_log_reports_no_secret(story: Story) -> None:
    """Neither keys, tokens nor secrets are in the service's log."""
    ada = story.sign_up("Ada")
    story.buy(ada, "starter")
    log = story.service.log.read_text()
    secrets = (WEBHOOK_SECRET, "sk_test_of_the_features", SERVICE_KEY, ada.token, story.service.supabase.service_key)
    assert [] == [secret for secret in secrets if secret in log]
    assert "" not in [json.loads(line)["message"] for line in log.splitlines()]
