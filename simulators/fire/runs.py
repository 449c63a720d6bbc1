"""A rehearsal: synthetic customers are made, their stories fired, their accounts judged, and all of them removed."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Sequence

import attrs

from simulators.fire.reidentify import recast
from simulators.fire.sender import PAUSES, Gun, Pace, Shot, Strike, Tally
from simulators.fire.target import NoAnswer, Target, TargetUnfit
from simulators.fire.verdicts import Customer, Verdict, judge, look_meanwhile
from simulators.schedules.steps import Break, Crash, Deliver, Flush, Mend, Schedule, Step, User
from simulators.stories.acts import Act, act_of_json
from simulators.stories.event_readings import Telling, telling_of
from simulators.stories.seeds import fork

LOOK_SECONDS = 0.2
CLEANING_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)
STRIKES = (Crash, Break, Mend, Flush)
"""What can be done to a stack between two deliveries."""


@attrs.define
class Course:
    """How a rehearsal went."""

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
        """Whether all was right, at the end and before."""
        return self.verdict is not None and self.verdict.is_good and not self.seen_wrong


def _silent(*_: object) -> None:
    """Tell nobody."""


@attrs.frozen(kw_only=True)
class Stage:
    """Where rehearsals are held, and how; `strike` is None where nothing but deliveries can be done to the target."""

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
    strike: Strike | None = None

    def gun(self, tally: Tally) -> Gun:
        """What fires here."""
        return Gun(
            target=self.target,
            secret=self.secret,
            pace=self.pace,
            concurrency=self.concurrency,
            chance=fork(self.seed, "retries"),
            tally=tally,
            stopping=self.stopping,
            watch=self.watch,
            pauses=self.pauses,
            strike=self.strike,
        )


def new_tag() -> str:
    """A tag that nobody used before."""
    return f"fire-{time.strftime('%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(3)}"


async def rehearse(stage: Stage, schedule: Schedule, *, tag: str, tally: Tally) -> Course:
    """Hold one rehearsal; its users are removed however it ends.

    :raises TargetUnfit: if the target refuses what is needed.
    :raises NoAnswer: if it can't be asked.
    """
    course = Course(tag=tag, tally=tally)
    stage.say(f"making {len(schedule.users)} synthetic users, tag {tag}")
    try:
        users = await stage.target.begin(tag, len(schedule.users))
        cast = [User(id=user.user_id, email=user.email) for user in users]
        await _held(stage, recast(schedule, cast, word=tag, now=int(time.time())), course)
    finally:
        # Shielded: who cancels us must not leave customers behind.
        course.left_behind = await asyncio.shield(clean_up(stage, tag))
    return course


async def clean_up(stage: Stage, tag: str) -> tuple[str, ...]:
    """Remove the users of a tag, with some patience; gives what is left, and how to remove it."""
    for pause in (*CLEANING_PAUSES, None):
        try:
            kept = await stage.target.end(tag)
        except (NoAnswer, TargetUnfit) as problem:
            if pause is None or isinstance(problem, TargetUnfit):
                how = f"python -m simulators fire --target {stage.target.url} --clean-up {tag}"
                return (f"the users of {tag} could not be removed: {problem} Later: {how}",)
            await asyncio.sleep(pause)
        else:
            stage.say(f"removed the synthetic users of {tag}")
            return tuple(f"the target could not remove {one}" for one in kept)
    raise AssertionError("the last attempt returns")


def shots_of(schedule: Schedule) -> tuple[Shot | Step, ...]:
    """What to fire: the deliveries, what to do to a stack, and at the end the events that nobody delivered."""
    bodies = {event.id: event.body.encode() for event in schedule.events}
    shots: list[Shot | Step] = []
    broken: set[str] = set()
    for step in schedule.steps:
        if isinstance(step, Deliver):
            heard = step.answer == "heard"
            shots.append(Shot(event=step.event, body=bodies[step.event], signature=step.signature, is_heard=heard))
        elif isinstance(step, STRIKES):
            shots.append(step)
            broken = {*broken, step.port} if isinstance(step, Break) else broken
            broken = broken - {step.port} if isinstance(step, Mend) else broken
    shots += [Mend(port=port) for port in sorted(broken)]
    delivered = {shot.event for shot in shots if isinstance(shot, Shot) and shot.is_good}
    return (*shots, *(Shot(event=event, body=bodies[event]) for event in bodies if event not in delivered))


def acts_of(schedule: Schedule) -> tuple[Act, ...]:
    """What the customers did.

    :raises TargetUnfit: if some of it can't be judged by a target's API.
    """
    try:
        return tuple(act_of_json(dict(act)) for act in schedule.acts)
    except (KeyError, TypeError) as error:
        raise TargetUnfit(f"The schedule has acts that can't be fired at a target: {error}.") from None


def customers_of(schedule: Schedule) -> tuple[Customer, ...]:
    """The customers, each with the events of their payments: what shares one of Stripe's objects is theirs."""
    worth = {str(plan["id"]): int(plan["credits"]) for plan in schedule.plans}
    told = {event.id: telling_of(event.body, worth) for event in schedule.events}
    owners = _owners(told)
    return tuple(
        Customer(
            user_id=user.id,
            tellings={event: told[event] for event, owner in owners.items() if owner == user.id},
        )
        for user in schedule.users
    )


async def _held(stage: Stage, schedule: Schedule, course: Course) -> None:
    customers, acts = customers_of(schedule), acts_of(schedule)
    watching = asyncio.create_task(_watch(stage, customers, acts, course))
    try:
        await stage.gun(course.tally).fire(shots_of(schedule))
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
    stage.say("reading the verdict back")
    judging = asyncio.create_task(judge(stage.target, customers, acts, course.tally, patience=stage.patience))
    stopped = asyncio.create_task(stage.stopping.wait())
    await asyncio.wait((judging, stopped), return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not judging.done() or stage.stopping.is_set():
        judging.cancel()
        return
    course.verdict = await judging


async def _watch(stage: Stage, customers: Sequence[Customer], acts: Sequence[Act], course: Course) -> None:
    while True:
        for customer in customers:
            await asyncio.sleep(LOOK_SECONDS)
            with contextlib.suppress(NoAnswer):
                found = await look_meanwhile(stage.target, customer, acts, course.tally)
                course.looks += found is not None
                course.seen_wrong += found or ()


def _owners(told: dict[str, Telling]) -> dict[str, str]:
    """Whose each event is, by its id; those that concern no payment are nobody's."""
    groups: dict[str, set[str]] = {}
    for telling in told.values():
        joined = set(telling.handles).union(*(groups.get(handle, set()) for handle in telling.handles))
        for handle in joined:
            groups[handle] = joined
    customers: dict[str, str] = {}
    for telling in told.values():
        for customer in (getattr(claim, "customer", None) for claim in telling.claims):
            if customer is not None:
                customers.update(dict.fromkeys(set().union(*(groups[handle] for handle in telling.handles)), customer))
    return {
        event: customers[handle] for event, telling in told.items() for handle in telling.handles if handle in customers
    }
