"""Shows the progress of a run on standard error: a bar in a terminal, plain lines elsewhere."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from simulators.fire.sender import Tally

LINE_SECONDS = 2.0


class Watcher:
    """Shows a tally as it grows."""

    def __init__(self, console: Console, tally: Tally) -> None:
        self._console = console
        self._tally = tally
        self._begun = time.monotonic()
        self._summary = self._begun
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.completed}/{task.total}"),
                TextColumn("{task.fields[told]}"),
                TimeElapsedColumn(),
                console=self._console,
                transient=True,
            )
            self._bar.start()
            self._task = self._bar.add_task("deliveries", total=0, message="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def say(self, text: str) -> None:
        """Print something that happened."""
        self._console.print(f"{time.monotonic() - self._begun:6.1f} s  {text}", markup=False, highlight=False)

    def watch(self) -> None:
        """Look at the tally."""
        tally = self._tally
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=tally.finished, total=tally.planned, message=_summary(tally))
        elif time.monotonic() - self._summary >= LINE_SECONDS:
            self._summary = time.monotonic()
            self.say(f"{tally.finished} of {tally.planned} deliveries, {_summary(tally)}")


def _summary(tally: Tally) -> str:
    refused = sum(count for (is_good, _), count in tally.statuses.items() if not is_good)
    return f"{tally.requests} requests, {tally.repeated} repeated, {refused} forgeries"
