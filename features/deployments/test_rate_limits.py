"""Nobody asks without end: users start so many checkouts a minute, services send so many requests, in all processes."""

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from features.harness.service import SERVICE_KEY, Service
from features.steps.story import Story
from simulators.stack.postgrest import free_port
from simulators.stack.stack import serving, wait_until_ready

LIMITED = {"CREDENCE_CHECKOUTS_PER_MINUTE": "3", "CREDENCE_SERVICE_REQUESTS_PER_MINUTE": "3"}
OTHER_KEY = "another-key-of-the-features"


@contextlib.contextmanager
def process(service: Service, folder: Path, **settings: str) -> Iterator[str]:
    """Another process of the service, with limits; gives its address."""
    port, log = free_port(), folder / uuid.uuid4().hex
    keys = f"{SERVICE_KEY},{OTHER_KEY}"
    own = {"CREDENCE_PORT": str(port), "CREDENCE_WORKER": "false", "CREDENCE_SERVICE_KEY": keys, **LIMITED, **settings}
    with serving({**service.environment, "CREDENCE_PUBLIC_URL": service.url, **own}, log):
        wait_until_ready(f"http://127.0.0.1:{port}", log)
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def story(service: Service) -> Story:
    """Ada and Bob, who want to buy."""
    story = Story(service)
    story.sign_up("Ada")
    story.sign_up("Bob")
    return story


def start_checkout(story: Story, url: str, name: str = "Ada") -> httpx.Response:
    headers = story.customers[name].headers
    return httpx.post(f"{url}/checkout/sessions", json={"plan": "starter"}, headers=headers, timeout=60)


def read_quota(story: Story, url: str, key: str) -> httpx.Response:
    parameters = {"user_id": str(story.customers["Ada"].user_id)}
    return httpx.get(f"{url}/quota", params=parameters, headers={"Authorization": f"Bearer {key}"}, timeout=60)


def is_refused(answer: httpx.Response) -> None:
    """For now, with the seconds to wait, as a problem."""
    assert (429, "urn:credence:too-many-requests") == (answer.status_code, answer.json()["type"])
    assert 1 <= int(answer.headers["Retry-After"]) <= 60


def test_a_user_starts_so_many_checkouts(story: Story, tmp_path: Path) -> None:
    """By whichever process; another user, and whatever else this one asks, is not concerned."""
    opened = len(story.service.stripe.account.sessions())
    with process(story.service, tmp_path) as one, process(story.service, tmp_path) as another:
        answers = [start_checkout(story, url) for url in (one, another, one, another, one)]
        assert [201, 201, 201] == [answer.status_code for answer in answers[:3]]
        for answer in answers[3:]:
            is_refused(answer)
        assert 201 == start_checkout(story, one, "Bob").status_code
        assert 200 == httpx.get(f"{one}/quota", headers=story.customers["Ada"].headers, timeout=60).status_code
    assert opened + 4 == len(story.service.stripe.account.sessions())


def test_a_service_key_sends_so_many_requests(story: Story, tmp_path: Path) -> None:
    """Of all kinds; another key has its own."""
    with process(story.service, tmp_path) as url:
        answers = [read_quota(story, url, SERVICE_KEY) for _ in range(4)]
        assert [200, 200, 200] == [answer.status_code for answer in answers[:3]]
        is_refused(answers[3])
        assert 200 == read_quota(story, url, OTHER_KEY).status_code


def test_without_redis_each_process_counts_alone(story: Story, tmp_path: Path) -> None:
    """The limit holds for each, and nobody is refused because Redis is away."""
    with process(story.service, tmp_path, REDIS_URL=f"redis://127.0.0.1:{free_port()}/0") as url:
        answers = [start_checkout(story, url) for _ in range(4)]
        assert [201, 201, 201] == [answer.status_code for answer in answers[:3]]
        is_refused(answers[3])


def test_there_is_a_limit_for_users_by_default(story: Story, tmp_path: Path) -> None:
    """Twenty checkouts a minute are more than anybody needs; a service is not limited, and 0 lifts a limit."""
    default = {"CREDENCE_CHECKOUTS_PER_MINUTE": "", "CREDENCE_SERVICE_REQUESTS_PER_MINUTE": ""}
    with process(story.service, tmp_path, **default) as url:
        answers = [start_checkout(story, url) for _ in range(21)]
        assert [201] * 20 == [answer.status_code for answer in answers[:20]]
        is_refused(answers[20])
        assert [200] * 10 == [read_quota(story, url, SERVICE_KEY).status_code for _ in range(10)]
    with process(story.service, tmp_path, CREDENCE_CHECKOUTS_PER_MINUTE="0") as url:
        assert 201 == start_checkout(story, url).status_code
