"""Delivery of events: signed as Stripe signs them, as often and as simultaneously as asked."""

import http.client
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import attrs

from simulators.signatures import sign_webhook

ANSWER_SECONDS = 30


@attrs.frozen(kw_only=True)
class Delivery:
    """One attempt; status 0 means that there was no answer. The latency is in seconds."""

    event_id: str
    status: int
    body: bytes
    latency: float


def deliver(url: str, event_id: str, body: bytes, headers: dict[str, str]) -> Delivery:
    """Post a body once."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=ANSWER_SECONDS)
    started = time.perf_counter()
    try:
        connection.request("POST", parts.path or "/", body, headers)
        answer = connection.getresponse()
        status, text = answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        status, text = 0, b""
    finally:
        connection.close()
    return Delivery(event_id=event_id, status=status, body=text, latency=time.perf_counter() - started)


def at_once(jobs: Sequence[Callable[[], Delivery]]) -> list[Delivery]:
    """Do all the jobs at the same moment, each in a thread of its own."""
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
    """The headers that Stripe sends."""
    return {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        "Stripe-Signature": sign_webhook(body, secret, timestamp),
    }


class RetryingDeliverer:
    """Delivers in the background until each event is answered with 2xx, as Stripe does, only faster."""

    def __init__(self, send: Callable[[Any], Delivery], *, first_pause: float = 1.0, attempts: int = 8) -> None:
        self._send = send
        self._first_pause = first_pause
        self._attempts = attempts
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self.deliveries: list[Delivery] = []

    def submit(self, event: Any) -> None:
        """Deliver an event from now on."""
        thread = threading.Thread(target=self._run, args=(event,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def stop(self) -> None:
        """Give up what is not delivered."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _run(self, event: Any) -> None:
        pause = self._first_pause
        for _ in range(self._attempts):
            delivery = self._send(event)
            self.deliveries.append(delivery)
            if 200 <= delivery.status < 300 or self._stopped.wait(pause):
                return
            pause *= 2
