"""The ledger: immutable signed entries, postings that are decided, and what is posted for a purchase."""

import enum
from collections.abc import Mapping
from datetime import datetime

import attrs

from domain.credits.clawbacks import ClawedBack, GrantName
from domain.credits.grants import Draw
from domain.credits.idempotency import IdempotencyKey
from domain.payments.purchases import PurchaseId
from domain.values.accounts import Account, UserId

RETURNED = "returned_to_grant"
"""The metadata key of an entry that returns credits of a clawback to a grant, where they keep that grant's expiry.

Its value is `true` for the entry's own grant, otherwise the grant's id.
"""

PERIOD_ENDS_AT = "period_ends_at"
"""The metadata key by which an entry of a subscription's invoice names the period of its grant."""


class EntryKind(enum.StrEnum):
    """The reason why a balance changed."""

    OPENING = "opening"
    PURCHASE = "purchase"
    CLAWBACK = "clawback"
    REINSTATEMENT = "reinstatement"
    SPEND = "spend"
    CAPTURE = "capture"
    EXPIRY = "expiry"
    PROMOTION = "promotion"
    GOODWILL = "goodwill"
    ADJUSTMENT = "adjustment"


@attrs.frozen(kw_only=True)
class Posting:
    """A signed change that is decided but not yet in the ledger."""

    user_id: UserId
    amount: int
    kind: EntryKind
    idempotency_key: IdempotencyKey
    purchase_id: PurchaseId | None = None
    stripe_session_id: str | None = None
    stripe_event_id: str | None = None
    description: str | None = None
    event_at: datetime | None = None
    """When it happened, by Stripe's clock; the ledger adds the time of writing."""
    expires_at: datetime | None = None
    """When unspent granted credits expire; None means never, and has no meaning for negative amounts."""
    rollover_cap: int | None = None
    """The most credits that may then roll over on the account in total; None if they do not roll over."""
    metadata: Mapping[str, str] = attrs.field(factory=dict)
    draws: tuple[Draw, ...] | None = None
    """The decided draws; None leaves them to the ledger (SQL: `credence_debit_grants`)."""
    priority: int | None = None
    """The priority of the grant that it creates; None means that of purchased credits."""


@attrs.frozen(kw_only=True)
class LedgerEntry:
    """An immutable signed change of one account's balance."""

    posting: Posting
    version: int
    balance_before: int
    balance_after: int
    created_at: datetime


@attrs.frozen(kw_only=True)
class EntryFilter:
    """A filter for entries; the default matches all."""

    kinds: frozenset[EntryKind] = frozenset()
    """The kinds that match; empty matches all."""
    since: datetime | None = None
    until: datetime | None = None
    """Written at `since` or later, and before `until`."""
    purchase_id: PurchaseId | None = None

    def admits(self, entry: LedgerEntry) -> bool:
        """Return whether the entry matches."""
        posting, written = entry.posting, entry.created_at
        return (
            (not self.kinds or posting.kind in self.kinds)
            and (self.since is None or self.since <= written)
            and (self.until is None or written < self.until)
            and (self.purchase_id is None or posting.purchase_id == self.purchase_id)
        )


EVERY_ENTRY = EntryFilter()


@attrs.frozen(kw_only=True)
class ExpiredCredits:
    """The expired credits of a purchase, and what was posted for it when some last expired."""

    amount: int
    posted_before: int


@attrs.frozen
class Posted:
    """The credits posted for one grant of a purchase so far, by user; a user is present once an entry exists.

    Expired credits are not subtracted; they are recorded separately.
    """

    by_user: Mapping[UserId, int] = attrs.field(factory=dict)
    expired: Mapping[UserId, ExpiredCredits] = attrs.field(factory=dict)
    expires_at: Mapping[UserId, datetime | None] = attrs.field(factory=dict)
    """When each user's grant expires, if any of it remains."""
    clawed_back: Mapping[UserId, ClawedBack] = attrs.field(factory=dict)
    """What clawbacks took for each user's grant and did not return since."""


PostedByPeriod = Mapping[datetime | None, Posted]
"""What is posted for each grant of a purchase, by the end of its period; None for a one-time purchase."""


@attrs.frozen(kw_only=True)
class GrantEnd:
    """A new expiry time of a grant that exists already."""

    user_id: UserId
    purchase_id: PurchaseId
    period_ends_at: datetime | None
    expires_at: datetime | None


def period_metadata(period_ends_at: datetime | None) -> Mapping[str, str]:
    """Return the metadata of an entry for the grant of that period; empty if there is no period."""
    return {} if period_ends_at is None else {PERIOD_ENDS_AT: period_ends_at.isoformat()}


def period_of(posting: Posting) -> datetime | None:
    """Return the end of the period of the entry's grant; None if it is not from a subscription."""
    reported = posting.metadata.get(PERIOD_ENDS_AT) if posting.purchase_id is not None else None
    return datetime.fromisoformat(reported) if reported is not None else None


def returned_to(posting: Posting) -> GrantName | None:
    """Return the grant to which the entry returns credits, or None."""
    named = posting.metadata.get(RETURNED) if posting.purchase_id is not None else None
    return GrantName(named) if named is not None else None


def post(account: Account, posting: Posting, *, now: datetime) -> tuple[Account, LedgerEntry]:
    """Return the account after the posting, and the posting's entry."""
    entry = LedgerEntry(
        posting=posting,
        version=account.version + 1,
        balance_before=account.balance,
        balance_after=account.balance + posting.amount,
        created_at=now,
    )
    revised = attrs.evolve(account, balance=entry.balance_after, version=entry.version, revision=account.revision + 1)
    return revised, entry
