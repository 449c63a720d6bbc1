"""Webhooks with bad signatures and bodies: a clear refusal, nothing changed, nothing lost."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.harness.service import WEBHOOK_SECRET
from features.http.signed_events import PROBLEM, balance, completed, inbox, post_webhook, send
from features.steps.story import Story
from simulators.stripe.signatures import sign_webhook


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
