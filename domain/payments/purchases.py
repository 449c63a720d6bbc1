"""Purchases: everything known of one payment, as a join-semilattice of facts.

Stripe delivers at least once and in any order, so nothing here depends on order: `merge` is commutative,
associative and idempotent, and a fact is a small purchase of its own. What the join is worth stands in `entitlements`.
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


class OrderRank(enum.IntEnum):
    """Whose word on one payment's order counts: the highest rank's."""

    INTENT = 0
    """The payment alone, where no session and no invoice is known."""
    INVOICE = 1
    SESSION = 2
    CONFIRMED = 3
    """A person's."""


_PAYMENT_RANK = {status: rank for rank, status in enumerate(PaymentStatus)}
_REFUND_RANK = {status: rank for rank, status in enumerate(RefundStatus)}

_DEAD_REFUNDS = frozenset({RefundStatus.FAILED, RefundStatus.CANCELED})


@attrs.frozen(kw_only=True, order=True)
class Order:
    """Who bought what: the credits promised, and what was paid for them in minor units, tax included."""

    user_id: UserId
    plan_id: PlanId
    credits: int
    amount: int
    currency: str
    expires_at: datetime | None = attrs.field(default=None, order=lambda moment: moment.timestamp() if moment else 0.0)
    """When what is left of the credits expires, as far as the order itself tells; None means never."""
    lasts_days: int = 0
    """Days from the payment until the credits expire; 0 means that `expires_at` stands."""
    rank: OrderRank = attrs.field(default=OrderRank.SESSION, order=False)
    """Who told it; one of a lower rank gives way."""


@attrs.frozen(kw_only=True)
class Refund:
    """What is known of one refund; the amount is in minor units of the payment's currency."""

    id: str
    amount: int
    status: RefundStatus
    charge: str | None = None
    """The charge that it is of, where that was told."""

    @property
    def is_dead(self) -> bool:
        """Return whether the money stayed with the merchant after all."""
        return self.status in _DEAD_REFUNDS

    def _precedence(self) -> tuple[int, int]:
        return _REFUND_RANK[self.status], self.amount


@attrs.frozen(kw_only=True, order=True)
class ChargeRefunds:
    """How much of one charge is refunded in all, in minor units."""

    charge: str
    amount: int


@attrs.frozen(kw_only=True)
class Purchase:
    """Everything known of one payment. The default is the bottom: nothing known, nothing owed."""

    order: Order | None = None
    payment: PaymentStatus = PaymentStatus.UNPAID
    refunds: tuple[Refund, ...] = ()
    """One per refund id, sorted by it."""
    refunded_totals: tuple[ChargeRefunds, ...] = ()
    """The largest cumulative total that each charge reported, sorted by charge."""
    disputes: tuple[Dispute, ...] = ()
    """One per dispute id, sorted by it."""
    currencies: frozenset[str] = frozenset()
    """The currencies in which refunds and disputes were told."""
    links: frozenset[Link] = frozenset()
    paid_at: datetime | None = None
    """The earliest time of payment that was reported, by Stripe's clock."""
    never_paid: int = 0
    """Minor units that were asked for and not collected: credited before the payment, or not captured."""
    overpaid: int = 0
    """Minor units that were paid beyond what was asked for."""
    uncaptured_refunds: int = 0
    """Minor units of refunds that are none: older API versions make one of what was authorized and not captured."""
    credit_notes: tuple[CreditNote, ...] = ()
    """One per credit note's id, sorted by it."""
    bill: Bill | None = None
    """The lines of a subscription's invoice; None for what was sold once."""

    @property
    def refunded_total(self) -> int:
        """Return the largest cumulative totals of all charges, in minor units."""
        return sum(total.amount for total in self.refunded_totals)


def merge(one: Purchase, other: Purchase) -> Purchase:
    """Return the join of what two sources know of one payment."""
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
    """Return whether what went back can be measured by what was paid."""
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
