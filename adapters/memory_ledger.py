"""The ledger in memory: every rule of the real one, and nothing that survives the process.

It awaits nothing inside, so each method is one indivisible step, as a transaction is.
"""

from collections.abc import Sequence

import attrs

from domain.accounts import Account, UserId
from domain.commits import (
    Change,
    CommitResult,
    Committed,
    Conflict,
    Duplicate,
    EventDecision,
    EventStatus,
    Inconsistency,
    Message,
    OutboxMessage,
    RecordedPurchase,
    Rejected,
    Settled,
    Snapshot,
)
from domain.ledger import LedgerEntry, Posted, Posting, post
from domain.ports import Clock
from domain.purchases import Link, PurchaseId


@attrs.define
class _Stored:
    message: OutboxMessage
    due_at: float
    attempts: int = 0
    delivered: bool = False


class MemoryLedger:
    """Implements the ports Ledger, Accounts, Audit and Outbox in memory."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._accounts: dict[UserId, Account] = {}
        self._entries: dict[UserId, list[LedgerEntry]] = {}
        self._purchases: dict[PurchaseId, RecordedPurchase] = {}
        self._owners: dict[Link, PurchaseId] = {}
        self._events: dict[str, EventDecision] = {}
        self._touched: dict[str, tuple[UserId, ...]] = {}
        self._outbox: list[_Stored] = []

    def add_user(self, user_id: UserId, email: str | None = None) -> None:
        """Let a user sign up."""
        self._accounts[user_id] = Account(user_id=user_id, email=email)
        self._entries.setdefault(user_id, [])

    def tamper(self, user_id: UserId, balance: int) -> None:
        """Write a balance past the ledger, as a careless script would."""
        self._accounts[user_id] = attrs.evolve(self._accounts[user_id], balance=balance)

    async def read(self, *, event_id: str | None, user_id: UserId | None, links: frozenset[Link]) -> Snapshot:
        """What the ledger knows of an event, an account, and the purchases behind the links."""
        event = self._events.get(event_id) if event_id is not None else None
        reached = sorted({self._owners[link] for link in links if link in self._owners})
        return Snapshot(
            event_status=event.status if event else None,
            account=self._accounts.get(user_id) if user_id is not None else None,
            purchases=tuple(attrs.evolve(self._purchases[key], posted=Posted(self._posted(key))) for key in reached),
        )

    async def commit(self, changes: Sequence[Change]) -> tuple[CommitResult, ...]:
        """Write each change whole or not at all."""
        return tuple(self._commit(change) for change in changes)

    async def account(self, user_id: UserId) -> Account | None:
        """The account, or None when there is no such user."""
        return self._accounts.get(user_id)

    async def entries(self, user_id: UserId, *, before_version: int | None, limit: int) -> tuple[LedgerEntry, ...]:
        """At most `limit` entries older than `before_version`, newest first."""
        older = [
            entry
            for entry in reversed(self._entries.get(user_id, []))
            if before_version is None or entry.version < before_version
        ]
        return tuple(older[:limit])

    async def inconsistencies(self) -> tuple[Inconsistency, ...]:
        """Accounts whose balance is not the sum of their entries."""
        sums = {user: sum(entry.posting.amount for entry in rows) for user, rows in self._entries.items()}
        return tuple(
            Inconsistency(
                user_id=user,
                problem="balance_differs_from_ledger",
                entry_id=None,
                version=account.version,
                expected=str(sums[user]),
                actual=str(account.balance),
            )
            for user, account in sorted(self._accounts.items())
            if account.balance != sums[user]
        )

    async def claim(self, limit: int, *, lease_seconds: int) -> tuple[Message, ...]:
        """Messages that are due; nobody else gets them until the lease has passed."""
        now = self._clock.now().timestamp()
        claimed: list[Message] = []
        for key, stored in enumerate(self._outbox):
            if len(claimed) == limit:
                break
            if stored.delivered or stored.due_at > now:
                continue
            stored.attempts += 1
            stored.due_at = now + lease_seconds
            claimed.append(
                Message(
                    id=key,
                    topic=stored.message.topic,
                    payload=stored.message.payload,
                    attempts=stored.attempts,
                )
            )
        return tuple(claimed)

    async def settle(self, settled: Sequence[Settled]) -> None:
        """Mark messages as delivered, or due again later."""
        for outcome in settled:
            stored = self._outbox[outcome.id]
            stored.delivered = outcome.error is None
            stored.due_at = self._clock.now().timestamp() + outcome.retry_in_seconds

    def _commit(self, change: Change) -> CommitResult:
        event = change.event
        if event is not None:
            known = self._events.get(event.event.id)
            if known is not None and known.status.is_final:
                return Duplicate(accounts=self._now(self._touched[event.event.id]))
        posted = {entry.posting.idempotency_key: entry.posting for entry in self._all_entries()}
        for posting in change.postings:
            standing = posted.get(posting.idempotency_key)
            if standing is None:
                continue
            if (standing.user_id, standing.amount) != (posting.user_id, posting.amount):
                return Conflict("idempotency_key")
            if event is not None:
                self._keep_event(attrs.evolve(event, status=EventStatus.NOTHING_NEW), (posting.user_id,))
            return Duplicate(accounts=self._now((posting.user_id,)))
        return self._refusal(change) or self._apply(change)

    def _refusal(self, change: Change) -> Conflict | Rejected | None:
        revision = change.revision
        if revision is not None:
            recorded = self._purchases.get(revision.id)
            if (recorded.revision if recorded else 0) != revision.expected_revision:
                return Conflict("revision")
            if any(self._owners.get(link, revision.id) != revision.id for link in revision.purchase.links):
                return Conflict("link")
        if any(posting.user_id not in self._accounts for posting in change.postings):
            return Conflict("unknown_user")
        if any(posting.amount == 0 for posting in change.postings):
            return Rejected("an entry must change the balance")
        return None

    def _apply(self, change: Change) -> Committed:
        if change.revision is not None:
            revision = change.revision
            self._purchases[revision.id] = RecordedPurchase(
                id=revision.id, revision=revision.expected_revision + 1, purchase=revision.purchase
            )
            self._owners.update(dict.fromkeys(revision.purchase.links, revision.id))
        for posting in change.postings:
            self._post(posting)
        queued = {stored.message.key for stored in self._outbox}
        now = self._clock.now().timestamp()
        self._outbox += [_Stored(message, now) for message in change.outbox if message.key not in queued]
        touched = tuple(sorted({posting.user_id for posting in change.postings}))
        if change.event is not None:
            self._keep_event(change.event, touched)
        return Committed(accounts=self._now(touched))

    def _post(self, posting: Posting) -> None:
        account = self._accounts[posting.user_id]
        entries = self._entries[posting.user_id]
        # The last entry is the truth; the account is a projection of it that may have been tampered with.
        balance = entries[-1].balance_after if entries else 0
        true_account = attrs.evolve(account, balance=balance, version=len(entries))
        account, entry = post(true_account, posting, now=self._clock.now())
        self._accounts[posting.user_id] = account
        entries.append(entry)

    def _keep_event(self, decision: EventDecision, touched: tuple[UserId, ...]) -> None:
        self._events[decision.event.id] = decision
        self._touched[decision.event.id] = touched

    def _now(self, users: tuple[UserId, ...]) -> tuple[Account, ...]:
        return tuple(self._accounts[user] for user in users)

    def _all_entries(self) -> list[LedgerEntry]:
        return [entry for entries in self._entries.values() for entry in entries]

    def _posted(self, purchase_id: PurchaseId) -> dict[UserId, int]:
        posted: dict[UserId, int] = {}
        for entry in self._all_entries():
            if entry.posting.purchase_id == purchase_id:
                posted[entry.posting.user_id] = posted.get(entry.posting.user_id, 0) + entry.posting.amount
        return posted
