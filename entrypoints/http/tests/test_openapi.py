"""The OpenAPI description is one that a client can be generated from: whole, and with the refusals that are sent."""

import contextlib
from collections.abc import Iterator
from typing import Any

import attrs
import pytest

from domain.decisions.checkout_progress import CheckoutStage
from domain.decisions.operations import EntryAnswer, HoldAnswer
from entrypoints.http.app import create_app
from entrypoints.http.openapi import PROBLEM
from entrypoints.http.operation_answers import EntryMade, HoldMade
from entrypoints.settings.reader import read_settings

Operations = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def description() -> dict[str, Any]:
    """The description, as `/schema/openapi.json` gives it."""
    settings = read_settings({"STRIPE_SECRET_KEY": "sk_test_of_nobody", "STRIPE_WEBHOOK_SECRET": "whsec_1"})
    return create_app(contextlib.nullcontext(), settings).openapi_schema.to_schema()


@pytest.fixture(scope="module")
def operations(description: dict[str, Any]) -> Operations:
    """Each operation by its method and path."""
    return dict(_operations(description))


def _operations(description: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in description["paths"].items():
        for method in item.keys() & {"get", "put", "post", "delete", "patch"}:
            yield f"{method.upper()} {path}", item[method]


def _statuses(operation: dict[str, Any]) -> set[int]:
    return set(map(int, operation["responses"]))


def test_every_refusal_is_described_as_a_problem(operations: Operations) -> None:
    """In its media type, with its members; but readiness says the same of a service that is ready and of one not."""
    problem = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    others = {
        (name, status)
        for name, operation in operations.items()
        for status, response in operation["responses"].items()
        if status >= "400" and response["content"] != problem
    }
    assert {("GET /readyz", "503")} == others


def test_every_success_is_described(operations: Operations) -> None:
    """None is of an empty schema, which would be anything."""
    described = {
        name: [
            kind["schema"]
            for status, response in operation["responses"].items()
            if status < "300"
            for kind in response["content"].values()
        ]
        for name, operation in operations.items()
    }
    assert [] == [name for name, schemas in described.items() if not schemas or not all(schemas)]


def test_who_may_call_is_described(description: dict[str, Any], operations: Operations) -> None:
    """By ways that are declared; who must show who they are may be refused for it, and nobody else is."""
    ways = description["components"]["securitySchemes"].keys()
    asked = {name: operation.get("security", []) for name, operation in operations.items()}
    assert ways == {way for security in asked.values() for one in security for way in one}
    assert {"GET /healthz", "GET /readyz", "GET /plans", "POST /webhooks/stripe"} == {
        name for name, security in asked.items() if not security
    }
    for name, operation in operations.items():
        assert bool(asked[name]) == ({401, 403} <= _statuses(operation)), name
    assert {"operator"} == {
        way for name, security in asked.items() if " /ops" in name for one in security for way in one
    }


def test_what_is_refused_of_bodies_and_keys_is_described(operations: Operations) -> None:
    """A body may be bad, too slow or too large, and a key may name another operation."""
    for name, operation in operations.items():
        if "requestBody" in operation:
            assert {400, 408, 413} <= _statuses(operation), name
        keys = [one for one in operation.get("parameters", ()) if one["name"] == "Idempotency-Key" and one["required"]]
        assert bool(keys) <= (422 in _statuses(operation)), name


def test_where_requests_are_counted_is_described(operations: Operations) -> None:
    """A service may call too often, and a user may start too many checkouts; nobody else is counted."""
    counted = {name for name, operation in operations.items() if {"service": []} in operation.get("security", [])}
    assert counted | {"POST /checkout/sessions", "POST /portal"} == {
        name for name, operation in operations.items() if 429 in _statuses(operation)
    }


def test_a_statement_is_described_as_csv_too(operations: Operations) -> None:
    """Beside its JSON."""
    content = operations["GET /transactions"]["responses"]["200"]["content"]
    assert {"application/json", "text/csv"} == content.keys()
    assert {"type": "string"} == content["text/csv"]["schema"]


def test_where_a_checkout_stands_is_one_of_a_few(description: dict[str, Any]) -> None:
    """By name, so that a client knows them all."""
    schemas = description["components"]["schemas"]
    assert {"$ref": "#/components/schemas/CheckoutStage"} == schemas["FollowedCheckout"]["properties"]["status"]
    assert [stage.value for stage in CheckoutStage] == schemas["CheckoutStage"]["enum"]


@pytest.mark.parametrize(("described", "kept"), [(EntryMade, EntryAnswer), (HoldMade, HoldAnswer)])
def test_a_first_answer_is_described_by_all_of_its_names(described: type, kept: type) -> None:
    """It leaves as the domain made it; the description has its names in the same order."""
    assert [*attrs.fields_dict(kept)] == [*attrs.fields_dict(described)]
