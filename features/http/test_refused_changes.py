"""What callers and operators are told where the database refuses a change, or others than the ledger wrote to it."""

import json
import uuid
from collections.abc import Iterator

import httpx
import pytest

from features.harness.service import SERVICE_KEY, Service, eventually
from features.steps.story import Story


@pytest.fixture
def story(service: Service) -> Iterator[Story]:
    story = Story(service)
    story.sign_up("Ada")
    story.log_start = len(service.log.read_text())
    yield story
    assert [] == story.rows("select * from public.validate_credits_consistency()")


def ada(story: Story) -> str:
    return story.customers["Ada"].user_id


def give(story: Story, credits: str) -> tuple[int, str]:  # noqa: A002 - the word for it
    gift = ("--kind", "goodwill", "--reason", "an outage", "--operator", "Grace")
    done = story.service.command("grant", ada(story), credits, *gift)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def spend(story: Story, key: str) -> httpx.Response:
    answer: httpx.Response = story.service.http.post(
        "/usage",
        json={"user_id": ada(story), "credits": 1},
        headers={"Authorization": f"Bearer {SERVICE_KEY}", "Idempotency-Key": key},
    )
    return answer


def errors(story: Story) -> list[str]:
    lines = map(json.loads, story.service.log.read_text()[story.log_start :].splitlines())
    return [line["message"] for line in lines if line["level"] == "error" and line.get("user_id") == ada(story)]


@pytest.fixture
def refusing(story: Story) -> Iterator[None]:
    """A rule of the project's own lets nobody change Ada's row."""
    assert 0 == give(story, "10")[0]
    story.rows(
        "create function public.project_rule() returns trigger language plpgsql as "
        "$$ begin raise exception 'the project says no'; end $$"
    )
    story.rows(
        "create trigger project_rule before update on public.users for each row "
        f"when (new.id = '{ada(story)}') execute function public.project_rule()"
    )
    yield
    story.rows("drop trigger if exists project_rule on public.users")
    story.rows("drop function public.project_rule()")


@pytest.mark.usefixtures("refusing")
def test_a_refusal_by_the_database_is_no_busy_account(story: Story) -> None:
    """The caller hears that asking again helps nothing by itself; the log says why, and so does the command."""
    key = uuid.uuid4().hex
    answer = spend(story, key)
    assert (503, "urn:credence:ledger-refused") == (answer.status_code, answer.json()["type"]), answer.text
    assert "the project says no" not in answer.text
    assert ["The database refused a change: the ledger rejected it: P0001: the project says no"] == errors(story)
    code, said = give(story, "5")
    assert (1, True) == (code, "Nothing was changed: the ledger rejected it: P0001: the project says no." in said), said
    story.rows("drop trigger project_rule on public.users")
    assert 200 == spend(story, key).status_code


@pytest.mark.usefixtures("refusing")
def test_a_sale_that_the_database_refuses_is_reported_once_more(story: Story) -> None:
    """Stripe hears that it is not stored, and why is in the log; the next copy brings the credits."""
    session_id = story.open_checkout(story.customers["Ada"], "starter")
    assert 303 == story.pay(session_id)
    event = story.event_of(session_id)
    story.deliver(event)
    (refused,) = story.deliveries
    assert (503, "urn:credence:ledger-refused") == (refused.status, json.loads(refused.body)["type"])
    assert "the project says no" in story.service.log.read_text()[story.log_start :]
    story.rows("drop trigger project_rule on public.users")
    story.deliver(event)
    assert [200] == [delivery.status for delivery in story.deliveries]
    assert 60 == story.get("/quota", story.customers["Ada"]).json()["available"]


@pytest.mark.usefixtures("refusing")
def test_what_can_not_expire_is_reported_in_the_log(story: Story) -> None:
    """It stays on the account meanwhile, and expires once the database lets it."""
    over = "update public.credit_grants set expires_at = now() - interval '1 second' where user_id = $1::uuid"
    story.rows(over, ada(story))
    text = "Could not expire overdue credits: the ledger rejected it: P0001: the project says no"
    assert text == eventually(lambda: (errors(story) or [None])[-1], text)
    story.rows("drop trigger project_rule on public.users")
    assert 0 == eventually(lambda: story.get("/quota", story.customers["Ada"]).json()["balance"], 0)


def test_a_balance_that_others_wrote_is_reported_with_what_mends_it(story: Story) -> None:
    """By the caller's answer, in the log and by `credence check`; after `credence sync` the account is as any other."""
    story.rows("update public.users set credits_balance = 25 where id = $1", uuid.UUID(ada(story)))
    key = uuid.uuid4().hex
    answer = spend(story, key)
    body = answer.json()
    assert (503, "urn:credence:balance-differs", 0) == (answer.status_code, body["type"], body["granted"]), answer.text
    assert "`credence sync USER` repairs it" in body["detail"]
    assert ["A balance differs from the ledger's entries"] == errors(story)
    assert "balance_differs_from_ledger" in story.service.command("check", "--json").stdout
    assert 0 == story.service.command("sync", ada(story)).returncode
    assert 402 == spend(story, key).status_code
    assert 0 == give(story, "10")[0]
    assert 200 == spend(story, key).status_code


def test_a_user_who_comes_back_at_once_has_what_is_left(story: Story) -> None:
    """The cache had a later state of the account than a new one would have."""
    assert 0 == give(story, "10")[0]
    headers = {"Authorization": f"Bearer {SERVICE_KEY}"}
    for _ in range(3):
        asked = {"user_id": ada(story), "credits": 5}
        key = {"Idempotency-Key": uuid.uuid4().hex}
        hold = story.service.http.post("/holds", json=asked, headers=headers | key).json()
        assert 200 == story.service.http.post(f"/holds/{hold['id']}/void", headers=headers).status_code
    assert 10 == story.get("/quota", story.customers["Ada"]).json()["available"]
    user = uuid.UUID(ada(story))
    story.rows("delete from auth.users where id = $1", user)
    story.rows("insert into auth.users (id, email) values ($1, $2)", user, story.customers["Ada"].email)
    assert 200 == spend(story, uuid.uuid4().hex).status_code
    seen = lambda: [story.get("/quota", story.customers["Ada"]).json()[name] for name in ("source", "available")]  # noqa: E731
    assert ["cache", 9] == eventually(seen, ["cache", 9])
