"""Defines what customers and their banks really did, and calculates what that is worth, with arithmetic of its own.

It knows no webhook and no ledger. A payment is worth its credits in proportion to the money that the merchant has, and
a fraction of a credit stays with the merchant.
"""

import json
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import attrs

from simulators.stories.invoice_worth import Due, Gone, KnownBill, dues_of
from simulators.stories.invoices import Bill, Note, bill_of_json, note_of_json


@attrs.frozen(kw_only=True)
class Bought:
    """A customer ordered credits for an amount in minor units; nothing is paid by that yet."""

    customer: str
    payment: str
    credits: int
    amount: int


@attrs.frozen(kw_only=True)
class Paid:
    """The money for a payment arrived."""

    payment: str


@attrs.frozen(kw_only=True)
class PaymentFailed:
    """The money for a payment will not come."""

    payment: str


@attrs.frozen(kw_only=True)
class Refunded:
    """The merchant sent money back, or set out to."""

    payment: str
    refund: str
    amount: int


@attrs.frozen(kw_only=True)
class RefundFailed:
    """A refund's money stayed with the merchant after all."""

    refund: str


@attrs.frozen(kw_only=True)
class Disputed:
    """The customer's bank took money away until the dispute is decided."""

    payment: str
    dispute: str
    amount: int


@attrs.frozen(kw_only=True)
class DisputeEnded:
    """A dispute was decided, or its money came back before that."""

    dispute: str
    money_is_back: bool


@attrs.frozen(kw_only=True)
class DisputeEased:
    """A part of a dispute's money came back, though it is not decided."""

    dispute: str
    amount: int


@attrs.frozen(kw_only=True)
class Billed:
    """An invoice of a subscription was paid; `payments` are what paid it."""

    bill: Bill
    payments: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Credited:
    """A credit note took something off a subscription's invoice."""

    invoice: str
    note: Note


@attrs.frozen(kw_only=True)
class Canceled:
    """A subscription ended, or will when its period ends."""

    subscription: str


Act = (
    Bought
    | Paid
    | PaymentFailed
    | Refunded
    | RefundFailed
    | Disputed
    | DisputeEased
    | DisputeEnded
    | Billed
    | Credited
    | Canceled
)

_KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in Act.__args__}


def balances(acts: Iterable[Act]) -> dict[str, int]:
    """Return what each customer's balance must be once everything that was done is known."""
    totals: dict[str, int] = {}
    for due in dues(acts):
        totals[due.customer] = totals.get(due.customer, 0) + due.credits
    return totals


def dues(acts: Iterable[Act]) -> list[Due]:
    """Return what each grant must come to once everything that was done is known."""
    acts = tuple(acts)
    gone = _gone(acts)
    return _packs(acts, gone) + _periods(acts, gone)


def _gone(acts: tuple[Act, ...]) -> dict[str, Gone]:
    """Return what is gone of each payment."""
    failed = {act.refund for act in acts if isinstance(act, RefundFailed)}
    returned = {act.dispute for act in acts if isinstance(act, DisputeEnded) and act.money_is_back}
    eased: dict[str, int] = {}
    for act in acts:
        if isinstance(act, DisputeEased):
            eased[act.dispute] = eased.get(act.dispute, 0) + act.amount
    found: dict[str, Gone] = {}
    for act in acts:
        match act:
            case Refunded(payment=payment, refund=refund, amount=amount):
                known = found.get(payment, Gone())
                if refund in failed:
                    found[payment] = attrs.evolve(known, dead={**known.dead, refund: amount})
                else:
                    found[payment] = attrs.evolve(known, refunds={**known.refunds, refund: amount})
            case Disputed(payment=payment, dispute=dispute, amount=amount) if dispute not in returned:
                known = found.get(payment, Gone())
                away = known.disputed + amount - eased.get(dispute, 0)
                found[payment] = attrs.evolve(known, disputed=Fraction(away))
            case Credited(invoice=invoice, note=note):
                known = found.get(invoice, Gone())
                found[invoice] = attrs.evolve(known, notes=(*known.notes, note))
    return found


def _packs(acts: tuple[Act, ...], gone: dict[str, Gone]) -> list[Due]:
    paid = {act.payment for act in acts if isinstance(act, Paid)}
    found = []
    for act in acts:
        if isinstance(act, Bought):
            less = gone.get(act.payment, Gone())
            away = sum(less.refunds.values()) + less.disputed
            left = worth_of(act.credits, act.amount, away) if act.payment in paid else 0
            found.append(Due(customer=act.customer, handles=frozenset({act.payment}), credits=left))
    return found


def _periods(acts: tuple[Act, ...], gone: dict[str, Gone]) -> list[Due]:
    canceled = {act.subscription for act in acts if isinstance(act, Canceled)}
    families: dict[str, list[KnownBill]] = {}
    for act in acts:
        if isinstance(act, Billed):
            known = KnownBill(bill=act.bill, gone=gone.get(act.bill.invoice, Gone()), handles=frozenset(act.payments))
            families.setdefault(act.bill.subscription, []).append(known)
    return [due for name, family in families.items() for due in dues_of(family, is_ending=name in canceled)]


def most_ever(acts: Iterable[Act]) -> dict[str, int]:
    """Return the credits that each customer ever paid for: no balance was at any time legitimately higher."""
    acts = tuple(acts)
    only_purchases = [act for act in acts if isinstance(act, Bought | Paid)]
    sales = [Billed(bill=attrs.evolve(act.bill, back=(), never_paid=0)) for act in acts if isinstance(act, Billed)]
    totals = balances([*only_purchases, *sales])
    for act in sales:
        # The rest of a month is more of a shorter month: which it is of is not known before its period is.
        slack = sum(line.credits * line.quantity // 8 + 1 for line in act.bill.sold if line.by_time)
        totals[act.bill.customer] = totals.get(act.bill.customer, 0) + slack
    return totals


def worth_of(credits: int, amount: int, gone: Fraction | int) -> int:  # noqa: A002 - the field's own word
    """Return the credits that are left of a paid order when so much of its amount is gone."""
    if amount == 0:
        return credits
    return int(credits * (amount - min(gone, amount)) // amount)


def act_as_json(act: Act) -> dict[str, Any]:
    """Return the act as a JSON object."""
    fields: dict[str, Any] = json.loads(json.dumps(attrs.asdict(act)))
    return {"act": type(act).__name__, **fields}


def act_of_json(given: dict[str, Any]) -> Act:
    """Return the act that a JSON object of :func:`act_as_json` tells.

    :raises KeyError: if there is no such kind of act.
    """
    fields = {name: value for name, value in given.items() if name != "act"}
    for name, made in (("bill", bill_of_json), ("note", note_of_json), ("payments", tuple)):
        if name in fields:
            fields[name] = made(fields[name])
    act: Act = _KINDS[given["act"]](**fields)
    return act
