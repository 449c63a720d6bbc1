"""What is read from the ledger before a decision, and written to it in one commit after."""

from collections.abc import Mapping
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
    """A purchase as the ledger has it, at a revision; revision 0 is one that is not recorded yet."""

    id: PurchaseId
    revision: int
    purchase: Purchase
    posted: PostedByPeriod = attrs.field(factory=dict)
    """What stands posted for each of its grants, and for those of purchases that were merged into it."""
    absent_users: frozenset[UserId] = frozenset()
    """Those of its users, by order or by entry, who have no account any more."""

    def credits_of(self, user_id: UserId) -> int:
        """Return the credits that stand posted for it with the user; what expired is not counted against them."""
        return sum(posted.by_user.get(user_id, 0) for posted in self.posted.values())


@attrs.frozen(kw_only=True)
class RecordedSubscription:
    """A subscription as the ledger has it, at a revision; revision 0 is one that is not recorded yet."""

    id: SubscriptionId
    revision: int
    subscription: Subscription


@attrs.frozen(kw_only=True)
class SnapshotQuery:
    """What is to be read at one moment."""

    event_id: str | None = None
    user_id: UserId | None = None
    links: frozenset[Link] = frozenset()
    subscription_id: SubscriptionId | None = None
    periods_since: datetime | None = None
    """The earliest time that is told of the subscription; its invoices of before are of no concern."""
    claims: bool = False
    """Whether it matters which trials and free periods the account has had."""
    price_ids: frozenset[str] = frozenset()
    """Prices of which it matters whether Credence made them."""


@attrs.frozen(kw_only=True)
class Snapshot:
    """What the ledger knew at one moment."""

    event_status: EventStatus | None
    account: Account | None
    purchases: tuple[RecordedPurchase, ...]
    subscription: RecordedSubscription | None = None
    family: tuple[RecordedPurchase, ...] = ()
    """The invoices of the subscription whose periods end at the told time or later."""
    claimed: tuple[Claimed, ...] = ()
    """The trials and free periods that the account has had, where that was asked for."""
    made_prices: tuple[MadePrice, ...] = ()
    """Those of the prices asked for that Credence made, in the order of their ids."""
    account_is_deleted: bool = False
    """Whether the user who was asked for has entries, and no account any more."""


@attrs.frozen(kw_only=True)
class AbsorbedPurchase:
    """A purchase that proved to be the same payment as another, good only at the expected revision."""

    id: PurchaseId
    expected_revision: int


@attrs.frozen(kw_only=True)
class PurchaseRevision:
    """A purchase's next state, good only if the ledger still has the expected revisions."""

    id: PurchaseId
    expected_revision: int
    purchase: Purchase
    absorbed: tuple[AbsorbedPurchase, ...] = ()
    """Purchases that are merged into this one: their links lead here from now on."""


@attrs.frozen(kw_only=True)
class SubscriptionRevision:
    """A subscription's next state, good only if the ledger still has the expected revision."""

    id: SubscriptionId
    expected_revision: int
    subscription: Subscription


FlatJson = Mapping[str, str | int | None]
"""A JSON object without depth, as it is kept beside an idempotency key."""


@attrs.frozen(kw_only=True)
class IdempotencyRecord:
    """A caller's operation under its idempotency key: what was asked, and the answer that every repetition gets."""

    key: str
    user_id: UserId
    content: FlatJson
    answer: FlatJson


@attrs.frozen(kw_only=True)
class Holdings:
    """What was asked for of wallets, at one moment."""

    wallets: Mapping[UserId, Wallet]
    """Of the users that exist, and of the owners of the holds."""
    requests: Mapping[str, IdempotencyRecord]
    """The requests that stand under the keys."""
    holds: Mapping[HoldId, Hold]
    """The holds that exist, settled or not."""


@attrs.frozen(kw_only=True)
class AccountGuard:
    """The account that a decision is about, good only at the expected revision.

    Of decisions about one account in one commit each rests on those before it: after one that is not committed none is.
    """

    user_id: UserId
    expected_revision: int


@attrs.frozen(kw_only=True)
class Change:
    """All that one decision writes: whole, or not at all."""

    event: EventDecision | None = None
    revision: PurchaseRevision | None = None
    others: tuple[PurchaseRevision, ...] = ()
    """Further purchases whose worth follows: invoices of the same subscription."""
    subscription: SubscriptionRevision | None = None
    account: AccountGuard | None = None
    postings: tuple[Posting, ...] = ()
    ends: tuple[GrantEnd, ...] = ()
    """New ends of grants that stand already."""
    holds: tuple[Hold, ...] = ()
    """Holds as they are from now on: new ones, and open ones that are settled."""
    made_prices: tuple[MadePrice, ...] = ()
    """Prices that Credence made, to be kept for ever; one that is kept already stays as it is."""
    outbox: tuple[OutboxMessage, ...] = ()
    request: IdempotencyRecord | None = None
    notify_below: int | None = None
    """The deployment's threshold of a low balance; falling below it makes a message."""


@attrs.frozen(kw_only=True)
class Committed:
    """The change is written; the accounts are those it touched, as they are now."""

    accounts: tuple[Account, ...]


@attrs.frozen(kw_only=True)
class Duplicate:
    """The change had been written before; the accounts are those it touched, as they are now."""

    accounts: tuple[Account, ...]
    request: IdempotencyRecord | None = None
    """The request that stands under the key, whatever it asked."""


@attrs.frozen
class Conflict:
    """Nothing is written: the ledger has moved on since it was read. Read again, decide again."""

    reason: str


@attrs.frozen
class Rejected:
    """Nothing is written: the ledger's own guards refuse the change."""

    reason: str


CommitResult = Committed | Duplicate | Conflict | Rejected
