"""The checkers: what must be true of balances, entries, copies and events, judged from what customers really did.

They see only what anybody could see (:class:`Observation`), know nothing of how it came about, and say what is wrong.
"""

import enum
from collections.abc import Collection, Iterable, Mapping, Sequence

import attrs

from simulators.stories.expectations import Expectation
from simulators.stories.invoice_worth import Due
from simulators.stories.observation import Copy, Observation, ObservedAccount


class Checker(enum.StrEnum):
    """The checks, each with the complaint that it makes."""

    BALANCE_IMPOSSIBLE = "balance is of no set of events that were reported"
    BALANCE_TOO_HIGH = "balance is more than was ever paid for"
    BALANCE_WRONG = "balance is wrong once all is quiet"
    ENTRIES = "entries do not add up to the balance"
    VERSIONS = "versions have gaps"
    KEY_TWICE = "an idempotency key stands twice"
    GRANTED_TWICE = "a payment has two purchase entries"
    GRANT = "a period brought other credits than were paid for"
    ENDS = "credits of a period end at another time"
    OUTLASTED = "credits outlasted their time"
    COPY = "the cache has what the ledger never had"
    COPY_BACK = "the cache went back to an older state"
    COPY_STALE = "the cache disagrees once all is quiet"
    READ = "a quota was read that the ledger never had"
    EVENT_LOST = "an event was answered and did not end"
    REFUSED = "a good delivery was refused"
    FORGED = "a delivery that Stripe did not sign was accepted"
    MESSAGE_LOST = "a message of the outbox was not delivered"
    USED = "credits were used otherwise than asked, or twice"
    HELD = "credits are held otherwise than asked"
    EXPIRED = "credits expired that were not over"
    OVERDRAWN = "more was taken than was available"
    ANSWER = "an answer is not the first one under its key"
    INVOICE = "an invoice was not sent"
    CHARGED_TWICE = "a saved card was charged twice for one request"
    CHARGE_LOST = "a charge was answered as paid and is not recorded"
    CONSISTENCY = "the ledger's own check complains"


@attrs.frozen
class Complaint:
    """Something that is wrong: by which checker, and what it saw."""

    checker: Checker
    message: str

    def __str__(self) -> str:
        return f"{self.checker}: {self.message}"


def judge_account(account: ObservedAccount) -> tuple[Complaint, ...]:
    """Return what is wrong with an account by itself, at whatever moment it is looked at."""
    entries, name = account.entries, account.customer
    found: list[Complaint] = []
    if [entry.version for entry in entries] != list(range(1, account.version + 1)):
        found.append(Complaint(Checker.VERSIONS, f"{name}: {[entry.version for entry in entries]}"))
    total = sum(entry.amount for entry in entries)
    if total != account.balance:
        found.append(Complaint(Checker.ENTRIES, f"{name}: they sum to {total}, the balance is {account.balance}"))
    running = 0
    for entry in entries:
        before = running if entry.balance_before is None else entry.balance_before
        if before != running or before + entry.amount != entry.balance_after:
            found.append(Complaint(Checker.ENTRIES, f"{name}: entry {entry.version} does not follow the one before"))
        running = entry.balance_after
    found += _twice(Checker.KEY_TWICE, name, [entry.key for entry in entries])
    bought = [entry for entry in entries if entry.kind == "purchase" and entry.payment is not None]
    found += _twice(Checker.GRANTED_TWICE, name, [f"{entry.payment}, {entry.period}" for entry in bought])
    return (*found, *judge_copy(account))


def judge_grants(account: ObservedAccount, wanted: Iterable[Due], now: int | None) -> tuple[Complaint, ...]:
    """Return what is wrong with what periods brought, and with when it ends; balances may be right where these are not.

    What comes back only after its time is over has no end, and what comes back to an empty grant has that grant's.
    """
    own = [due for due in wanted if due.customer == account.customer and due.period is not None]
    names = {handle: min(due.handles) for due in own for handle in due.handles}
    due_by_grant = {(min(due.handles), due.period): due for due in own}
    brought: dict[tuple[str, int | None], int] = {}
    emptied: set[tuple[str, int | None]] = set()
    for entry in account.entries:
        if entry.payment in names and entry.kind in ("purchase", "clawback", "reinstatement"):
            key = names[entry.payment], entry.period
            brought[key] = brought.get(key, 0) + entry.amount
        emptied |= {key for key, credits_ in brought.items() if min(credits_, entry.balance_after) <= 0}
    found = []
    for key in sorted({*brought, *due_by_grant}, key=str):
        worth_ = due_by_grant[key].credits if key in due_by_grant else 0
        if brought.get(key, 0) != worth_:
            found.append(
                Complaint(Checker.GRANT, f"{account.customer}: {key} brought {brought.get(key, 0)} of {worth_}")
            )
    for grant in account.grants or ():
        key = names.get(grant.payment or "", ""), grant.period
        due = due_by_grant.get(key)
        if (
            due is None
            or key in emptied
            or grant.remaining == 0
            or (grant.ends is None and (due.ends or 0) <= (now or 0))
        ):
            continue
        if grant.ends != due.ends:
            late = (grant.ends or 0) - (due.ends or 0)
            text = f"{account.customer}: {grant.payment} at {grant.ends}, {late} seconds from what was paid for"
            found.append(Complaint(Checker.ENDS, text))
    return tuple(found)


def judge_over(seen: Observation, wanted: Iterable[Due], now: int) -> tuple[Complaint, ...]:
    """Return what is wrong once all that is over was let expire: what has ended is gone, and nothing else is."""
    found = []
    over: dict[tuple[str, int | None], int]
    over = {(handle, due.period): due.ends or 0 for due in wanted if due.period is not None for handle in due.handles}
    for account in seen.accounts:
        for grant in account.grants or ():
            ends = over.get((grant.payment or "", grant.period))
            if grant.remaining > 0 and grant.ends is not None and ends is not None and ends <= now:
                text = f"{account.customer}: {grant.remaining} of {grant.payment} are left at {now}"
                found.append(Complaint(Checker.OUTLASTED, text))
        found += [
            Complaint(Checker.EXPIRED, f"{account.customer}: {entry.payment} at {now}")
            for entry in account.entries
            if entry.kind == "expiry" and over.get((entry.payment or "", entry.period), 0) > now
        ]
    return tuple(found)


def judge_copy(account: ObservedAccount) -> tuple[Complaint, ...]:
    """Return what is wrong with the copy: it may be behind, but must be what the ledger once had."""
    if account.copy is None or _had(account, account.copy):
        return ()
    return (Complaint(Checker.COPY, f"{account.customer}: {account.copy}, the ledger {_standing(account)}"),)


def judge_read(account: ObservedAccount, read: Copy) -> tuple[Complaint, ...]:
    """Return what is wrong with a quota that somebody read while the account stood so."""
    if _had(account, read):
        return ()
    return (Complaint(Checker.READ, f"{account.customer}: {read}, the ledger {_standing(account)}"),)


def judge_move(before: Observation, after: Observation) -> tuple[Complaint, ...]:
    """Return what is wrong with one step: entries stay as they are, and a copy goes forward, or is gone."""
    known = {account.customer: account for account in before.accounts}
    found: list[Complaint] = []
    for account in after.accounts:
        earlier = known.get(account.customer)
        if earlier is None:
            continue
        if account.entries[: len(earlier.entries)] != earlier.entries:
            found.append(Complaint(Checker.ENTRIES, f"{account.customer}: an entry was changed or removed"))
        if account.copy is not None and earlier.copy is not None and account.copy.version < earlier.copy.version:
            found.append(Complaint(Checker.COPY_BACK, f"{account.customer}: {account.copy}, before {earlier.copy}"))
    return tuple(found)


def judge_invoices(seen: Observation, due: Iterable[str]) -> tuple[Complaint, ...]:
    """Return what is wrong with what customers got: each invoice of paid credits is sent once all is quiet."""
    missing = sorted(set(due) - seen.invoices_sent)
    return (Complaint(Checker.INVOICE, ", ".join(missing)),) if missing else ()


def judge_answered(seen: Observation, event: str) -> tuple[Complaint, ...]:
    """Return what is wrong once an event was answered with 200: it must be recorded by then."""
    if event in seen.ended or event in seen.waiting:
        return ()
    return (Complaint(Checker.EVENT_LOST, f"{event}: answered, and not recorded"),)


def judge_meanwhile(
    seen: Observation, expected: Expectation, possible: Mapping[str, Collection[int]]
) -> tuple[Complaint, ...]:
    """Return what is wrong with balances in flight; `possible` is what :func:`possible_balances` gives."""
    found: list[Complaint] = []
    for account in seen.accounts:
        name, balance = account.customer, account.balance
        if balance > expected.at_most.get(name, 0):
            found.append(
                Complaint(Checker.BALANCE_TOO_HIGH, f"{name}: {balance}, paid for {expected.at_most.get(name, 0)}")
            )
        if balance not in possible.get(name, (0,)):
            found.append(
                Complaint(Checker.BALANCE_IMPOSSIBLE, f"{name}: {balance}, possible {sorted(possible.get(name, (0,)))}")
            )
    return tuple(found)


def judge_quiet(seen: Observation, expected: Expectation, events: Iterable[str]) -> tuple[Complaint, ...]:
    """Return what is wrong once every event was delivered and answered, and nothing is left to do."""
    found: list[Complaint] = []
    for account in seen.accounts:
        found += judge_account(account)
        found += judge_grants(account, expected.dues, seen.now)
        wanted = expected.balances.get(account.customer, 0)
        if account.balance != wanted:
            found.append(Complaint(Checker.BALANCE_WRONG, f"{account.customer}: {account.balance} instead of {wanted}"))
        copy = account.copy
        if copy is not None and copy != Copy(balance=account.balance, version=account.version, held=account.held):
            found.append(Complaint(Checker.COPY_STALE, f"{account.customer}: {copy}, the ledger {_standing(account)}"))
    lost = sorted(set(events) - seen.ended)
    if lost:
        found.append(Complaint(Checker.EVENT_LOST, ", ".join(lost)))
    if seen.messages_left:
        found.append(Complaint(Checker.MESSAGE_LOST, f"{seen.messages_left} left"))
    found += [Complaint(Checker.CONSISTENCY, problem) for problem in seen.inconsistencies]
    return tuple(found)


def _had(account: ObservedAccount, copy: Copy) -> bool:
    if copy.version == 0:
        return copy.balance == 0
    return any(entry.version == copy.version and entry.balance_after == copy.balance for entry in account.entries)


def _standing(account: ObservedAccount) -> Copy:
    return Copy(balance=account.balance, version=account.version, held=account.held)


def _twice(checker: Checker, name: str, values: Sequence[str | None]) -> list[Complaint]:
    found = [value for value in values if value is not None]
    return [Complaint(checker, f"{name}: {value}") for value in sorted({one for one in found if found.count(one) > 1})]
