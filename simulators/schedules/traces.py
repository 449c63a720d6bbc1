"""Traces: what happened while a schedule was played, moment by moment, in words that are the same each time."""

import enum
from collections.abc import Iterable

import attrs

STRIPE, LEDGER, CACHE, PAYMENTS, CUSTOMERS = "stripe", "ledger", "cache", "payments", "customers"
"""The places that are no process of the service."""


class Kind(enum.StrEnum):
    """The kind of a moment."""

    BEGIN = "begin"
    CALL = "call"
    END = "end"
    DIE = "die"
    BREAK = "break"
    MEND = "mend"
    LOSE = "lose"
    WAIT = "wait"
    JOIN = "join"
    BALANCE = "balance"
    SETTLE = "settle"
    COMPLAINT = "complaint"


class Outcome(enum.StrEnum):
    """The outcome of a moment."""

    GOOD = "good"
    BAD = "bad"
    """Refused, failed, or never done."""
    LOST = "lost"
    """Done, but the caller does not know."""


@attrs.frozen(kw_only=True)
class Moment:
    """Something that happened."""

    kind: Kind
    at: int
    """Seconds since the schedule's beginning."""
    lane: str
    """Where: a process, or one of the other places."""
    text: str
    to: str | None = None
    """The place that it reaches."""
    task: str | None = None
    outcome: Outcome = Outcome.GOOD


def as_text(moments: Iterable[Moment]) -> str:
    """Return a trace as text, one line for each moment."""
    return "".join(f"{_line(moment)}\n" for moment in moments)


def clock(seconds: int) -> str:
    """Return a time since the beginning, as people read it: `2d 03:00:07`."""
    days, rest = divmod(seconds, 86400)
    time = f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
    return f"{days}d {time}" if days else time


def span(seconds: int) -> str:
    """Return a length of time in its two largest units: `1 day 6 hours`."""
    units = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))
    parts = []
    for name, size in units:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {name}{'s' if count > 1 else ''}")
    return " ".join(parts[:2]) or "no time"


def _line(moment: Moment) -> str:
    way = f"{moment.lane} -> {moment.to}" if moment.to else moment.lane
    outcome = "" if moment.outcome is Outcome.GOOD else f" [{moment.outcome}]"
    task = f" {moment.task}" if moment.task else ""
    return f"{moment.at:>8} {moment.kind:<9} {way}{task}: {moment.text}{outcome}"
