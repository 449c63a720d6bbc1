"""The gateway in front of PostgREST, with an upstream of our own, and PostgREST's process when it can't start."""

import stat
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import httpx
import pytest

from simulators.http.server import HangUp, HttpServer, Request, Response
from simulators.stack.postgrest import Postgrest
from simulators.stack.supabase import SupabaseGateway

JWKS = {"keys": [{"kid": "one", "kty": "EC"}]}
COMMIT = "/rest/v1/rpc/ledger_commit"


@attrs.define
class Upstream:
    """What stands where PostgREST does."""

    requests: list[Request] = attrs.field(factory=list)
    hang_ups: int = 0

    def answer(self, request: Request) -> Response:
        self.requests.append(request)
        if self.hang_ups:
            self.hang_ups -= 1
            raise HangUp
        return Response(
            status=206, headers={"Content-Range": "0-0/9", "Server": "upstream"}, body=request.body or b"[]"
        )


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
def gateway(upstream: Upstream) -> Iterator[SupabaseGateway]:
    with HttpServer(upstream.answer) as server, SupabaseGateway(server.url, jwks=JWKS) as gateway:
        yield gateway


@pytest.fixture
def http(gateway: SupabaseGateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, headers={"apikey": "key-1"}) as http:
        yield http


def test_requests_go_through_unchanged(http: httpx.Client, upstream: Upstream) -> None:
    """Method, query, headers and body reach PostgREST below its root, and its answer comes back."""
    answer = http.patch("/rest/v1/users?id=eq.a%20b", content=b'{"a":1}', headers={"Prefer": "count=exact"})
    assert (206, "0-0/9", '{"a":1}') == (answer.status_code, answer.headers["content-range"], answer.text)
    (request,) = upstream.requests
    assert ("PATCH", "/users?id=eq.a%20b", b'{"a":1}') == (request.method, request.target, request.body)
    assert ("count=exact", "key-1") == (request.headers["prefer"], request.headers["apikey"])


def test_the_key_is_the_bearer_unless_there_is_one(http: httpx.Client, upstream: Upstream) -> None:
    """A user's token goes before the project's key."""
    http.get("/rest/v1/users")
    http.get("/rest/v1/users", headers={"Authorization": "Bearer ada"})
    assert ["Bearer key-1", "Bearer ada"] == [request.headers["authorization"] for request in upstream.requests]


def test_without_a_key_nobody_gets_through(gateway: SupabaseGateway, upstream: Upstream) -> None:
    """401 with the gateway's words; the keys that verify tokens are public."""
    answer = httpx.get(f"{gateway.url}/rest/v1/users", headers={"Authorization": "Bearer ada"})
    assert (401, "No API key found in request") == (answer.status_code, answer.json()["message"])
    assert answer.json()["hint"]
    assert JWKS == httpx.get(f"{gateway.url}/auth/v1/.well-known/jwks.json").json()
    assert 404 == httpx.get(f"{gateway.url}/storage/v1/object").status_code
    assert [] == upstream.requests


def test_down_is_503_for_everything_until_up(gateway: SupabaseGateway, http: httpx.Client, upstream: Upstream) -> None:
    """Connections are accepted, and nothing reaches the database."""
    gateway.down()
    paths = ("/rest/v1/users", "/auth/v1/.well-known/jwks.json", "/nope")
    assert [503, 503, 503] == [http.get(path).status_code for path in paths]
    assert [] == upstream.requests
    gateway.up()
    assert 206 == http.get("/rest/v1/users").status_code


def test_a_lost_answer_is_one_of_a_write_that_happened(
    gateway: SupabaseGateway, http: httpx.Client, upstream: Upstream
) -> None:
    """The write reaches the database, its client hears nothing; reads and later writes are answered."""
    gateway.lose_answers(1)
    assert 206 == http.get("/rest/v1/users").status_code
    with pytest.raises(httpx.RemoteProtocolError):
        http.post(COMMIT, content=b"{}")
    assert 206 == http.post(COMMIT, content=b"{}").status_code
    assert ["GET", "POST", "POST"] == [request.method for request in upstream.requests]


def test_a_dropped_request_did_not_happen(gateway: SupabaseGateway, http: httpx.Client, upstream: Upstream) -> None:
    """The connection ends before the database hears of it, so many times, and then no more."""
    gateway.drop_next_requests(2)
    for _ in range(2):
        with pytest.raises(httpx.RemoteProtocolError):
            http.post(COMMIT, content=b"{}")
    assert [] == upstream.requests
    assert 206 == http.post(COMMIT, content=b"{}").status_code


def test_up_leaves_no_fault(gateway: SupabaseGateway, http: httpx.Client) -> None:
    """Faults that were not used up are forgotten."""
    gateway.down()
    gateway.drop_next_requests(3)
    gateway.lose_answers(3)
    gateway.up()
    assert 206 == http.post(COMMIT, content=b"{}").status_code


def test_connections_to_postgrest_are_made_anew(http: httpx.Client, upstream: Upstream) -> None:
    """One that was closed while idle is replaced, without the client's knowing."""
    assert 206 == http.get("/rest/v1/users").status_code
    upstream.hang_ups = 1
    assert 206 == http.get("/rest/v1/users").status_code


def test_a_request_on_a_fresh_connection_is_sent_once(http: httpx.Client, upstream: Upstream) -> None:
    """PostgREST may have acted before it went away, so that the client hears of it."""
    upstream.hang_ups = 1
    assert 502 == http.post(COMMIT, content=b"{}").status_code
    assert 1 == len(upstream.requests)


def test_postgrest_away_is_502() -> None:
    """Nobody listening is reported as a gateway does it."""
    with HttpServer(lambda _: Response()) as gone:
        pass
    with SupabaseGateway(gone.url) as gateway:
        assert 502 == httpx.get(f"{gateway.url}/rest/v1/users", headers={"apikey": "a"}).status_code


def test_many_clients_at_once_get_their_own_answers(gateway: SupabaseGateway) -> None:
    """Answers are not mixed up between connections."""
    found: list[tuple[str, str]] = []
    address, headers = f"{gateway.url}/rest/v1/x", {"apikey": "a"}

    def ask(body: str) -> None:
        found.extend((body, httpx.post(address, content=body, headers=headers).text) for _ in range(10))

    threads = [threading.Thread(target=ask, args=(f"body-{number}",)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 100 == len(found)
    assert [] == [pair for pair in found if pair[0] != pair[1]]


def test_a_postgrest_that_ends_shows_its_log(tmp_path: Path) -> None:
    """Its last words are in the error, and nothing of it is left."""
    binary = tmp_path / "postgrest"
    binary.write_text('#!/bin/sh\necho "no database at $PGRST_DB_URI, schema $PGRST_DB_SCHEMAS"\nexit 1\n')
    binary.chmod(binary.stat().st_mode | stat.S_IXUSR)
    with pytest.raises(RuntimeError, match="no database at postgresql://nowhere, schema public"):
        Postgrest(binary, "postgresql://nowhere", "secret").__enter__()


@pytest.mark.parametrize("end", [Postgrest.stop, Postgrest.kill])
def test_a_postgrest_ends_when_reported(tmp_path: Path, end: Callable[[Postgrest], None]) -> None:
    """It is waited for until it is ready; ended, in order or at once, it is gone, and a second end does nothing."""
    (tmp_path / "ready").touch()
    binary = tmp_path / "postgrest"
    serve = f"cd {tmp_path} && exec {sys.executable} -m http.server --bind 127.0.0.1 $PGRST_ADMIN_SERVER_PORT"
    binary.write_text(f"#!/bin/sh\n{serve}\n")
    binary.chmod(binary.stat().st_mode | stat.S_IXUSR)
    with Postgrest(binary, "postgresql://nowhere", "secret") as postgrest:
        ready = f"http://127.0.0.1:{postgrest._admin_port}/ready"
        assert 200 == httpx.get(ready).status_code
        end(postgrest)
        with pytest.raises(httpx.ConnectError):
            httpx.get(ready)
        end(postgrest)
