"""Steps: what the app does with its customers' credits, and what operators grant them."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from pytest_bdd import given, parsers, then, when

from features.harness.service import OPERATOR_KEY, SERVICE_KEY, eventually
from features.steps.customers import statement
from features.steps.story import Story


def ask(story: Story, path: str, body: dict[str, Any] | None, *, key: str, token: str = SERVICE_KEY) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
    answer: httpx.Response = story.service.http.post(path, json=body, headers=headers)
    return answer


def charge(story: Story, credits: int, job: str) -> httpx.Response:  # noqa: A002 - Gherkin's word
    """The job's name, and whose it is, are its key."""
    ada = story.customers["Ada"].user_id
    body = {"user_id": ada, "credits": credits, "description": job}
    return ask(story, "/usage", body, key=f"{ada}:{job.replace(' ', '-')}")


@given(parsers.parse('the app has charged Ada {credits:d} credits for "{job}"'))
def has_charged(story: Story, credits: int, job: str) -> None:  # noqa: A002 - Gherkin's word
    answer = charge(story, credits, job)
    assert 200 == answer.status_code, answer.text
    story.remembered.setdefault("first", answer)


@when(parsers.re(r'the app charges Ada (?P<credits>\d+) credits? for "(?P<job>[^"]+)"( again)?'))
def charges(story: Story, credits: str, job: str) -> None:  # noqa: A002 - Gherkin's word
    story.answer = charge(story, int(credits), job)


@when(parsers.parse("the app charges Ada 1 credit for each of {count:d} jobs at the same time"))
def charges_many(story: Story, count: int) -> None:
    with ThreadPoolExecutor(count) as threads:
        story.answers = [*threads.map(lambda number: charge(story, 1, f"job {number}"), range(count))]


@when(parsers.parse('the app charges Ada {credits:d} credits for "{job}" twenty times at the same time'))
def charges_twenty_times(story: Story, credits: int, job: str) -> None:  # noqa: A002 - Gherkin's word
    with ThreadPoolExecutor(20) as threads:
        story.answers = [*threads.map(lambda _: charge(story, credits, job), range(20))]


@then(parsers.parse("{done:d} of them are charged, and {refused:d} are refused"))
def some_are_charged(story: Story, done: int, refused: int) -> None:
    statuses = [answer.status_code for answer in story.answers]
    assert {200: done, 402: refused} == {status: statuses.count(status) for status in set(statuses)}


@then("it gets the same answer twenty times")
def same_answers(story: Story) -> None:
    assert 20 == len(story.answers)
    assert {200} == {answer.status_code for answer in story.answers}
    assert 1 == len({answer.content for answer in story.answers})


@then("the app gets the original answer again")
def first_answer(story: Story) -> None:
    first, again = story.remembered["first"], story.answer
    assert again is not None
    assert (first.status_code, first.content) == (again.status_code, again.content)


@then(parsers.parse("the app is told that only {credits:d} credits are available"))
def not_enough(story: Story, credits: int) -> None:  # noqa: A002 - Gherkin's word
    assert story.answer is not None
    assert (402, credits) == (story.answer.status_code, story.answer.json()["available"])


@then("the app is told that the credits differ")
def key_is_taken(story: Story) -> None:
    assert story.answer is not None
    assert (422, ["credits"]) == (story.answer.status_code, story.answer.json()["fields"])


@given(parsers.parse("the app has set {credits:d} of Ada's credits aside"))
def sets_aside(story: Story, credits: int) -> None:  # noqa: A002 - Gherkin's word
    body = {"user_id": story.customers["Ada"].user_id, "credits": credits}
    answer = ask(story, "/holds", body, key=uuid.uuid4().hex)
    assert 201 == answer.status_code, answer.text
    story.remembered["hold"] = answer.json()["id"]


@given(parsers.parse("the app has taken {credits:d} of the credits that it set aside"))
def has_taken(story: Story, credits: int) -> None:  # noqa: A002 - Gherkin's word
    takes(story, str(credits))
    assert story.answer is not None
    assert 200 == story.answer.status_code, story.answer.text
    story.remembered["first"] = story.answer


@when(parsers.re(r"the app takes (?P<credits>\d+) of the credits that it set aside( again)?"))
def takes(story: Story, credits: str) -> None:  # noqa: A002 - Gherkin's word
    story.answer = ask(story, f"/holds/{story.remembered['hold']}/capture", {"credits": int(credits)}, key="none")


@when("the app releases the hold")
def gives_back(story: Story) -> None:
    story.answer = ask(story, f"/holds/{story.remembered['hold']}/void", None, key="none")


@then(parsers.parse("the app is told that it was settled with {credits:d} credits"))
def was_settled(story: Story, credits: int) -> None:  # noqa: A002 - Gherkin's word
    assert story.answer is not None
    assert (409, credits) == (story.answer.status_code, story.answer.json()["captured"])


@then(parsers.parse("the app is told that it set {credits:d} credits aside"))
def more_than_held(story: Story, credits: int) -> None:  # noqa: A002 - Gherkin's word
    assert story.answer is not None
    assert (422, credits) == (story.answer.status_code, story.answer.json()["held"])


@given(parsers.parse("an operator has granted Ada {credits:d} credits until next week, as a promotion"))
def gives(story: Story, credits: int) -> None:  # noqa: A002 - Gherkin's word
    until = (datetime.now(UTC) + timedelta(days=7)).isoformat()
    gift = {"kind": "promotion", "credits": credits, "reason": "spring", "operator": "Grace", "expires_at": until}
    path = f"/ops/accounts/{story.customers['Ada'].user_id}/grants"
    answer = ask(story, path, gift, key=uuid.uuid4().hex, token=OPERATOR_KEY)
    assert 201 == answer.status_code, answer.text


@given("the promotion expires")
@when("the promotion expires")
def promotion_is_over(story: Story) -> None:
    _let_end(story, "credit_grants", "kind = 'promotion'")


@given("the month ends")
@when("the month ends")
def month_is_over(story: Story) -> None:
    _let_end(story, "credit_grants", "kind = 'purchase' and expires_at is not null")


@when("the hold expires")
def hold_is_over(story: Story) -> None:
    _let_end(story, "credit_holds", "status = 'open'")


def _let_end(story: Story, table: str, which: str) -> None:
    over = f"update public.{table} set expires_at = now() - interval '1 second'"  # noqa: S608 - our own words
    changed = story.rows(f"{over} where user_id = $1::uuid and {which} returning 1", story.customers["Ada"].user_id)
    assert 1 == len(changed)


@then(parsers.parse("in the end Ada has {credits:d} credits to spend"))
def in_the_end_has(story: Story, credits: int) -> None:  # noqa: A002 - Gherkin's word
    def seen() -> object:
        return story.get("/quota", story.customers["Ada"]).json()["available"]

    assert credits == eventually(seen, credits)


@then(parsers.parse("Ada owes {credits:d} credits"))
def owes(story: Story, credits: int) -> None:  # noqa: A002 - Gherkin's word
    quota = story.get("/quota", story.customers["Ada"]).json()
    assert (-credits, 0) == (quota["balance"], quota["held"])


@then(parsers.parse('Ada\'s statement shows {credits:d} credits spent for "{job}"'))
def statement_shows_spend(story: Story, credits: int, job: str) -> None:  # noqa: A002 - Gherkin's word
    assert ("spend", -credits, job) in [
        (entry["kind"], entry["amount"], entry["description"]) for entry in statement(story, story.customers["Ada"])
    ]


@given(parsers.parse("Ada's statement shows that {credits:d} credits expired"))
@then(parsers.parse("Ada's statement shows that {credits:d} credits expired"))
def statement_shows_expiry(story: Story, credits: int) -> None:  # noqa: A002 - Gherkin's word
    def seen() -> object:
        return [entry["amount"] for entry in statement(story, story.customers["Ada"]) if entry["kind"] == "expiry"]

    assert [-credits] == eventually(seen, [-credits])
