"""Purchases: everything known of one payment, as a join-semilattice of facts.

Stripe delivers at least once and in any order (https://docs.stripe.com/webhooks), so nothing here depends on order:
`merge` is commutative, associative and idempotent, and a fact is a small purchase. `entitlements` values the result.
"""

import enum
from collections.abc import Iterable
from datetime import datetime
from functools import reduce
from typing import NewType

import attrs

from domain.payments.disputes import Dispute, latest_disputes
from domain.payments.invoices import Bill, CreditNote, merge_bills, merge_notes
from domain.values.accounts import UserId
from domain.values.plans import PlanId

PurchaseId = NewType("PurchaseId", str)
"""The payment intent's id, the session's if no money moved, or the invoice's for a period of a subscription."""

Link = NewType("Link", str)
"""`kind:id` of a Stripe object that belongs to the payment, such as `session:cs_1`."""


class PaymentStatus(enum.StrEnum):
    """A payment's status. The higher rank wins: a failed attempt does not undo a success."""

    UNPAID = "unpaid"
    FAILED = "failed"
    PAID = "paid"


class RefundStatus(enum.StrEnum):
    """A refund's status. The higher rank wins: a refund that succeeded may still fail
    (https://docs.stripe.com/refunds#failed-refunds)."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


class OrderRank(enum.IntEnum):
    """The source of a payment's order; the highest rank wins."""

    INTENT = 0
    """The payment alone, if no session and no invoice is known."""
    INVOICE = 1
    SESSION = 2
    CONFIRMED = 3
    """An operator's claim."""


_PAYMENT_RANK = {status: rank for rank, status in enumerate(PaymentStatus)}
_REFUND_RANK = {status: rank for rank, status in enumerate(RefundStatus)}

_DEAD_REFUNDS = frozenset({RefundStatus.FAILED, RefundStatus.CANCELED})


@attrs.frozen(kw_only=True, order=True)
class Order:
    """A user's order of a plan: the credits promised, and the amount paid in minor units, including tax."""

    user_id: UserId
    plan_id: PlanId
    credits: int
    amount: int
    currency: str
    expires_at: datetime | None = attrs.field(default=None, order=lambda moment: moment.timestamp() if moment else 0.0)
    """When unspent credits expire, if the order itself says so; None means never."""
    lasts_days: int = 0
    """Days from the payment until the credits expire; 0 means that `expires_at` applies."""
    rank: OrderRank = attrs.field(default=OrderRank.SESSION, order=False)
    """The order's source; an order from a higher rank replaces it."""


@attrs.frozen(kw_only=True)
class Refund:
    """The state of one refund; the amount is in minor units of the payment's currency."""

    id: str
    amount: int
    status: RefundStatus
    charge: str | None = None
    """The refunded charge, if reported."""

    @property
    def is_dead(self) -> bool:
        """Return whether the refund failed or was canceled, so that the merchant keeps the money."""
        return self.status in _DEAD_REFUNDS

    def _precedence(self) -> tuple[int, int]:
        return _REFUND_RANK[self.status], self.amount


@attrs.frozen(kw_only=True, order=True)
class ChargeRefunds:
    """The refunded total of one charge, in minor units."""

    charge: str
    amount: int


@attrs.frozen(kw_only=True)
class Purchase:
    """Everything known of one payment. The default is the bottom of the semilattice: nothing is known."""

    order: Order | None = None
    payment: PaymentStatus = PaymentStatus.UNPAID
    refunds: tuple[Refund, ...] = ()
    """One per refund id, sorted by id."""
    refunded_totals: tuple[ChargeRefunds, ...] = ()
    """The largest refunded total that each charge reported, sorted by charge."""
    disputes: tuple[Dispute, ...] = ()
    """One per dispute id, sorted by id."""
    currencies: frozenset[str] = frozenset()
    """The reported currencies of refunds and disputes."""
    links: frozenset[Link] = frozenset()
    paid_at: datetime | None = None
    """The earliest reported time of the payment, by Stripe's clock."""
    never_paid: int = 0
    """The amount in minor units that was due but not collected: credited before the payment, or not captured."""
    overpaid: int = 0
    """The amount in minor units that was paid in excess."""
    uncaptured_refunds: int = 0
    """Minor units of false refunds: older API versions report the uncaptured part of an authorization as one."""
    credit_notes: tuple[CreditNote, ...] = ()
    """One per credit note id, sorted by id."""
    bill: Bill | None = None
    """The lines of a subscription's invoice; None for a one-time purchase."""

    @property
    def refunded_total(self) -> int:
        """Return the sum of the charges' refunded totals, in minor units."""
        return sum(total.amount for total in self.refunded_totals)


def merge(one: Purchase, other: Purchase) -> Purchase:
    """Return the join of two states of knowledge about one payment."""
    return Purchase(
        order=max(
            (order for order in (one.order, other.order) if order is not None),
            key=lambda order: (order.rank, order),
            default=None,
        ),
        payment=max(one.payment, other.payment, key=_PAYMENT_RANK.__getitem__),
        refunds=_latest_refunds((*one.refunds, *other.refunds)),
        refunded_totals=_largest_totals((*one.refunded_totals, *other.refunded_totals)),
        disputes=latest_disputes((*one.disputes, *other.disputes)),
        currencies=one.currencies | other.currencies,
        links=one.links | other.links,
        paid_at=min((moment for moment in (one.paid_at, other.paid_at) if moment is not None), default=None),
        never_paid=max(one.never_paid, other.never_paid),
        overpaid=max(one.overpaid, other.overpaid),
        uncaptured_refunds=max(one.uncaptured_refunds, other.uncaptured_refunds),
        credit_notes=_joined_notes((*one.credit_notes, *other.credit_notes)),
        bill=merge_bills(one.bill, other.bill) if one.bill and other.bill else one.bill or other.bill,
    )


def learn(purchase: Purchase, facts: Iterable[Purchase]) -> Purchase:
    """Return the purchase after hearing the facts, in whatever order they come."""
    return reduce(merge, facts, purchase)


def is_in_one_currency(purchase: Purchase) -> bool:
    """Return whether refunds and disputes are in the payment's currency, so that their share can be computed."""
    return purchase.order is None or purchase.currencies <= {purchase.order.currency}


def _latest_refunds(refunds: Iterable[Refund]) -> tuple[Refund, ...]:
    latest: dict[str, Refund] = {}
    charges: dict[str, str] = {}
    for refund in refunds:
        known = latest.get(refund.id)
        if known is None or known._precedence() < refund._precedence():
            latest[refund.id] = refund
        if refund.charge is not None:
            charges[refund.id] = max(refund.charge, charges.get(refund.id, ""))
    return tuple(attrs.evolve(latest[id_], charge=charges.get(id_)) for id_ in sorted(latest))


def _largest_totals(totals: Iterable[ChargeRefunds]) -> tuple[ChargeRefunds, ...]:
    largest: dict[str, ChargeRefunds] = {}
    for total in totals:
        largest[total.charge] = max(total, largest.get(total.charge, total))
    return tuple(largest[charge] for charge in sorted(largest))


def _joined_notes(notes: Iterable[CreditNote]) -> tuple[CreditNote, ...]:
    joined: dict[str, CreditNote] = {}
    for note in notes:
        joined[note.id] = merge_notes(joined[note.id], note) if note.id in joined else note
    return tuple(joined[id_] for id_ in sorted(joined))
