"""The ledger in memory: every rule of the real one, and nothing that survives the process.

It awaits nothing inside, so each method is one indivisible step, as a transaction is.
"""

from collections.abc import Sequence

import attrs

from adapters.memory_inbox import MemoryInbox
from adapters.memory_outbox import MemoryOutbox
from domain.accounts import Account, UserId
from domain.commits import (
    Backlog,
    Change,
    CommitResult,
    Committed,
    Conflict,
    Duplicate,
    EventStatus,
    Inconsistency,
    PurchaseRevision,
    RecordedPurchase,
    RecordedSubscription,
    Rejected,
    Snapshot,
)
from domain.explanations import AccountRecord, PurchaseRecord
from domain.ledger import LedgerEntry, Posted, Posting, post
from domain.ports import Clock
from domain.purchases import Link, PurchaseId
from domain.subscriptions import SubscriptionId


class MemoryLedger:
    """Implements the ports Ledger, Accounts, Audit and Backlogs in memory; its inbox and outbox stand beside it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.inbox = MemoryInbox(clock)
        self.outbox = MemoryOutbox(clock)
        self._accounts: dict[UserId, Account] = {}
        self._entries: dict[UserId, list[LedgerEntry]] = {}
        self._purchases: dict[PurchaseId, RecordedPurchase] = {}
        self._merged: dict[PurchaseId, PurchaseId] = {}
        self._owners: dict[Link, PurchaseId] = {}
        self._subscriptions: dict[SubscriptionId, RecordedSubscription] = {}

    def add_user(self, user_id: UserId, email: str | None = None) -> None:
        """Let a user sign up."""
        self._accounts[user_id] = Account(user_id=user_id, email=email)
        self._entries.setdefault(user_id, [])

    def delete_user(self, user_id: UserId) -> None:
        """Let a user leave; the entries stay."""
        del self._accounts[user_id]

    def forget_traces(self, users: Sequence[UserId]) -> None:
        """Let nothing wait for users who are removed: neither messages nor events."""
        owned = ((row.purchase.order, row.purchase.links) for row in self._purchases.values())
        links = {link for order, links in owned if order is not None and order.user_id in users for link in links}
        invoices = {link.removeprefix("invoice:") for link in links if link.startswith("invoice:")}
        self.outbox.withdraw(users=users, invoices=invoices)
        self.inbox.give_up(users, "its synthetic user was removed")

    def tamper(self, user_id: UserId, balance: int) -> None:
        """Write a balance past the ledger, as a careless script would."""
        self._accounts[user_id] = attrs.evolve(self._accounts[user_id], balance=balance)

    async def read(
        self,
        *,
        event_id: str | None,
        user_id: UserId | None,
        links: frozenset[Link],
        subscription_id: SubscriptionId | None = None,
    ) -> Snapshot:
        """What the ledger knows of an event, an account, a subscription, and the purchases behind the links."""
        reached = sorted({self._owners[link] for link in links if link in self._owners})
        return Snapshot(
            event_status=self.inbox.status(event_id) if event_id is not None else None,
            account=self._accounts.get(user_id) if user_id is not None else None,
            purchases=tuple(self._with_posted(self._purchases[key]) for key in reached),
            subscription=self._subscriptions.get(subscription_id) if subscription_id is not None else None,
            account_is_deleted=user_id is not None
            and user_id not in self._accounts
            and bool(self._entries.get(user_id)),
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
        return tuple(
            Inconsistency(
                user_id=user,
                problem="balance_differs_from_ledger",
                entry_id=None,
                version=account.version,
                expected=str(self._sum(user)),
                actual=str(account.balance),
            )
            for user, account in sorted(self._accounts.items())
            if account.balance != self._sum(user)
        )

    async def accounts_after(self, user_id: UserId | None, limit: int) -> tuple[Account, ...]:
        """At most `limit` accounts in the order of their ids."""
        following = sorted(known for known in self._accounts if user_id is None or known > user_id)
        return tuple(self._accounts[known] for known in following[:limit])

    async def accounts_of(self, user_ids: Sequence[UserId]) -> tuple[Account, ...]:
        """Those of the accounts that exist."""
        return tuple(self._accounts[user] for user in sorted(set(user_ids)) if user in self._accounts)

    async def recompute(self, user_id: UserId) -> Account | None:
        """Bring an account in line with its entries; None where there is no such user."""
        account = self._accounts.get(user_id)
        if account is None:
            return None
        version = len(self._entries[user_id])
        self._accounts[user_id] = attrs.evolve(account, balance=self._sum(user_id), version=version)
        return self._accounts[user_id]

    async def record_of(self, user_id: UserId) -> AccountRecord | None:
        """All that the ledger has of an account; None where nothing is known of such a user."""
        entries = tuple(self._entries.get(user_id, ()))
        behind = {
            self._goes_on(entry.posting.purchase_id) for entry in entries if entry.posting.purchase_id is not None
        }
        behind |= {
            self._goes_on(known.id)
            for known in self._purchases.values()
            if known.purchase.order is not None and known.purchase.order.user_id == user_id
        }
        if user_id not in self._accounts and not entries and not behind:
            return None
        return AccountRecord(
            user_id=user_id,
            account=self._accounts.get(user_id),
            purchases=tuple(
                PurchaseRecord(
                    id=known,
                    purchase=self._purchases[known].purchase,
                    merged=tuple(sorted(other for other, into in self._merged.items() if into == known)),
                )
                for known in self._purchases
                if known in behind
            ),
            entries=entries,
        )

    async def backlog(self) -> Backlog:
        """What waits now."""
        return Backlog(
            events=self.inbox.waiting(),
            messages_due=self.outbox.count(failed=False),
            messages_failed=self.outbox.count(failed=True),
        )

    def _commit(self, change: Change) -> CommitResult:
        event = change.event
        known = self.inbox.status(event.event.id) if event is not None else None
        if event is not None and known is not None and known.is_final and not event.again:
            return Duplicate(accounts=self._now(self.inbox.touched(event.event.id)))
        return self._repeated(change) or self._refusal(change) or self._apply(change)

    def _repeated(self, change: Change) -> Duplicate | Conflict | None:
        if change.revision is not None:
            # A purchase is guarded by its revision: two facts may be decided to the same entry.
            return None
        posted = {entry.posting.idempotency_key: entry.posting for entry in self._all_entries()}
        for posting in change.postings:
            standing = posted.get(posting.idempotency_key)
            if standing is None:
                continue
            if (standing.user_id, standing.amount) != (posting.user_id, posting.amount):
                return Conflict("idempotency_key")
            if change.event is not None:
                repeated = attrs.evolve(change.event, status=EventStatus.NOTHING_NEW)
                self.inbox.keep(repeated, (posting.user_id,), posting.purchase_id)
            return Duplicate(accounts=self._now((posting.user_id,)))
        return None

    def _refusal(self, change: Change) -> Conflict | Rejected | None:
        revision, subscription = change.revision, change.subscription
        if revision is not None:
            expected = {other.id: other.expected_revision for other in revision.absorbed}
            expected[revision.id] = revision.expected_revision
            if any(self._revision(known) != wanted for known, wanted in expected.items()):
                return Conflict("revision")
            if any(self._owners.get(link, revision.id) not in expected for link in revision.purchase.links):
                return Conflict("link")
        if subscription is not None:
            known = self._subscriptions.get(subscription.id)
            if (known.revision if known else 0) != subscription.expected_revision:
                return Conflict("revision")
        if any(posting.user_id not in self._accounts for posting in change.postings):
            return Conflict("unknown_user")
        if any(posting.amount == 0 for posting in change.postings):
            return Rejected("an entry must change the balance")
        return None

    def _apply(self, change: Change) -> Committed:
        if change.revision is not None:
            self._keep_purchase(change.revision)
        if change.subscription is not None:
            told = change.subscription
            self._subscriptions[told.id] = RecordedSubscription(
                id=told.id, revision=told.expected_revision + 1, subscription=told.subscription
            )
        for posting in change.postings:
            self._post(posting)
        self.outbox.put(change.outbox)
        touched = tuple(sorted({posting.user_id for posting in change.postings}))
        if change.event is not None:
            self.inbox.keep(change.event, touched, change.revision.id if change.revision else None)
        return Committed(accounts=self._now(touched))

    def _keep_purchase(self, revision: PurchaseRevision) -> None:
        self._purchases[revision.id] = RecordedPurchase(
            id=revision.id, revision=revision.expected_revision + 1, purchase=revision.purchase
        )
        absorbed = {other.id for other in revision.absorbed}
        for other in absorbed:
            row = self._purchases[other]
            self._purchases[other] = attrs.evolve(row, revision=row.revision + 1)
        for other, into in [*self._merged.items(), *((other, other) for other in absorbed)]:
            if into in absorbed:
                self._merged[other] = revision.id
        for link, owner in self._owners.items():
            if owner in absorbed:
                self._owners[link] = revision.id
        self._owners.update(dict.fromkeys(revision.purchase.links, revision.id))

    def _post(self, posting: Posting) -> None:
        account = self._accounts[posting.user_id]
        entries = self._entries[posting.user_id]
        # The last entry is the truth; the account is a projection of it that may have been tampered with.
        balance = entries[-1].balance_after if entries else 0
        true_account = attrs.evolve(account, balance=balance, version=len(entries))
        account, entry = post(true_account, posting, now=self._clock.now())
        self._accounts[posting.user_id] = account
        entries.append(entry)

    def _now(self, users: tuple[UserId, ...]) -> tuple[Account, ...]:
        return tuple(self._accounts[user] for user in users if user in self._accounts)

    def _revision(self, purchase_id: PurchaseId) -> int:
        known = self._purchases.get(purchase_id)
        return known.revision if known else 0

    def _sum(self, user_id: UserId) -> int:
        return sum(entry.posting.amount for entry in self._entries.get(user_id, []))

    def _all_entries(self) -> list[LedgerEntry]:
        return [entry for entries in self._entries.values() for entry in entries]

    def _goes_on(self, purchase_id: PurchaseId) -> PurchaseId:
        return self._merged.get(purchase_id, purchase_id)

    def _with_posted(self, recorded: RecordedPurchase) -> RecordedPurchase:
        posted: dict[UserId, int] = {}
        for entry in self._all_entries():
            purchase_id = entry.posting.purchase_id
            if purchase_id is not None and self._goes_on(purchase_id) == recorded.id:
                posted[entry.posting.user_id] = posted.get(entry.posting.user_id, 0) + entry.posting.amount
        named = {*posted, *((recorded.purchase.order.user_id,) if recorded.purchase.order else ())}
        absent = frozenset(user for user in named if user not in self._accounts)
        return attrs.evolve(recorded, posted=Posted(posted), absent_users=absent)
