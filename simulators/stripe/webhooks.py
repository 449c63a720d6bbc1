"""Delivery of events: signed as Stripe signs them, as often and as simultaneously as asked."""

import http.client
import threading
import time
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

import attrs

from simulators.stripe.objects import Object
from simulators.stripe.signatures import sign_webhook

ANSWER_SECONDS = 30
MAX_ANSWER_BYTES = 1024 * 1024
MAX_AT_ONCE = 64
PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
"""Seconds between the attempts of one event; after as many retries it is given up."""


@attrs.frozen(kw_only=True)
class Delivery:
    """One attempt; status 0 means that there was no answer. The latency is in seconds."""

    event_id: str
    status: int
    body: bytes
    latency: float

    @property
    def is_accepted(self) -> bool:
        """Return whether the endpoint has the event."""
        return 200 <= self.status < 300


def deliver(url: str, event_id: str, body: bytes, headers: dict[str, str]) -> Delivery:
    """Post a body once."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection = kind(parts.netloc, timeout=ANSWER_SECONDS)
    started = time.perf_counter()
    try:
        connection.request("POST", target, body, headers)
        with connection.getresponse() as answer:
            status, text = answer.status, answer.read(MAX_ANSWER_BYTES)
    except (OSError, http.client.HTTPException):
        status, text = 0, b""
    finally:
        connection.close()
    return Delivery(event_id=event_id, status=status, body=text, latency=time.perf_counter() - started)


def at_once(jobs: Sequence[Callable[[], Delivery]]) -> list[Delivery]:
    """Do all the jobs at the same moment, each in a thread of its own; results in the order in which they end."""
    barrier = threading.Barrier(len(jobs))
    done: list[Delivery] = []

    def run(job: Callable[[], Delivery]) -> None:
        barrier.wait()
        done.append(job())

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done


def signed_headers(body: bytes, secret: str, timestamp: int) -> dict[str, str]:
    """Return the headers that Stripe sends."""
    return {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        "Stripe-Signature": sign_webhook(body, secret, timestamp),
    }


class RetryingDeliverer:
    """Delivers in the background until each event is answered with 2xx, as Stripe does, only faster."""

    def __init__(self, send: Callable[[Object], Delivery], *, pauses: Sequence[float] = PAUSES) -> None:
        self._send = send
        self._pauses = tuple(pauses)
        self._stopped = threading.Event()
        self._sending = threading.Semaphore(MAX_AT_ONCE)
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def submit(self, event: Object) -> None:
        """Deliver an event from now on."""
        with self._lock:
            if self._stopped.is_set():
                return
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            thread = threading.Thread(target=self._run, args=(event,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Give up what is not delivered."""
        with self._lock:
            self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _run(self, event: Object) -> None:
        for pause in (*self._pauses, None):
            with self._sending:
                if self._stopped.is_set() or self._send(event).is_accepted:
                    return
            if pause is not None and self._stopped.wait(pause):
                return
