"""The ledger in memory: every rule of the real one, and nothing that survives the process.

It awaits nothing inside, so each method is one indivisible step, as a transaction is.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

import attrs

from adapters.memory.accounts import MemoryAccounts
from adapters.memory.audit import MemoryAudit
from adapters.memory.grants import MemoryGrants
from adapters.memory.inbox import MemoryInbox
from adapters.memory.outbox import MemoryOutbox
from adapters.memory.posted import with_posted
from adapters.memory.purchases import MemoryPurchases, earliest_time, held_subscriptions, subscription_of
from adapters.memory.refusals import affected_users, is_outdated, is_uncovered
from adapters.memory.selling.customers import MemoryCustomerLinks
from adapters.memory.selling.price_book import MemoryPriceBook
from adapters.memory.walk import MemoryWalk
from domain.changes.changes import (
    Change,
    CommitResult,
    Committed,
    Conflict,
    Duplicate,
    Holdings,
    HoldingsQuery,
    IdempotencyRecord,
    RecordedPurchase,
    RecordedSubscription,
    Rejected,
    Snapshot,
    SnapshotQuery,
)
from domain.changes.inbox import EventStatus
from domain.credits.holds import Hold
from domain.credits.ledger import EVERY_ENTRY, EntryFilter, LedgerEntry, Posting
from domain.decisions.low_balance import low_balance_due
from domain.payments.subscriptions import HeldSubscription, SubscriptionId
from domain.ports.coordination import Clock
from domain.upkeep.consistency import Backlog
from domain.values.accounts import Account, HistoricalBalance, UserId


class MemoryLedger:
    """Implements Ledger, Wallets, Accounts, Thresholds and Backlogs in memory, beside its inbox, outbox and audit."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.inbox = MemoryInbox(clock)
        self.outbox = MemoryOutbox(clock)
        self.grants = MemoryGrants()
        self.accounts = MemoryAccounts()
        self.customers = MemoryCustomerLinks(self.accounts, self.outbox)
        self.walk = MemoryWalk(self.accounts, clock)
        self.purchases = MemoryPurchases()
        self._subscriptions: dict[SubscriptionId, RecordedSubscription] = {}
        self.prices = MemoryPriceBook()
        self._requests: dict[str, IdempotencyRecord] = {}
        self._keys: dict[str, Posting] = {}

    @property
    def audit(self) -> MemoryAudit:
        """Return the check of this ledger."""
        return MemoryAudit(self.accounts, self.grants, self.purchases, self.walk)

    def add_user(self, user_id: UserId, email: str | None = None) -> None:
        """Let a user sign up."""
        self.accounts.add(Account(user_id=user_id, email=email))

    def delete_user(self, user_id: UserId) -> None:
        """Let a user leave; the entries stay, and the cache is to forget the balance."""
        self.accounts.delete(user_id)
        self.walk.note(user_id)

    async def read(self, query: SnapshotQuery) -> Snapshot:
        """Return what the ledger knows of an event, an account, a subscription, and the purchases behind links."""
        reached = self.purchases.reached(query.links)
        subscription_id = query.subscription_id or subscription_of(reached)
        family = self.purchases.family(subscription_id, earliest_time(query.periods_since, reached))
        return Snapshot(
            event_status=self.inbox.status(query.event_id) if query.event_id is not None else None,
            account=self.accounts.find(query.user_id) if query.user_id is not None else None,
            purchases=self._with_posted(reached),
            subscription=self._subscriptions.get(subscription_id) if subscription_id is not None else None,
            family=self._with_posted(family),
            made_prices=self.prices.made(query.price_ids),
            claimed=self.purchases.claimed(query.user_id) if query.claims and query.user_id is not None else (),
            account_is_deleted=query.user_id is not None and self.accounts.is_deleted(query.user_id),
            now=self._clock.now(),
        )

    async def commit(self, changes: Sequence[Change]) -> tuple[CommitResult, ...]:
        """Write each change whole or not at all; none that was decided on top of one that is not committed."""
        results: list[CommitResult] = []
        broken: set[UserId] = set()
        for change in changes:
            user_id = change.account.user_id if change.account is not None else None
            result = Conflict("account") if user_id in broken else self._commit(change)
            if user_id is not None and not isinstance(result, Committed):
                broken.add(user_id)
            results.append(result)
        return tuple(results)

    async def holdings(self, query: HoldingsQuery) -> Holdings:
        """Return the wallets of users and of holds' owners, the requests under keys, and the holds."""
        holds = {hold_id: hold for hold_id in query.hold_ids if (hold := self.grants.hold(hold_id)) is not None}
        asked = sorted(query.user_ids | {hold.user_id for hold in holds.values()})
        most = {user: query.most_taken(user, holds.values()) for user in asked}
        now = query.now or self._clock.now()
        return Holdings(
            wallets={
                one.user_id: self.grants.wallet(one, most[one.user_id], now) for one in self.accounts.among(asked)
            },
            requests={key: self._requests[key] for key in sorted(query.keys) if key in self._requests},
            holds=holds,
            now=now,
            has_all_grants=query.taking is None,
        )

    def requests(self) -> dict[str, IdempotencyRecord]:
        """Return the first answer under each key."""
        return dict(self._requests)

    async def accounts_with_overdue(self, limit: int) -> tuple[UserId, ...]:
        """Return at most `limit` users with a hold or a grant whose time is over, the longest over first."""
        due = self.grants.overdue(
            self._clock.now(), lambda user: user in self.accounts and self.accounts.get(user).available > 0
        )
        return tuple(dict.fromkeys(user for _, user in due if user in self.accounts))[:limit]

    async def account(self, user_id: UserId) -> Account | None:
        """Return the account, or None when there is no such user."""
        return self.accounts.find(user_id)

    async def subscriptions_of(self, user_id: UserId) -> tuple[HeldSubscription, ...]:
        """Return the account's subscriptions, newest first."""
        return held_subscriptions(user_id, self._subscriptions.values(), self.purchases)

    async def set_threshold(self, user_id: UserId, threshold: int | None) -> Account | None:
        """Set an account's own threshold of a low balance, or take it away."""
        return self.accounts.set_threshold(user_id, threshold)

    async def entries(
        self, user_id: UserId, *, before_version: int | None, limit: int, wanted: EntryFilter = EVERY_ENTRY
    ) -> tuple[LedgerEntry, ...]:
        """Return at most `limit` of the entries that are wanted and older than `before_version`, newest first."""
        older = [
            entry
            for entry in reversed(self.accounts.entries(user_id))
            if (before_version is None or entry.version < before_version) and wanted.admits(entry)
        ]
        return tuple(older[:limit])

    async def balance_at(self, user_id: UserId, moment: datetime) -> HistoricalBalance | None:
        """Return what the account had at the moment; None of one to come."""
        if moment > self._clock.now():
            return None
        entries = [entry for entry in self.accounts.entries(user_id) if entry.created_at <= moment]
        return HistoricalBalance(
            balance=entries[-1].balance_after if entries else 0, held=self.grants.held_at(user_id, moment)
        )

    async def backlog(self) -> Backlog:
        """Return what waits now."""
        return Backlog(
            events=self.inbox.waiting(),
            messages_due=self.outbox.count(failed=False),
            messages_failed=self.outbox.count(failed=True),
            cache_behind_seconds=self.walk.behind_seconds(),
        )

    def _commit(self, change: Change) -> CommitResult:
        event = change.event
        known = self.inbox.status(event.event.id) if event is not None else None
        if event is not None and known is not None and known.is_final and not event.again:
            return Duplicate(accounts=self.accounts.among(self.inbox.affected_users(event.event.id)))
        if change.request is not None and change.request.key in self._requests:
            kept = self._requests[change.request.key]
            return Duplicate(accounts=self.accounts.among((kept.user_id,)), request=kept)
        return self._repeated(change) or self._refusal(change) or self._apply(change)

    def _repeated(self, change: Change) -> Duplicate | Conflict | None:
        if change.revision is not None:
            # A purchase is guarded by its revision: two facts may be decided to the same entry.
            return None
        for posting in change.postings:
            existing = self._keys.get(posting.idempotency_key)
            if existing is None:
                continue
            if (existing.user_id, existing.amount) != (posting.user_id, posting.amount):
                return Conflict("idempotency_key")
            if change.event is not None:
                repeated = attrs.evolve(change.event, status=EventStatus.NOTHING_NEW)
                self.inbox.keep(repeated, (posting.user_id,), posting.purchase_id)
            return Duplicate(accounts=self.accounts.among((posting.user_id,)))
        return None

    def _refusal(self, change: Change) -> Conflict | Rejected | None:
        subscription = self._subscriptions.get(change.subscription.id) if change.subscription else None
        outdated = is_outdated(change, self.purchases, subscription)
        return outdated or is_uncovered(change, self.accounts, self.grants)

    def _apply(self, change: Change) -> Committed:
        if change.revision is not None:
            self.purchases.keep(change.revision)
        for other in change.others:
            self.purchases.keep(other)
        if change.subscription is not None:
            revised = change.subscription
            self._subscriptions[revised.id] = RecordedSubscription(
                id=revised.id, revision=revised.expected_revision + 1, subscription=revised.subscription
            )
        for price in change.made_prices:
            self.prices.keep_made(price)
        affected = affected_users(change)
        before = {user: self.accounts.get(user) for user in affected}
        for hold in change.holds:
            self._keep_hold(hold)
        for posting in change.postings:
            self._post(posting)
        for end in change.ends:
            self.grants.end(end, self.purchases.one_payment(end.purchase_id))
        if change.request is not None:
            self._requests[change.request.key] = change.request
        self.outbox.put(change.outbox)
        warnings = (low_balance_due(was, self.accounts.get(user), change.notify_below) for user, was in before.items())
        self.outbox.put(warning for warning in warnings if warning is not None)
        if change.event is not None:
            self.inbox.keep(change.event, affected, change.revision.id if change.revision else None)
        return Committed(accounts=self.accounts.among(affected))

    def _post(self, posting: Posting) -> None:
        now = self._clock.now()
        entry = self.accounts.post(posting, now)
        own = self.purchases.one_payment(posting.purchase_id)
        self.grants.post(posting, balance=entry.balance_before, version=entry.version, now=now, purchase_ids=own)
        self._keys[posting.idempotency_key] = posting
        self.walk.note(posting.user_id)

    def _keep_hold(self, hold: Hold) -> None:
        account = self.accounts.get(hold.user_id)
        held = account.held + self.grants.keep(hold, self._clock.now())
        self.accounts.keep(attrs.evolve(account, held=held, revision=account.revision + 1))
        self.walk.note(hold.user_id)

    def _with_posted(self, rows: Iterable[RecordedPurchase]) -> tuple[RecordedPurchase, ...]:
        return tuple(with_posted(row, self.purchases, self.accounts, self.grants) for row in rows)
