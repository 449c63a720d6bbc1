"""Which pages of other origins may call the service in a browser: those that are named, as a signed-in user may."""

import contextlib
import http.server
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import sync_playwright

from simulators.stack.postgrest import free_port
from simulators.stack.stack import serving, wait_until_ready

APP = "https://app.example.com"
STRANGERS = [
    "https://evil.example.com",
    "https://app.example.com.evil.test",
    "https://appxexample.com",
    "http://app.example.com",
    "https://app.example.com:8443",
    "null",
]
PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def page_port() -> Iterator[int]:
    """A server of empty pages; the loopback's two names make two origins of it."""

    class Empty(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Empty) as server:
        threading.Thread(target=server.serve_forever).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture(scope="module")
def start(
    new_database: Callable[[], str], redis_url: str, new_server_folder: Callable[[], Path]
) -> Callable[..., contextlib.AbstractContextManager[httpx.Client]]:
    """Starts a service with further settings."""

    @contextlib.contextmanager
    def running(**settings: str) -> Iterator[httpx.Client]:
        log, port = new_server_folder() / "log", free_port()
        environment = {
            "STRIPE_SECRET_KEY": "sk_test_51abcdefghij",
            "STRIPE_WEBHOOK_SECRET": "whsec_abc",
            "SUPABASE_DB_URL": new_database(),
            "SUPABASE_JWT_SECRET": "s" * 40,
            "REDIS_URL": redis_url,
            "CREDENCE_PORT": str(port),
            **settings,
        }
        with serving(environment, log), httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            wait_until_ready(str(client.base_url), log)
            yield client

    return running


@pytest.fixture(scope="module")
def service(
    start: Callable[..., contextlib.AbstractContextManager[httpx.Client]], page_port: int
) -> Iterator[httpx.Client]:
    """A service that names two origins."""
    with start(CREDENCE_ALLOWED_ORIGINS=f"{APP}, http://127.0.0.1:{page_port}") as client:
        yield client


def preflight(
    service: httpx.Client, origin: str, method: str = "POST", headers: str = "authorization"
) -> httpx.Response:
    asked = {"Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
    return service.options("/checkout/sessions", headers=asked)


def allowing(answer: httpx.Response) -> list[str]:
    """The headers by which other origins are let in."""
    return [name for name in answer.headers if name.startswith("access-control-")]


def test_a_named_origin_may_ask(service: httpx.Client) -> None:
    """Before it calls, a browser is told of the methods and headers that a user's calls have, and of no cookies."""
    headers = "authorization,content-type,idempotency-key,x-request-id,x-user-email,x-user-id"
    answer = preflight(service, APP, headers=headers)
    assert (204, APP) == (answer.status_code, answer.headers["access-control-allow-origin"])
    assert "GET, POST" == answer.headers["access-control-allow-methods"]
    allowed = {name.strip().lower() for name in answer.headers["access-control-allow-headers"].split(",")}
    assert set(headers.split(",")) <= allowed
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(("method", "headers"), [("PUT", "authorization"), ("POST", "x-gateway-secret")])
def test_a_named_origin_may_not_ask_for_more(service: httpx.Client, method: str, headers: str) -> None:
    """What only backends and gateways send is no page's."""
    answer = preflight(service, APP, method, headers)
    assert (400, None) == (answer.status_code, answer.headers.get("access-control-allow-origin"))


@pytest.mark.parametrize("origin", STRANGERS)
def test_another_origin_may_not_ask(service: httpx.Client, origin: str) -> None:
    """Neither before a call, nor is it let read an answer; near is not enough."""
    for answer in (preflight(service, origin), service.get("/plans", headers={"Origin": origin})):
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("path", "status", "media_type"),
    [
        ("/plans", 200, "application/json"),
        ("/quota", 401, PROBLEM),
        ("/nowhere", 404, PROBLEM),
        ("/usage", 405, PROBLEM),
    ],
)
def test_a_named_origin_reads_every_answer(service: httpx.Client, path: str, status: int, media_type: str) -> None:
    """Refusals too, and the headers that name the next page and when to come again."""
    answer = service.get(path, headers={"Origin": APP})
    assert (status, media_type) == (answer.status_code, answer.headers["content-type"])
    assert APP == answer.headers["access-control-allow-origin"]
    assert "Link, Retry-After, X-Request-Id" == answer.headers["access-control-expose-headers"]
    assert "Origin" == answer.headers["vary"]


def test_who_sends_no_origin_sees_no_difference(service: httpx.Client) -> None:
    """Backends and Stripe are no browsers."""
    assert [] == allowing(service.get("/plans"))


def test_no_origin_is_allowed_by_default(
    start: Callable[..., contextlib.AbstractContextManager[httpx.Client]],
) -> None:
    """Without the setting nothing is said to pages of other origins."""
    with start() as service:
        for answer in (preflight(service, APP), service.get("/plans", headers={"Origin": APP})):
            assert [] == allowing(answer)


def test_a_browser_lets_the_named_page_read(service: httpx.Client, page_port: int) -> None:
    """With an access token in its call a page reads the answer, here a refusal; elsewhere the same page reads none."""
    path = shutil.which("chromium")
    if path is None:
        raise FileNotFoundError("chromium is missing: apt-get install chromium")
    fetched = (
        "url => fetch(url, {headers: {Authorization: 'Bearer guessed'}})"
        ".then(answer => answer.json()).then(told => told.type, error => error.name)"
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page()
        found = []
        for host in ("127.0.0.1", "localhost"):
            page.goto(f"http://{host}:{page_port}/")
            found.append(page.evaluate(fetched, f"{service.base_url}/quota"))
        browser.close()
    assert ["urn:credence:unauthenticated", "TypeError"] == found
