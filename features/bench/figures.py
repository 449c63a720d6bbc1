"""Figures: what was measured, beside the limit that was measured in the same run, as JSON lines, a table and a plot."""

import json
from collections.abc import Sequence
from html import escape

import attrs
from rich.console import Console
from rich.table import Table


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

    @property
    def ratio(self) -> float | None:
        """The figure in parts of its limit."""
        return self.figure / self.limit if self.limit else None

    @property
    def is_met(self) -> bool | None:
        """Whether the goal is met; None where there is none."""
        if self.goal is None or self.ratio is None:
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
            "goal": self.goal,
            "goal_is": "at most" if self.smaller_is_better else "at least",
            "met": self.is_met,
            "p50_ms": round(self.latency.p50, 3) if self.latency else None,
            "p99_ms": round(self.latency.p99, 3) if self.latency else None,
            "note": self.note or None,
        }
        return json.dumps({name: value for name, value in line.items() if value is not None})


def latency_of(seconds: Sequence[float]) -> Latency:
    """The median and the 99th percentile of some durations."""
    ordered = sorted(seconds)
    return Latency(
        p50=1_000 * ordered[len(ordered) // 2], p99=1_000 * ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
    )


def print_table(figures: Sequence[Figure]) -> None:
    """The figures for people, on standard error: the JSON lines on standard output are for programs."""
    table = Table(title="Credence, measured against limits of the same run")
    for heading in ("what", "figure", "unit", "limit", "ratio", "goal", "", "p50 ms", "p99 ms"):
        table.add_column(heading, justify="left" if heading in ("what", "unit", "") else "right")
    for figure in figures:
        table.add_row(
            figure.name,
            f"{figure.figure:,.1f}" if figure.figure < 100 else f"{figure.figure:,.0f}",
            figure.unit,
            f"{figure.limit:,.1f}" if figure.limit else "",
            f"{figure.ratio:.2f}" if figure.ratio else "",
            f"{'≤' if figure.smaller_is_better else '≥'} {figure.goal}" if figure.goal is not None else "",
            {True: "✓", False: "✗", None: ""}[figure.is_met],
            f"{figure.latency.p50:.2f}" if figure.latency else "",
            f"{figure.latency.p99:.2f}" if figure.latency else "",
        )
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
