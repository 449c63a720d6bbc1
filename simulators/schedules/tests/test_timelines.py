"""Timelines: who delivered what when, where the crash was, and which balance went wrong."""

import xml.etree.ElementTree as ET

from rich.console import Console

from simulators.schedules.timeline_layout import lanes_of
from simulators.schedules.timeline_svg import page, svg
from simulators.schedules.timeline_text import MAX_MOMENTS, draw
from simulators.schedules.traces import Kind, Moment, Outcome, as_text, clock, span

WRONG = "Ada has 100 credits & her story is worth 50"
MOMENTS = (
    Moment(kind=Kind.BEGIN, at=0, lane="stripe", to="b", task="d1", text="invoice.paid"),
    Moment(kind=Kind.BREAK, at=0, lane="cache", text="goes away", outcome=Outcome.BAD),
    Moment(kind=Kind.CALL, at=0, lane="b", to="ledger", task="d1", text="ledger.commit", outcome=Outcome.LOST),
    Moment(kind=Kind.BALANCE, at=0, lane="ledger", text="Ada 0 → 100"),
    Moment(kind=Kind.DIE, at=0, lane="b", text="dies, and d1 with it", outcome=Outcome.BAD),
    Moment(kind=Kind.WAIT, at=90_000, lane="stripe", text="1 day 1 hour pass"),
    Moment(kind=Kind.BEGIN, at=90_000, lane="stripe", to="a", task="d2", text="invoice.paid"),
    Moment(kind=Kind.END, at=90_000, lane="a", to="stripe", task="d2", text="200"),
    Moment(kind=Kind.COMPLAINT, at=90_000, lane="ledger", text=WRONG, outcome=Outcome.BAD),
)


def printed(moments: tuple[Moment, ...]) -> str:
    """What a terminal shows."""
    console = Console(width=160, record=True, file=None, force_terminal=False)
    with console.capture() as captured:
        draw(console, "Credits twice", moments)
    return captured.get()


def test_a_terminal_shows_each_moment_in_its_column() -> None:
    """Deliveries and deaths stand at their process, calls where they arrive, the complaint at the end."""
    lines = printed(MOMENTS).splitlines()
    head = next(line for line in lines if "Stripe" in line)
    assert ["Stripe", "Process", "a", "Process", "b", "Ledger", "Cache"] == head.split()
    (death,) = [line for line in lines if "dies" in line]
    assert head.index("Process b") == death.index("✖ dies, and d1 with it")
    (commit,) = [line for line in lines if "commit" in line]
    assert head.index("Ledger") == commit.index("✗ d1 ledger.commit (answer lost)")
    assert 1 == len([line for line in lines if "1 day 1 hour pass" in line])
    assert [] != [line for line in lines if "1d 01:00:00" in line]
    assert f"✗ {WRONG}" == lines[-1].rstrip()


def test_a_long_timeline_is_cut_in_its_middle() -> None:
    """The first and the last moments are shown, and how many are not."""
    shown = printed((*(MOMENTS[3:4] * 1000), *MOMENTS))
    assert len(shown.splitlines()) < MAX_MOMENTS + 10
    assert f"{1009 - MAX_MOMENTS} more moments" in shown
    assert WRONG in shown


def test_a_picture_is_well_formed_and_says_the_same() -> None:
    """Every word stands in it, as text that needs nothing from outside."""
    drawing = svg("Credits <twice>", "It fails", MOMENTS)
    texts = "\n".join(element.text or "" for element in ET.fromstring(drawing).iter())  # noqa: S314 - our own drawing
    for moment in MOMENTS:
        assert moment.text in texts
    for word in ("Credits <twice>", "It fails", "Process a", "Process b", "1d 01:00:00"):
        assert word in texts
    assert drawing in page("Credits <twice>", "It fails", MOMENTS)
    assert "http" not in drawing.replace('xmlns="http://www.w3.org/2000/svg"', "")


def test_nothing_is_a_picture_too() -> None:
    """A schedule in which nothing happens can be drawn."""
    assert ("stripe", "ledger", "cache") == lanes_of(())
    assert ET.fromstring(svg("Nothing", "Every check held", ())).tag.endswith("svg")  # noqa: S314 - likewise


def test_times_read_as_people_say_them() -> None:
    """A clock for when, words for how long, a line for each moment of a trace."""
    assert ("00:01:05", "3d 00:00:01") == (clock(65), clock(3 * 86400 + 1))
    assert ("1 day 6 hours", "2 minutes", "1 second") == (span(108_000), span(120), span(1))
    assert "       0 call      b -> ledger d1: ledger.commit [lost]" == as_text(MOMENTS).splitlines()[2]
