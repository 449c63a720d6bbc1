"""A fire run: synthetic customers are made, their stories fired, their accounts judged, and all of them removed."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Sequence

import attrs

from simulators.fire.answers import NoAnswer, TargetUnfit
from simulators.fire.reidentify import reidentify
from simulators.fire.sender import PAUSES, DeliveryAttempt, Pace, Sender, StackFault, Tally
from simulators.fire.target import Target
from simulators.fire.verdicts import Customer, Verdict, judge, look_meanwhile
from simulators.schedules.steps import Break, Crash, Deliver, Flush, Mend, Schedule, Step, User
from simulators.stories.acts import Act, act_of_json
from simulators.stories.event_readings import Reading, reading_of
from simulators.stories.seeds import fork

LOOK_SECONDS = 0.2
CLEANING_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)
STACK_FAULTS = (Crash, Break, Mend, Flush)
"""What can be done to a stack between two deliveries."""


@attrs.define
class FireRun:
    """The result of a fire run."""

    tag: str
    tally: Tally
    verdict: Verdict | None = None
    """None where it was interrupted before there was one."""
    looks: int = 0
    """How often an account was judged while deliveries were under way."""
    seen_wrong: list[str] = attrs.field(factory=list)
    left_behind: tuple[str, ...] = ()
    """What could not be cleaned up, and how to do it."""

    @property
    def is_good(self) -> bool:
        """Return whether all was right, at the end and before."""
        return self.verdict is not None and self.verdict.is_good and not self.seen_wrong


def _silent(*_: object) -> None:
    """Print nothing."""


@attrs.frozen(kw_only=True)
class FireSetup:
    """The setup of fire runs: the target and the pace. `fault` is None if the target can only be sent deliveries."""

    target: Target
    secret: str = attrs.field(repr=False)
    pace: Pace
    concurrency: int
    seed: int
    patience: float
    pauses: Sequence[float] = PAUSES
    stopping: asyncio.Event = attrs.field(factory=asyncio.Event)
    say: Callable[[str], None] = _silent
    watch: Callable[[], None] = _silent
    fault: StackFault | None = None

    def sender(self, tally: Tally) -> Sender:
        """Return what fires here."""
        return Sender(
            target=self.target,
            secret=self.secret,
            pace=self.pace,
            concurrency=self.concurrency,
            chance=fork(self.seed, "retries"),
            tally=tally,
            stopping=self.stopping,
            watch=self.watch,
            pauses=self.pauses,
            fault=self.fault,
        )


def new_tag() -> str:
    """Return a tag that nobody used before."""
    return f"fire-{time.strftime('%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(3)}"


async def run_fire(setup: FireSetup, schedule: Schedule, *, tag: str, tally: Tally) -> FireRun:
    """Hold one fire run; its users are removed however it ends.

    :raises TargetUnfit: if the target refuses what is needed.
    :raises NoAnswer: if it can't be asked.
    """
    fire_run = FireRun(tag=tag, tally=tally)
    setup.say(f"making {len(schedule.users)} synthetic users, tag {tag}")
    try:
        users = await setup.target.begin(tag, len(schedule.users))
        cast = [User(id=user.user_id, email=user.email) for user in users]
        await _held(setup, reidentify(schedule, cast, word=tag, now=int(time.time())), fire_run)
    finally:
        # Shielded: who cancels us must not leave customers behind.
        fire_run.left_behind = await asyncio.shield(clean_up(setup, tag))
    return fire_run


async def clean_up(setup: FireSetup, tag: str) -> tuple[str, ...]:
    """Remove the users of a tag, with some patience; gives what is left, and how to remove it."""
    for pause in (*CLEANING_PAUSES, None):
        try:
            kept = await setup.target.end(tag)
        except (NoAnswer, TargetUnfit) as problem:
            if pause is None or isinstance(problem, TargetUnfit):
                how = f"python -m simulators fire --target {setup.target.url} --clean-up {tag}"
                return (f"the users of {tag} could not be removed: {problem} Later: {how}",)
            await asyncio.sleep(pause)
        else:
            setup.say(f"removed the synthetic users of {tag}")
            return tuple(f"the target could not remove {one}" for one in kept)
    raise AssertionError("the last attempt returns")


def attempts_of(schedule: Schedule) -> tuple[DeliveryAttempt | Step, ...]:
    """Return what to fire: the deliveries, what to do to a stack, and at the end the events that nobody delivered."""
    bodies = {event.id: event.body.encode() for event in schedule.events}
    attempts: list[DeliveryAttempt | Step] = []
    broken: set[str] = set()
    for step in schedule.steps:
        if isinstance(step, Deliver):
            heard = step.answer == "heard"
            attempts.append(
                DeliveryAttempt(event=step.event, body=bodies[step.event], signature=step.signature, is_heard=heard)
            )
        elif isinstance(step, STACK_FAULTS):
            attempts.append(step)
            broken = {*broken, step.port} if isinstance(step, Break) else broken
            broken = broken - {step.port} if isinstance(step, Mend) else broken
    attempts += [Mend(port=port) for port in sorted(broken)]
    delivered = {attempt.event for attempt in attempts if isinstance(attempt, DeliveryAttempt) and attempt.is_good}
    return (
        *attempts,
        *(DeliveryAttempt(event=event, body=bodies[event]) for event in bodies if event not in delivered),
    )


def acts_of(schedule: Schedule) -> tuple[Act, ...]:
    """Return what the customers did.

    :raises TargetUnfit: if some of it can't be judged by a target's API.
    """
    try:
        return tuple(act_of_json(dict(act)) for act in schedule.acts)
    except (KeyError, TypeError) as error:
        raise TargetUnfit(f"The schedule has acts that can't be fired at a target: {error}.") from None


def customers_of(schedule: Schedule) -> tuple[Customer, ...]:
    """Return the customers, each with the events of their payments: what shares one of Stripe's objects is theirs."""
    worth = {str(plan["id"]): int(plan["credits"]) for plan in schedule.plans}
    fields = {event.id: reading_of(event.body, worth, schedule.prices) for event in schedule.events}
    owners = _owners(fields)
    return tuple(
        Customer(
            user_id=user.id,
            readings={event: fields[event] for event, owner in owners.items() if owner == user.id},
        )
        for user in schedule.users
    )


async def _held(setup: FireSetup, schedule: Schedule, fire_run: FireRun) -> None:
    customers, acts = customers_of(schedule), acts_of(schedule)
    watching = asyncio.create_task(_watch(setup, customers, acts, fire_run))
    try:
        await setup.sender(fire_run.tally).fire(attempts_of(schedule))
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
    setup.say("reading the verdict back")
    judging = asyncio.create_task(judge(setup.target, customers, acts, fire_run.tally, patience=setup.patience))
    stopped = asyncio.create_task(setup.stopping.wait())
    await asyncio.wait((judging, stopped), return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not judging.done() or setup.stopping.is_set():
        judging.cancel()
        return
    fire_run.verdict = await judging


async def _watch(setup: FireSetup, customers: Sequence[Customer], acts: Sequence[Act], fire_run: FireRun) -> None:
    while True:
        for customer in customers:
            await asyncio.sleep(LOOK_SECONDS)
            with contextlib.suppress(NoAnswer):
                found = await look_meanwhile(setup.target, customer, acts, fire_run.tally)
                fire_run.looks += found is not None
                fire_run.seen_wrong += found or ()


def _owners(fields: dict[str, Reading]) -> dict[str, str]:
    """Return whose each event is, by its id; those that concern no payment are nobody's."""
    groups: dict[str, set[str]] = {}
    for reading in fields.values():
        joined = set(reading.handles).union(*(groups.get(handle, set()) for handle in reading.handles))
        for handle in joined:
            groups[handle] = joined
    customers: dict[str, str] = {}
    for reading in fields.values():
        for customer in (getattr(claim, "customer", None) for claim in reading.claims):
            if customer is not None:
                customers.update(dict.fromkeys(set().union(*(groups[handle] for handle in reading.handles)), customer))
    return {
        event: customers[handle]
        for event, reading in fields.items()
        for handle in reading.handles
        if handle in customers
    }
