"""What is decided while a part is being written goes out in the next one; never more than two at once, and in order."""

import asyncio
import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.batching.write_pipeline import MOST, PARTS_IN_FLIGHT, SystemWritePipeline
from domain.ports.ledger import LedgerUnavailable


class Ledger:
    """Takes some turns of the event loop for each part, and notes how far the decisions had come when it was done."""

    def __init__(
        self, sizes: Sequence[int], *, turns: int = 0, fails_at: int | None = None, more: Sequence[int] = ()
    ) -> None:
        self.sizes = [*sizes]
        self.more = [*more]
        """How much is asked for by those who are told, each time."""
        self.turns = turns
        self.fails_at = fails_at
        self.parts: list[list[int]] = []
        self.numbers = itertools.count()
        self.decided = 0
        self.decided_meanwhile: list[int] = []
        self.are_writing = 0
        self.most_at_once = 0
        self.is_asked = asyncio.Event()
        self.is_acknowledging = asyncio.Event()
        self.acknowledged: list[int] = []
        self.written_when_acknowledged: list[int] = []
        """How many parts were begun when each had been told."""

    async def commit(self, numbers: Sequence[int]) -> Sequence[int]:
        self.are_writing += 1
        self.is_asked.set()
        self.most_at_once = max(self.most_at_once, self.are_writing)
        self.parts.append([*numbers])
        before = self.decided
        try:
            for _ in range(self.turns):
                await asyncio.sleep(0)
        finally:
            self.are_writing -= 1
        self.decided_meanwhile.append(self.decided - before)
        if self.fails_at is not None and self.fails_at in numbers:
            raise LedgerUnavailable("away")
        return numbers

    async def acknowledge(self, numbers: Sequence[int]) -> None:
        """Takes as long as writing does."""
        self.is_acknowledging.set()
        for _ in range(self.turns):
            await asyncio.sleep(0)
        self.acknowledged += numbers
        self.sizes += self.more[:1]
        del self.more[:1]
        self.written_when_acknowledged.append(len(self.parts))

    def decide(self) -> list[int]:
        """So many new numbers as the next size says; none when there is no size any more."""
        size = self.sizes.pop(0) if self.sizes else 0
        self.decided += size
        return [*itertools.islice(self.numbers, size)]


@given(sizes=st.lists(st.integers(1, 40), max_size=30), turns=st.integers(0, 60))
async def test_all_is_written_once_in_its_order(sizes: list[int], turns: int) -> None:
    """Whatever the ledger's speed."""
    ledger = Ledger(sizes, turns=turns)
    await SystemWritePipeline().run(ledger.decide, ledger.commit, ledger.acknowledge)
    assert [*range(sum(sizes))] == [*itertools.chain.from_iterable(ledger.parts)]
    assert [*range(sum(sizes))] == ledger.acknowledged
    assert ledger.most_at_once <= PARTS_IN_FLIGHT
    assert [] == [part for part in ledger.parts if len(part) >= MOST + max(sizes)]


async def test_more_is_decided_while_a_part_is_written() -> None:
    """A slow ledger gets few parts; what was decided meanwhile is in the next, which is on its way by then."""
    ledger = Ledger([16] * 16, turns=60)
    await SystemWritePipeline().run(ledger.decide, ledger.commit, ledger.acknowledge)
    assert 16 == len(ledger.parts[0])
    assert min(ledger.decided_meanwhile[:-2]) > 0
    assert PARTS_IN_FLIGHT == ledger.most_at_once
    assert len(ledger.parts) <= 6


async def test_the_next_part_does_not_wait_until_the_last_is_reported() -> None:
    """A rival for the account would be there before it."""
    ledger = Ledger([16] * 16, turns=30)
    await SystemWritePipeline().run(ledger.decide, ledger.commit, ledger.acknowledge)
    assert len(ledger.parts) > 2
    begun = ledger.written_when_acknowledged[:-1]
    assert [] == [acknowledged for acknowledged, written in enumerate(begun, start=1) if written <= acknowledged]
    assert len(ledger.parts) - 1 == len(begun)


async def test_who_is_reported_may_ask_again() -> None:
    """Nothing was there to decide meanwhile, and nothing is in flight: what comes then is written too."""
    ledger = Ledger([16], turns=30, more=[8, 4])
    await SystemWritePipeline().run(ledger.decide, ledger.commit, ledger.acknowledge)
    assert [16, 8, 4] == [len(part) for part in ledger.parts]


async def test_what_fails_ends_it() -> None:
    """Nothing is written after a part that failed: it rests on that one."""
    ledger = Ledger([16] * 16, turns=5, fails_at=20)
    with pytest.raises(LedgerUnavailable):
        await SystemWritePipeline().run(ledger.decide, ledger.commit, ledger.acknowledge)
    assert 20 in ledger.parts[-1]
    assert [*range(16)] == ledger.acknowledged[:16], "what was written before is told"


async def test_what_is_on_its_way_beside_a_failure_is_reported() -> None:
    """It may be written, and who asked for it hears so; then the failure is told."""
    ledger = Ledger([16] * 16, turns=30, fails_at=0)
    with pytest.raises(LedgerUnavailable):
        await SystemWritePipeline().run(ledger.decide, ledger.commit, ledger.acknowledge)
    assert 2 == len(ledger.parts)
    assert ledger.acknowledged == ledger.parts[1]


async def test_a_decision_that_fails_leaves_nothing_in_flight() -> None:
    """The part that is being written is told before the error is."""
    ledger = Ledger([1], turns=100)

    def decide() -> list[int]:
        if not ledger.sizes:
            raise ZeroDivisionError
        return ledger.decide()

    with pytest.raises(ZeroDivisionError):
        await SystemWritePipeline().run(decide, ledger.commit, ledger.acknowledge)
    assert (0, [0]) == (ledger.are_writing, ledger.acknowledged)


async def test_who_goes_away_leaves_nothing_in_flight() -> None:
    """The same for a caller who is cancelled."""
    ledger = Ledger([1], turns=10_000)
    writing = asyncio.ensure_future(SystemWritePipeline().run(ledger.decide, ledger.commit, ledger.acknowledge))
    await ledger.is_asked.wait()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert (0, []) == (ledger.are_writing, ledger.decided_meanwhile)


async def test_who_goes_away_while_all_is_reported_leaves_it_reported() -> None:
    """What is written is told to those who wait for it."""
    ledger = Ledger([1], turns=50)
    writing = asyncio.ensure_future(SystemWritePipeline().run(ledger.decide, ledger.commit, ledger.acknowledge))
    await ledger.is_acknowledging.wait()
    for _ in range(20):
        await asyncio.sleep(0)  # until nothing is left but to wait for it
    assert [] == ledger.acknowledged
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert [0] == ledger.acknowledged
