"""Every schedule of every small story, on the real use cases: whatever happens in whatever order, nothing is wrong."""

import pytest

from features.harness.binding import system
from simulators.explorer.cases import CASES, settings
from simulators.explorer.exhaustive import Exploration
from simulators.explorer.successors import Node

SMALL = [name for name, case in CASES.items() if not case.is_large]


@pytest.mark.parametrize("name", SMALL)
def test_no_schedule_goes_wrong(name: str) -> None:
    """Two workers, each event once more, a reader, a worker, and at each await a crash or a port that is away."""
    explored = Exploration(system, settings(name)).run()
    assert explored.failure is None
    # A sale that is delivered alone takes two awaits: there is little to be had in another order.
    assert explored.schedules > (300 if name == "purchase" else 10_000)
    assert explored.schedules > explored.states > explored.worlds > 10


@pytest.mark.parametrize("name", ["purchase", "purchase before signing up", "delayed payment"])
def test_what_is_left_out_changes_nothing(name: str) -> None:
    """Without leaving out calls that commute there are more schedules, and they end in the same worlds."""

    def ends(*, reduces: bool) -> tuple[int, set[object]]:
        exploration = Exploration(system, settings(name), reduces=reduces)
        explored = exploration.run()
        assert explored.failure is None
        last = [node for node in exploration.ways if not node.tasks and not any(node.left)]
        return explored.schedules, {exploration.known.worlds[node.world].state() for node in last}

    (some, ends_of_some), (all_, ends_of_all) = ends(reduces=True), ends(reduces=False)
    assert some < all_
    assert ends_of_all == ends_of_some


def test_what_is_tried() -> None:
    """Of one delayed payment, reported twice: both at once, every crash, every error before and after its effect."""
    exploration = Exploration(system, settings("delayed payment"))
    exploration.run()
    successors = exploration._successors
    fields = {choice.what for node in exploration.ways for choice, _ in successors.of(node)}
    assert {"go", "before", "after", "die", "die both", "unheard"} == fields
    crashed_at = {
        exploration.known.pauses[pause].name
        for node in exploration.ways
        for choice, _ in successors.of(node)
        if choice.what == "die" and (pause := exploration.known.standings[choice.task].awaits) is not None
    }
    assert {"markers.begin", "ledger.read", "ledger.commit", "markers.finish"} <= crashed_at
    assert [] != [node for node in exploration.ways if len(node.tasks) == 2 and node.tasks[0] == node.tasks[1]]


def test_the_count_is_that_of_the_ways() -> None:
    """Counted once by following each to its end, for the smallest case."""
    exploration = Exploration(system, [list(settings("purchase"))[2]])
    explored = exploration.run()

    def count(node: Node) -> int:
        return sum(count(child) for _, child in exploration._successors.of(node)) or 1

    root = next(iter(reversed(exploration.ways)))
    assert explored.schedules == count(root)
