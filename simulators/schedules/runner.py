"""Playing a schedule on a system under test, step by step, with the checkers watching at every commit and every read.

Given the same system, a schedule always plays the same. Playing stops at the first complaint: what comes after a wrong
balance only repeats it.
"""

from collections.abc import Callable, Mapping

from simulators.schedules import steps, traces
from simulators.schedules.running import Running
from simulators.schedules.steps import Schedule, Step
from simulators.schedules.tasks import TaskRunner, Watcher
from simulators.schedules.traces import Kind, Outcome
from simulators.stories.checkers import Complaint
from simulators.stories.customers import Customer
from simulators.stripe.signatures import sign_webhook
from simulators.system import system
from simulators.system.settling import LEASE_SECONDS
from simulators.system.stepping import Task

ROUNDS = 100
"""Rounds of repetition and work after which a schedule that does not settle is wrong."""

ROUND_SECONDS = 3600
EXPIRIES = 20
"""Rounds of work that let everything expire, at most."""
SKEW_SECONDS = 301
"""Just more than the difference of clocks that is tolerated."""


class ScheduleRunner(TaskRunner):
    """One schedule on one world of the system."""

    def __init__(self, schedule: Schedule, under_test: system.System, *, watcher: Watcher | None = None) -> None:
        super().__init__(schedule, under_test, watcher=watcher)
        self.asked: set[int] = set()
        """The places of the uses that were asked, whether or not anybody heard an answer."""
        self._absent = {user.id for user in schedule.users if user.joins_later}

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
        uses = enumerate(self.accounting.uses)
        charges = {place for place, use in uses if use.act == "charge" and use.customer in self.names}
        if charges:
            # Whoever asks for money asks until there is an answer; who was interrupted has let go by then.
            self.asked |= charges
            self.world.let_pass(LEASE_SECONDS)
        for number in range(ROUNDS):
            process = self.schedule.processes[number % len(self.schedule.processes)]
            for event in self.schedule.events:
                if event.id not in self.acknowledged:
                    self._do_whole(steps.Deliver(task=f"s{number}.{event.id[-4:]}", on=process, event=event.id))
            for place in sorted(self.asked) if number == 0 else ():
                self._do_whole(steps.Ask(task=f"s{number}.use{place}", on=process, use=place))
            for job in ("inbox", "outbox", "cache", *(("charges",) if charges else ())):
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
