"""Notices arrive signed at a real receiver, and no receiver holds up or misleads the sender."""

import base64
import contextlib
import logging
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import attrs
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from adapters.standard_webhooks import StandardWebhooksNotifications
from adapters.system.clock import SystemClock
from domain.decisions.low_balance import Notice, Undelivered
from simulators.http.server import HttpServer, Request, Response

SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two bytes!!!!").decode()
OTHER = "whsec_" + base64.b64encode(b"another secret of some length").decode()
NOTICE = Notice(
    id="low_balance:ada:7",
    type="credits.low_balance",
    occurred_at=datetime(2026, 5, 1, 12, tzinfo=UTC),
    content={"user_id": "ada", "balance": 9, "held": 0, "available": 9, "threshold": 10},
)


@attrs.define
class Receiver:
    """An operator's system that answers as it is told to, and remembers what it got."""

    answer: Response = attrs.field(factory=lambda: Response(status=204))
    got: list[Request] = attrs.field(factory=list)

    def handle(self, request: Request) -> Response:
        self.got.append(request)
        return self.answer


@pytest.fixture
def receiver() -> Iterator[tuple[Receiver, str]]:
    receiver = Receiver()
    with HttpServer(receiver.handle) as server:
        yield receiver, server.url


async def send(
    url: str, secrets: Sequence[str] = (SECRET,), notices: Sequence[Notice] = (NOTICE,), **how: float
) -> tuple[Undelivered | None, ...]:
    sender = StandardWebhooksNotifications(url, secrets, SystemClock(), **how)
    async with contextlib.aclosing(sender):
        return await sender.send(notices)


async def test_a_receiver_can_trust_what_it_gets(receiver: tuple[Receiver, str]) -> None:
    """The specification's own library verifies it, and not with another secret, nor if a digit is changed."""
    taker, url = receiver
    assert (None,) == await send(f"{url}/notices?of=credits")
    (request,) = taker.got
    reported = Webhook(SECRET).verify(request.body, dict(request.headers))
    assert {"type": NOTICE.type, "timestamp": "2026-05-01T12:00:00+00:00", "data": NOTICE.content} == reported
    assert ("POST", "/notices?of=credits") == (request.method, request.target)
    assert ("application/json", NOTICE.id) == (request.headers["content-type"], request.headers["webhook-id"])
    with pytest.raises(WebhookVerificationError):
        Webhook(OTHER).verify(request.body, dict(request.headers))
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(request.body.replace(b"9", b"8"), dict(request.headers))


def test_signatures_are_the_specification_s() -> None:
    """With the secret, message and time of the example that its libraries are tested with."""

    @attrs.frozen
    class Then:
        def now(self) -> datetime:
            return datetime.fromtimestamp(1614265330, UTC)

    sender = StandardWebhooksNotifications("https://x.test", ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",), Then())
    assert {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    } == sender._headers("msg_p5jXN8AQM9LWM0D4loKWxJek", '{"test": 2432232314}')


async def test_a_secret_is_rotated_without_a_gap(receiver: tuple[Receiver, str]) -> None:
    """While both are configured, who knows the old one and who knows the new one are both content."""
    taker, url = receiver
    await send(url, (OTHER, SECRET))
    (request,) = taker.got
    for secret in (OTHER, SECRET):
        assert "credits.low_balance" == Webhook(secret).verify(request.body, dict(request.headers))["type"]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Response(status=200, body=b"thanks"), None),
        (Response(status=410), Undelivered(cause="410: the receiver wants no more notices", is_final=True)),
        (Response(status=500), Undelivered(cause="answered 500")),
        (Response(status=404), Undelivered(cause="answered 404")),
        (
            Response(status=503, headers={"Retry-After": "120"}),
            Undelivered(cause="answered 503", wants_pause_seconds=120),
        ),
        (Response(status=429, headers={"Retry-After": "soon"}), Undelivered(cause="answered 429")),
        (
            Response(status=503, headers={"Retry-After": "9" * 4000}),
            Undelivered(cause="answered 503", wants_pause_seconds=999_999_999),
        ),
    ],
)
async def test_what_an_answer_means(
    receiver: tuple[Receiver, str], answer: Response, outcome: Undelivered | None
) -> None:
    """2xx is taken, 410 is for good, anything else is tried again; a pause that is asked for is a number."""
    taker, url = receiver
    taker.answer = answer
    (found,) = await send(url)
    assert outcome == found


async def test_redirects_are_not_followed(receiver: tuple[Receiver, str]) -> None:
    """Not even to the receiver itself: where notices go is the operator's setting alone."""
    taker, url = receiver
    taker.answer = Response(status=307, headers={"Location": f"{url}/elsewhere"})
    assert (Undelivered(cause="answered 307"),) == await send(url)
    assert 1 == len(taker.got)


@contextlib.contextmanager
def speaking(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A receiver of bare bytes; it holds every connection until the end."""
    listener = socket.create_server(("127.0.0.1", 0))
    connections: list[socket.socket] = []

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connections.append(connection)
                with contextlib.suppress(OSError):
                    answer(connection)

    thread = threading.Thread(target=accept)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()
    for connection in connections:
        connection.close()


async def test_a_receiver_that_says_nothing_is_left(receiver: tuple[Receiver, str]) -> None:
    """All that was to be told is given back together, to be reported later."""
    with speaking(lambda connection: None) as url:
        outcomes = await send(url, notices=[NOTICE] * 25, seconds=0.2)
    assert (Undelivered(cause="no answer within 0.2 seconds"),) * 25 == outcomes


async def test_an_endless_answer_is_not_read() -> None:
    """The status is enough: a body of any size, and one that never ends, are left where they are."""

    def promise(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n" + b"x" * 1000)

    with speaking(promise) as url:
        assert (None,) == await send(url, seconds=20)


async def test_endless_headers_and_nonsense_are_no_answer() -> None:
    """What is no HTTP, or has no end, is tried again later."""

    def babble(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + b"X-Header: x\r\n" * 50_000)

    with speaking(babble) as url:
        assert (Undelivered(cause="no answer: RemoteProtocolError"),) == await send(url, seconds=20)


async def test_nobody_there_is_no_answer() -> None:
    """A refused connection says so, without the address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert (Undelivered(cause="no answer: ConnectError"),) == await send(f"http://127.0.0.1:{port}/secret-path")


@pytest.mark.parametrize("url", ["https://exämple..com/", "https://xn--.com/", "https://x.test/\x7f"])
async def test_an_address_that_is_none_is_reported(url: str) -> None:
    """Else the worker would stumble over the same notices for ever."""
    (outcome,) = await send(url)
    assert outcome is not None
    assert outcome.cause.startswith("no answer: ")


async def test_nothing_secret_is_logged(receiver: tuple[Receiver, str], caplog: pytest.LogCaptureFixture) -> None:
    """Neither the secret nor the address, which may have a secret in it, at the levels that the service logs."""
    caplog.set_level(logging.WARNING)
    taker, url = receiver
    taker.answer = Response(status=500)
    outcomes = await send(f"{url}/secret-path")
    assert "secret-path" not in caplog.text + repr(outcomes)
    assert SECRET not in caplog.text + repr(outcomes)
