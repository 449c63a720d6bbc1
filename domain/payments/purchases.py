"""Purchases: everything known of one payment, as a join-semilattice of facts.

Stripe delivers at least once and in any order, so nothing here depends on order: `merge` is commutative,
associative and idempotent, and a fact is a small purchase of its own. What the join is worth stands in `entitlements`.
"""

import enum
from collections.abc import Iterable
from datetime import datetime
from fractions import Fraction
from typing import NewType

import attrs

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


class DisputeStatus(enum.StrEnum):
    """A dispute's life, in the order that decides within one second.

    The names are Stripe's, but for the two moves of the money, `withdrawn` and `reinstated`, and for `unknown`: a
    status that Stripe added later, of which the movements of the money tell what it means.
    """

    UNKNOWN = "unknown"
    WARNING_NEEDS_RESPONSE = "warning_needs_response"
    WARNING_UNDER_REVIEW = "warning_under_review"
    WARNING_CLOSED = "warning_closed"
    NEEDS_RESPONSE = "needs_response"
    UNDER_REVIEW = "under_review"
    WITHDRAWN = "withdrawn"
    CHARGE_REFUNDED = "charge_refunded"
    PREVENTED = "prevented"
    LOST = "lost"
    APPEAL_NEEDS_RESPONSE = "appeal_needs_response"
    APPEAL_UNDER_REVIEW = "appeal_under_review"
    WON = "won"
    REINSTATED = "reinstated"


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
_DISPUTE_RANK = {status: rank for rank, status in enumerate(DisputeStatus)}
_DEAD_REFUNDS = frozenset({RefundStatus.FAILED, RefundStatus.CANCELED})
_MONEY_AWAY = frozenset(
    {
        DisputeStatus.NEEDS_RESPONSE,
        DisputeStatus.UNDER_REVIEW,
        DisputeStatus.WITHDRAWN,
        DisputeStatus.LOST,
        DisputeStatus.APPEAL_NEEDS_RESPONSE,
        DisputeStatus.APPEAL_UNDER_REVIEW,
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
class Movement:
    """Money that a dispute moved: negative when it left the merchant; in the currency in which it was settled."""

    id: str
    amount: int
    currency: str


@attrs.frozen(kw_only=True)
class Dispute:
    """The latest that is known of one dispute; the amount is in minor units of the payment's currency."""

    id: str
    occurred_at: datetime
    amount: int
    status: DisputeStatus
    currency: str | None = None
    movements: tuple[Movement, ...] = ()
    """Every movement that was reported, sorted by id."""

    @property
    def away(self) -> Fraction:
        """Return the part of the amount that is with the customer's bank.

        Inquiries (`warning_*`) move none. Movements decide once some money came back, or where the status is not known;
        those in another currency tell the part alone. `won` and `lost` need no movements.
        """
        own = [move.amount for move in self.movements if move.currency == self.currency]
        moves = own or [move.amount for move in self.movements]
        left, returned = -sum(move for move in moves if move < 0), sum(move for move in moves if move > 0)
        if not own and self.status in {DisputeStatus.WON, DisputeStatus.LOST}:
            left = returned = 0
        if left > 0 and (returned > 0 or self.status is DisputeStatus.UNKNOWN):
            part = Fraction(max(left - returned, 0), left if not own else max(self.amount, 1))
            return self.amount * min(part, Fraction(1))
        return Fraction(self.amount if self.status in _MONEY_AWAY else 0)

    def _precedence(self) -> tuple[datetime, int, int, str]:
        return self.occurred_at, _DISPUTE_RANK[self.status], self.amount, self.currency or ""


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
    charge: str = ""


@attrs.frozen
class Disputed:
    """A dispute's state was told."""

    dispute: Dispute


@attrs.frozen
class CurrencyReported:
    """The currency of a refund or a dispute was told."""

    currency: str


@attrs.frozen
class Linked:
    """Stripe objects were told to belong to the payment."""

    links: frozenset[Link]


@attrs.frozen
class PaidAt:
    """The time of the payment was reported, by Stripe's clock."""

    moment: datetime


@attrs.frozen
class NeverPaid:
    """An amount was reported that was asked for and never collected."""

    amount: int


@attrs.frozen
class Overpaid:
    """An amount was reported that was paid beyond what was asked for."""

    amount: int


@attrs.frozen
class UncapturedRefunds:
    """Refunds were reported that only release what was authorized and not captured."""

    amount: int


@attrs.frozen
class CreditNoted:
    """A credit note's state was reported."""

    note: CreditNote


@attrs.frozen
class Billed:
    """The lines of a subscription's invoice were reported, and valued."""

    bill: Bill


Fact = (
    Ordered
    | PaymentReported
    | PaidAt
    | NeverPaid
    | Overpaid
    | UncapturedRefunds
    | Billed
    | CreditNoted
    | Refunded
    | RefundTotalReported
    | Disputed
    | CurrencyReported
    | Linked
)


def purchase_of(fact: Fact) -> Purchase:  # noqa: PLR0911, PLR0912 - one line for each kind of fact
    """Return the smallest purchase that knows the fact."""
    match fact:
        case Ordered(order):
            return Purchase(order=order)
        case PaymentReported(status):
            return Purchase(payment=status)
        case PaidAt(moment):
            return Purchase(paid_at=moment)
        case NeverPaid(amount):
            return Purchase(never_paid=amount)
        case Overpaid(amount):
            return Purchase(overpaid=amount)
        case UncapturedRefunds(amount):
            return Purchase(uncaptured_refunds=amount)
        case Billed(bill):
            return Purchase(bill=bill)
        case CreditNoted(note):
            return Purchase(credit_notes=(note,))
        case Refunded(refund):
            return Purchase(refunds=(refund,))
        case RefundTotalReported(amount, charge):
            return Purchase(refunded_totals=(ChargeRefunds(charge=charge, amount=amount),))
        case Disputed(dispute):
            return Purchase(disputes=(dispute,))
        case CurrencyReported(currency):
            return Purchase(currencies=frozenset({currency}))
        case Linked(links):
            return Purchase(links=links)


def merge(one: Purchase, other: Purchase) -> Purchase:
    """The join of what two sources know of one payment."""
    return Purchase(
        order=max(
            (order for order in (one.order, other.order) if order is not None),
            key=lambda order: (order.rank, order),
            default=None,
        ),
        payment=max(one.payment, other.payment, key=_PAYMENT_RANK.__getitem__),
        refunds=_latest_refunds((*one.refunds, *other.refunds)),
        refunded_totals=_largest_totals((*one.refunded_totals, *other.refunded_totals)),
        disputes=_latest_disputes((*one.disputes, *other.disputes)),
        currencies=one.currencies | other.currencies,
        links=one.links | other.links,
        paid_at=min((moment for moment in (one.paid_at, other.paid_at) if moment is not None), default=None),
        never_paid=max(one.never_paid, other.never_paid),
        overpaid=max(one.overpaid, other.overpaid),
        uncaptured_refunds=max(one.uncaptured_refunds, other.uncaptured_refunds),
        credit_notes=_joined_notes((*one.credit_notes, *other.credit_notes)),
        bill=merge_bills(one.bill, other.bill) if one.bill and other.bill else one.bill or other.bill,
    )


def learn(purchase: Purchase, facts: Iterable[Fact]) -> Purchase:
    """The purchase after hearing the facts, in whatever order they come."""
    for fact in facts:
        purchase = merge(purchase, purchase_of(fact))
    return purchase


def is_in_one_currency(purchase: Purchase) -> bool:
    """Whether what went back can be measured by what was paid."""
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


def _latest_disputes(disputes: Iterable[Dispute]) -> tuple[Dispute, ...]:
    latest: dict[str, Dispute] = {}
    moves: dict[str, dict[str, Movement]] = {}
    for dispute in disputes:
        moved = moves.setdefault(dispute.id, {})
        for move in dispute.movements:
            moved[move.id] = max(move, moved.get(move.id, move))
        known = latest.get(dispute.id)
        if known is None or known._precedence() < dispute._precedence():
            latest[dispute.id] = dispute
    return tuple(
        attrs.evolve(latest[id_], movements=tuple(moves[id_][move] for move in sorted(moves[id_])))
        for id_ in sorted(latest)
    )


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
