"""The tasks of a schedule on a system under test, from one call of a port to the next, with the checkers watching."""

from typing import Any

from simulators.schedules import steps, traces
from simulators.schedules.accounting import Accounting
from simulators.schedules.running import PARTS, Running
from simulators.schedules.steps import Schedule
from simulators.schedules.traces import Kind, Moment, Outcome
from simulators.stories.checkers import Checker, Complaint
from simulators.stories.credit_operations import Answered
from simulators.stories.customers import Customer, Plan
from simulators.stories.observation import Copy
from simulators.system import system
from simulators.system.stepping import Returned

MAX_STEPS_OF_A_TASK = 5_000


class Watcher:
    """An observer of a schedule's deliveries while it runs. By itself it does nothing."""

    def began(self, running: Running, runner: "TaskRunner") -> None:
        """Note that a task began."""

    def ended(self, running: Running, runner: "TaskRunner", *, died: bool) -> None:
        """Note that a task ended, or died with its process."""

    def happened(self, what: str) -> None:
        """Note what else happened: `flush`."""

    def recorded(self, events: frozenset[str], runner: "TaskRunner") -> None:
        """Note which events were recorded, and decided for good, since the last call."""


class TaskRunner:
    """The tasks under way on one world: each call is done, fails or loses its answer, until the task is over."""

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
            payments=schedule.payments,
            prices=schedule.prices,
        )
        self.watcher = watcher or Watcher()
        self.running: dict[str, Running] = {}
        self.broken: set[str] = set()
        self.acknowledged: set[str] = set()
        self.moments: list[Moment] = []
        self.complaints: tuple[Complaint, ...] = ()
        self.deliveries = self.faults = self.reads = self.uses = 0
        self._seen_balances: dict[str, int] = {}

    @property
    def has_failed(self) -> bool:
        """Return whether a checker complained."""
        return bool(self.complaints)

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
        if pause.name in ("cache.store", "cache.store_many", "markers.finish") and outcome is not Outcome.BAD:
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
        running.has_read |= pause.name in ("ledger.read", "wallets.holdings")
        if pause.name == "ledger.commit":
            running.committed |= "Committed" in said or "Duplicate" in said
            if "Conflict" in said and running.has_read:
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

    def _look(self) -> None:
        """Check after a commit that every balance follows from what was recorded."""
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
        """Return a text with the customers' names in the place of their ids."""
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
    """Return what an answer came to, where that is worth a word."""
    if isinstance(value, bool):
        return f": {'yes' if value else 'no'}"
    if name.endswith(".commit") and isinstance(value, tuple):
        return f": {', '.join(type(one).__name__ for one in value)}"
    return ""
