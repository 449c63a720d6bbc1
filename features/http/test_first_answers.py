"""The first answer, byte for byte: after other spends, after the process that gave it is gone, and by the other way."""

import contextlib
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from features.harness.service import OPERATOR_KEY, SERVICE_KEY, Service
from features.steps.story import Story
from simulators.stack.postgrest import free_port
from simulators.stack.stack import serving, wait_until_ready

Wish = tuple[str, dict[str, Any], str]


@contextlib.contextmanager
def process(service: Service, log: Path, **settings: str) -> Iterator[httpx.Client]:
    """A process of its own on the same ledger, until the end of the block."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {**service.environment, "CREDENCE_PORT": str(port), **settings}
    with serving(environment, log), httpx.Client(base_url=url, timeout=60) as http:
        wait_until_ready(url, log)
        yield http


def ask(http: httpx.Client, wish: Wish) -> httpx.Response:
    path, body, key = wish
    token = OPERATOR_KEY if path.startswith("/ops") else SERVICE_KEY
    return http.post(path, json=body, headers={"Authorization": f"Bearer {token}", "Idempotency-Key": key})


@pytest.mark.parametrize("is_direct", [False, True], ids=["supabase", "postgres"])
def test_a_repetition_is_the_first_answer_whatever_came_between(
    service: Service, tmp_path: Path, *, is_direct: bool
) -> None:
    """A gift, a spend, a hold and its capture: each body is the same after a restart, and nothing is done twice."""
    story = Story(service)
    ada, mark = story.sign_up("Ada").user_id, uuid.uuid4().hex
    gift = {"kind": "promotion", "credits": 100, "reason": "spring", "operator": "Grace"}
    gift["expires_at"] = "2999-01-01T01:00:00+01:00"
    spend = {"user_id": ada, "credits": 7, "description": "a picture of Zoë", "metadata": {"z": "1", "a": "ü"}}
    wishes: list[Wish] = [
        (f"/ops/accounts/{ada}/grants", gift, f"{mark}:gift"),
        ("/usage", spend, f"{mark}:spend"),
        ("/holds", {"user_id": ada, "credits": 30}, f"{mark}:hold"),
    ]
    settings = {"SUPABASE_DB_URL": service.supabase.database_url} if is_direct else {}
    with process(service, tmp_path / "first.log", **settings) as http:
        first = [ask(http, wish) for wish in wishes]
        wishes.append((f"/holds/{first[-1].json()['id']}/capture", {"credits": 20}, "none"))
        first.append(ask(http, wishes[-1]))
        assert [201, 200, 201, 200] == [answer.status_code for answer in first], [answer.text for answer in first]
        for number in range(3):
            assert 200 == ask(http, ("/usage", {"user_id": ada, "credits": 1}, f"{mark}:{number}")).status_code
    with process(service, tmp_path / "second.log", **settings) as http:
        again = [ask(http, wish) for wish in wishes]
        by_the_service = [ask(service.http, wish) for wish in wishes]
    for repeated in (again, by_the_service):
        assert [(one.status_code, one.content) for one in first] == [(one.status_code, one.content) for one in repeated]
        assert ["true"] * 4 == [one.headers.get("Idempotent-Replayed") for one in repeated]
    amounts = story.rows("select amount from public.credit_transactions where user_id = $1::uuid order by version", ada)
    assert [100, -7, -20, -1, -1, -1] == [row["amount"] for row in amounts]
    assert [] == story.rows("select * from public.validate_credits_consistency() where user_id = $1::uuid", ada)


def test_the_longest_texts_are_taken_however_they_are_written(service: Service) -> None:
    """As UTF-8, or each character as two escapes: it is the same request."""
    story = Story(service)
    ada, key = story.sign_up("Ada").user_id, uuid.uuid4().hex
    gift = {"kind": "goodwill", "credits": 5, "reason": "sorry", "operator": "Grace"}
    assert 201 == ask(service.http, (f"/ops/accounts/{ada}/grants", gift, f"{key}:gift")).status_code
    metadata = {f"{n:02}" + "😀" * 38: "😀" * 500 for n in range(20)}
    body = {"user_id": ada, "credits": 2, "description": "😀" * 500, "metadata": metadata}
    headers = {"Authorization": f"Bearer {SERVICE_KEY}", "Idempotency-Key": key, "Content-Type": "application/json"}
    first, second = (
        service.http.post("/usage", content=json.dumps(body, ensure_ascii=escaped).encode(), headers=headers)
        for escaped in (False, True)
    )
    assert (200, 200) == (first.status_code, second.status_code), first.text + second.text
    assert first.content == second.content
    assert "true" == second.headers["Idempotent-Replayed"]
    assert 3 == story.rows("select credits_balance from public.users where id = $1::uuid", ada)[0]["credits_balance"]
