"""Purchases: everything known of one payment, as a join-semilattice of facts.

Stripe delivers at least once and in any order, so nothing here depends on order: `merge` is commutative,
associative and idempotent, a fact is a small purchase of its own, and `entitlement` is a pure function of
the join. All that decides what a payment is worth must live here.
"""

import enum
from collections.abc import Iterable
from datetime import datetime
from typing import NewType

import attrs

from domain.accounts import UserId
from domain.plans import PlanId

PurchaseId = NewType("PurchaseId", str)
"""The payment intent's id; the session's, where no money moved; the invoice's, for a period of a subscription."""

Link = NewType("Link", str)
"""`kind:id` of a Stripe object that belongs to the payment, such as `session:cs_1`."""


class PaymentStatus(enum.StrEnum):
    """How far a payment has come. A later rank wins: a failed try does not undo a success."""

    UNPAID = "unpaid"
    FAILED = "failed"
    PAID = "paid"


class RefundStatus(enum.StrEnum):
    """A refund's life. A later rank wins: Stripe may fail a refund that had succeeded."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


class DisputeStatus(enum.StrEnum):
    """A dispute's life, in the order that decides within one second.

    The names are Stripe's, but for the two moves of the money, `withdrawn` and `reinstated`.
    """

    WARNING_NEEDS_RESPONSE = "warning_needs_response"
    WARNING_UNDER_REVIEW = "warning_under_review"
    WARNING_CLOSED = "warning_closed"
    NEEDS_RESPONSE = "needs_response"
    UNDER_REVIEW = "under_review"
    WITHDRAWN = "withdrawn"
    CHARGE_REFUNDED = "charge_refunded"
    PREVENTED = "prevented"
    LOST = "lost"
    WON = "won"
    REINSTATED = "reinstated"


_PAYMENT_RANK = {status: rank for rank, status in enumerate(PaymentStatus)}
_REFUND_RANK = {status: rank for rank, status in enumerate(RefundStatus)}
_DISPUTE_RANK = {status: rank for rank, status in enumerate(DisputeStatus)}
_DEAD_REFUNDS = frozenset({RefundStatus.FAILED, RefundStatus.CANCELED})
_MONEY_AWAY = frozenset(
    {
        DisputeStatus.NEEDS_RESPONSE,
        DisputeStatus.UNDER_REVIEW,
        DisputeStatus.WITHDRAWN,
        DisputeStatus.LOST,
    }
)


@attrs.frozen(kw_only=True, order=True)
class Order:
    """Who bought what: the credits promised, and what was paid for them in minor units, tax included."""

    user_id: UserId
    plan_id: PlanId
    credits: int
    amount: int
    currency: str
    expires_at: datetime | None = attrs.field(default=None, order=lambda moment: moment.timestamp() if moment else 0.0)
    """When what is left of the credits expires; None means never."""


@attrs.frozen(kw_only=True)
class Refund:
    """What is known of one refund; the amount is in minor units of the payment's currency."""

    id: str
    amount: int
    status: RefundStatus

    @property
    def is_dead(self) -> bool:
        """Whether the money stayed with the merchant after all."""
        return self.status in _DEAD_REFUNDS

    def _precedence(self) -> tuple[int, int]:
        return _REFUND_RANK[self.status], self.amount


@attrs.frozen(kw_only=True)
class Dispute:
    """The latest that is known of one dispute; the amount is in minor units of the payment's currency."""

    id: str
    occurred_at: datetime
    amount: int
    status: DisputeStatus

    @property
    def money_is_away(self) -> bool:
        """Whether the disputed money is with the customer's bank. Inquiries (`warning_*`) move none."""
        return self.status in _MONEY_AWAY

    def _precedence(self) -> tuple[datetime, int, int]:
        return self.occurred_at, _DISPUTE_RANK[self.status], self.amount


@attrs.frozen(kw_only=True)
class Purchase:
    """Everything known of one payment. The default is the bottom: nothing known, nothing owed."""

    order: Order | None = None
    payment: PaymentStatus = PaymentStatus.UNPAID
    refunds: tuple[Refund, ...] = ()
    """One per refund id, sorted by it."""
    refunded_total: int = 0
    """The largest cumulative total that a charge reported, in minor units."""
    disputes: tuple[Dispute, ...] = ()
    """One per dispute id, sorted by it."""
    currencies: frozenset[str] = frozenset()
    """The currencies in which refunds and disputes were told."""
    links: frozenset[Link] = frozenset()


@attrs.frozen
class Ordered:
    """A customer ordered."""

    order: Order


@attrs.frozen
class PaymentReported:
    """The payment's status was told."""

    status: PaymentStatus


@attrs.frozen
class Refunded:
    """A refund's state was told."""

    refund: Refund


@attrs.frozen
class RefundTotalReported:
    """A charge told how much of it is refunded in all, without saying by which refunds."""

    amount: int


@attrs.frozen
class Disputed:
    """A dispute's state was told."""

    dispute: Dispute


@attrs.frozen
class CurrencyTold:
    """The currency of a refund or a dispute was told."""

    currency: str


@attrs.frozen
class Linked:
    """Stripe objects were told to belong to the payment."""

    links: frozenset[Link]


Fact = Ordered | PaymentReported | Refunded | RefundTotalReported | Disputed | CurrencyTold | Linked


def purchase_of(fact: Fact) -> Purchase:  # noqa: PLR0911 - one line for each kind of fact
    """The smallest purchase that knows the fact."""
    match fact:
        case Ordered(order):
            return Purchase(order=order)
        case PaymentReported(status):
            return Purchase(payment=status)
        case Refunded(refund):
            return Purchase(refunds=(refund,))
        case RefundTotalReported(amount):
            return Purchase(refunded_total=amount)
        case Disputed(dispute):
            return Purchase(disputes=(dispute,))
        case CurrencyTold(currency):
            return Purchase(currencies=frozenset({currency}))
        case Linked(links):
            return Purchase(links=links)


def merge(one: Purchase, other: Purchase) -> Purchase:
    """The join of what two sources know of one payment."""
    return Purchase(
        order=max((order for order in (one.order, other.order) if order is not None), default=None),
        payment=max(one.payment, other.payment, key=_PAYMENT_RANK.__getitem__),
        refunds=_latest_refunds((*one.refunds, *other.refunds)),
        refunded_total=max(one.refunded_total, other.refunded_total),
        disputes=_latest_disputes((*one.disputes, *other.disputes)),
        currencies=one.currencies | other.currencies,
        links=one.links | other.links,
    )


def learn(purchase: Purchase, facts: Iterable[Fact]) -> Purchase:
    """The purchase after hearing the facts, in whatever order they come."""
    for fact in facts:
        purchase = merge(purchase, purchase_of(fact))
    return purchase


def reversed_amount(purchase: Purchase) -> int:
    """Minor units that went back to the customer, or are with their bank: at most what was paid."""
    live = sum(refund.amount for refund in purchase.refunds if not refund.is_dead)
    dead = sum(refund.amount for refund in purchase.refunds if refund.is_dead)
    refunded = max(live, purchase.refunded_total - dead)
    disputed = sum(dispute.amount for dispute in purchase.disputes if dispute.money_is_away)
    paid = purchase.order.amount if purchase.order is not None else 0
    return min(refunded + disputed, paid)


def is_in_one_currency(purchase: Purchase) -> bool:
    """Whether what went back can be measured by what was paid."""
    return purchase.order is None or purchase.currencies <= {purchase.order.currency}


def entitlement(purchase: Purchase) -> int:
    """Credits that the purchase is worth now; a fraction of a credit stays with the merchant."""
    order = purchase.order
    if order is None or purchase.payment is not PaymentStatus.PAID:
        return 0
    if order.amount == 0:
        return order.credits
    return order.credits * (order.amount - reversed_amount(purchase)) // order.amount


def _latest_refunds(refunds: Iterable[Refund]) -> tuple[Refund, ...]:
    latest: dict[str, Refund] = {}
    for refund in refunds:
        known = latest.get(refund.id)
        if known is None or known._precedence() < refund._precedence():
            latest[refund.id] = refund
    return tuple(latest[key] for key in sorted(latest))


def _latest_disputes(disputes: Iterable[Dispute]) -> tuple[Dispute, ...]:
    latest: dict[str, Dispute] = {}
    for dispute in disputes:
        known = latest.get(dispute.id)
        if known is None or known._precedence() < dispute._precedence():
            latest[dispute.id] = dispute
    return tuple(latest[key] for key in sorted(latest))
