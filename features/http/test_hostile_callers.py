"""Callers with bad tokens, headers, wishes and pages: a clear refusal, and nothing secret in it or in the log."""

import json
import uuid
from collections.abc import Callable

import httpx
import pytest

from features.harness.service import SERVICE_KEY, WEBHOOK_SECRET
from features.http.signed_events import PROBLEM, completed, send
from features.steps.story import Story
from simulators.stripe.signatures import mint_token


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
    """401 for every token that is not a signed-in user's, and nothing of it is repeated."""
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
    assert 201 == opened("another-click").status_code


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
