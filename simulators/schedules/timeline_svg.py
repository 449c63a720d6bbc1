"""Timelines as pictures: a trace drawn as a sequence diagram, in SVG alone or inside an HTML page.

Time runs down, a line for each moment; who takes part stands above a line of its own. A bar is a task under way: two
side by side are two at once.
"""

import html
import textwrap
from collections.abc import Mapping, Sequence

import attrs

from simulators.schedules.timeline_layout import (
    LANE,
    LEFT,
    MARGIN,
    ROW,
    SLOT,
    TOP,
    WIDE,
    Bar,
    bars_of,
    height_of,
    lane_name,
    lanes_of,
    rows_of,
    wrapped,
)
from simulators.schedules.traces import STRIPE, Kind, Moment, Outcome, clock

_BAD, _INK, _PALE, _GOOD = "#c9302c", "#1f2430", "#8a93a3", "#2f7d32"
_BALANCE = "#3450c8"

_STYLE = """
text { font: 12px system-ui, -apple-system, "Segoe UI", "Noto Sans", "DejaVu Sans", sans-serif; fill: #1f2430 }
.title { font-size: 19px; font-weight: 600 }
.verdict { font-size: 13px }
.lane { font-size: 13px; font-weight: 600; text-anchor: middle }
.time { font-size: 11px; fill: #8a93a3; text-anchor: end; font-variant-numeric: tabular-nums }
.label { font-size: 11.5px; paint-order: stroke; stroke: #fff; stroke-width: 4px; stroke-linejoin: round }
.middle { text-anchor: middle }
.end { text-anchor: end }
.wide { font-size: 12px; font-weight: 600; text-anchor: middle }
"""

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>body {{ margin: 0; background: #f3f4f7 }}
main {{ max-width: max-content; margin: 24px auto; background: #fff; border-radius: 10px; overflow-x: auto;
box-shadow: 0 1px 8px #0002 }}</style></head>
<body><main>
{svg}</main></body></html>
"""


def page(title: str, verdict: str, moments: Sequence[Moment]) -> str:
    """Return the picture inside a page of its own; nothing is fetched from anywhere."""
    return _PAGE.format(title=html.escape(title), svg=svg(title, verdict, moments))


def svg(title: str, verdict: str, moments: Sequence[Moment]) -> str:
    """Return the picture."""
    lanes = lanes_of(moments)
    sheet = _Sheet(lanes=lanes, rows=rows_of(moments), bars=bars_of(moments), moments=moments)
    body = [*sheet.outages(), *sheet.lines(), *sheet.heads(), *sheet.tasks()]
    for place in range(len(moments)):
        body += sheet.moment(place)
    is_bad = any(moment.kind is Kind.COMPLAINT for moment in moments)
    head = [
        f'<rect width="{sheet.width}" height="{sheet.height}" fill="#fff"/>',
        _text(MARGIN, 34, title, "title"),
        f'<circle cx="{MARGIN + 5}" cy="52" r="5" fill="{_BAD if is_bad else _GOOD}"/>',
        _text(MARGIN + 18, 56, verdict, "verdict"),
    ]
    size = f'width="{sheet.width}" height="{sheet.height}" viewBox="0 0 {sheet.width} {sheet.height}"'
    start = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">\n<title>{html.escape(title)}</title>'
    return "\n".join([start, f"<style>{_STYLE}</style>", *head, *body, "</svg>\n"])


@attrs.frozen(kw_only=True)
class _Sheet:
    lanes: tuple[str, ...]
    rows: tuple[int, ...]
    """Where each moment stands, from the top."""
    bars: Mapping[str, Bar]
    moments: Sequence[Moment]

    @property
    def width(self) -> int:
        return LEFT + LANE * len(self.lanes) + MARGIN

    @property
    def height(self) -> int:
        last = self.moments[-1] if self.moments else None
        room = height_of(last) if last else ROW
        return (self.rows[-1] if self.rows else TOP) + room + MARGIN

    def x(self, lane: str) -> int:
        return LEFT + LANE // 2 + LANE * self.lanes.index(lane)

    def heads(self) -> list[str]:
        return [
            part
            for lane in self.lanes
            for part in (
                f'<rect x="{self.x(lane) - 62}" y="72" width="124" height="28" rx="7" fill="#eef0f6" stroke="#ccd"/>',
                _text(self.x(lane), 91, lane_name(lane), "lane"),
            )
        ]

    def lines(self) -> list[str]:
        return [
            f'<line x1="{self.x(lane)}" y1="100" x2="{self.x(lane)}" y2="{self.height - 16}" stroke="#d5dae4"/>'
            for lane in self.lanes
        ]

    def outages(self) -> list[str]:
        """Return where a part is away, its lane is tinted."""
        begun: dict[str, int] = {}
        drawn = []
        for row, moment in zip(self.rows, self.moments, strict=True):
            if moment.kind is Kind.BREAK:
                begun.setdefault(moment.lane, row)
            if moment.lane in begun and (moment.kind is Kind.MEND or moment is self.moments[-1]):
                top = begun.pop(moment.lane)
                drawn.append(
                    f'<rect x="{self.x(moment.lane) - 70}" y="{top - 12}" width="140" height="{row - top + 14}" rx="8"'
                    ' fill="#fbe3e1"/>'
                )
        return drawn

    def tasks(self) -> list[str]:
        return [
            f'<rect x="{self._edge(bar) - 5}" y="{self.rows[bar.begins] - 4}" width="10" rx="3"'
            f' height="{max(self.rows[bar.ends] - self.rows[bar.begins] + 8, 12)}" fill="{bar.colour}"'
            ' fill-opacity="0.85"/>'
            for bar in self.bars.values()
        ]

    def moment(self, place: int) -> list[str]:
        moment, y = self.moments[place], self.rows[place]
        previous = self.moments[place - 1].at if place else None
        time = [] if moment.at == previous else [_text(LEFT - 22, y + 4, clock(moment.at), "time")]
        match moment.kind:
            case Kind.BEGIN:
                return time + self._arrow(self._at(moment.lane, None), self._at(moment.to, moment.task), y, moment)
            case Kind.CALL:
                return time + self._arrow(self._at(moment.lane, moment.task), self._at(moment.to, None), y, moment)
            case Kind.END if moment.to is not None:
                return time + self._arrow(self._at(moment.lane, moment.task), self._at(moment.to, None), y, moment)
            case Kind.DIE:
                return time + self._death(moment, y)
            case kind if kind in WIDE:
                return time + self._across(moment, y)
            case _:
                return time + self._note(moment, y)

    def _edge(self, bar: Bar) -> int:
        return self.x(bar.lane) + bar.slot * SLOT

    def _at(self, lane: str | None, task: str | None) -> int:
        bar = self.bars.get(task) if task is not None else None
        return self._edge(bar) if bar is not None and bar.lane == lane else self.x(lane or STRIPE)

    def _arrow(self, start: int, end: int, y: int, moment: Moment) -> list[str]:
        colour = _INK if moment.outcome is Outcome.GOOD else _BAD
        if moment.outcome is Outcome.GOOD and moment.kind is Kind.CALL:
            colour = "#5d6778"
        way = 1 if end > start else -1
        start += 6 * way if moment.kind is not Kind.BEGIN else 0
        end -= 7 * way if moment.kind is Kind.BEGIN else 0
        # A call whose answer is lost did reach its end; an answer that is lost did not.
        arrives = moment.outcome is Outcome.GOOD or (moment.outcome is Outcome.LOST and moment.kind is Kind.CALL)
        reached = end if arrives else end - 26 * way
        dashes = ' stroke-dasharray="5 3"' if moment.kind is Kind.END else ""
        line = f'<line x1="{start}" y1="{y}" x2="{reached}" y2="{y}" stroke="{colour}" stroke-width="1.4"{dashes}/>'
        tip = (
            f'<path d="M{reached} {y} l{-8 * way} -4 v8 z" fill="{colour}"/>'
            if arrives
            else f'<path d="M{reached - 4} {y - 4} l8 8 m0 -8 l-8 8" stroke="{colour}" stroke-width="2"/>'
        )
        # Near its beginning the label is not crossed by the other lanes' lines.
        x, side = (start + 12, "label") if way > 0 else (start - 12, "label end")
        return [line, tip, _text(x, y - 6, moment.text, side, colour)]

    def _death(self, moment: Moment, y: int) -> list[str]:
        x = self.x(moment.lane)
        points = " ".join(
            f"{x + dx},{y + dy}"
            for dx, dy in ((0, -12), (4, -4), (12, -6), (7, 1), (12, 8), (3, 5), (0, 13), (-4, 5), (-12, 8), (-7, 1))
        )
        return [
            f'<polygon points="{points} {x - 12},{y - 6} {x - 4},{y - 4}" fill="{_BAD}" stroke="#fff"/>',
            _text(x + 18, y + 4, moment.text, "label", _BAD),
        ]

    def _note(self, moment: Moment, y: int) -> list[str]:
        colour = {Kind.BREAK: _BAD, Kind.LOSE: _BAD, Kind.MEND: _GOOD, Kind.BALANCE: _BALANCE}.get(moment.kind, _INK)
        if moment.outcome is not Outcome.GOOD:
            colour = _BAD
        fill = "#fff" if moment.kind is not Kind.BALANCE else "#fdeeed" if colour is _BAD else "#e8edfd"
        x = self._at(moment.lane, moment.task)
        width = min(14 + int(6.3 * len(moment.text)), LANE - 8)
        text = textwrap.shorten(moment.text, 36, placeholder="…")
        return [
            f'<rect x="{x - width // 2}" y="{y - 10}" width="{width}" height="20" rx="10" fill="{fill}"'
            f' stroke="{colour}"/>',
            _text(x, y + 4, text, "middle", colour),
        ]

    def _across(self, moment: Moment, y: int) -> list[str]:
        left, right = LEFT - 10, self.width - MARGIN
        middle = (left + right) // 2
        if moment.kind is Kind.COMPLAINT:
            lines = wrapped(moment.text)
            box = f'<rect x="{left}" y="{y - 14}" width="{right - left}" height="{16 + 18 * len(lines)}" rx="8"'
            drawn = [f'{box} fill="#fdeeed" stroke="{_BAD}"/>']
            return drawn + [_text(left + 16, y + 5 + 18 * at, line, "verdict", _BAD) for at, line in enumerate(lines)]
        line = f'<line x1="{left}" y1="{y}" x2="{right}" y2="{y}" stroke="{_PALE}" stroke-dasharray="2 4"/>'
        width = 30 + 7 * len(moment.text)
        pill = f'<rect x="{middle - width // 2}" y="{y - 11}" width="{width}" height="22" rx="11" fill="#eef0f6"/>'
        return [line, pill, _text(middle, y + 4, moment.text, "wide")]


def _text(x: int, y: int, text: str, kind: str, colour: str | None = None) -> str:
    style = f' style="fill:{colour}"' if colour else ""
    return f'<text x="{x}" y="{y}" class="{kind}"{style}>{html.escape(text)}</text>'
