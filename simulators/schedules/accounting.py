"""Calculates what each customer of a schedule must have: by what was recorded at each moment, by their acts at rest."""

from collections.abc import Iterable, Mapping, Sequence

import attrs

from simulators.schedules.steps import Schedule
from simulators.stories.acts import act_of_json
from simulators.stories.charges import answers
from simulators.stories.checkers import (
    Checker,
    Complaint,
    judge_account,
    judge_answered,
    judge_grants,
    judge_invoices,
    judge_move,
    judge_over,
    judge_quiet,
    judge_read,
)
from simulators.stories.credit_operations import (
    Answered,
    Use,
    judge_answer,
    judge_expiries,
    judge_taking,
    judge_uses,
    taken,
)
from simulators.stories.customers import Plan
from simulators.stories.event_readings import CHARGE_KEY, Reading, Sold, SubscriptionReading, reading_of
from simulators.stories.expectations import Expectation
from simulators.stories.invoice_worth import Due
from simulators.stories.invoices import Bill
from simulators.stories.observation import Copy, Observation, ObservedAccount, answer_of
from simulators.stories.reading_worth import dues, ends_of, invoices_due


class Accounting:
    """A schedule's books, kept by the simulators' own reading of its events."""

    def __init__(self, schedule: Schedule, plans: Sequence[Plan]) -> None:
        credits = {plan.id: plan.credits for plan in plans}  # noqa: A001 - the field's own word
        asked = {use.get("hold") for use in schedule.uses}
        # Without whoever asks for a charge, there is no answer to it.
        charged = [
            one for one in schedule.payments if "intent" in one and one["intent"]["metadata"][CHARGE_KEY] in asked
        ]
        self.readings: Mapping[str, Reading] = {
            event.id: reading_of(event.body, credits, schedule.prices) for event in schedule.events
        } | answers(charged, credits)
        self._answers = {one["intent"]["metadata"][CHARGE_KEY]: answer_of(one["intent"]["id"]) for one in charged}
        self.payments = _payments(self.readings)
        self.customers = {event: buyer for event, group in self.payments.items() for buyer in _buyers(self._in(group))}
        self.customers |= _subscribers(self.readings)
        self.dues = tuple(dues(self.readings.values()))
        self.balances = _summed(self.dues)
        self._invoices = invoices_due(self.readings.values())
        acts = [act_of_json(dict(act)) for act in schedule.acts]
        self._by_acts = Expectation.of(acts) if acts else None
        self._ends = ends_of(self.readings.values())
        self._reported: dict[str, list[Reading]] = {}
        self._due: dict[str, list[Due]] = {}
        self.uses = tuple(Use(**use) for use in schedule.uses)
        self._last: Observation | None = None
        self.ended: frozenset[str] = frozenset()
        """The events that were recorded and decided for good, as far as was looked."""
        self._judged: dict[str, ObservedAccount] = {}
        self._copies: dict[str, int] = {}

    def judge_meanwhile(self, seen: Observation, now: int) -> tuple[Complaint, ...]:
        """Return what is wrong while things are in flight: each balance is what the recorded events are worth, less
        what was used or has expired, and nothing was used that was not there.

        An event is recorded together with what it changes, or not at all; so there is no moment at which a balance
        may be anything else.
        """
        self._learn(seen.ended)
        found = [*judge_uses(seen, self.uses), *judge_expiries(seen, self._ends, now)]
        if self._last is not None:
            found += (*judge_move(self._last, seen), *judge_taking(self._last, seen))
        self._last = _without_copies(seen)
        for account in seen.accounts:
            name = account.customer
            due = self._due.get(name, [])
            wanted = _summed(due).get(name, 0) - taken(account)
            if account.balance != wanted:
                text = f"{name}: {account.balance} credits, and what was recorded so far leaves {wanted}"
                found.append(Complaint(Checker.BALANCE_IMPOSSIBLE, text))
            found += judge_grants(account, due, now)
            if self._judged.get(name) != account:
                found += judge_account(account)
                self._judged[name] = account
        return tuple(found)

    def judge_copies(self, seen: Observation) -> tuple[Complaint, ...]:
        """Return what is wrong after a copy was written: a late writer must not bring back an older one."""
        found = []
        for account in seen.accounts:
            version = account.copy.version if account.copy else 0
            if version < self._copies.get(account.customer, 0):
                text = f"{account.customer}: version {version} came after {self._copies[account.customer]}"
                found.append(Complaint(Checker.COPY_BACK, text))
            self._copies[account.customer] = version
        return tuple(found)

    def forget_copies(self) -> None:
        """Note that the cache lost something, so that an older copy may follow."""
        self._copies.clear()

    def judge_read(self, seen: Observation, customer: str, read: Copy | None) -> tuple[Complaint, ...]:
        """Return what is wrong with a quota that was read."""
        if read is None:
            return ()
        account = next((one for one in seen.accounts if one.customer == customer), None)
        if account is None:
            return (Complaint(Checker.READ, f"{customer}: {read}, and there is no such account"),)
        return judge_read(account, read)

    def judge_answered(self, seen: Observation, event: str) -> tuple[Complaint, ...]:
        """Return what is wrong with a delivery that was answered with success."""
        return judge_answered(seen, event)

    def judge_answer(self, seen: Observation, use: int, answered: Answered) -> tuple[Complaint, ...]:
        """Return what is wrong with what a service was answered."""
        return judge_answer(seen, self.uses[use], answered)

    def is_quiet(self, seen: Observation) -> bool:
        """Return whether every event is decided, and no message is left."""
        return self.readings.keys() <= seen.ended and not seen.messages_left and not seen.changes_left

    def judge_quiet(self, seen: Observation) -> tuple[Complaint, ...]:
        """Return what is wrong once all is at rest, by what the events report, and by what the customers did."""
        found = judge_quiet(seen, _less_use(self.balances, seen), self.readings)
        if self._by_acts is not None:
            expected = attrs.evolve(_less_use(self._by_acts.balances, seen), dues=self._by_acts.dues)
            by_acts = judge_quiet(seen, expected, self.readings)
            found += tuple(one for one in by_acts if one not in found)
        return (*found, *judge_invoices(seen, self._invoices))

    def judge_over(self, seen: Observation, now: int) -> tuple[Complaint, ...]:
        """Return what is wrong once all that is over was let expire."""
        return judge_over(seen, self.dues, now)

    def charge_of(self, event: str) -> int | None:
        """Return the charge, by its place among the uses, whose payment an event is about; None for all others."""
        answers_to = ((place, self._answers.get(use.hold or "")) for place, use in enumerate(self.uses))
        return next((place for place, answer in answers_to if answer in self.payments[event]), None)

    def ends(self) -> tuple[int, ...]:
        """Return when credits end, each moment once."""
        return tuple(sorted({due.ends for due in self.dues if due.ends is not None}))

    def sales_of(self, event: str) -> frozenset[str]:
        """Return the events that report the sale of an event's payment."""
        return frozenset(one for one in self.payments[event] if _buyers([self.readings[one]]))

    def joins_apart(self, event: str) -> bool:
        """Return whether an event, reported last, was the first to show that what others reported is one payment."""
        others = [self.readings[one] for one in sorted(self.payments[event] & self.ended) if one != event]
        found = [(set(reading.handles), bool(reading.claims)) for reading in others if reading.handles]
        return len(_apart(found)) > len(_apart([*found, (set(self.readings[event].handles), False)]))

    def _in(self, events: Iterable[str]) -> list[Reading]:
        return [self.readings[event] for event in events]

    def _learn(self, ended: frozenset[str]) -> None:
        concerned = set()
        for event in ended - self.ended:
            customer = self.customers.get(event)
            if customer is not None:
                self._reported.setdefault(customer, []).append(self.readings[event])
                concerned.add(customer)
        self.ended = ended
        for customer in concerned:
            self._due[customer] = dues(self._reported[customer])


def _summed(wanted: Iterable[Due]) -> dict[str, int]:
    totals: dict[str, int] = {}
    for due in wanted:
        totals[due.customer] = totals.get(due.customer, 0) + due.credits
    return totals


def _subscribers(readings: Mapping[str, Reading]) -> dict[str, str]:
    """Return whose subscriptions the events are about that report nothing else."""
    claims = [(event, claim) for event, reading in readings.items() for claim in reading.claims]
    owners = {claim.subscription: claim.customer for _, claim in claims if isinstance(claim, Bill)}
    return {
        event: owners[claim.subscription]
        for event, claim in claims
        if isinstance(claim, SubscriptionReading) and claim.subscription in owners
    }


def _without_copies(seen: Observation) -> Observation:
    """Return what was seen of the ledger alone: a cache that lost something may rightly go back."""
    return attrs.evolve(seen, accounts=tuple(attrs.evolve(account, copy=None) for account in seen.accounts))


def _less_use(balances: Mapping[str, int], seen: Observation) -> Expectation:
    used = {account.customer: taken(account) for account in seen.accounts}
    names = {*balances, *used}
    return Expectation(balances={name: balances.get(name, 0) - used.get(name, 0) for name in names}, at_most={})


def _payments(readings: Mapping[str, Reading]) -> dict[str, frozenset[str]]:
    """Return for each event all that are of its payment: events that share a handle are of one payment."""
    groups: dict[str, int] = {}
    members: dict[int, list[str]] = {}
    for number, (event, reading) in enumerate(readings.items()):
        joined = sorted({groups[handle] for handle in reading.handles if handle in groups})
        members[number] = [event, *(one for group in joined for one in members.pop(group))]
        for one in members[number]:
            groups |= dict.fromkeys(readings[one].handles, number)
    return {event: frozenset(group) for group in members.values() for event in group}


def _apart(found: list[tuple[set[str], bool]]) -> list[tuple[set[str], bool]]:
    """Return what was reported, in groups that share no handle; only those that claim something count."""
    groups: list[tuple[set[str], bool]] = []
    for handles, claims in found:
        joined = [group for group in groups if group[0] & handles]
        groups = [group for group in groups if not group[0] & handles]
        merged = set(handles).union(*(group[0] for group in joined))
        groups.append((merged, claims or any(group[1] for group in joined)))
    return [group for group in groups if group[1]]


def _buyers(readings: Iterable[Reading]) -> set[str]:
    return {claim.customer for reading in readings for claim in reading.claims if isinstance(claim, Sold | Bill)}
