"""Steps: what a product's backend does with credits, the answers that it gets, and what support sees of it."""

import re
import uuid
from typing import Any

import httpx
from pytest_bdd import given, parsers, then, when

from features.harness.service import OPERATOR_KEY, SERVICE_KEY, eventually
from features.steps.story import Story


def asks(story: Story, method: str, path: str, body: object, *, key: str = SERVICE_KEY) -> httpx.Response:
    """Return the service's answer to a new operation."""
    headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": uuid.uuid4().hex}
    answer: httpx.Response = story.service.http.request(method, path, json=body, headers=headers)
    return answer


@given(parsers.parse('the product has taken {credits:d} of Ada\'s credits for "{what}"'))
@when(parsers.parse('the product takes {credits:d} of Ada\'s credits for "{what}"'))
def takes(story: Story, credits: int, what: str) -> None:  # noqa: A002 - Gherkin's word
    body = {"user_id": story.customers["Ada"].user_id, "credits": credits, "description": what}
    answer = asks(story, "POST", "/usage", body)
    assert 200 == answer.status_code, answer.text


@given(parsers.parse('the product has set {credits:d} of Ada\'s credits aside for "{what}"'))
@when(parsers.parse('the product sets {credits:d} of Ada\'s credits aside for "{what}"'))
def sets_aside(story: Story, credits: int, what: str) -> None:  # noqa: A002 - Gherkin's word
    body = {"user_id": story.customers["Ada"].user_id, "credits": credits, "description": what}
    answer = asks(story, "POST", "/holds", body)
    assert 201 == answer.status_code, answer.text


@given(parsers.parse("the product wants to be notified about Ada below {credits:d} credits"))
def wants_to_hear(story: Story, credits: int) -> None:  # noqa: A002 - Gherkin's word
    ada = story.customers["Ada"]
    answer = asks(story, "PUT", f"/accounts/{ada.user_id}/low-balance", {"threshold": credits})
    assert {"user_id": ada.user_id, "threshold": credits, "in_force": credits} == answer.json()


@given("the product does not accept notices for a moment")
def does_not_listen(story: Story) -> None:
    story.service.product.listens = False


@then(
    parsers.re(
        r"the product is notified that Ada has (?P<first>\d+) credits left(, and then that she has (?P<next>\d+))?"
    )
)
def is_reported(story: Story, first: str, next: str | None = None) -> None:  # noqa: A002 - Gherkin's word
    ada = story.customers["Ada"].user_id
    expected = [int(left) for left in (first, next) if left is not None]
    assert expected == eventually(lambda: story.service.product.heard_of(ada), expected)
    due = "select from public.outbox where topic = 'low_balance' and payload ->> 'user_id' = $1"
    assert 0 == eventually(lambda: len(story.rows(due, ada)), 0)
    assert expected == story.service.product.heard_of(ada)


@given(parsers.parse('Grace has granted Ada {credits:d} credits because "{reason}"'))
def has_given(story: Story, credits: int, reason: str) -> None:  # noqa: A002 - Gherkin's word
    body = {"kind": "promotion", "credits": credits, "reason": reason, "operator": "Grace"}
    path = f"/ops/accounts/{story.customers['Ada'].user_id}/grants"
    answer = asks(story, "POST", path, body, key=OPERATOR_KEY)
    assert 201 == answer.status_code, answer.text


@when("support asks where Ada's credits went")
def support_asks(story: Story) -> None:
    ada = story.customers["Ada"].user_id
    headers = {"Authorization": f"Bearer {SERVICE_KEY}"}
    story.progress = story.service.http.get(f"/accounts/{ada}/explanation", headers=headers).json()


@when("Ada asks where her credits went")
def ada_asks(story: Story) -> None:
    ada = story.customers["Ada"]
    story.progress = story.get(f"/accounts/{ada.user_id}/explanation", ada).json()


def parts(grant: dict[str, Any]) -> tuple[list[tuple[int, str]], int]:
    """Return what was drawn from a grant and by what, and what remains."""
    return [(draw["credits"], draw["description"]) for draw in grant["draws"]], grant["remaining"]


@then(parsers.parse('of the {put:d} credits of the "{plan}" plan {taken:d} went to "{what}", and {left:d} remain'))
def of_the_plan(story: Story, put: int, plan: str, taken: int, what: str, left: int) -> None:
    (grant,) = [grant for grant in story.progress["grants"] if grant["plan"] == plan]
    assert put == grant["credits"]
    assert ([(taken, what)], left) == parts(grant)


@then(parsers.parse('{credits:d} credits were granted by Grace because "{reason}"'))
def were_given(story: Story, credits: int, reason: str) -> None:  # noqa: A002 - Gherkin's word
    (grant,) = [grant for grant in story.progress["grants"] if grant["plan"] is None]
    assert (credits, "promotion", "Grace", reason) == tuple(
        grant[name] for name in ("credits", "kind", "operator", "reason")
    )


@then(parsers.parse('of those {taken:d} went to "{what}", and {left:d} remain'))
def of_those(story: Story, taken: int, what: str, left: int) -> None:
    (grant,) = [grant for grant in story.progress["grants"] if grant["plan"] is None]
    assert ([(taken, what)], left) == parts(grant)


@then(parsers.parse("of those {paid:d} paid what Ada owed, and {left:d} remain"))
def paid_debt(story: Story, paid: int, left: int) -> None:
    (grant,) = [grant for grant in story.progress["grants"] if grant["plan"] is None]
    assert [(paid, True)] == [(draw["credits"], draw["pays_debt"]) for draw in grant["draws"]]
    assert left == grant["remaining"]


@then(parsers.parse('{credits:d} credits are set aside for "{what}"'))
def are_set_aside(story: Story, credits: int, what: str) -> None:  # noqa: A002 - Gherkin's word
    assert [("open", credits, what)] == [
        (hold["status"], hold["credits"], hold["description"]) for hold in story.progress["holds"]
    ]
    assert credits == story.progress["held"]


@then("all of it adds up")
def adds_up(story: Story) -> None:
    grants = story.progress["grants"]
    for grant in grants:
        assert grant["credits"] == grant["remaining"] + sum(draw["credits"] for draw in grant["draws"])
    assert max(0, story.progress["balance"]) == sum(grant["remaining"] for grant in grants)
    assert story.progress["held"] == sum(grant["held"] for grant in grants)
    # On the terminal the same sums stand over each grant's table.
    said = story.service.command("explain", story.customers["Ada"].user_id).stdout
    sums = re.findall(r"(\d+) added - (\d+) drawn = (\d+) remaining", said)
    assert [(grant["credits"], grant["drawn"], grant["remaining"]) for grant in grants] == [
        tuple(map(int, one)) for one in sums
    ]
