"""The ledger in memory: every rule of the real one, and nothing that survives the process.

It awaits nothing inside, so each method is one indivisible step, as a transaction is.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import chain

import attrs

from adapters.memory.audit import first_inconsistency
from adapters.memory.grants import MemoryGrants
from adapters.memory.inbox import MemoryInbox
from adapters.memory.outbox import MemoryOutbox
from adapters.memory.purchases import MemoryPurchases, earliest_time, subscription_of
from domain.changes.changes import (
    Backlog,
    Change,
    CommitResult,
    Committed,
    Conflict,
    Duplicate,
    EventStatus,
    Holdings,
    Inconsistency,
    KeptRequest,
    OutboxMessage,
    RecordedPurchase,
    RecordedSubscription,
    Rejected,
    Snapshot,
)
from domain.credits.clawbacks import OWN_GRANT, ClawedBack
from domain.credits.explanation import AccountRecord
from domain.credits.holds import Hold, HoldId
from domain.credits.ledger import (
    EVERY_ENTRY,
    EntryFilter,
    EntryKind,
    LedgerEntry,
    Posted,
    Posting,
    period_of,
    post,
    returned_to,
)
from domain.credits.wallets import Wallet
from domain.decisions.low_balance import low_balance_due
from domain.decisions.payments import REFRESH_CACHE
from domain.payments.line_plans import MadePrice
from domain.payments.purchases import Link, PurchaseId
from domain.payments.subscriptions import SubscriptionId
from domain.ports import Clock
from domain.values.accounts import Account, BalanceThen, UserId


class MemoryLedger:
    """Implements Ledger, Wallets, Accounts, Thresholds, Audit and Backlogs in memory, beside its inbox and outbox."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.inbox = MemoryInbox(clock)
        self.outbox = MemoryOutbox(clock)
        self.grants = MemoryGrants()
        self._accounts: dict[UserId, Account] = {}
        self._entries: dict[UserId, list[LedgerEntry]] = {}
        self._purchases = MemoryPurchases()
        self._subscriptions: dict[SubscriptionId, RecordedSubscription] = {}
        self._made_prices: dict[str, MadePrice] = {}
        self._requests: dict[str, KeptRequest] = {}
        self._keys: dict[str, Posting] = {}

    def add_user(self, user_id: UserId, email: str | None = None) -> None:
        """Let a user sign up."""
        self._accounts[user_id] = Account(user_id=user_id, email=email)
        self._entries.setdefault(user_id, [])

    def delete_user(self, user_id: UserId) -> None:
        """Let a user leave; the entries stay, and the cache is to forget the balance."""
        del self._accounts[user_id]
        key = f"{REFRESH_CACHE}:gone:{user_id}:{self._clock.now().isoformat()}"
        self.outbox.put([OutboxMessage(topic=REFRESH_CACHE, key=key, payload={"user_id": user_id})])

    def forget_traces(self, users: Sequence[UserId]) -> None:
        """Let nothing wait for users who are removed: neither messages nor events."""
        links = self._purchases.links_of(users)
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
        periods_since: datetime | None = None,
        claims: bool = False,
        price_ids: frozenset[str] = frozenset(),
    ) -> Snapshot:
        """What the ledger knows of an event, an account, a subscription, and the purchases behind the links."""
        reached = self._purchases.reached(links)
        subscription_id = subscription_id or subscription_of(reached)
        family = self._purchases.family(subscription_id, earliest_time(periods_since, reached))
        return Snapshot(
            event_status=self.inbox.status(event_id) if event_id is not None else None,
            account=self._accounts.get(user_id) if user_id is not None else None,
            purchases=tuple(map(self._with_posted, reached)),
            subscription=self._subscriptions.get(subscription_id) if subscription_id is not None else None,
            family=tuple(map(self._with_posted, family)),
            made_prices=tuple(self._made_prices[id_] for id_ in sorted(price_ids) if id_ in self._made_prices),
            claimed=self._purchases.claimed(user_id) if claims and user_id is not None else (),
            account_is_deleted=user_id is not None
            and user_id not in self._accounts
            and bool(self._entries.get(user_id)),
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

    async def holdings(
        self, *, user_ids: frozenset[UserId], keys: frozenset[str], hold_ids: frozenset[HoldId]
    ) -> Holdings:
        """The wallets of users and of holds' owners, the requests under keys, and the holds."""
        holds = {hold_id: hold for hold_id in hold_ids if (hold := self.grants.hold(hold_id)) is not None}
        asked = user_ids | {hold.user_id for hold in holds.values()}
        return Holdings(
            wallets={user: self._wallet(user) for user in sorted(asked) if user in self._accounts},
            requests={key: self._requests[key] for key in sorted(keys) if key in self._requests},
            holds=holds,
        )

    def requests(self) -> dict[str, KeptRequest]:
        """The first answer under each key."""
        return dict(self._requests)

    async def due(self, limit: int) -> tuple[UserId, ...]:
        """At most `limit` users with a hold or a grant whose time is over, the longest over first."""
        due = self.grants.due(
            self._clock.now(), lambda user: user in self._accounts and self._accounts[user].available > 0
        )
        return tuple(dict.fromkeys(user for _, user in due if user in self._accounts))[:limit]

    async def account(self, user_id: UserId) -> Account | None:
        """The account, or None when there is no such user."""
        return self._accounts.get(user_id)

    async def set_threshold(self, user_id: UserId, threshold: int | None) -> Account | None:
        """Set an account's own threshold of a low balance, or take it away."""
        if user_id in self._accounts:
            self._accounts[user_id] = attrs.evolve(self._accounts[user_id], notify_below=threshold)
        return self._accounts.get(user_id)

    async def entries(
        self, user_id: UserId, *, before_version: int | None, limit: int, wanted: EntryFilter = EVERY_ENTRY
    ) -> tuple[LedgerEntry, ...]:
        """At most `limit` of the entries that are wanted and older than `before_version`, newest first."""
        older = [
            entry
            for entry in reversed(self._entries.get(user_id, []))
            if (before_version is None or entry.version < before_version) and wanted.admits(entry)
        ]
        return tuple(older[:limit])

    async def balance_at(self, user_id: UserId, moment: datetime) -> BalanceThen:
        """What the account had at the moment."""
        entries = [entry for entry in self._entries.get(user_id, []) if entry.created_at <= moment]
        return BalanceThen(
            balance=entries[-1].balance_after if entries else 0, held=self.grants.held_at(user_id, moment)
        )

    async def inconsistencies(self) -> tuple[Inconsistency, ...]:
        """One per account that disagrees with its entries, grants and holds, in the order of their ids."""
        found = (
            first_inconsistency(account, self._entries[user], self.grants.records(user), self.grants.holds(user))
            for user, account in sorted(self._accounts.items())
        )
        return tuple(one for one in found if one is not None)

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
        held = sum(hold.credits for hold in self.grants.open_holds(user_id))
        due = attrs.evolve(account, balance=self._sum(user_id), held=held, version=len(self._entries[user_id]))
        if due != account:
            # A copy of what was wrong is older than what is right.
            self._accounts[user_id] = attrs.evolve(due, revision=max(account.revision, due.version) + 1)
        return self._accounts[user_id]

    async def record_of(self, user_id: UserId) -> AccountRecord | None:
        """All that the ledger has of an account; None where nothing is known of such a user."""
        entries = tuple(self._entries.get(user_id, ()))
        purchases = tuple(self._purchases.records(user_id, entries))
        if user_id not in self._accounts and not entries and not purchases:
            return None
        return AccountRecord(
            user_id=user_id,
            account=self._accounts.get(user_id),
            purchases=purchases,
            entries=entries,
            grants=self.grants.records(user_id),
            holds=self.grants.holds(user_id),
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
        if change.request is not None and change.request.key in self._requests:
            kept = self._requests[change.request.key]
            return Duplicate(accounts=self._now((kept.user_id,)), request=kept)
        return self._repeated(change) or self._refusal(change) or self._apply(change)

    def _repeated(self, change: Change) -> Duplicate | Conflict | None:
        if change.revision is not None:
            # A purchase is guarded by its revision: two facts may be decided to the same entry.
            return None
        for posting in change.postings:
            standing = self._keys.get(posting.idempotency_key)
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
            expected |= {other.id: other.expected_revision for other in change.others}
            expected[revision.id] = revision.expected_revision
            if any(self._purchases.revision(known) != wanted for known, wanted in expected.items()):
                return Conflict("revision")
            if any(map(self._purchases.leads_elsewhere, (revision, *change.others))):
                return Conflict("link")
        if subscription is not None:
            known = self._subscriptions.get(subscription.id)
            if (known.revision if known else 0) != subscription.expected_revision:
                return Conflict("revision")
        guarded = (change.account.user_id,) if change.account is not None else ()
        if any(user not in self._accounts for user in (*_users(change), *guarded)):
            return Conflict("unknown_user")
        if any(posting.amount == 0 for posting in change.postings):
            return Rejected("an entry must change the balance")
        return self._overdraft(change)

    def _overdraft(self, change: Change) -> Conflict | None:
        guard = change.account
        if guard is not None and self._accounts[guard.user_id].revision != guard.expected_revision:
            return Conflict("account")
        known = [(hold, self.grants.hold(hold.id)) for hold in change.holds]
        if any(before is not None and (hold.is_open or not before.is_open) for hold, before in known):
            return Conflict("hold")
        for user in _users(change):
            postings = [posting for posting in change.postings if posting.user_id == user]
            if not self.grants.can_draw(user, postings):
                return Conflict("grants")
            captured = sum(hold.captured for hold, _ in known if hold.user_id == user)
            if captured != -sum(posting.amount for posting in postings if posting.kind is EntryKind.CAPTURE):
                return Conflict("hold")
            held = sum(
                hold.credits * (hold.is_open - (before is not None)) for hold, before in known if hold.user_id == user
            )
            left = self._accounts[user].available + sum(posting.amount for posting in postings) - held
            if left < 0 and _needs_cover(change, user):
                return Conflict("insufficient_credits")
        return None

    def _apply(self, change: Change) -> Committed:
        if change.revision is not None:
            self._purchases.keep(change.revision)
        for other in change.others:
            self._purchases.keep(other)
        if change.subscription is not None:
            told = change.subscription
            self._subscriptions[told.id] = RecordedSubscription(
                id=told.id, revision=told.expected_revision + 1, subscription=told.subscription
            )
        for price in change.made_prices:
            self._made_prices.setdefault(price.id, price)
        touched = _users(change)
        before = {user: self._accounts[user] for user in touched}
        for hold in change.holds:
            self._keep_hold(hold)
        for posting in change.postings:
            self._post(posting)
        for end in change.ends:
            self.grants.end(end, self._purchases.one_payment(end.purchase_id))
        if change.request is not None:
            self._requests[change.request.key] = change.request
        self.outbox.put(change.outbox)
        warnings = (low_balance_due(was, self._accounts[user], change.notify_below) for user, was in before.items())
        self.outbox.put(warning for warning in warnings if warning is not None)
        if change.event is not None:
            self.inbox.keep(change.event, touched, change.revision.id if change.revision else None)
        return Committed(accounts=self._now(touched))

    def _post(self, posting: Posting) -> None:
        account = self._accounts[posting.user_id]
        entries = self._entries[posting.user_id]
        # The last entry is the truth; the account is a projection of it that may have been tampered with.
        balance = entries[-1].balance_after if entries else 0
        true_account = attrs.evolve(account, balance=balance, version=len(entries))
        now = self._clock.now()
        account, entry = post(true_account, posting, now=now)
        purchase_ids = self._purchases.one_payment(posting.purchase_id)
        self.grants.post(posting, balance=balance, version=account.version, now=now, purchase_ids=purchase_ids)
        self._accounts[posting.user_id] = account
        self._keys[posting.idempotency_key] = posting
        entries.append(entry)

    def _keep_hold(self, hold: Hold) -> None:
        account = self._accounts[hold.user_id]
        held = account.held + self.grants.keep(hold, self._clock.now())
        self._accounts[hold.user_id] = attrs.evolve(account, held=held, revision=account.revision + 1)

    def _wallet(self, user_id: UserId) -> Wallet:
        return Wallet(
            account=self._accounts[user_id],
            grants=self.grants.live(user_id),
            holds=self.grants.open_holds(user_id),
        )

    def _now(self, users: tuple[UserId, ...]) -> tuple[Account, ...]:
        return tuple(self._accounts[user] for user in users if user in self._accounts)

    def _sum(self, user_id: UserId) -> int:
        return sum(entry.posting.amount for entry in self._entries.get(user_id, []))

    def _with_posted(self, recorded: RecordedPurchase) -> RecordedPurchase:
        posted = self._purchases.posted(recorded.id, chain.from_iterable(self._entries.values()))
        ids = self._purchases.one_payment(recorded.id)
        posted = {
            period: attrs.evolve(
                one, expires_at=self.grants.ends_of(ids, period), clawed_back=self._clawed_back(one, ids, period)
            )
            for period, one in posted.items()
        }
        users = {user for one in posted.values() for user in one.by_user}
        named = {*users, *((recorded.purchase.order.user_id,) if recorded.purchase.order else ())}
        absent = frozenset(user for user in named if user not in self._accounts)
        return attrs.evolve(recorded, posted=posted, absent_users=absent)

    def _clawed_back(
        self, posted: Posted, ids: frozenset[PurchaseId], period: datetime | None
    ) -> dict[UserId, ClawedBack]:
        """Return what clawbacks took for each user's grant of the period, and was not given back since.

        What later credits paid of a debt counts as taken from their grants.
        """
        taken: dict[UserId, ClawedBack] = {}
        for user_id in posted.by_user:
            entries = self._entries[user_id]
            of_period = [
                entry for entry in entries if entry.posting.purchase_id in ids and period_of(entry.posting) == period
            ]
            clawbacks = [entry for entry in of_period if entry.posting.kind is EntryKind.CLAWBACK]
            if not clawbacks:
                continue
            paying = [
                entry.version
                for entry in entries[clawbacks[0].version :]
                if entry.posting.amount > 0 and entry.posting.purchase_id not in ids
            ]
            versions = frozenset([*paying, *(entry.version for entry in clawbacks)])
            own, others = self.grants.taken(user_id, ids, period, versions)
            back: dict[str, int] = {}
            for posting in (entry.posting for entry in of_period):
                grant = returned_to(posting)
                if grant is not None:
                    back[grant] = back.get(grant, 0) + posting.amount
            kinds = {EntryKind.CLAWBACK, EntryKind.REINSTATEMENT}
            taken[user_id] = ClawedBack(
                credits=-sum(entry.posting.amount for entry in of_period if entry.posting.kind in kinds),
                from_own=own - back.get(OWN_GRANT, 0),
                from_others=tuple(
                    attrs.evolve(draw, credits=left)
                    for draw in others
                    if (left := draw.credits - back.get(str(draw.grant_id), 0)) > 0
                ),
            )
        return taken


def _users(change: Change) -> tuple[UserId, ...]:
    return tuple(sorted({posting.user_id for posting in change.postings} | {hold.user_id for hold in change.holds}))


def _needs_cover(change: Change, user_id: UserId) -> bool:
    """Whether nothing of the change may take what is not available: a capture may, of what was held."""
    kinds = {posting.kind for posting in change.postings if posting.user_id == user_id and posting.amount < 0}
    holds_more = any(hold.is_open for hold in change.holds if hold.user_id == user_id)
    guarded = bool(kinds & {EntryKind.SPEND, EntryKind.EXPIRY, EntryKind.ADJUSTMENT}) or holds_more
    return guarded and EntryKind.CAPTURE not in kinds
