"""A task under way while a schedule is played, and the parts of the world that it calls."""

from collections.abc import Mapping

import attrs

from simulators.schedules import steps, traces
from simulators.system.stepping import Task

PARTS: Mapping[str, str] = {
    "ledger": traces.LEDGER,
    "inbox": traces.LEDGER,
    "outbox": traces.LEDGER,
    "accounts": traces.LEDGER,
    "audit": traces.LEDGER,
    "walk": traces.LEDGER,
    "charges": traces.LEDGER,
    "customers": traces.LEDGER,
    "prices": traces.LEDGER,
    "cache": traces.CACHE,
    "markers": traces.CACHE,
}
"""Which part of the world is behind a port; what is not named is Stripe's API."""


@attrs.define(kw_only=True)
class Running:
    """A task under way."""

    name: str
    process: str
    step: steps.Begin
    task: Task
    committed: bool = False
    """Whether the ledger has what it brought."""
    faults_met: list[str] = attrs.field(factory=list)
    """What went wrong for it so far, in the coverage's words."""
    has_read: bool = False
    """Whether it read the ledger: only then is a conflict a rival's doing."""
