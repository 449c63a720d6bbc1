"""The ledger: immutable signed entries, and the decision that turns a purchase into them.

A purchase is never posted, only the difference between what it is worth and what stands posted for it; so
whoever tells of it, and however often, the entries of a purchase sum to its entitlement.
"""

import enum
from collections.abc import Mapping, Sequence
from datetime import datetime

import attrs

from domain.credits.clawbacks import NOTHING_CLAWED_BACK, ClawedBack, GrantName, returns_of
from domain.credits.grants import Draw
from domain.credits.idempotency import IdempotencyKey, key_of_revision
from domain.payments.entitlements import GrantDue, grants_due
from domain.payments.purchases import Purchase, PurchaseId
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


@attrs.frozen(kw_only=True)
class PostingOrigin:
    """What entries of a purchase say of where they come from."""

    stripe_session_id: str | None = None
    stripe_event_id: str | None = None
    event_at: datetime | None = None


def postings_due(
    purchase_id: PurchaseId,
    purchase: Purchase,
    posted: PostedByPeriod,
    *,
    revision: int,
    dues: Sequence[GrantDue] | None = None,
    origin: PostingOrigin = PostingOrigin(),
) -> tuple[Posting, ...]:
    """Return the entries that bring the ledger in line with the purchase at `revision`; none when it is in line.

    `dues` are what its grants are to hold; left out, what the purchase tells by itself. Credits that stand with anyone
    but the purchase's owner are taken back from them. What expired is gone already, so it counts first towards what a
    refund takes back.
    """
    wanted = {due.period_ends_at: due for due in (grants_due(purchase) if dues is None else dues)}
    found: list[Posting] = []
    for period in sorted({*wanted, *posted}, key=_place):
        stands, due = posted.get(period, Posted()), wanted.get(period)
        worths = dict.fromkeys(stands.by_user, 0)
        if purchase.order is not None:
            worths[purchase.order.user_id] = due.credits if due is not None else 0
        standing = {user_id: _unlapsed(worth, stands.lapsed.get(user_id)) for user_id, worth in worths.items()}
        found += [
            Posting(
                user_id=user_id,
                amount=amount,
                kind=_kind(difference, had_entries=user_id in stands.by_user),
                idempotency_key=key_of_revision(purchase_id, revision, user_id, period, returned_to=grant),
                purchase_id=purchase_id,
                stripe_session_id=origin.stripe_session_id,
                stripe_event_id=origin.stripe_event_id,
                description=f"{purchase.order.plan_id} plan" if purchase.order else None,
                event_at=origin.event_at,
                expires_at=due.expires_at if due is not None and difference > 0 else None,
                rollover_cap=due.rollover_cap if due is not None and difference > 0 else None,
                metadata={**period_metadata(period), **({RETURNED: grant} if grant else {})},
            )
            for user_id, stands_due in sorted(standing.items())
            if (difference := stands_due - stands.by_user.get(user_id, 0)) != 0
            for amount, grant in _parts(difference, stands.clawed_back.get(user_id, NOTHING_CLAWED_BACK))
        ]
    return tuple(found)


def ends_due(
    purchase_id: PurchaseId, purchase: Purchase, posted: PostedByPeriod, dues: Sequence[GrantDue]
) -> tuple[GrantEnd, ...]:
    """Return the grants of the purchase's owner whose credits stand already and are to expire at another time."""
    if purchase.order is None:
        return ()
    owner = purchase.order.user_id
    return tuple(
        GrantEnd(user_id=owner, purchase_id=purchase_id, period_ends_at=due.period_ends_at, expires_at=due.expires_at)
        for due in dues
        if due.period_ends_at in posted
        and owner in posted[due.period_ends_at].expires_at
        and posted[due.period_ends_at].expires_at[owner] != due.expires_at
    )


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


def _parts(difference: int, taken: ClawedBack) -> tuple[tuple[int, GrantName | None], ...]:
    """Return the amounts in which a difference is posted, each with the grant to which it returns."""
    if difference < 0:
        return ((difference, None),)
    return tuple((part.credits, part.grant) for part in returns_of(difference, taken))


def _place(period: datetime | None) -> float:
    return period.timestamp() if period is not None else 0.0


def _unlapsed(worth: int, lapse: ExpiredCredits | None) -> int:
    """What must stand posted, expiries apart, for credits of that worth on the account."""
    return worth if lapse is None else min(worth + lapse.amount, max(lapse.posted_before, worth))


def _kind(difference: int, *, had_entries: bool) -> EntryKind:
    if difference < 0:
        return EntryKind.CLAWBACK
    return EntryKind.REINSTATEMENT if had_entries else EntryKind.PURCHASE
