"""Snapshots, which are read from the ledger before a decision, and changes, which are committed after it."""

from collections.abc import Iterable, Mapping
from datetime import datetime

import attrs

from domain.changes.inbox import EventDecision, EventStatus
from domain.changes.outbox import OutboxMessage
from domain.credits.holds import Hold, HoldId
from domain.credits.ledger import GrantEnd, PostedByPeriod, Posting
from domain.credits.wallets import Wallet
from domain.payments.line_terms import Claimed, MadePrice
from domain.payments.purchases import Link, Purchase, PurchaseId
from domain.payments.subscriptions import Subscription, SubscriptionId
from domain.values.accounts import Account, UserId


@attrs.frozen(kw_only=True)
class RecordedPurchase:
    """A purchase as recorded in the ledger; revision 0 means that it is not recorded yet."""

    id: PurchaseId
    revision: int
    purchase: Purchase
    posted: PostedByPeriod = attrs.field(factory=dict)
    """What is posted for each of its grants, including those of purchases that were merged into it."""
    absent_users: frozenset[UserId] = frozenset()
    """Users of its order or entries whose accounts were deleted."""

    def credits_of(self, user_id: UserId) -> int:
        """Return the credits posted for it on the user's account, including those that have expired since."""
        return sum(posted.by_user.get(user_id, 0) for posted in self.posted.values())


@attrs.frozen(kw_only=True)
class RecordedSubscription:
    """A subscription as recorded in the ledger; revision 0 means that it is not recorded yet."""

    id: SubscriptionId
    revision: int
    subscription: Subscription


@attrs.frozen(kw_only=True)
class SnapshotQuery:
    """A query for everything that one decision needs, read at one moment."""

    event_id: str | None = None
    user_id: UserId | None = None
    links: frozenset[Link] = frozenset()
    subscription_id: SubscriptionId | None = None
    periods_since: datetime | None = None
    """The earliest time that the report concerns; the subscription's earlier invoices are not read."""
    claims: bool = False
    """Whether to read the account's trials and free periods."""
    price_ids: frozenset[str] = frozenset()
    """The ids of prices to look up among those that Credence created."""


@attrs.frozen(kw_only=True)
class Snapshot:
    """The state of the ledger at one moment, as far as it was queried."""

    event_status: EventStatus | None
    account: Account | None
    purchases: tuple[RecordedPurchase, ...]
    now: datetime
    """The time by the ledger's clock."""
    subscription: RecordedSubscription | None = None
    family: tuple[RecordedPurchase, ...] = ()
    """The subscription's invoices whose periods end at `periods_since` or later."""
    claimed: tuple[Claimed, ...] = ()
    """The account's trials and free periods, if queried."""
    made_prices: tuple[MadePrice, ...] = ()
    """Those of the queried prices that Credence created, in the order of their ids."""
    account_is_deleted: bool = False
    """Whether the queried user has entries but no account any more."""


@attrs.frozen(kw_only=True)
class AbsorbedPurchase:
    """A purchase that turned out to be the same payment as another, valid only at the expected revision."""

    id: PurchaseId
    expected_revision: int


@attrs.frozen(kw_only=True)
class PurchaseRevision:
    """A purchase's next state, valid only if the ledger still has the expected revisions."""

    id: PurchaseId
    expected_revision: int
    purchase: Purchase
    absorbed: tuple[AbsorbedPurchase, ...] = ()
    """Purchases that are merged into this one; their links lead here from then on."""


@attrs.frozen(kw_only=True)
class SubscriptionRevision:
    """A subscription's next state, valid only if the ledger still has the expected revision."""

    id: SubscriptionId
    expected_revision: int
    subscription: Subscription


FlatJson = Mapping[str, str | int | None]
"""A JSON object without nesting, as stored with an idempotency key."""


@attrs.frozen(kw_only=True)
class IdempotencyRecord:
    """An operation stored under its idempotency key: the request, and the answer that every retry gets."""

    key: str
    user_id: UserId
    content: FlatJson
    answer: FlatJson


@attrs.frozen(kw_only=True)
class HoldingsQuery:
    """A query for what decisions about spending need, read at one moment."""

    user_ids: frozenset[UserId] = frozenset()
    keys: frozenset[str] = frozenset()
    hold_ids: frozenset[HoldId] = frozenset()
    taking: Mapping[UserId, int] | None = None
    """The most credits that the decisions take from each user, beside the holds; who is not named gives none.

    Wallets then have only the grants that these decisions need; None for all live grants.
    """
    now: datetime | None = None
    """The time at which to decide; None for the ledger's clock."""

    def most_taken(self, user_id: UserId, holds: Iterable[Hold]) -> int | None:
        """Return the most credits taken from the user, with all of their holds; None if every live grant is wanted."""
        if self.taking is None:
            return None
        return self.taking.get(user_id, 0) + sum(hold.credits for hold in holds if hold.user_id == user_id)


@attrs.frozen(kw_only=True)
class Holdings:
    """Wallets and what belongs to them, read at one moment."""

    wallets: Mapping[UserId, Wallet]
    """The wallets of the users who exist and of the holds' owners."""
    requests: Mapping[str, IdempotencyRecord]
    """The requests stored under the keys."""
    holds: Mapping[HoldId, Hold]
    """The holds that exist, settled or open."""
    now: datetime
    """The time at which to decide: by the ledger's clock, which all processes share, unless another was asked for."""
    has_all_grants: bool = True
    """True if the wallets have all live grants, not only those that decisions need."""


@attrs.frozen(kw_only=True)
class AccountGuard:
    """The account that a decision is about, valid only at the expected revision.

    Several decisions about one account in one commit build on each other: after one that is not committed, none of the
    later ones is.
    """

    user_id: UserId
    expected_revision: int


@attrs.frozen(kw_only=True)
class Change:
    """Everything that one decision writes, completely or not at all."""

    event: EventDecision | None = None
    revision: PurchaseRevision | None = None
    others: tuple[PurchaseRevision, ...] = ()
    """Further purchases whose worth changes: invoices of the same subscription."""
    subscription: SubscriptionRevision | None = None
    account: AccountGuard | None = None
    postings: tuple[Posting, ...] = ()
    ends: tuple[GrantEnd, ...] = ()
    """New expiry times of grants that exist already."""
    holds: tuple[Hold, ...] = ()
    """The new state of holds: new ones, and open ones that are settled."""
    made_prices: tuple[MadePrice, ...] = ()
    """Prices that Credence created, to be stored permanently; a stored one stays unchanged."""
    outbox: tuple[OutboxMessage, ...] = ()
    request: IdempotencyRecord | None = None
    notify_below: int | None = None
    """The deployment's low-balance threshold; falling below it makes a message."""
    owner_email: str | None = None
    """The email that the decision presumes of each user to whom it posts; one with another email is unknown to it."""


@attrs.frozen(kw_only=True)
class Committed:
    """The change was written; `accounts` are those that it affected, as they are now."""

    accounts: tuple[Account, ...]


@attrs.frozen(kw_only=True)
class Duplicate:
    """The change had been written before; `accounts` are those that it affected, as they are now."""

    accounts: tuple[Account, ...]
    request: IdempotencyRecord | None = None
    """The request that is stored under the key, whether equal or not."""


@attrs.frozen
class Conflict:
    """Nothing was written: the ledger has changed since it was read. Read and decide again."""

    reason: str


@attrs.frozen
class Rejected:
    """Nothing was written: the ledger's own guards rejected the change."""

    reason: str


CommitResult = Committed | Duplicate | Conflict | Rejected
