"""Figures: what was measured, beside the limit that was measured in the same run, as JSON lines, a table and a plot."""

import json
import statistics
from collections.abc import Sequence
from html import escape

import attrs
from rich.console import Console
from rich.table import Table

ROUNDS = 3
"""Fewer judge nothing: two may agree by chance."""
SPREAD = 0.1
"""Rounds that lie further apart than this part of their median judge nothing."""


@attrs.frozen(kw_only=True)
class Latency:
    """Milliseconds, of the calls of one measurement."""

    p50: float
    p99: float


@attrs.frozen(kw_only=True)
class Measured:
    """A rate per second over a closed loop of callers, and how long each call took."""

    rate: float
    latency: Latency


@attrs.frozen(kw_only=True)
class Figure:
    """One line of the result. The goal is of the ratio: at least so much, or at most where `smaller_is_better`."""

    name: str
    figure: float
    unit: str
    limit: float | None = None
    limit_name: str = ""
    goal: float | None = None
    smaller_is_better: bool = False
    latency: Latency | None = None
    note: str = ""
    rounds: tuple[float, ...] = ()
    """Of each round the ratio to the limit of the same round, or the figure itself where there is no limit."""

    @property
    def ratio(self) -> float | None:
        """The figure in parts of its limit: the median of the rounds, where there are some."""
        if not self.limit:
            return None
        return statistics.median(self.rounds) if self.rounds else self.figure / self.limit

    @property
    def spread(self) -> float | None:
        """Return how far the rounds lie apart, in parts of their median; None if there is only one."""
        if len(self.rounds) < 2 or not statistics.median(self.rounds):
            return None
        return (max(self.rounds) - min(self.rounds)) / statistics.median(self.rounds)

    @property
    def judges_nothing(self) -> str:
        """Return why the rounds say nothing: they are too few, or lie too far apart. Empty if they do say something."""
        if self.rounds and len(self.rounds) < ROUNDS:
            return "there are fewer than three rounds"
        return "the spread is above a tenth" if self.spread is not None and self.spread > SPREAD else ""

    @property
    def is_met(self) -> bool | None:
        """Return whether the goal is met; None if there is none, or if the rounds say nothing."""
        if self.goal is None or self.ratio is None or self.judges_nothing:
            return None
        return self.ratio <= self.goal if self.smaller_is_better else self.ratio >= self.goal

    def as_json(self) -> str:
        """One line."""
        line = {
            "name": self.name,
            "figure": round(self.figure, 3),
            "unit": self.unit,
            "limit": round(self.limit, 3) if self.limit is not None else None,
            "limit_name": self.limit_name or None,
            "ratio": round(self.ratio, 3) if self.ratio is not None else None,
            "spread": round(self.spread, 3) if self.spread is not None else None,
            "judges": f"nothing: {self.judges_nothing}" if self.judges_nothing else None,
            "goal": self.goal,
            "goal_is": "at most" if self.smaller_is_better else "at least",
            "met": self.is_met,
            "p50_ms": round(self.latency.p50, 3) if self.latency else None,
            "p99_ms": round(self.latency.p99, 3) if self.latency else None,
            "note": self.note or None,
        }
        return json.dumps({name: value for name, value in line.items() if value is not None})


def latency_of(seconds: Sequence[float], *, at_least: float) -> Latency:
    """The median and the 99th percentile of some durations; where none ended, it took `at_least` so many seconds."""
    ordered = sorted(seconds) or [at_least]
    return Latency(
        p50=1_000 * ordered[len(ordered) // 2], p99=1_000 * ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
    )


def print_table(figures: Sequence[Figure]) -> None:
    """The figures for people, on standard error: the JSON lines on standard output are for programs."""
    table = Table(title="Credence, measured against limits of the same run")
    for heading in ("what", "figure", "unit", "limit", "ratio", "spread", "goal", "", "p50 ms", "p99 ms"):
        table.add_column(heading, justify="left" if heading in ("what", "unit", "") else "right")
    for figure in figures:
        table.add_row(
            figure.name,
            f"{figure.figure:,.1f}" if figure.figure < 100 else f"{figure.figure:,.0f}",
            figure.unit,
            f"{figure.limit:,.1f}" if figure.limit else "",
            f"{figure.ratio:.2f}" if figure.ratio else "",
            f"{figure.spread:.2f}{' (!)' if figure.judges_nothing else ''}" if figure.spread is not None else "",
            f"{'≤' if figure.smaller_is_better else '≥'} {figure.goal}" if figure.goal is not None else "",
            {True: "✓", False: "✗", None: ""}[figure.is_met],
            f"{figure.latency.p50:.2f}" if figure.latency else "",
            f"{figure.latency.p99:.2f}" if figure.latency else "",
        )
    if any(figure.judges_nothing for figure in figures):
        table.caption = "(!) This judges nothing: there are fewer than three rounds, or they lie too far apart."
    Console(stderr=True, width=150).print(table)


def plot(figures: Sequence[Figure]) -> str:
    """The ratios with goals as a bar chart, an SVG: a bar for the ratio, a mark for the goal."""
    shown = [figure for figure in figures if figure.goal is not None and figure.ratio is not None]
    row, left, width = 26, 330, 420
    top = max([*(figure.ratio or 0 for figure in shown), *(figure.goal or 0 for figure in shown), 1])
    lines = []
    for place, figure in enumerate(shown):
        y = 34 + place * row
        bar, mark = width * (figure.ratio or 0) / top, left + width * (figure.goal or 0) / top
        colour = "#2a9d8f" if figure.is_met else "#e76f51"
        lines += [
            f'<text x="{left - 8}" y="{y + 13}" text-anchor="end">{escape(figure.name)}</text>',
            f'<rect x="{left}" y="{y}" width="{bar:.1f}" height="16" fill="{colour}"/>',
            f'<line x1="{mark:.1f}" x2="{mark:.1f}" y1="{y - 3}" y2="{y + 19}" stroke="#222" stroke-width="2"/>',
            f'<text x="{left + width + 10}" y="{y + 13}">{figure.ratio:.2f}'
            f" ({'≤' if figure.smaller_is_better else '≥'} {figure.goal})</text>",
        ]
    height = 44 + len(shown) * row
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="900" height="{height}" viewBox="0 0 900 {height}"'
        ' font-family="sans-serif" font-size="12">'
        '<rect width="100%" height="100%" fill="white"/>'
        '<text x="10" y="18" font-size="14">Figure / limit of the same run (mark: goal; green: met)</text>'
        + "".join(lines)
        + "</svg>\n"
    )
