"""Many spends of one account at the same moment, over two processes with two transports: never more than there is."""

import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from features.harness.service import OPERATOR_KEY, SERVICE_KEY, Service
from features.steps.story import Story
from simulators.stack.postgrest import free_port
from simulators.stack.stack import serving, wait_until_ready


@pytest.fixture(scope="module")
def processes(service: Service, new_server_folder: Callable[[], Path]) -> Iterator[list[httpx.Client]]:
    """The service that goes through Supabase's API, and another beside it with a direct Postgres connection."""
    log = new_server_folder() / "service.log"
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = {"CREDENCE_PORT": str(port), "SUPABASE_DB_URL": service.supabase.database_url}
    with serving({**service.environment, **settings}, log), httpx.Client(base_url=url, timeout=60) as beside:
        wait_until_ready(url, log)
        yield [service.http, beside]


@pytest.fixture
def ada(service: Service) -> tuple[Story, str]:
    """Ada, who has 20 credits."""
    story = Story(service)
    user = story.sign_up("Ada").user_id
    gift = {"kind": "goodwill", "credits": 20, "reason": "a test", "operator": "Grace"}
    answer = ask(service.http, f"/ops/accounts/{user}/grants", gift, token=OPERATOR_KEY)
    assert 201 == answer.status_code, answer.text
    return story, user


def ask(http: httpx.Client, path: str, body: Any, key: str = "", token: str = SERVICE_KEY) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key or uuid.uuid4().hex}
    return http.post(path, json=body, headers=headers)


def at_once(jobs: list[Any]) -> list[httpx.Response]:
    with ThreadPoolExecutor(len(jobs)) as threads:
        return [*threads.map(lambda job: ask(*job), jobs)]


def stands(story: Story, user: str) -> tuple[int, int, list[Any]]:
    (row,) = story.rows("select credits_balance, credits_held from public.users where id = $1::uuid", user)
    wrong = story.rows("select * from public.validate_credits_consistency() where user_id = $1::uuid", user)
    return row["credits_balance"], row["credits_held"], wrong


def test_twenty_credits_are_spent_twenty_times(processes: list[httpx.Client], ada: tuple[Story, str]) -> None:
    """Of 50 spends of one credit each, over both processes, 20 are done and 30 refused."""
    story, user = ada
    jobs = [(processes[number % 2], "/usage", {"user_id": user, "credits": 1}) for number in range(50)]
    answers = at_once(jobs)
    assert {200: 20, 402: 30} == Counter(answer.status_code for answer in answers)
    assert {0} == {answer.json()["available"] for answer in answers if answer.status_code == 402}
    assert [*range(20)] == sorted(answer.json()["balance"] for answer in answers if answer.status_code == 200)
    assert (0, 0, []) == stands(story, user)


def test_one_key_is_one_spend_in_every_process(processes: list[httpx.Client], ada: tuple[Story, str]) -> None:
    """20 copies of one request get one answer, byte for byte, and take once."""
    story, user = ada
    key = uuid.uuid4().hex
    jobs = [(processes[number % 2], "/usage", {"user_id": user, "credits": 3}, key) for number in range(20)]
    answers = at_once(jobs)
    assert {200} == {answer.status_code for answer in answers}
    assert 1 == len({answer.content for answer in answers})
    assert 19 == sum("idempotent-replayed" in answer.headers for answer in answers)
    assert (17, 0, []) == stands(story, user)


def test_a_hold_is_settled_one_way_only(processes: list[httpx.Client], ada: tuple[Story, str]) -> None:
    """Captures of different sizes and voids at the same moment: one wins, and its repetitions get its answer."""
    story, user = ada
    hold = ask(processes[0], "/holds", {"user_id": user, "credits": 10}).json()["id"]
    wishes: list[tuple[str, Any]] = [("capture", {"credits": 4}), ("capture", {"credits": 7}), ("void", None)]
    jobs = [
        (processes[number % 2], f"/holds/{hold}/{wishes[number % 3][0]}", wishes[number % 3][1]) for number in range(18)
    ]
    answers = at_once(jobs)
    assert {200: 6, 409: 12} == Counter(answer.status_code for answer in answers)
    (won,) = {answer.content for answer in answers if answer.status_code == 200}
    taken = httpx.Response(200, content=won).json()["captured"]
    assert (20 - taken, 0, []) == stands(story, user)


def test_holds_and_spends_share_what_there_is(processes: list[httpx.Client], ada: tuple[Story, str]) -> None:
    """What is held can't be spent, and what is spent can't be held."""
    story, user = ada
    jobs = [
        (processes[number % 2], ("/holds", "/usage")[number // 2 % 2], {"user_id": user, "credits": 3})
        for number in range(24)
    ]
    answers = at_once(jobs)
    done = sum(answer.is_success for answer in answers)
    balance, held, wrong = stands(story, user)
    assert (6, 18, []) == (done, 20 - balance + held, wrong)
