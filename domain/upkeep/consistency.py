"""What operators monitor: how much is pending, and which accounts disagree with their entries."""

from collections.abc import Mapping

import attrs


@attrs.frozen(kw_only=True)
class Backlog:
    """The number of pending events, by status and reason, and of outbox messages."""

    events: Mapping[tuple[str, str], int]
    messages_due: int
    messages_failed: int


@attrs.frozen(kw_only=True)
class Inconsistency:
    """An account that disagrees with its entries, and the first entry that shows it."""

    user_id: str
    problem: str
    entry_id: int | None
    version: int | None
    expected: str | None
    actual: str | None
