"""Timelines in a terminal: a trace in columns, one for each of those who take part."""

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from simulators.schedules.timeline_layout import lane_name, lanes_of
from simulators.schedules.traces import Kind, Moment, Outcome, clock

MAX_MOMENTS = 240
"""Of a longer trace the first and the last are shown."""

WIDE = 132

_TIME = 12
_ACROSS = (Kind.WAIT, Kind.SETTLE)
_SIGNS = {
    Kind.BEGIN: "▶",
    Kind.CALL: "◆",
    Kind.END: "✓",
    Kind.DIE: "✖",
    Kind.BREAK: "⊘",
    Kind.MEND: "○",
    Kind.LOSE: "⌫",
    Kind.BALANCE: "=",
    Kind.JOIN: "+",
}
_STYLES = {
    Kind.BEGIN: "bold",
    Kind.CALL: "dim",
    Kind.END: "green",
    Kind.DIE: "bold white on red",
    Kind.BREAK: "red",
    Kind.MEND: "green",
    Kind.LOSE: "red",
    Kind.BALANCE: "bold blue",
}


def draw(console: Console, title: str, moments: Sequence[Moment]) -> None:
    """Print a timeline as wide as the console."""
    console.print()
    console.print(Text(title, "bold"))
    console.print()
    # Who pipes it into a file has no width; eighty columns are too few for five lanes.
    width = console.width if console.is_terminal else max(console.width, WIDE)
    for line in lines(moments, width):
        console.print(line, soft_wrap=True)


def lines(moments: Sequence[Moment], width: int) -> Iterator[Text]:
    """Yield the lines of a timeline."""
    lanes = lanes_of(moments)
    column = max((width - _TIME) // len(lanes), 12)
    head = Text(" " * _TIME)
    for lane in lanes:
        head.append(_cell(lane_name(lane), column), "bold underline")
    yield head
    shown = moments
    left_out = len(moments) - MAX_MOMENTS
    if left_out > 0:
        shown = [*moments[: MAX_MOMENTS // 3], *moments[left_out + MAX_MOMENTS // 3 :]]
    before: int | None = None
    for place, moment in enumerate(shown):
        if left_out > 0 and place == MAX_MOMENTS // 3:
            yield _across(f"{left_out:,} more moments", width, "dim")
        yield from _line(moment, lanes, column, width, time="" if moment.at == before else clock(moment.at))
        # What goes across has no place for the time: the line after it shows it.
        before = before if moment.kind in _ACROSS else moment.at


def _line(moment: Moment, lanes: tuple[str, ...], column: int, width: int, *, time: str) -> Iterator[Text]:
    if moment.kind is Kind.COMPLAINT:
        yield from Text(f"✗ {moment.text}", "bold red").wrap(Console(width=width), width)
        return
    if moment.kind in _ACROSS:
        yield _across(moment.text, width, "cyan" if moment.kind is Kind.SETTLE else "dim")
        return
    line = Text(f"{time:>{_TIME - 2}}  ", "dim")
    # A call stands where it arrives; all else stands where it happens.
    stands = moment.to if moment.kind in (Kind.BEGIN, Kind.CALL) and moment.to else moment.lane
    for lane in lanes:
        if lane == stands:
            # What is said may be wider than its column: then it goes on over those that are empty.
            line.append(_said(moment), _style(moment))
            break
        line.append(_cell(_passing(moment, lane), column), "dim")
    yield line


def _said(moment: Moment) -> str:
    failed = moment.outcome is not Outcome.GOOD and moment.kind in (Kind.BEGIN, Kind.CALL, Kind.END)
    sign = "✗" if failed else _SIGNS.get(moment.kind, "·")
    task = f" {moment.task}" if moment.task else ""
    lost = " (answer lost)" if moment.outcome is Outcome.LOST else ""
    return f"{sign}{task} {moment.text}{lost}"


def _passing(moment: Moment, lane: str) -> str:
    if moment.kind is Kind.CALL and lane == moment.lane:
        return f"{moment.task or ''} ─▷"
    return "│"


def _style(moment: Moment) -> str:
    if moment.outcome is not Outcome.GOOD:
        return "bold red"
    return _STYLES.get(moment.kind, "")


def _cell(text: str, width: int) -> str:
    return text[: width - 1].ljust(width)


def _across(text: str, width: int, style: str) -> Text:
    return Text(f" {text} ".center(min(width, 100), "╌"), style)
