"""The exhaustive explorer: of a small story, every schedule that there is. Equal moments are explored once."""

import gc
from collections.abc import Callable, Iterable, Iterator

import attrs

from simulators.explorer.cases import PLANS, SECRET, Setting
from simulators.explorer.judging import Judge, Wrong
from simulators.explorer.successors import Choice, Node, Successors
from simulators.explorer.transitions import Transitions
from simulators.stories.checkers import Complaint
from simulators.system.system import System

REPORT_EVERY = 2_000
"""Moments between two words of progress."""


@attrs.frozen(kw_only=True)
class Failure:
    """A schedule after which a checker complains."""

    setting: Setting
    choices: tuple[Choice, ...]
    complaints: tuple[Complaint, ...]


@attrs.frozen(kw_only=True)
class Explored:
    """The extent of one case's exploration."""

    case: str
    schedules: int
    """Distinct ways from a beginning to an end: each is a schedule, and no two make the same choices."""
    states: int
    """Distinct moments on all of these ways."""
    worlds: int
    """Distinct states of ledger, inbox, outbox, cache and markers among these."""
    failure: Failure | None = None


class Exploration:
    """All schedules of one case, with each thing more in turn; what they share is explored once."""

    def __init__(
        self,
        system: System,
        settings: Iterable[Setting],
        *,
        reduces: bool = True,
        watch: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._settings = tuple(settings)
        case = self._settings[0]
        members = () if case.joins_later else (case.customer,)
        self.known = Transitions(
            system.world(PLANS, members, now=case.now, secret=SECRET, payments=case.payments, prices=case.prices),
            case.jobs,
        )
        self._judge = Judge(case, self.known)
        self._successors = Successors(case=case, known=self.known, judge=self._judge, reduces=reduces)
        self._watch = watch
        self.ways: dict[Node, int] = {}
        """Every moment, with how many ways lead from it to an end."""

    def run(self) -> Explored:
        """Try them all, or up to the first after which a checker complains."""
        schedules, failure = 0, None
        collects = gc.isenabled()
        # Nothing is garbage before the end, and to look for it would take half of the time.
        gc.disable()
        try:
            for setting in self._settings:
                root = Node(self.known.first, (), setting.times, faulted=False)
                failure = self._explore(root, setting)
                if failure is not None:
                    break
                schedules += self.ways[root]
        finally:
            if collects:
                gc.enable()
        return Explored(
            case=self._settings[0].name,
            schedules=schedules,
            states=len(self.ways),
            worlds=len(self.known.worlds),
            failure=failure,
        )

    def _explore(self, root: Node, setting: Setting) -> Failure | None:
        """Explore all that follows, depth first, and count the ways; the path is kept to be reported."""
        path: list[tuple[Node, Choice | None]] = [(root, None)]
        following: list[Iterator[tuple[Choice, Node]]] = []
        counts = [0]
        try:
            following.append(self._enter(root))
            while following:
                for choice, child in following[-1]:
                    known = self.ways.get(child)
                    if known is not None:
                        counts[-1] += known
                        continue
                    path.append((child, choice))
                    following.append(self._enter(child))
                    counts.append(0)
                    break
                else:
                    following.pop()
                    node, _ = path.pop()
                    self.ways[node] = count = counts.pop() or 1
                    if counts:
                        counts[-1] += count
        except Wrong as wrong:
            made = [choice for _, choice in path if choice is not None]
            made += [wrong.choice] if wrong.choice is not None else []
            return Failure(setting=setting, choices=tuple(made), complaints=wrong.complaints)
        return None

    def _enter(self, node: Node) -> Iterator[tuple[Choice, Node]]:
        self._judge.look(node.world)
        if not node.tasks and not any(node.left):
            self._judge.settle(node.world)
        if len(self.ways) % REPORT_EVERY == 0:
            self._watch(len(self.ways))
        return iter(self._successors.of(node))
