"""Playing a schedule on a system under test, step by step, with the checkers watching at every commit and every read.

Given the same system, a schedule always plays the same. Playing stops at the first complaint: what comes after a wrong
balance only repeats it.
"""

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from simulators.schedules import steps, traces
from simulators.schedules.accounting import Accounting
from simulators.schedules.steps import Schedule, Step
from simulators.schedules.traces import Kind, Moment, Outcome
from simulators.stories.checkers import Checker, Complaint, Copy
from simulators.stories.credit_operations import Answered
from simulators.stories.life import Customer, Plan
from simulators.stripe.signatures import sign_webhook
from simulators.system import system
from simulators.system.stepping import Returned, Task

PARTS: Mapping[str, str] = {
    "ledger": traces.LEDGER,
    "inbox": traces.LEDGER,
    "outbox": traces.LEDGER,
    "accounts": traces.LEDGER,
    "audit": traces.LEDGER,
    "cache": traces.CACHE,
    "markers": traces.CACHE,
}
"""Which part of the world is behind a port; what is not named is Stripe's API."""

ROUNDS = 100
"""Rounds of repetition and work after which a schedule that does not settle is wrong."""

ROUND_SECONDS = 3600
EXPIRIES = 20
"""Rounds of work that let everything expire, at most."""
MAX_STEPS_OF_A_TASK = 5_000
SKEW_SECONDS = 301
"""Just more than the difference of clocks that is tolerated."""


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


class Watcher:
    """What is told of deliveries while a schedule is played; by itself it does nothing."""

    def began(self, running: Running, runner: "ScheduleRunner") -> None:
        """A task began."""

    def ended(self, running: Running, runner: "ScheduleRunner", *, died: bool) -> None:
        """A task ended, or died with its process."""

    def happened(self, what: str) -> None:
        """Something else happened: `flush`."""

    def recorded(self, events: frozenset[str], runner: "ScheduleRunner") -> None:
        """Events were recorded, and decided for good, since this was last told."""


class ScheduleRunner:
    """One schedule on one world of the system."""

    def __init__(self, schedule: Schedule, under_test: system.System, *, watcher: Watcher | None = None) -> None:
        plans = tuple(Plan(**plan) for plan in schedule.plans)
        self.schedule = schedule
        self.events = {event.id: event for event in schedule.events}
        self.names = {user.id: user.name or user.id[:8] for user in schedule.users}
        self.accounting = Accounting(schedule, plans)
        self.world = under_test.world(
            plans,
            [Customer(user.id, user.email or "") for user in schedule.users if not user.joins_later],
            now=schedule.starts_at,
            secret=schedule.secret,
            prices=schedule.prices,
        )
        self.watcher = watcher or Watcher()
        self.running: dict[str, Running] = {}
        self.broken: set[str] = set()
        self.acknowledged: set[str] = set()
        self.moments: list[Moment] = []
        self.complaints: tuple[Complaint, ...] = ()
        self.deliveries = self.faults = self.reads = self.uses = 0
        self.asked: set[int] = set()
        """The places of the uses that were asked, whether or not anybody heard an answer."""
        self._absent = {user.id for user in schedule.users if user.joins_later}
        self._seen_balances: dict[str, int] = {}

    @property
    def has_failed(self) -> bool:
        """Whether a checker complained."""
        return bool(self.complaints)

    def play(self) -> tuple[Complaint, ...]:
        """Do every step, then settle; gives what the checkers say."""
        for step in self.schedule.steps:
            self.do(step)
            if self.has_failed:
                break
        else:
            self.settle()
        self.stop()
        return self.complaints

    def stop(self) -> None:
        """Let the tasks that are still under way end without effect."""
        for running in self.running.values():
            running.task.die()
        self.running.clear()

    def do(self, step: Step) -> None:
        """Do one step. What names a task that is over, or a user who is there, does nothing."""
        match step:
            case steps.Deliver() | steps.Work() | steps.Read() | steps.Ask():
                self._begin(step)
            case steps.Advance(task=name, error=error):
                if name in self.running:
                    self._advance(self.running[name], error)
            case steps.Finish(task=name):
                if name in self.running:
                    self._finish(self.running[name])
            case steps.Crash(on=process):
                self._crash(process)
            case steps.Break(port=port):
                self.faults += port not in self.broken
                self.broken.add(port)
                self._trace(Kind.BREAK, port, "goes away", outcome=Outcome.BAD)
            case steps.Mend(port=port):
                self.broken.discard(port)
                self._trace(Kind.MEND, port, "is back")
            case steps.Flush():
                self.faults += 1
                self.world.flush_cache()
                self.accounting.forget_copies()
                self.watcher.happened("flush")
                self._trace(Kind.LOSE, traces.CACHE, "loses everything", outcome=Outcome.BAD)
            case steps.Rewind(writes=writes):
                self.faults += 1
                self.world.rewind_cache(writes)
                self.accounting.forget_copies()
                self._trace(Kind.LOSE, traces.CACHE, f"loses its last {writes} writes", outcome=Outcome.BAD)
            case steps.Wait(seconds=seconds):
                self.world.let_pass(seconds)
                self._trace(Kind.WAIT, traces.STRIPE, f"{traces.span(seconds)} pass{'es' if seconds == 1 else ''}")
            case steps.SignUp(user=user):
                self._sign_up(user)

    def settle(self) -> None:
        """End all faults, and let everything come to rest; then nothing may be wrong."""
        self._trace(Kind.SETTLE, traces.STRIPE, "Faults end; what was not acknowledged is repeated until all is quiet")
        self._mend_all()
        for running in tuple(self.running.values()):
            self._finish(running)
        if not self.has_failed:
            self._come_to_rest()
        if not self.has_failed:
            self._complain(*self.accounting.judge_quiet(self.world.seen()))
        for end in self.accounting.ends():
            self._let_expire(end)

    def _come_to_rest(self) -> None:
        for number in range(ROUNDS):
            process = self.schedule.processes[number % len(self.schedule.processes)]
            for event in self.schedule.events:
                if event.id not in self.acknowledged:
                    self._do_whole(steps.Deliver(task=f"s{number}.{event.id[-4:]}", on=process, event=event.id))
            for place in sorted(self.asked) if number == 0 else ():
                self._do_whole(steps.Ask(task=f"s{number}.use{place}", on=process, use=place))
            for job in ("inbox", "outbox"):
                self._do_whole(steps.Work(task=f"s{number}.{job}", on=process, job=job))
            if self.has_failed:
                return
            if self.accounting.is_quiet(self.world.seen()):
                break
            self.world.let_pass(ROUND_SECONDS)
        for user in self.schedule.users:
            for process in self.schedule.processes:
                self._do_whole(steps.Read(task=f"s.{user.id[:4]}.{process}", on=process, user=user.id))

    def _let_expire(self, end: int) -> None:
        """Let it be that moment, and everything expire that is over by then."""
        if self.has_failed or end < self.world.now():
            return
        self.world.let_pass(end - self.world.now())
        for number, process in enumerate(self.schedule.processes[:1] * EXPIRIES):
            before = self.world.seen().accounts
            self._do_whole(steps.Work(task=f"e{end}.{number}", on=process, job="expire"))
            if self.has_failed or self.world.seen().accounts == before:
                break
        self._complain(*self.accounting.judge_over(self.world.seen(), self.world.now()))

    def _mend_all(self) -> None:
        for port in sorted(self.broken):
            self.do(steps.Mend(port=port))
        for user in sorted(self._absent):
            self._sign_up(user)

    def _do_whole(self, step: steps.Begin) -> None:
        if not self.has_failed:
            self._begin(step)
            if step.task in self.running:
                self._finish(self.running[step.task])

    def _begin(self, step: steps.Begin) -> None:
        job, lane, text = self._job(step)
        running = Running(name=step.task, process=step.on, step=step, task=Task(self.world.begin(job, process=step.on)))
        self.running[step.task] = running
        self._trace(Kind.BEGIN, lane, text, to=step.on, task=step.task)
        self.watcher.began(running, self)
        self._end_if_over(running)

    def _job(self, step: steps.Begin) -> tuple[system.Job, str, str]:
        match step:
            case steps.Deliver():
                event = self.events[step.event]
                body = event.body.encode()
                self.deliveries += 1
                manner = "" if step.signature == "good" else f" ({step.signature})"
                return system.Deliver(body, self._signed(body, step.signature)), traces.STRIPE, event.type + manner
            case steps.Work(job=job):
                return system.Work(job), step.on, f"works on the {job}"
            case steps.Read():
                self.reads += 1
                return system.ReadQuota(step.user), traces.CUSTOMERS, f"{self.names[step.user]} asks for the balance"
            case steps.Ask(use=place):
                use = self.accounting.uses[place]
                self.uses += 1
                self.asked.add(place)
                said = f"{use.act} {use.credits} of {self.names[use.customer]}'s, {use.key}"
                return system.Ask(use), traces.CUSTOMERS, said

    def _signed(self, body: bytes, signature: str) -> str:
        secret, now = self.schedule.secret, self.world.now()
        makers: Mapping[str, Callable[[], str]] = {
            "good": lambda: sign_webhook(body, secret, now),
            "rolled": lambda: sign_webhook(body, "whsec_the_old_one", now, secret),
            "forged": lambda: sign_webhook(body, "whsec_of_somebody_else", now),
            "tampered": lambda: sign_webhook(body + b" ", secret, now),
            "stale": lambda: sign_webhook(body, secret, now - SKEW_SECONDS),
            "future": lambda: sign_webhook(body, secret, now + SKEW_SECONDS),
            "missing": lambda: "",
        }
        return makers[signature]()

    def _advance(self, running: Running, error: str | None) -> None:
        pause = running.task.pause
        if pause is None:
            return
        part = PARTS.get(pause.port, traces.PAYMENTS)
        is_away = part in self.broken
        failure = self.world.fault(pause) if error is not None or is_away else None
        outcome, said = Outcome.GOOD, ""
        if failure is not None and (is_away or error == "before"):
            outcome = Outcome.BAD
            running.task.fail(failure)
        else:
            outcome, said = self._perform(running, pause, failure)
        if outcome is not Outcome.GOOD:
            self.faults += error is not None
            running.faults_met.append(f"{part} {'away' if outcome is Outcome.BAD else 'silent'}")
        self._trace(Kind.CALL, running.process, f"{pause.name}{said}", to=part, task=running.name, outcome=outcome)
        if part == traces.LEDGER and pause.name == "ledger.commit" and outcome is not Outcome.BAD:
            self._look()
        if pause.name == "cache.store" and outcome is not Outcome.BAD:
            self._complain(*self.accounting.judge_copies(self.world.seen()))
        if not self.has_failed:
            self._end_if_over(running)

    def _perform(self, running: Running, pause: Any, failure: Exception | None) -> tuple[Outcome, str]:
        try:
            value = self.world.perform(pause)
        except Exception as raised:  # noqa: BLE001 - whatever a port raises is the task's to handle
            running.task.fail(raised)
            return Outcome.BAD, f": {type(raised).__name__}"
        said = _said(pause.name, value)
        if pause.name == "ledger.commit":
            running.committed |= "Committed" in said or "Duplicate" in said
            if "Conflict" in said:
                running.faults_met.append("conflict")
        if failure is not None:
            running.task.fail(failure)
            return Outcome.LOST, said
        running.task.answer(value)
        return Outcome.GOOD, said

    def _finish(self, running: Running) -> None:
        for _ in range(MAX_STEPS_OF_A_TASK):
            if self.running.get(running.name) is not running or self.has_failed:
                return
            self._advance(running, None)
        self._complain(Complaint(Checker.REFUSED, f"task {running.name} does not come to its end"))

    def _end_if_over(self, running: Running) -> None:
        outcome = running.task.outcome
        if outcome is None or running.name not in self.running:
            return
        del self.running[running.name]
        match running.step:
            case steps.Deliver() as step:
                status = outcome.value if isinstance(outcome, Returned) else 500
                self._answered(running, step, int(status or 500))
            case steps.Read(user=user) if isinstance(outcome, Returned):
                copy = outcome.value if isinstance(outcome.value, Copy) else None
                said = f"{copy.balance} credits" if copy else "no such user"
                self._trace(Kind.END, running.process, said, to=traces.CUSTOMERS, task=running.name)
                self._complain(*self.accounting.judge_read(self.world.seen(), user, copy))
            case steps.Ask(use=place) if isinstance(outcome, Returned) and isinstance(outcome.value, Answered):
                answered = outcome.value
                how = Outcome.GOOD if answered.verdict == "done" else Outcome.BAD
                self._trace(
                    Kind.END, running.process, answered.verdict, to=traces.CUSTOMERS, task=running.name, outcome=how
                )
                self._complain(*self.accounting.judge_answer(self.world.seen(), place, answered))
            case _:
                said = "done" if isinstance(outcome, Returned) else type(outcome.error).__name__
                how = Outcome.GOOD if isinstance(outcome, Returned) else Outcome.BAD
                self._trace(Kind.END, running.process, said, task=running.name, outcome=how)
        self.watcher.ended(running, self, died=False)

    def _answered(self, running: Running, step: steps.Deliver, status: int) -> None:
        is_good = step.signature in steps.GOOD_SIGNATURES
        is_accepted = 200 <= status < 300
        outcome = Outcome.GOOD if is_accepted == is_good else Outcome.BAD
        if step.answer == "lost":
            outcome = Outcome.LOST
            self.faults += 1
            running.faults_met.append("answer lost")
        self._trace(Kind.END, running.process, str(status), to=traces.STRIPE, task=running.name, outcome=outcome)
        if is_accepted and not is_good:
            self._complain(Complaint(Checker.FORGED, f"{step.event}, {step.signature}, was answered {status}"))
        if not is_accepted and is_good and not (status >= 500 and "ledger" in " ".join(running.faults_met)):
            self._complain(Complaint(Checker.REFUSED, f"{step.event} was answered {status}, and nothing was away"))
        if is_accepted and is_good:
            self._complain(*self.accounting.judge_answered(self.world.seen(), step.event))
            if step.answer == "heard":
                self.acknowledged.add(step.event)

    def _crash(self, process: str) -> None:
        dying = [running for running in self.running.values() if running.process == process]
        for running in dying:
            running.task.die()
            running.faults_met.append("crash")
            del self.running[running.name]
        self.world.restart(process)
        self.faults += 1
        lost = f", and {', '.join(running.name for running in dying)} with it" if dying else ""
        self._trace(Kind.DIE, process, f"dies{lost}", outcome=Outcome.BAD)
        for running in dying:
            self.watcher.ended(running, self, died=True)

    def _sign_up(self, user: str) -> None:
        if user in self._absent:
            self._absent.discard(user)
            email = next(one.email for one in self.schedule.users if one.id == user)
            self.world.sign_up(Customer(user, email or ""))
            self._trace(Kind.JOIN, traces.LEDGER, f"{self.names[user]} signs up")

    def _look(self) -> None:
        """After a commit: does every balance follow from what was recorded?"""
        seen = self.world.seen()
        for account in seen.accounts:
            before = self._seen_balances.get(account.customer, 0)
            if account.balance != before:
                self._seen_balances[account.customer] = account.balance
                text = f"{self.names[account.customer]} {before} → {account.balance}"
                self._trace(Kind.BALANCE, traces.LEDGER, text)
        news = seen.ended - self.accounting.ended
        self._complain(*self.accounting.judge_meanwhile(seen, self.world.now()))
        self.watcher.recorded(news, self)

    def _complain(self, *complaints: Complaint) -> None:
        for complaint in complaints:
            self.complaints = (*self.complaints, complaint)
            self._trace(Kind.COMPLAINT, traces.LEDGER, self.named(str(complaint)), outcome=Outcome.BAD)

    def named(self, text: str) -> str:
        """A text with the customers' names in the place of their ids."""
        for user, name in self.names.items():
            text = text.replace(user, name)
        return text

    def _trace(
        self,
        kind: Kind,
        lane: str,
        text: str,
        *,
        to: str | None = None,
        task: str | None = None,
        outcome: Outcome = Outcome.GOOD,
    ) -> None:
        at = self.world.now() - self.schedule.starts_at
        self.moments.append(Moment(kind=kind, at=at, lane=lane, text=text, to=to, task=task, outcome=outcome))


def _said(name: str, value: Any) -> str:
    """What an answer came to, where that is worth a word."""
    if isinstance(value, bool):
        return f": {'yes' if value else 'no'}"
    if name.endswith(".commit") and isinstance(value, tuple):
        return f": {', '.join(type(one).__name__ for one in value)}"
    return ""
