"""The batcher's promises, on calls that the test answers when it likes: no clock, no timer, no network."""

import asyncio
from collections import Counter
from collections.abc import Sequence

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.batching.batcher import Batcher
from adapters.batching.limits import Closed, Interrupted, Limits, QueueFull


@attrs.frozen
class Refused(Exception):
    """A call that had no effect."""


@attrs.frozen
class Lost(Exception):
    """A call of which nothing is known."""


@attrs.frozen
class Ask:
    """One request; `number` says when it was made."""

    number: int
    key: str = ""
    is_bad: bool = False


@attrs.define(eq=False)
class Call:
    """A call in flight."""

    requests: tuple[Ask, ...]
    end: asyncio.Future[None]


@attrs.define
class Server:
    """Answers a request by its number, doubled, when the test lets a call end."""

    in_flight: list[Call] = attrs.field(factory=list)
    sent: list[Call] = attrs.field(factory=list)
    done: Counter[int] = attrs.field(factory=Counter)

    async def call(self, requests: Sequence[Ask]) -> list[int]:
        call = Call(tuple(requests), asyncio.get_running_loop().create_future())
        self.in_flight.append(call)
        self.sent.append(call)
        try:
            await call.end
        finally:
            self.in_flight.remove(call)
        if any(ask.is_bad for ask in requests):
            raise Refused
        self.done.update(ask.number for ask in requests)
        return [2 * ask.number for ask in requests]


def new_batcher(server: Server, limits: Limits, *, is_keyed: bool = True) -> Batcher[Ask, int]:
    return Batcher(
        server.call,
        limits=limits,
        keys=lambda ask: [*ask.key] if is_keyed else (),
        can_bisect=lambda error: isinstance(error, Refused),
    )


async def quiet() -> None:
    """Let every step that can be taken be taken."""
    for _ in range(12):
        await asyncio.sleep(0)


def kinds(outcomes: Sequence[object]) -> list[object]:
    """Answers as they are, errors by their kind."""
    return [type(outcome) if isinstance(outcome, Exception) else outcome for outcome in outcomes]


async def test_a_lone_request_goes_out_at_once() -> None:
    """It is in flight before any timer could have fired: no timer is ever set."""
    loop, server = asyncio.get_running_loop(), Server()
    timers: list[object] = []
    loop.call_later = loop.call_at = lambda *_, **__: timers.append(_)  # type: ignore[assignment,method-assign]
    batcher = new_batcher(server, Limits())
    asked = asyncio.ensure_future(batcher.submit(Ask(21)))
    await quiet()
    assert [(Ask(21),)] == [call.requests for call in server.in_flight]
    server.in_flight[0].end.set_result(None)
    assert 42 == await asked
    assert [] == timers


async def test_what_arrives_meanwhile_goes_together() -> None:
    """While both calls are in flight a hundred arrive: they are one call, in their order."""
    server = Server()
    batcher = new_batcher(server, Limits(calls=2))
    asked = []
    for number in range(2):
        asked.append(asyncio.ensure_future(batcher.submit(Ask(number))))
        await quiet()
    asked += [asyncio.ensure_future(batcher.submit(Ask(number))) for number in range(2, 102)]
    await quiet()
    assert 2 == len(server.in_flight)
    server.in_flight[0].end.set_result(None)
    await quiet()
    assert [*range(2, 102)] == [ask.number for ask in server.in_flight[1].requests]
    for call in [*server.in_flight]:
        call.end.set_result(None)
    assert [2 * number for number in range(102)] == await asyncio.gather(*asked)
    assert 3 == len(server.sent)


async def test_one_hot_key_is_decided_together_and_holds_up_nobody() -> None:
    """Requests of a key wait for its call and then share one; another key's goes out meanwhile."""
    server = Server()
    batcher = new_batcher(server, Limits(calls=2, requests=30))
    hot = [asyncio.ensure_future(batcher.submit(Ask(0, "a")))]
    await quiet()
    hot += [asyncio.ensure_future(batcher.submit(Ask(number, "a"))) for number in range(1, 50)]
    await quiet()
    assert 1 == len(server.in_flight)
    other = asyncio.ensure_future(batcher.submit(Ask(99, "b")))
    await quiet()
    assert [(Ask(0, "a"),), (Ask(99, "b"),)] == [call.requests for call in server.in_flight]
    server.in_flight[1].end.set_result(None)
    assert 198 == await other
    server.in_flight[0].end.set_result(None)
    await quiet()
    assert [*range(1, 31)] == [ask.number for ask in server.in_flight[0].requests]
    tasks: list[object] = []
    asyncio.get_running_loop().set_task_factory(
        lambda loop, work, **_: tasks.append(work) or asyncio.Task(work, loop=loop)
    )
    await quiet()
    assert [] == tasks  # nothing looks for work again and again while there is none
    asyncio.get_running_loop().set_task_factory(None)
    server.in_flight[0].end.set_result(None)
    await quiet()
    assert [*range(31, 50)] == [ask.number for ask in server.in_flight[0].requests]
    server.in_flight[0].end.set_result(None)
    await asyncio.gather(*hot)


async def test_what_comes_in_a_runners_last_moment_goes_out() -> None:
    """A request that arrives between the end of the last call and the end of its task is not forgotten."""
    server = Server()
    batcher = new_batcher(server, Limits(calls=1))
    first = asyncio.ensure_future(batcher.submit(Ask(1)))
    await quiet()
    server.in_flight[0].end.set_result(None)
    second = asyncio.ensure_future(batcher.submit(Ask(2)))  # its first step follows the call's last
    await quiet()
    server.in_flight[0].end.set_result(None)
    assert [2, 4] == await asyncio.gather(first, second)


async def test_nobody_overtakes_who_waits_for_several_keys() -> None:
    """`ab` waits for `a`, so `b` waits behind `ab`, whatever else goes out meanwhile; if `ab` goes away, `b` goes."""
    server = Server()
    batcher = new_batcher(server, Limits(calls=2))
    asked = []
    for number, key in enumerate(["a", "ab", "b", "c"]):
        asked.append(asyncio.ensure_future(batcher.submit(Ask(number, key))))
        await quiet()
    assert [(Ask(0, "a"),), (Ask(3, "c"),)] == [call.requests for call in server.in_flight]
    server.in_flight[1].end.set_result(None)
    await quiet()
    assert [(Ask(0, "a"),)] == [call.requests for call in server.in_flight]
    asked.pop(1).cancel()
    await quiet()
    assert [(Ask(0, "a"),), (Ask(2, "b"),)] == [call.requests for call in server.in_flight]
    for call in [*server.in_flight]:
        call.end.set_result(None)
    assert [0, 4, 6] == await asyncio.gather(*asked)


@pytest.mark.parametrize("count", [2, 9, 64, 100])
async def test_one_bad_request_fails_alone(count: int) -> None:
    """Of a call that failed as a whole only what fails alone fails, within a bounded number of calls."""
    server = Server()
    batcher = new_batcher(server, Limits(calls=1, requests=100))
    asked = [asyncio.ensure_future(batcher.submit(Ask(n, is_bad=n == count // 2))) for n in range(count)]
    while not all(one.done() for one in asked):
        await quiet()
        for call in [*server.in_flight]:
            call.end.set_result(None)
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert [Refused if n == count // 2 else 2 * n for n in range(count)] == kinds(outcomes)
    assert {1} == {*server.done.values()}
    assert len(server.sent) <= 1 + 3 * 8


async def test_a_call_that_can_only_fail_is_not_repeated_for_ever() -> None:
    """Where everything is bad, the repeats are bounded and everybody is told."""
    server = Server()
    batcher = new_batcher(server, Limits(calls=1, requests=100, repeats=20))
    asked = [asyncio.ensure_future(batcher.submit(Ask(n, is_bad=True))) for n in range(100)]
    while not all(one.done() for one in asked):
        await quiet()
        for call in [*server.in_flight]:
            call.end.set_result(None)
    assert {Refused} == {*kinds(await asyncio.gather(*asked, return_exceptions=True))}
    assert len(server.sent) <= 21


async def test_an_unknown_outcome_is_reported_to_all_and_not_repeated() -> None:
    """A call without an answer may have taken effect: nothing of it is sent again."""
    server = Server()
    batcher = new_batcher(server, Limits(calls=1))
    asked = [asyncio.ensure_future(batcher.submit(Ask(n))) for n in range(10)]
    await quiet()
    server.in_flight[0].end.set_exception(Lost())
    assert {Lost} == {*kinds(await asyncio.gather(*asked, return_exceptions=True))}
    assert 1 == len(server.sent)
    after = asyncio.ensure_future(batcher.submit(Ask(11)))
    await quiet()
    server.in_flight[0].end.set_result(None)
    assert 22 == await after


async def test_no_more_waits_than_may() -> None:
    """The queue is bounded in number and in weight; what is refused was not sent, and room comes back."""
    server = Server()
    limits = Limits(calls=1, waiting=3, waiting_weight=100)
    batcher = Batcher(server.call, limits=limits, weight=lambda ask: 60 if ask.key else 1)
    first = asyncio.ensure_future(batcher.submit(Ask(0)))
    await quiet()
    waiting = [asyncio.ensure_future(batcher.submit(Ask(n))) for n in range(1, 4)]
    await quiet()
    with pytest.raises(QueueFull):
        await batcher.submit(Ask(4))
    with pytest.raises(QueueFull):
        await batcher.submit_all([Ask(5), Ask(6)])
    waiting.pop().cancel()
    waiting.append(asyncio.ensure_future(batcher.submit(Ask(7, "heavy"))))
    await quiet()
    waiting.pop(0).cancel()
    await quiet()
    with pytest.raises(QueueFull):
        await batcher.submit(Ask(8, "heavy"))
    for _ in range(2):
        server.in_flight[0].end.set_result(None)
        await quiet()
    assert [0, 4, 14] == await asyncio.gather(first, *waiting)
    assert Counter([0, 2, 7]) == server.done


async def test_closing_finishes_what_was_accepted() -> None:
    """What was accepted is sent and answered; what comes later is refused."""
    server = Server()
    batcher = new_batcher(server, Limits(calls=1, requests=4))
    asked = [asyncio.ensure_future(batcher.submit(Ask(n))) for n in range(10)]
    await quiet()
    closing = asyncio.ensure_future(batcher.aclose())
    await quiet()
    with pytest.raises(Closed):
        await batcher.submit(Ask(11))
    while not closing.done():
        for call in [*server.in_flight]:
            call.end.set_result(None)
        await quiet()
    assert [2 * n for n in range(10)] == await asyncio.gather(*asked)


async def test_what_is_too_late_at_the_end_is_reported_so() -> None:
    """What was not sent says so; of what is in flight nothing is claimed."""
    server = Server()
    batcher = new_batcher(server, Limits(calls=1, requests=4, closing_seconds=0))
    asked = [asyncio.ensure_future(batcher.submit(Ask(n))) for n in range(10)]
    await quiet()
    await batcher.aclose()
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert [Interrupted] * 4 + [Closed] * 6 == kinds(outcomes)
    assert Counter() == server.done


async def test_a_call_that_cancels_itself_stops_nobody_else() -> None:
    """Those who were in it are told; those who wait are sent."""
    server = Server()
    batcher = new_batcher(server, Limits(calls=1, requests=1))
    asked = [asyncio.ensure_future(batcher.submit(Ask(n))) for n in range(2)]
    await quiet()
    server.in_flight[0].end.cancel()
    await quiet()
    server.in_flight[0].end.set_result(None)
    assert [Interrupted, 2] == kinds(await asyncio.gather(*asked, return_exceptions=True))


Step = tuple[str, int]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["ask", "ask a", "ask b", "ask ab", "ask bad", "ask bad a"]), st.just(0)),
        st.tuples(st.sampled_from(["answer", "lose", "cancel"]), st.integers(0, 30)),
        st.tuples(st.just("three"), st.just(0)),
    ),
    max_size=60,
)
LIMITS = st.builds(
    Limits,
    calls=st.integers(1, 3),
    requests=st.integers(1, 5),
    waiting=st.integers(1, 12),
    repeats=st.integers(0, 20),
    closing_seconds=st.sampled_from([0.0, 60.0]),
)


@settings(max_examples=300, deadline=None)
@given(steps=STEPS, limits=LIMITS, closes=st.booleans())
async def test_whatever_happens_every_request_has_one_end(steps: list[Step], limits: Limits, closes: bool) -> None:
    """No answer is lost, doubled or another's, whatever callers, calls and the process do in whatever order."""
    server = Server()
    batcher = new_batcher(server, limits)
    asked: list[tuple[list[Ask], asyncio.Future[object]]] = []
    made = 0
    for name, place in steps:
        if name.startswith("ask"):
            key = name.removeprefix("ask bad").removeprefix("ask").strip()
            ask = Ask(made, key, is_bad="bad" in name)
            asked.append(([ask], asyncio.ensure_future(batcher.submit(ask))))
            made += 1
        elif name == "three":
            asks = [Ask(made + n, "abc"[n]) for n in range(3)]
            asked.append((asks, asyncio.ensure_future(batcher.submit_all(asks))))
            made += 3
        elif name == "cancel" and asked:
            asked[place % len(asked)][1].cancel()
        elif server.in_flight:
            call = server.in_flight[place % len(server.in_flight)]
            if not call.end.done():
                call.end.set_exception(Lost()) if name == "lose" else call.end.set_result(None)
        if place % 3 != 2:  # else several steps fall into one turn of the loop
            await quiet()
        check_flight(server, limits)
    closing = asyncio.ensure_future(batcher.aclose()) if closes else None
    everything = [*(outcome for _, outcome in asked), *filter(None, [closing])]
    await quiet()
    for _ in range(1_000):
        if not server.in_flight and all(one.done() for one in everything):
            break
        for call in [*server.in_flight]:
            if not call.end.done():
                call.end.set_result(None)
        await quiet()
        check_flight(server, limits)
    assert [] == [one for one in everything if not one.done()]
    for asks, outcome in asked:
        check_outcome(server, asks, outcome)
    assert not server.done or 1 == max(server.done.values())
    assert not batcher._waiting
    assert not batcher._claims
    assert not batcher._busy


def check_flight(server: Server, limits: Limits) -> None:
    assert len(server.in_flight) <= limits.calls
    assert [] == [call for call in server.sent if len(call.requests) > limits.requests]
    keys = Counter(key for call in server.in_flight for key in {k for ask in call.requests for k in ask.key})
    assert not keys or 1 == max(keys.values())
    for key in "ab":
        first_sent: dict[int, None] = {}
        for call in server.sent:
            first_sent.update((ask.number, None) for ask in call.requests if key in ask.key)
        assert sorted(first_sent) == [*first_sent]


def check_outcome(server: Server, asks: list[Ask], outcome: asyncio.Future[object]) -> None:
    if outcome.cancelled():
        return
    error = outcome.exception()
    numbers = [ask.number for ask in asks]
    if error is None:
        expected = 2 * numbers[0] if len(asks) == 1 else tuple(2 * number for number in numbers)
        assert expected == outcome.result()
        assert [1] * len(asks) == [server.done[number] for number in numbers]
    elif isinstance(error, QueueFull | Closed) and len(asks) == 1:
        assert 0 == server.done[numbers[0]]
    elif isinstance(error, Refused):
        assert any(ask.is_bad for ask in asks) or any(
            {ask.number for ask in asks} & {other.number for other in call.requests}
            and any(other.is_bad for other in call.requests)
            for call in server.sent
        )
