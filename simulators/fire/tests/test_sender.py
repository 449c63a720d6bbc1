"""How deliveries are repeated, counted and given up, against an endpoint that answers as it was asked to."""

import asyncio
import random
import threading
from collections.abc import Callable, Sequence

import pytest

from simulators.fire.answers import TargetUnfit
from simulators.fire.report import percentiles
from simulators.fire.sender import NO_ANSWER, DeliveryAttempt, Pace, Sender, StackFault, Tally
from simulators.fire.target import Target
from simulators.http.server import HangUp, HttpServer, Request, Response
from simulators.schedules.steps import Break, Mend, Step

FAST = 1_000_000.0
GOOD = DeliveryAttempt(event="evt_1", body=b'{"id": "evt_1"}')
FORGED = DeliveryAttempt(event="evt_1", body=b"{}", signature="forged")


async def fired(
    handler: Callable[[Request], Response],
    *attempts: DeliveryAttempt | Step,
    pauses: Sequence[float] = (0.0, 0.0),
    fault: StackFault | None = None,
) -> Tally:
    """What came of firing these at an endpoint."""
    with HttpServer(handler) as server:
        async with Target(server.url, operator_key="a-key-of-nobody") as target:
            tally = Tally()
            sender = Sender(
                target=target,
                secret="whsec_a",
                pace=Pace(FAST),
                concurrency=4,
                chance=random.Random(1),
                tally=tally,
                stopping=asyncio.Event(),
                pauses=pauses,
                fault=fault,
            )
            await sender.fire(attempts)
            return tally


def answering(*statuses: int) -> Callable[[Request], Response]:
    """Answers with one status after the other, then goes on with the last; 0 is a closed connection."""
    left, lock = list(statuses), threading.Lock()

    def handler(_: Request) -> Response:
        with lock:
            status = left.pop(0) if len(left) > 1 else left[0]
        if status == NO_ANSWER:
            raise HangUp
        return Response(status=status, body=b'{"status": "applied"}')

    return handler


@pytest.mark.parametrize("first", [NO_ANSWER, 408, 429, 500, 502, 503, 504])
async def test_what_failed_is_repeated(first: int) -> None:
    """No answer, and answers that promise better ones."""
    tally = await fired(answering(first, 200), GOOD)
    assert (1, 1, {"evt_1"}, []) == (tally.finished, tally.repeated, tally.decided, tally.complaints)
    assert {(True, first): 1, (True, 200): 1} == dict(tally.statuses)


async def test_an_answer_that_is_lost_is_asked_for_again() -> None:
    """Stripe did not hear it, so the same delivery comes once more."""
    tally = await fired(answering(200), DeliveryAttempt(event="evt_1", body=b"{}", is_heard=False))
    assert (2, 1, {"evt_1"}) == (tally.requests, tally.repeated, tally.accepted)


@pytest.mark.parametrize("status", [400, 404, 413, 422])
async def test_a_refusal_for_good_is_a_complaint(status: int) -> None:
    """It is not repeated, and the event stays lost."""
    tally = await fired(answering(status), GOOD)
    assert (1, {"evt_1"}) == (tally.requests, tally.lost)
    assert f"answered {status}" in tally.complaints[0]


@pytest.mark.parametrize(("status", "complaints"), [(400, 0), (200, 1), (401, 1)])
async def test_a_forgery_must_be_refused_with_400(status: int, complaints: int) -> None:
    """Anything else is a complaint; an event that was only forged is not lost."""
    tally = await fired(answering(status), FORGED)
    assert (complaints, frozenset()) == (len(tally.complaints), tally.lost)


async def test_a_delivery_is_given_up_after_its_attempts() -> None:
    """One, and one for each pause."""
    tally = await fired(answering(503), GOOD, pauses=(0.0, 0.0, 0.0))
    assert (4, 1, {"evt_1"}) == (tally.requests, tally.finished, tally.lost)


async def test_nothing_is_given_up_while_parts_are_killed() -> None:
    """Attempts are counted from the last strike on: what Stripe does for days outlasts any outage of a stack."""
    asked, up = threading.Semaphore(0), threading.Event()

    def handler(_: Request) -> Response:
        asked.release()
        return Response(status=200 if up.is_set() else 503, body=b'{"status": "applied"}')

    def struck(step: Step) -> None:
        if isinstance(step, Mend):
            for _ in range(20):
                assert asked.acquire(timeout=20)
            up.set()

    async def fault(step: Step) -> None:
        await asyncio.to_thread(struck, step)

    other = DeliveryAttempt(event="evt_2", body=b"{}")
    tally = await fired(handler, GOOD, Break(port="ledger"), other, Mend(port="ledger"), pauses=(0.01,), fault=fault)
    assert ({"evt_1", "evt_2"}, frozenset()) == (tally.accepted, tally.lost)


async def test_what_is_only_stored_is_not_decided() -> None:
    """A parked event was accepted, and counts for nothing yet."""
    tally = await fired(lambda _: Response(body=b'{"status": "parked"}'), GOOD)
    assert ({"evt_1"}, set(), {"parked": 1}) == (tally.accepted, tally.decided, dict(tally.outcomes))


async def test_a_redirect_ends_it() -> None:
    """The event goes nowhere else."""
    with pytest.raises(TargetUnfit, match="redirects"):
        await fired(lambda _: Response(status=307, headers={"Location": "https://elsewhere.example.com"}), GOOD)


def test_percentiles_are_of_what_was_measured() -> None:
    """By rank, in milliseconds."""
    assert {"p50": 51.0, "p90": 91.0, "p99": 100.0, "max": 100.0} == percentiles([n / 1000 for n in range(1, 101)])
    assert {"p50": 2.0, "p90": 2.0, "p99": 2.0, "max": 2.0} == percentiles([0.002])
    assert percentiles([]) is None
