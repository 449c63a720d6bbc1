"""Random worlds: one seed makes the customers, their lives, the network and all that goes wrong, each time the same.

First come the faults, at the world's own rates, while every balance is watched; then they end, and everything must come
to rest where the customers' lives say. The steps are chosen while they are played, for what Stripe does next depends on
what it was answered; what was chosen is a schedule like any other.
"""

import heapq
import random

import attrs

from simulators.explorer.random_lives import PLANS, LifeLed, lead
from simulators.explorer.random_rates import Rates, draw
from simulators.explorer.random_uses import asked, wished
from simulators.schedules import steps
from simulators.schedules.runner import ScheduleRunner
from simulators.schedules.running import PARTS
from simulators.schedules.steps import Schedule, Step, User
from simulators.schedules.tasks import Watcher
from simulators.schedules.traces import PAYMENTS, Moment
from simulators.stories.acts import act_as_json
from simulators.stories.checkers import Complaint
from simulators.stories.customers import customers
from simulators.stories.life import DAY
from simulators.stories.seeds import fork, shown
from simulators.system.system import System

NAMES = ("Ada", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gia", "Hal", "Ida", "Jon", "Kim", "Leo", "Mia", "Ned")

EPOCH = 1767225600
"""2026-01-01; a world has no other time."""

RETRIES_FOR = 3 * DAY
"""As long as Stripe tries to deliver an event by itself."""

FIRST_RETRY = 60
COPY = 0
"""The attempt that is none: a second copy of one, by a network that repeats."""

MOST_STEPS = 40_000

ASKED = 0.15
"""The chance that a service asks something of credits; of each step, while it has wishes left."""


@attrs.frozen(kw_only=True)
class Explored:
    """One world, lived through."""

    schedule: Schedule
    complaints: tuple[Complaint, ...]
    moments: tuple[Moment, ...]
    deliveries: int
    faults: int
    reads: int
    uses: int


def explore(seed: int, under_test: System, *, bug: str | None = None, watcher: Watcher | None = None) -> Explored:
    """Live through the world of a seed; `bug` is the name of what is planted in the system, for the record."""
    return _RandomWorld(seed, under_test, bug=bug, watcher=watcher).run()


class _RandomWorld:
    def __init__(self, seed: int, under_test: System, *, bug: str | None, watcher: Watcher | None) -> None:
        self.rates = draw(fork(seed, "rates"))
        self.chance = fork(seed, "steps")
        self.schedule = _populated(seed, self.rates, bug)
        self.runner = ScheduleRunner(self.schedule, under_test, watcher=watcher)
        self.steps: list[Step] = []
        self.due: list[tuple[int, int, str, int]] = []
        """When Stripe delivers which event, the how-manieth time; the second number keeps the order of equals."""
        self.numbered = 0
        self.healing: dict[str, int] = {}
        """When each port that is away will be back."""
        self.wishing = fork(seed, "asks")
        self.asking = asked(self.wishing, self.runner.accounting.uses)
        self.joining = {user.id for user in self.schedule.users if user.joins_later}
        for event in self.schedule.events:
            self._plan_delivery(event.id, event.created + self._delay())

    def run(self) -> Explored:
        while (self.due or self.runner.running) and len(self.steps) < MOST_STEPS and not self.runner.has_failed:
            self._next()
        if not self.runner.has_failed:
            self.runner.settle()
        runner = self.runner
        runner.stop()
        return Explored(
            schedule=attrs.evolve(
                self.schedule, steps=tuple(self.steps), complaints=tuple(map(str, runner.complaints))
            ),
            complaints=runner.complaints,
            moments=tuple(runner.moments),
            deliveries=runner.deliveries,
            faults=runner.faults,
            reads=runner.reads,
            uses=runner.uses,
        )

    def _next(self) -> None:
        """Choose what happens next, and let it happen."""
        rates, running = self.rates, self.runner.running
        if self._chaos():
            return
        if self.asking and len(running) < rates.at_once and self.wishing.random() < ASKED:
            self._begin(steps.Ask(task=self._task("u"), on=self._process(), use=self.asking.pop()))
            return
        is_due = bool(self.due) and self.due[0][0] <= self.runner.world.now()
        if is_due and len(running) < rates.at_once and (not running or self._chances(0.5)):
            self._deliver()
        elif running:
            self._advance(self.chance.choice(sorted(running)))
        else:
            self._let_time_pass()

    def _chaos(self) -> bool:  # noqa: PLR0911 - one for each thing that may happen
        """Let something happen that nobody asked for, or not."""
        rates, now = self.rates, self.runner.world.now()
        for port, until in sorted(self.healing.items()):
            if now >= until:
                del self.healing[port]
                return self._do(steps.Mend(port=port))
        for port in steps.PORTS:
            if port not in self.healing and self._chances(rates.outage[port]):
                self.healing[port] = now + self.chance.choice((1, 90, 4000, DAY))
                return self._do(steps.Break(port=port))
        if self._chances(rates.flush):
            return self._do(steps.Flush())
        if self.joining and self._chances(0.01):
            user = self.chance.choice(sorted(self.joining))
            self.joining.discard(user)
            return self._do(steps.SignUp(user=user))
        if len(self.runner.running) < rates.at_once:
            if self._chances(rates.read):
                user = self.chance.choice(self.schedule.users).id
                return self._begin(steps.Read(task=self._task("r"), on=self._process(), user=user))
            if self._chances(rates.work):
                job = self.chance.choice(("outbox", "cache", "inbox", "charges", "push"))
                return self._begin(steps.Work(task=self._task("w"), on=self._process(), job=job))
        if self.runner.running and self._chances(rates.pause):
            return self._do(steps.Wait(seconds=self.chance.choice((1, 70, 130, 4000))))
        return False

    def _deliver(self) -> None:
        _, _, event, attempt = heapq.heappop(self.due)
        rates, chance = self.rates, self.chance
        signature = "good"
        if self._chances(rates.bad_signature):
            signature = chance.choice([one for one in steps.SIGNATURES if one != "good"])
        answer = "lost" if self._chances(rates.answer_lost) else "heard"
        if attempt > 1 and event in self.runner.acknowledged:
            return
        if attempt != COPY:
            # Stripe tries again unless it hears of a success meanwhile, which is asked when the time has come.
            self._plan_retry(event, attempt)
            if self._chances(rates.duplicate):
                delay = 0 if self._chances(rates.together) else self._delay()
                self._plan_delivery(event, self.runner.world.now() + delay, COPY)
        charge = self.runner.accounting.charge_of(event)
        if charge in self.asking and self._chances(0.5):
            self.asking.remove(charge)
            self._do(steps.Ask(task=self._task("u"), on=self._process(), use=charge))
        task = self._task("d")
        self._begin(steps.Deliver(task=task, on=self._process(), event=event, signature=signature, answer=answer))

    def _begin(self, step: steps.Begin) -> bool:
        self._do(step)
        if not self._chances(self.rates.interleaved):
            self._do(steps.Finish(task=step.task))
        return True

    def _advance(self, task: str) -> None:
        running = self.runner.running[task]
        # The moments between a commit and its acknowledgement are few, and the ones that matter.
        if self._chances(self.rates.crash * (6 if running.committed else 1)):
            self._do(steps.Crash(on=running.process))
            return
        pause = running.task.pause
        part = PARTS.get(pause.port, PAYMENTS) if pause is not None else ""
        error = self.chance.choice(steps.ERRORS) if self._chances(self.rates.errors.get(part, 0.0)) else None
        self._do(steps.Advance(task=task, error=error))

    def _let_time_pass(self) -> None:
        due = self.due[0][0]
        moments = [due, *self.healing.values()]
        pause = min(moments) - self.runner.world.now()
        if pause > 0:
            self._do(steps.Wait(seconds=pause))

    def _do(self, step: Step) -> bool:
        self.steps.append(step)
        self.runner.do(step)
        return True

    def _plan_delivery(self, event: str, at: int, attempt: int = 1) -> None:
        self.numbered += 1
        heapq.heappush(self.due, (at, self.numbered, event, attempt))

    def _plan_retry(self, event: str, attempt: int) -> None:
        pause = FIRST_RETRY * 4 ** (attempt - 1)
        if pause < RETRIES_FOR:
            self._plan_delivery(event, self.runner.world.now() + pause, attempt + 1)

    def _delay(self) -> int:
        if self._chances(self.rates.late):
            return self.chance.choice((60, 3600, 6 * 3600, DAY, 3 * DAY))
        return self.chance.choice((0, 0, 1, 2, 5))

    def _chances(self, rate: float) -> bool:
        return rate > 0 and self.chance.random() < rate

    def _process(self) -> str:
        return self.chance.choice(self.schedule.processes)

    def _task(self, kind: str) -> str:
        self.numbered += 1
        return f"{kind}{self.numbered}"


def _populated(seed: int, rates: Rates, bug: str | None) -> Schedule:
    """Return the world before its first step: its people, what is for sale, and all that Stripe will tell."""
    chance = fork(seed, "lives")
    people = customers(rates.customers)
    lives = [lead(chance, one, PLANS, now=EPOCH + chance.randrange(DAY)) for one in people]
    events = sorted((event for life in lives for event in life.events), key=lambda event: event.created)
    return Schedule(
        title=f"The random world of seed {shown(seed)}",
        seed=shown(seed),
        bug=bug,
        starts_at=EPOCH,
        processes=tuple("abcd"[: rates.processes]),
        users=tuple(_user(life, place, chance, rates) for place, life in enumerate(lives)),
        plans=tuple(attrs.asdict(plan) for plan in PLANS),
        events=tuple(events),
        acts=tuple(act_as_json(act) for life in lives for act in life.acts),
        uses=tuple(map(attrs.asdict, wished(fork(seed, "uses"), lives))),
        payments=tuple({"intent": intent} for life in lives for intent in life.charged),
        prices=tuple(price for life in lives for price in life.prices),
    )


def _user(life: LifeLed, place: int, chance: random.Random, rates: Rates) -> User:
    return User(
        id=life.customer.user_id,
        email=life.customer.email,
        name=NAMES[place % len(NAMES)],
        joins_later=chance.random() < rates.joins_later,
    )
