"""Judges what becomes of credits: spends, holds that are captured, voided or forgotten, and credits that expire."""

from collections.abc import Mapping, Sequence

import attrs

from simulators.stories.checkers import Checker, Complaint
from simulators.stories.observation import Observation, ObservedAccount, answer_of

TAKING = ("spend", "capture")
EXPIRING = "expiry"
DAY = 24 * 3600


@attrs.frozen(kw_only=True)
class Use:
    """An operation that a service requests once or repeatedly: `spend`, `hold`, `capture`, `void` or `charge`.

    A capture or void names its hold by id; a hold is given that id. A charge, of a saved card, is given its own there.
    """

    act: str
    customer: str
    key: str
    credits: int
    hold: str | None = None
    lasts: int = DAY
    """How many seconds a hold lasts; one of none is over at once, and frees itself."""
    plan: str | None = None
    """What a charge is for."""


@attrs.frozen(kw_only=True)
class Answered:
    """The answer to an operation: `done` with the full answer, or `refused` or `unsettled` with the reason."""

    verdict: str
    answer: str


def taken(account: ObservedAccount) -> int:
    """Return the credits that entries say were used, or expired."""
    return -sum(entry.amount for entry in account.entries if entry.kind in (*TAKING, EXPIRING))


def before_use(seen: Observation) -> Observation:
    """Return the balances as they would be had nobody used any credits, and none expired."""
    accounts = [attrs.evolve(account, balance=account.balance + taken(account)) for account in seen.accounts]
    return attrs.evolve(seen, accounts=tuple(accounts))


def judge_uses(seen: Observation, uses: Sequence[Use]) -> tuple[Complaint, ...]:
    """Return what is wrong with what was used: each intent at most once, for exactly what was asked."""
    found = [
        Complaint(Checker.CHARGED_TWICE, f"{charge}: {times} times")
        for charge, times in seen.charged.items()
        if times > 1
    ]
    for account in seen.accounts:
        own = [use for use in uses if use.customer == account.customer]
        for entry in account.entries:
            if entry.kind not in TAKING:
                continue
            asked = [use for use in own if use.act == entry.kind and (entry.key or "").endswith(use.key)]
            if [-entry.amount] != [use.credits for use in asked]:
                found.append(Complaint(Checker.USED, f"{entry.kind} of {-entry.amount} under {entry.key}"))
        found += _twice(account)
        over = {use.hold for use in own if use.act == "hold" and use.lasts == 0}
        late = [use.key for use in own if use.act == "capture" and use.hold in over]
        found += [
            Complaint(Checker.USED, f"{entry.key}: the hold was over")
            for entry in account.entries
            if entry.kind == "capture" and any((entry.key or "").endswith(key) for key in late)
        ]
        captured = [entry.key or "" for entry in account.entries if entry.kind == "capture"]
        may_be_held = {0}
        for use in own:
            if use.act == "hold" and not any(key.endswith(str(use.hold)) for key in captured):
                may_be_held |= {held + use.credits for held in may_be_held}
        if account.held not in may_be_held:
            found.append(Complaint(Checker.HELD, f"{account.customer}: {account.held} are held"))
    return tuple(found)


def judge_expiries(seen: Observation, ends: Mapping[str, int], now: int) -> tuple[Complaint, ...]:
    """Return what is wrong with what expired: only what was given for a time that is over may, and no more of it.

    `ends` has when each period of a subscription ends, by its invoice, in seconds since 1970; nothing else ends.
    """
    found: list[Complaint] = []
    for account in seen.accounts:
        for payment in sorted({entry.payment or "" for entry in account.entries if entry.kind == EXPIRING}):
            own = [entry for entry in account.entries if entry.payment == payment]
            expired = -sum(entry.amount for entry in own if entry.kind == EXPIRING)
            given = sum(entry.amount for entry in own if entry.amount > 0)
            if expired > given:
                found.append(Complaint(Checker.EXPIRED, f"{expired} of {payment or 'nothing'}, which gave {given}"))
            periods = [entry.period for entry in own if entry.kind == EXPIRING and entry.period is not None]
            if not max(periods, default=ends.get(payment, now + 1)) <= now:
                found.append(Complaint(Checker.EXPIRED, f"{payment or 'nothing'} is not over"))
    return tuple(found)


def judge_taking(before: Observation, after: Observation) -> tuple[Complaint, ...]:
    """Return what is wrong with one step: a spend or a hold never takes what is not available."""
    known = {account.customer: account for account in before.accounts}
    found: list[Complaint] = []
    for account in after.accounts:
        earlier = known.get(account.customer)
        if earlier is None:
            continue
        spends = any(entry.kind == "spend" for entry in account.entries[len(earlier.entries) :])
        if (spends or account.held > earlier.held) and account.balance - account.held < 0:
            left = account.balance - account.held
            found.append(Complaint(Checker.OVERDRAWN, f"{account.customer}: {left} are available after it"))
    first = {key: answer for key, answer in before.answers.items() if after.answers.get(key) != answer}
    found += [Complaint(Checker.ANSWER, f"the first answer to {key} was changed") for key in sorted(first)]
    return tuple(found)


def judge_answer(seen: Observation, use: Use, answered: Answered) -> tuple[Complaint, ...]:
    """Return what is wrong with an answer: what is done stands under its key, with this very answer."""
    if use.act == "charge":
        is_lost = answered.verdict == "done" and answer_of(answered.answer) not in seen.ended
        return (Complaint(Checker.CHARGE_LOST, f"{use.key}: {answered.answer}"),) if is_lost else ()
    if answered.verdict == "unsettled":
        return (Complaint(Checker.REFUSED, f"{use.act} {use.key}: {answered.answer}"),)
    if answered.verdict == "done" and seen.answers.get(use.key) != answered.answer:
        return (Complaint(Checker.ANSWER, f"{use.act} {use.key}: {answered.answer}, kept {seen.answers.get(use.key)}"),)
    return ()


def _twice(account: ObservedAccount) -> list[Complaint]:
    keys = [entry.key for entry in account.entries if entry.kind in TAKING]
    return [
        Complaint(Checker.USED, f"{key} was taken twice")
        for key in sorted({k or "" for k in keys if keys.count(k) > 1})
    ]
