"""Observes a world in memory, for the checkers and for comparing two worlds.

Two worlds are the same if no port can ever answer a job differently. What ports hand only to people's pages (which
event made an entry, and when; whether a decided event was news) is left out, and so is a decided event's text: its id
stands for it.
"""

from collections.abc import Hashable
from datetime import datetime
from typing import Any

import attrs

from domain.credits.grants import Grant
from domain.credits.ledger import LedgerEntry, period_of
from domain.payments.purchases import Link
from features.harness.parts import Parts
from simulators.stories.observation import Copy, Observation, ObservedAccount, ObservedEntry, ObservedGrant, answer_of
from simulators.system.states import state_of
from simulators.system.stepping import Call, perform

ALL_ENTRIES = 1_000_000


def observe(parts: Parts) -> Observation:
    """Return what the checkers look at."""
    ledger, statuses = parts.ledger, parts.ledger.inbox.statuses()
    copies = {copy.user_id: copy for copy in parts.cache.copies().values()}
    accounts = []
    for account in _answer(parts, "audit", "accounts_after", None, ALL_ENTRIES):
        entries = _answer(parts, "ledger", "entries", account.user_id, before_version=None, limit=ALL_ENTRIES)
        copy = copies.get(account.user_id)
        accounts.append(
            ObservedAccount(
                customer=account.user_id,
                balance=account.balance,
                version=account.version,
                held=account.held,
                entries=tuple(_entry(entry) for entry in reversed(entries)),
                copy=Copy(balance=copy.balance, version=copy.version, held=copy.held) if copy else None,
                grants=tuple(map(_grant, ledger.grants.live(account.user_id))),
            )
        )
    found = _answer(parts, "audit", "inconsistencies")
    return Observation(
        accounts=tuple(accounts),
        ended=frozenset(event_id for event_id, status in statuses.items() if status.is_final) | _answered(parts),
        waiting=frozenset(event_id for event_id, status in statuses.items() if not status.is_final),
        messages_left=ledger.outbox.count(failed=False) + ledger.outbox.count(failed=True),
        changes_left=ledger.walk.left(),
        answers={_asked(key): repr(kept.answer) for key, kept in ledger.requests().items()},
        invoices_sent=frozenset(parts.payments.sent.values()),
        charged=dict(parts.cards.taken),
        now=_seconds(parts.clock.moment),
        inconsistencies=tuple(f"{one.user_id}: {one.problem}" for one in found),
    )


def state_in(parts: Parts) -> Hashable:
    """All that a job can ever be answered by."""
    waiting = [event_id for event_id, status in parts.ledger.inbox.statuses().items() if not status.is_final]
    return (*(state_of(getattr(parts, field.name), _VIEWS) for field in attrs.fields(Parts)), *waiting)


def _answer(parts: Parts, port: str, method: str, *arguments: Any, **keywords: Any) -> Any:
    return perform(parts.ports, Call(port, method, arguments, tuple(keywords.items())))


def _answered(parts: Parts) -> frozenset[str]:
    """Return the payments with saved cards of which the ledger knows what they paid, by whatever way."""
    intents = (paid.payment_intent for paid in parts.cards.paid.values())
    found = {one: parts.ledger.purchases.reached((Link(f"payment_intent:{one}"),)) for one in intents}
    return frozenset(answer_of(one) for one, rows in found.items() if any(row.purchase.order for row in rows))


def _asked(key: str) -> str:
    """The caller's key, or the hold that was settled."""
    return key.removeprefix("key:").removeprefix("hold:").removesuffix(":settled")


def _entry(entry: LedgerEntry) -> ObservedEntry:
    posting = entry.posting
    return ObservedEntry(
        version=entry.version,
        amount=posting.amount,
        kind=posting.kind.value,
        balance_before=entry.balance_before,
        balance_after=entry.balance_after,
        key=posting.idempotency_key,
        payment=posting.purchase_id,
        period=_seconds(period_of(posting)),
    )


def _grant(grant: Grant) -> ObservedGrant:
    return ObservedGrant(
        payment=grant.purchase_id,
        period=_seconds(grant.period_ends_at),
        remaining=grant.remaining,
        ends=_seconds(grant.expires_at),
    )


def _seconds(moment: datetime | None) -> int | None:
    return int(moment.timestamp()) if moment is not None else None


def _kept_event(kept: Any) -> Hashable:
    event, status = kept.decision.event, kept.decision.status
    if status.is_final:
        return event.id, kept.affected_users
    return event.id, status.value, kept.decision.reason, kept.affected_users, kept.attempts, kept.retry_at


def _entry_state(entry: LedgerEntry) -> Hashable:
    posting = entry.posting
    return entry.version, posting.amount, entry.balance_after, posting.idempotency_key, posting.purchase_id


def _walk_state(walk: Any) -> Hashable:
    # No port tells when an account changed.
    mark = walk._mark or 0
    return mark, tuple(user_id for user_id, _ in walk._changes[mark:]), walk._leased_until


def _markers_state(markers: Any) -> Hashable:
    # No port tells whether a session is being handled.
    return state_of((markers._checkouts, markers._processed), {})


def _cards_state(cards: Any) -> Hashable:
    # What a payment is never changes.
    return state_of((cards.taken, cards.keys), {})


_VIEWS = {
    "WorldCards": _cards_state,
    "_Kept": _kept_event,
    "LedgerEntry": _entry_state,
    "MemorySessionMarkers": _markers_state,
    "MemoryWalk": _walk_state,
}
