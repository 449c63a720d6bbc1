"""What a caller hears who repeats a checkout, loses an answer, or whose clock differs: the truth, and what to do."""

import json
import time
import uuid
from pathlib import Path

import httpx
import pytest

from features.harness.service import Service
from features.steps.story import Story
from simulators.stack.postgrest import free_port
from simulators.stack.stack import serving, wait_until_ready


@pytest.fixture
def story(service: Service) -> Story:
    """Ada, who has nothing."""
    story = Story(service)
    story.sign_up("Ada")
    return story


@pytest.mark.parametrize("keys", [("",), ("a b",), ("x" * 256,), ("one", "one"), ("one, another",)], ids=ascii)
def test_a_key_that_is_none_opens_no_checkout(story: Story, keys: tuple[str, ...]) -> None:
    """An empty key is no name for a click: it is refused as on every other route, and no session is opened."""
    opened = len(story.service.stripe.account.sessions())
    headers = [*story.customers["Ada"].headers.items(), *(("Idempotency-Key", key) for key in keys)]
    answer = story.service.http.post("/checkout/sessions", json={"plan": "starter"}, headers=headers)
    assert (400, "urn:credence:invalid-idempotency-key") == (answer.status_code, answer.json()["type"])
    assert opened == len(story.service.stripe.account.sessions())


@pytest.mark.parametrize("away", [{}, {"REDIS_URL": "redis://127.0.0.1:1/0"}], ids=["with Redis", "without Redis"])
def test_a_double_click_on_processes_of_different_addresses_is_one_session(
    story: Story, tmp_path: Path, away: dict[str, str]
) -> None:
    """Customers return to the process that was first; each says as it starts what they should share."""
    opened = len(story.service.stripe.account.sessions())
    port, log = free_port(), tmp_path / "log"
    settings = {**story.service.environment, "CREDENCE_PORT": str(port), "CREDENCE_WORKER": "false", **away}
    headers = {**story.customers["Ada"].headers, "Idempotency-Key": uuid.uuid4().hex}
    with serving(settings, log) as said:
        wait_until_ready(f"http://127.0.0.1:{port}", log)
        first, second = (
            httpx.post(f"{url}/checkout/sessions", json={"plan": "starter"}, headers=headers, timeout=60)
            for url in (story.service.url, f"http://127.0.0.1:{port}")
        )
    assert [201, 201] == [first.status_code, second.status_code], second.text
    assert first.json() == second.json()
    assert opened + 1 == len(story.service.stripe.account.sessions())
    session = story.service.stripe.account.session(first.json()["id"])
    assert session is not None
    assert session["success_url"].startswith(story.service.url)
    assert [True] == ["CREDENCE_PUBLIC_URL" in line for line in said if line.startswith("Address:")]


def test_an_answer_that_was_lost_is_not_called_nothing(story: Story) -> None:
    """Where the ledger does not answer, a change may have been made: the caller is told to repeat it with its key."""
    headers = {"Authorization": f"Bearer {story.service.environment['CREDENCE_SERVICE_KEY']}", "Idempotency-Key": "k"}
    body = {"user_id": str(story.customers["Ada"].user_id), "credits": 1}
    story.service.supabase.gateway.down()
    try:
        answer = story.service.http.post("/usage", json=body, headers=headers)
    finally:
        story.service.supabase.gateway.up()
    assert (503, "urn:credence:ledger-unavailable") == (answer.status_code, answer.json()["type"])
    assert "may have been made" in answer.json()["detail"]
    assert "Idempotency-Key" in answer.json()["detail"]


def test_a_token_from_the_future_is_a_matter_of_clocks(story: Story) -> None:
    """A few seconds are nothing; of minutes the answer and the log say that the clocks differ."""
    ada, log = story.customers["Ada"], story.service.log
    before = log.stat().st_size
    answers = []
    for ahead in (15, 300):
        token = story.service.supabase.token(ada.user_id, iat=int(time.time()) + ahead)
        answers.append(story.service.http.get("/quota", headers={"Authorization": f"Bearer {token}"}))
    assert [200, 401] == [answer.status_code for answer in answers]
    assert "clock" in answers[1].json()["detail"]
    said = [json.loads(line)["message"] for line in log.read_bytes()[before:].decode().splitlines()]
    assert 1 == sum("clock" in message for message in said)
