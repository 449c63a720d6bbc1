"""Explanations: what became of every credit of an account, and which of Stripe's objects it came from."""

from datetime import datetime

import attrs

from domain.accounts import Account, UserId
from domain.ledger import LedgerEntry
from domain.purchases import Dispute, Link, Order, PaymentStatus, Purchase, PurchaseId, Refund, entitlement


@attrs.frozen(kw_only=True)
class PurchaseRecord:
    """A purchase as it is kept, with the ids of those that were merged into it."""

    id: PurchaseId
    purchase: Purchase
    merged: tuple[PurchaseId, ...] = ()


@attrs.frozen(kw_only=True)
class AccountRecord:
    """All that the ledger has of an account: its entries oldest first, and every purchase behind them."""

    user_id: UserId
    account: Account | None
    """None where the user was deleted."""
    purchases: tuple[PurchaseRecord, ...]
    entries: tuple[LedgerEntry, ...]


@attrs.frozen(kw_only=True)
class PurchaseExplanation:
    """What one purchase gave, what of it was taken back, and why."""

    id: PurchaseId
    plan_id: str | None
    status: PaymentStatus
    ordered_credits: int
    amount: int
    """What was paid, in minor units."""
    currency: str | None
    worth: int
    """Credits that the purchase is worth now."""
    posted: int
    """Credits that stand posted for it on this account."""
    expires_at: datetime | None
    refunds: tuple[Refund, ...]
    refunded_total: int
    disputes: tuple[Dispute, ...]
    links: tuple[Link, ...]
    entries: tuple[LedgerEntry, ...]


@attrs.frozen(kw_only=True)
class AccountExplanation:
    """An account, purchase by purchase, and the entries that no purchase is behind."""

    user_id: UserId
    account: Account | None
    purchases: tuple[PurchaseExplanation, ...]
    others: tuple[LedgerEntry, ...]


def explain(record: AccountRecord) -> AccountExplanation:
    """The account, explained: every entry stands at exactly one place."""
    explained: list[PurchaseExplanation] = []
    told: set[int] = set()
    for known in record.purchases:
        ids = {known.id, *known.merged}
        entries = tuple(entry for entry in record.entries if entry.posting.purchase_id in ids)
        told |= {entry.version for entry in entries}
        explained.append(_purchase(record.user_id, known, entries))
    return AccountExplanation(
        user_id=record.user_id,
        account=record.account,
        purchases=tuple(explained),
        others=tuple(entry for entry in record.entries if entry.version not in told),
    )


def _purchase(user_id: UserId, known: PurchaseRecord, entries: tuple[LedgerEntry, ...]) -> PurchaseExplanation:
    purchase = known.purchase
    order: Order | None = purchase.order
    is_owner = order is not None and order.user_id == user_id
    return PurchaseExplanation(
        id=known.id,
        plan_id=order.plan_id if order else None,
        status=purchase.payment,
        ordered_credits=order.credits if order else 0,
        amount=order.amount if order else 0,
        currency=order.currency if order else None,
        worth=entitlement(purchase) if is_owner else 0,
        posted=sum(entry.posting.amount for entry in entries),
        expires_at=order.expires_at if order else None,
        refunds=purchase.refunds,
        refunded_total=purchase.refunded_total,
        disputes=purchase.disputes,
        links=tuple(sorted(purchase.links)),
        entries=entries,
    )
