"""The ledger: immutable signed entries, those that are decided, and what stands posted for a purchase."""

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
"""The metadata key of an entry that returns to a grant what a clawback took from it: it expires as it would have.

Its value is `true` where it is the entry's own grant, else the grant's id.
"""

PERIOD_ENDS_AT = "period_ends_at"
"""The metadata key by which an entry of a subscription's invoice names the period whose grant it is of."""


class EntryKind(enum.StrEnum):
    """Why a balance changed."""

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
    """When it happened, by Stripe's clock; the ledger adds when it was written."""
    expires_at: datetime | None = None
    """When what is left of granted credits expires; None means never, and nothing for what is taken."""
    rollover_cap: int | None = None
    """Where granted credits roll over then: the most that may do so on the account in all."""
    metadata: Mapping[str, str] = attrs.field(factory=dict)
    draws: tuple[Draw, ...] | None = None
    """What it takes from which grant, as was decided; None leaves that to the ledger's rule for purchases."""
    priority: int | None = None
    """The priority of the grant that it makes; None means that of what is sold."""


@attrs.frozen(kw_only=True)
class LedgerEntry:
    """One immutable signed change of one account's balance."""

    posting: Posting
    version: int
    balance_before: int
    balance_after: int
    created_at: datetime


@attrs.frozen(kw_only=True)
class EntryFilter:
    """Which entries are asked for; the default is all of them."""

    kinds: frozenset[EntryKind] = frozenset()
    """Any kind, where none is named."""
    since: datetime | None = None
    until: datetime | None = None
    """Written at `since` or later, and before `until`."""
    purchase_id: PurchaseId | None = None

    def admits(self, entry: LedgerEntry) -> bool:
        """Whether the entry is asked for."""
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
    """What expired of one purchase's credits, and what stood posted for it when that last happened."""

    amount: int
    posted_before: int


@attrs.frozen
class Posted:
    """Credits posted for one grant of a purchase so far, by user; a user is present once an entry exists.

    What expired is not counted against them: it stands apart.
    """

    by_user: Mapping[UserId, int] = attrs.field(factory=dict)
    lapsed: Mapping[UserId, ExpiredCredits] = attrs.field(factory=dict)
    expires_at: Mapping[UserId, datetime | None] = attrs.field(factory=dict)
    """When what is left of each user's grant expires, where something is left of it."""
    clawed_back: Mapping[UserId, ClawedBack] = attrs.field(factory=dict)
    """What clawbacks took for each user's grant, and was not given back since."""


PostedByPeriod = Mapping[datetime | None, Posted]
"""What is posted for each grant of a purchase, by the end of its period; None for what was sold once."""


@attrs.frozen(kw_only=True)
class GrantEnd:
    """A new end of a grant whose credits stand already."""

    user_id: UserId
    purchase_id: PurchaseId
    period_ends_at: datetime | None
    expires_at: datetime | None


def period_metadata(period_ends_at: datetime | None) -> Mapping[str, str]:
    """Return the metadata of an entry of the grant of that period; empty where it is of no period."""
    return {} if period_ends_at is None else {PERIOD_ENDS_AT: period_ends_at.isoformat()}


def period_of(posting: Posting) -> datetime | None:
    """Return the end of the period whose grant the entry is of; None for what was sold once or not at all."""
    reported = posting.metadata.get(PERIOD_ENDS_AT) if posting.purchase_id is not None else None
    return datetime.fromisoformat(reported) if reported is not None else None


def returned_to(posting: Posting) -> GrantName | None:
    """Return the grant to which the entry returns what was taken from it; None where it returns to none."""
    named = posting.metadata.get(RETURNED) if posting.purchase_id is not None else None
    return GrantName(named) if named is not None else None


def post(account: Account, posting: Posting, *, now: datetime) -> tuple[Account, LedgerEntry]:
    """The account after the posting, and the entry that says so."""
    entry = LedgerEntry(
        posting=posting,
        version=account.version + 1,
        balance_before=account.balance,
        balance_after=account.balance + posting.amount,
        created_at=now,
    )
    revised = attrs.evolve(account, balance=entry.balance_after, version=entry.version, revision=account.revision + 1)
    return revised, entry
