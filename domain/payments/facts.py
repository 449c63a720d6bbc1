"""Facts: what one report says of a payment. Each is a small purchase, and is joined to what is known."""

from collections.abc import Iterable
from datetime import datetime

import attrs

from domain.payments.disputes import Dispute
from domain.payments.invoices import Bill, CreditNote
from domain.payments.purchases import ChargeRefunds, Link, Order, PaymentStatus, Purchase, Refund, merge


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


def learn(purchase: Purchase, facts: Iterable[Fact]) -> Purchase:
    """Return the purchase after hearing the facts, in whatever order they come."""
    for fact in facts:
        purchase = merge(purchase, purchase_of(fact))
    return purchase
