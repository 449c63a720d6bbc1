"""The users of a group, as an operator asks for them by HTTP."""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from features.harness.service import OPERATOR_KEY, SERVICE_KEY, Service
from simulators.stack.postgrest import free_port
from simulators.stack.stack import serving, wait_until_ready

USERS = "/ops/synthetic-users"
AS_OPERATOR = {"Authorization": f"Bearer {OPERATOR_KEY}"}


@pytest.fixture
def tag() -> str:
    return f"fire-{uuid.uuid4().hex[:12]}"


def begin(service: Service, tag: str, count: int = 2) -> list[dict[str, Any]]:
    answer = service.ops("POST", "/synthetic-users", {"tag": tag, "count": count})
    assert 201 == answer.status_code, answer.text
    users: list[dict[str, Any]] = answer.json()["users"]
    return users


def test_a_group_has_users_and_an_end(service: Service, tag: str) -> None:
    """They have quotas while it lasts; then neither ledger nor Redis knows them, and all is consistent."""
    users = begin(service, tag)
    assert [f"synthetic+{tag}-{number}@example.test" for number in (1, 2)] == [user["email"] for user in users]
    asked = {"user_id": users[0]["user_id"]}
    assert 0 == service.http.get("/quota", params=asked, headers=AS_OPERATOR).json()["balance"]
    assert {"tag": tag, "users": 2} == {
        name: one[name]
        for one in service.ops("GET", "/synthetic-users").json()["groups"]
        for name in ("tag", "users")
        if one["tag"] == tag
    }

    ended = service.ops("DELETE", f"/synthetic-users/{tag}")

    assert (200, {"tag": tag, "removed": 2, "kept": []}) == (ended.status_code, ended.json())
    assert 404 == service.http.get("/quota", params=asked, headers=AS_OPERATOR).status_code
    with redis.Redis.from_url(service.redis_url) as cache:
        kept = {str(key, "utf-8").rpartition(":")[2] for key in cache.scan_iter(match="????????:????????-*")}
        assert set() == kept & {user["user_id"] for user in users}
    mine = {user["user_id"] for user in users}
    answer = service.ops("GET", "/consistency").json()
    assert [] == [row for row in answer["ledger"] + answer["cache"] if row["user_id"] in mine]


def test_the_end_may_come_twice(service: Service, tag: str) -> None:
    """A repetition after a lost answer gets the same one."""
    begin(service, tag)
    first, second = (service.ops("DELETE", f"/synthetic-users/{tag}") for _ in range(2))
    assert (200, first.json()) == (second.status_code, second.json())


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        ({"tag": "fire", "count": 501}, "wrong-number-of-users"),
        ({"tag": "fire", "count": 0}, "wrong-number-of-users"),
        ({"tag": "", "count": 1}, "invalid-tag"),
        ({"tag": "Ada@example.com", "count": 1}, "invalid-tag"),
        ({"tag": "-fire", "count": 1}, "invalid-tag"),
        ({"tag": "f" * 41, "count": 1}, "invalid-tag"),
    ],
)
def test_what_can_not_be_a_group_is_refused(service: Service, asked: dict[str, object], kind: str) -> None:
    """Its bounds and its form are named."""
    answer = service.ops("POST", "/synthetic-users", asked)
    assert (400, f"urn:credence:{kind}") == (answer.status_code, answer.json()["type"])


@pytest.mark.parametrize(("key", "status"), [(SERVICE_KEY, 403), ("a-guessed-key-of-some-length", 401)])
@pytest.mark.parametrize(("method", "path"), [("GET", USERS), ("POST", USERS), ("DELETE", f"{USERS}/fire")])
def test_nobody_but_an_operator_makes_groups(service: Service, method: str, path: str, key: str, status: int) -> None:
    """The backend's own key is not enough."""
    answer = service.http.request(method, path, headers={"Authorization": f"Bearer {key}"}, json={})
    assert status == answer.status_code


def test_a_live_deployment_refuses(new_database: Callable[[], str], redis_url: str, tmp_path: Path) -> None:
    """Where real money moves there are no synthetic users, whoever asks."""
    port = free_port()
    url, log = f"http://127.0.0.1:{port}", tmp_path / "log"
    settings = {
        "STRIPE_SECRET_KEY": "sk_live_of_nobody",
        "STRIPE_WEBHOOK_SECRET": "whsec_of_nobody",
        "SUPABASE_DB_URL": new_database(),
        "REDIS_URL": redis_url,
        "CREDENCE_PUBLIC_URL": "https://credits.example.test",
        "CREDENCE_PORT": str(port),
        "CREDENCE_OPERATOR_KEY": OPERATOR_KEY,
        "CREDENCE_RECONCILE_MINUTES": "0",
    }
    with serving(settings, log), httpx.Client(base_url=url, headers=AS_OPERATOR) as http:
        wait_until_ready(url, log)
        answers = [
            http.get(USERS),
            http.post(USERS, json={"tag": "fire", "count": 1}),
            http.delete(f"{USERS}/fire"),
        ]
    assert [(403, "urn:credence:live-deployment", "application/problem+json")] * 3 == [
        (answer.status_code, answer.json()["type"], answer.headers["content-type"]) for answer in answers
    ]
