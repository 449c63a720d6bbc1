"""Defines schedules: which events Stripe sends to which process, in which order, and what goes wrong meanwhile.

A schedule is complete in itself: neither the seed nor the generator that made it is needed to play it. Its steps are of
two kinds. Deliveries, work, reads, crashes, outages and time can be played by any player, over HTTP too. `Advance` lets
a task take a single step up to its next port; only a player that steps tasks one await at a time can do that. Other
players let the task run from its beginning until its `Finish`.

After its last step a schedule settles: outages end, every task ends, Stripe repeats what nobody acknowledged, workers
work until nothing is left. So any part of a schedule's steps is a schedule, too.
"""

from collections.abc import Mapping
from typing import Any

import attrs

from simulators.stories.events import Event

FORMAT = "credence-schedule/1"

SIGNATURES = ("good", "rolled", "forged", "tampered", "stale", "future", "missing")
"""How a delivery is signed. `rolled`: by an old secret and ours; all that follow must be refused."""
GOOD_SIGNATURES = frozenset({"good", "rolled"})
ANSWERS = ("heard", "lost")
JOBS = ("outbox", "cache", "inbox", "reconcile", "expire", "charges", "push")
PORTS = ("ledger", "cache", "payments")
ERRORS = ("before", "after")


@attrs.frozen(kw_only=True)
class User:
    """A customer's account at ours; one that `joins_later` does not exist before a SignUp."""

    id: str
    email: str | None = None
    name: str = ""
    joins_later: bool = False


@attrs.frozen(kw_only=True)
class Deliver:
    """Stripe delivers an event to a process: a task begins. An answer may be lost on its way back."""

    task: str
    on: str
    event: str
    signature: str = attrs.field(default="good", metadata={"among": SIGNATURES})
    answer: str = attrs.field(default="heard", metadata={"among": ANSWERS})


@attrs.frozen(kw_only=True)
class Work:
    """A worker in a process does one round of a job: a task begins."""

    task: str
    on: str
    job: str = attrs.field(metadata={"among": JOBS})


@attrs.frozen(kw_only=True)
class Read:
    """A customer's quota is asked of a process: a task begins."""

    task: str
    on: str
    user: str


@attrs.frozen(kw_only=True)
class Ask:
    """A service asks something of a customer's credits, which Stripe has no part in: a task begins.

    `use` is its place in the schedule's list of uses.
    """

    task: str
    on: str
    use: int


@attrs.frozen(kw_only=True)
class Advance:
    """A task takes one step, to its next port; that port may fail it, before it did what it was asked or after."""

    task: str
    error: str | None = attrs.field(default=None, metadata={"among": (None, *ERRORS)})


@attrs.frozen(kw_only=True)
class Finish:
    """A task runs to its end."""

    task: str


@attrs.frozen(kw_only=True)
class Crash:
    """A process dies with all its tasks, wherever they stand, and starts anew."""

    on: str


@attrs.frozen(kw_only=True)
class Break:
    """A port is away from now on."""

    port: str = attrs.field(metadata={"among": PORTS})


@attrs.frozen(kw_only=True)
class Mend:
    """A port is back."""

    port: str = attrs.field(metadata={"among": PORTS})


@attrs.frozen
class Flush:
    """The cache loses everything."""


@attrs.frozen(kw_only=True)
class Rewind:
    """The cache loses its latest writes, as when a replica that was behind takes over."""

    writes: int = attrs.field(metadata={"least": 1})


@attrs.frozen(kw_only=True)
class Wait:
    """Time passes."""

    seconds: int = attrs.field(metadata={"least": 1})


@attrs.frozen(kw_only=True)
class SignUp:
    """A user who joins later does so now."""

    user: str


Begin = Deliver | Work | Read | Ask
Step = Deliver | Work | Read | Ask | Advance | Finish | Crash | Break | Mend | Flush | Rewind | Wait | SignUp

STEPS: Mapping[str, type[Step]] = {
    "deliver": Deliver,
    "work": Work,
    "read": Read,
    "ask": Ask,
    "advance": Advance,
    "finish": Finish,
    "crash": Crash,
    "break": Break,
    "mend": Mend,
    "flush": Flush,
    "rewind": Rewind,
    "wait": Wait,
    "sign_up": SignUp,
}
"""Every kind of step, by its name in a file."""

NAMES: Mapping[type[Step], str] = {kind: name for name, kind in STEPS.items()}


@attrs.frozen(kw_only=True)
class Schedule:
    """One world, and what happens in it."""

    title: str
    seed: str | None = None
    bug: str | None = None
    """The planted bug of the system for which it was made; None for the system as it is."""
    secret: str = "whsec_simulated"  # noqa: S105 - it signs what no real endpoint would take
    starts_at: int
    """The time at the first step, in seconds since 1970."""
    processes: tuple[str, ...] = ("a",)
    users: tuple[User, ...] = ()
    plans: tuple[Mapping[str, Any], ...] = ()
    """What is for sale, each by its id, credits, price, currency, mode and interval."""
    events: tuple[Event, ...] = ()
    """All that Stripe reports. What no step delivers is delivered while the schedule settles."""
    acts: tuple[Mapping[str, Any], ...] = ()
    """What the customers did, for the checkers, each by its kind: `act`."""
    uses: tuple[Mapping[str, Any], ...] = ()
    """What services ask of the customers' credits: spends, holds, captures and voids, each by its kind: `act`."""
    payments: tuple[Mapping[str, Any], ...] = ()
    """What Stripe's API would say of payments: `links` that belong together, and whether they are `ours`.

    Or the `intent` with which it answers the charge of a saved card.
    """
    prices: tuple[Mapping[str, Any], ...] = ()
    """What Stripe's API would say of prices."""
    steps: tuple[Step, ...] = ()
    complaints: tuple[str, ...] = ()
    """What the checkers said when it was saved."""
