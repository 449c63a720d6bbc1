"""Bodies and addresses as callers write them: what is taken for a number, and how it is told what is not."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

import attrs
import msgspec
import pytest
from litestar import Litestar, get, post
from litestar.params import JSONBody, QueryParameter
from litestar.testing import TestClient

from entrypoints.http.operation_answers import Credits, Metadata
from entrypoints.http.problems import problems_plugin
from entrypoints.http.request_bodies import ALLOW_UNKNOWN_FIELDS, JsonRequest
from entrypoints.http.routes.ops_grants import GrantKind


@attrs.frozen(kw_only=True)
class Wish:
    """A body with a field of each kind."""

    credits: Credits
    kind: GrantKind = GrantKind.GOODWILL
    threshold: Annotated[int, msgspec.Meta(ge=0)] | None = None
    accept: bool = False
    ends: datetime | None = None
    metadata: Metadata = attrs.field(factory=dict)


@post("/wishes", status_code=200)
async def wish(data: JSONBody[Wish], limit: Annotated[int, QueryParameter(ge=1)] = 1) -> dict[str, Any]:
    """Tells what was understood."""
    return {**attrs.asdict(data), "limit": limit}


@attrs.frozen
class Choice:
    """A body that may have more than is asked for."""

    plan: str


@post("/choices", opt={ALLOW_UNKNOWN_FIELDS: True})
async def choose(data: JSONBody[Choice]) -> dict[str, Any]:
    """Tells what was understood."""
    return attrs.asdict(data)


@get("/page")
async def page(
    limit: Annotated[int, QueryParameter(ge=1)],
    deep: Annotated[bool, QueryParameter()] = False,
    kind: Annotated[GrantKind, QueryParameter()] = GrantKind.GOODWILL,
) -> list[Any]:
    """Tells what was understood."""
    return [limit, deep, kind]


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient[Litestar]]:
    """An application that reads as ours does."""
    app = Litestar(
        [wish, choose, page],
        request_class=JsonRequest,
        plugins=[problems_plugin()],
        openapi_config=None,
        logging_config=None,
    )
    with TestClient(app) as client:
        yield client


def test_what_is_good_is_read(client: TestClient[Litestar]) -> None:
    """Beside parameters of the address, whose numbers are text."""
    asked = {
        "credits": 5, "kind": "promotion", "threshold": None, "accept": True, "ends": "2030-01-31T00:00:00Z",
        "metadata": {"job": "7"},
    }  # fmt: skip
    answer = client.post("/wishes?limit=3", json=asked)
    body = {**answer.json(), "ends": datetime.fromisoformat(answer.json()["ends"])}
    assert {**asked, "ends": datetime(2030, 1, 31, tzinfo=UTC), "limit": 3} == body


def test_many_unknown_fields_are_reported_briefly(client: TestClient[Litestar]) -> None:
    """The answer does not grow with what is sent."""
    answer = client.post("/wishes", json={"credits": 5, **{f"{number:02}{'x' * 999}": 1 for number in range(30)}})
    assert (400, [f"{number:02}{'x' * 62}" for number in range(5)]) == (
        answer.status_code,
        [one["key"] for one in answer.json()["extra"]],
    )


def test_a_route_may_take_other_fields_too(client: TestClient[Litestar]) -> None:
    """A pricing page may send more than the plan."""
    assert {"plan": "starter"} == client.post("/choices", json={"plan": "starter", "quantity": 3}).json()


def test_an_address_has_numbers_as_text(client: TestClient[Litestar]) -> None:
    """They are numbers all the same, and what is none is refused."""
    assert [7, True, "goodwill"] == client.get("/page?limit=7&deep=true").json()
    answer = client.get("/page?limit=seven&kind=purchase")
    text = "limit must be a whole number, not text. kind must be one of the names that /schema lists for it."
    assert (400, text) == (answer.status_code, answer.json()["detail"])


@pytest.mark.parametrize(
    ("body", "field", "detail"),
    [
        ('{"credits": "5"}', "credits", "credits must be a whole number, not text."),
        ('{"credits": 5.0}', "credits", "credits must be a whole number, not a decimal number."),
        ('{"credits": 5e0}', "credits", "credits must be a whole number, not a decimal number."),
        ('{"credits": true}', "credits", "credits must be a whole number, not true or false."),
        ('{"credits": null}', "credits", "credits must be a whole number, not null."),
        ('{"credits": 0}', "credits", "credits must be 1 or more."),
        ('{"credits": 5, "threshold": "5"}', "threshold", "threshold must be a whole number or null, not text."),
        ('{"credits": 5, "accept": 1}', "accept", "accept must be true or false, not a whole number."),
        ('{"credits": 5, "accept": "true"}', "accept", "accept must be true or false, not text."),
        ('{"credits": 5, "metadata": {"job": 7}}', "metadata[...]", "metadata[...] must be text, not a whole number."),
        ('{"credits": 5, "metadata": {"": "7"}}', "metadata", "metadata must not be empty."),
        ('{"credits": 5, "kind": "purchase"}', "kind", "kind must be promotion or goodwill."),
        ('{"credits": 5, "kind": 7}', "kind", "kind must be promotion or goodwill."),
        ('{"credits": 5, "thresold": 7}', "thresold", "thresold is not a known field."),
        ("{}", "credits", "credits is missing."),
        ("[]", "body", "body must be an object, not a list."),
        ("null", "body", "body must be an object, not null."),
        ("", "body", "body is missing."),
    ],
)
def test_what_a_body_has_instead_is_reported(client: TestClient[Litestar], body: str, field: str, detail: str) -> None:
    """With the field's name, and what is wanted of it."""
    answer = client.post("/wishes", content=body, headers={"Content-Type": "application/json"})
    assert (400, detail) == (answer.status_code, answer.json()["detail"])
    assert [(field, "body")] == [(one["key"], one["source"]) for one in answer.json()["extra"]]
