"""Defines what operators monitor: how much is pending, and which accounts disagree with their entries."""

from collections.abc import Mapping

import attrs


@attrs.frozen(kw_only=True)
class Backlog:
    """The number of pending events, by status and reason, and of messages, and the age of what the cache lacks."""

    events: Mapping[tuple[str, str], int]
    messages_due: int
    messages_failed: int
    cache_behind_seconds: int
    """For how long the walk that refreshes the cache has left out the oldest change; 0 if it left out none."""


@attrs.frozen(kw_only=True)
class Inconsistency:
    """An account that disagrees with its entries, and the first entry that shows it."""

    user_id: str
    problem: str
    entry_id: int | None
    version: int | None
    expected: str | None
    actual: str | None
