"""The verdict on a target: its accounts, read back through its API, held against what the customers really did."""

import asyncio
import time
from collections.abc import Mapping, Sequence, Set

import attrs

from simulators.fire.answers import NoAnswer
from simulators.fire.sender import Tally
from simulators.fire.target import Entry, Quota, Target
from simulators.stories.acts import Act
from simulators.stories.checkers import judge_account, judge_meanwhile, judge_quiet, judge_read
from simulators.stories.event_readings import Reading
from simulators.stories.expectations import Expectation, possible_balances
from simulators.stories.observation import Copy, Observation, ObservedAccount, ObservedEntry

POLL_SECONDS = 0.25
READERS = 4
MOST_UNCERTAIN = 8
"""With more events of one customer under way at once, what their balance may be meanwhile is not worked out."""


@attrs.frozen(kw_only=True)
class Customer:
    """A customer of the fire run, and the events about them."""

    user_id: str
    readings: Mapping[str, Reading]
    """What each of their events reports, by its id."""


@attrs.frozen(kw_only=True)
class Finding:
    """One customer's account at the end, and what is wrong with it."""

    customer: str
    expected: int
    balance: int | None
    entries: int
    complaints: tuple[str, ...]


@attrs.frozen(kw_only=True)
class Verdict:
    """The findings about each customer's account, and the complaints about deliveries."""

    findings: tuple[Finding, ...]
    complaints: tuple[str, ...]

    @property
    def is_good(self) -> bool:
        """Return whether all is as the customers' acts say."""
        return not self.complaints and not any(finding.complaints for finding in self.findings)


async def look_meanwhile(
    target: Target, customer: Customer, acts: Sequence[Act], tally: Tally
) -> tuple[str, ...] | None:
    """Return what is wrong with a customer's account while deliveries are under way; None where it can't be said.

    :raises NoAnswer: if the target can't be asked now.
    """
    mine = customer.readings
    known = mine.keys() & tally.decided
    quota, entries = await target.quota(customer.user_id), await target.entries(customer.user_id)
    uncertain = (mine.keys() & tally.begun) - known
    if len(uncertain) > MOST_UNCERTAIN:
        return None
    account = _account(customer.user_id, entries)
    possible = possible_balances(
        [mine[event] for event in known], [mine[event] for event in uncertain], [customer.user_id]
    )
    found = (
        *judge_account(account),
        *judge_read(account, _copy(quota)),
        *judge_meanwhile(Observation(accounts=(account,)), Expectation.of(acts), possible),
    )
    return tuple(map(str, found))


async def judge(
    target: Target, customers: Sequence[Customer], acts: Sequence[Act], tally: Tally, *, patience: float
) -> Verdict:
    """Return the verdict, once every account is right, or has had so many seconds to become so."""
    expected = Expectation.of(acts)
    places = asyncio.Semaphore(READERS)
    until = time.monotonic() + patience

    async def look(customer: Customer) -> Finding:
        while True:
            async with places:
                finding = await _looked_at(target, customer, expected)
            if not finding.complaints or time.monotonic() > until:
                return finding
            await asyncio.sleep(POLL_SECONDS)

    findings = await asyncio.gather(*(look(customer) for customer in customers))
    lost = [f"{event} was never accepted" for event in sorted(tally.lost)]
    inconsistencies = await _inconsistencies(target, {customer.user_id for customer in customers})
    return Verdict(findings=tuple(findings), complaints=(*tally.complaints, *lost, *inconsistencies))


async def _inconsistencies(target: Target, ours: Set[str]) -> list[str]:
    try:
        return [f"{user}: {problem}" for user, problem in await target.inconsistencies() if user in ours]
    except NoAnswer as problem:
        return [str(problem)]


async def _looked_at(target: Target, customer: Customer, expected: Expectation) -> Finding:
    user = customer.user_id
    due = expected.balances.get(user, 0)
    try:
        quota, entries = await target.quota(user), await target.entries(user)
    except NoAnswer as problem:
        return Finding(customer=user, expected=due, balance=None, entries=0, complaints=(str(problem),))
    account = attrs.evolve(_account(user, entries), copy=_copy(quota), held=quota.held)
    complaints = judge_quiet(Observation(accounts=(account,)), expected, ())
    return Finding(
        customer=user,
        expected=due,
        balance=quota.balance,
        entries=len(entries),
        complaints=tuple(map(str, complaints)),
    )


def _account(user: str, entries: Sequence[Entry]) -> ObservedAccount:
    """Return the account that the entries make: they are the authority."""
    return ObservedAccount(
        customer=user,
        balance=entries[-1].balance_after if entries else 0,
        version=len(entries),
        entries=tuple(
            ObservedEntry(
                version=entry.version,
                amount=entry.amount,
                kind=entry.kind,
                balance_before=entry.balance_before,
                balance_after=entry.balance_after,
                payment=entry.purchase_id,
                period=entry.period,
            )
            for entry in entries
        ),
    )


def _copy(quota: Quota) -> Copy:
    return Copy(balance=quota.balance, version=quota.version, held=quota.held)
