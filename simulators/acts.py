"""What customers and their banks really did, and what that is worth: arithmetic of the simulators' own.

It knows no webhook and no ledger: a payment is worth its credits while the money is with the merchant, in proportion,
and a fraction of a credit stays with the merchant.
"""

from collections.abc import Iterable
from typing import Any

import attrs


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


Act = Bought | Paid | PaymentFailed | Refunded | RefundFailed | Disputed | DisputeEnded

_KINDS: dict[str, type[Any]] = {
    kind.__name__: kind for kind in (Bought, Paid, PaymentFailed, Refunded, RefundFailed, Disputed, DisputeEnded)
}


def balances(acts: Iterable[Act]) -> dict[str, int]:
    """What each customer's balance must be once everything that was done is known."""
    acts = tuple(acts)
    paid = {act.payment for act in acts if isinstance(act, Paid)}
    kept = {act.refund for act in acts if isinstance(act, RefundFailed)}
    returned = {act.dispute for act in acts if isinstance(act, DisputeEnded) and act.money_is_back}
    gone: dict[str, int] = {}
    for act in acts:
        if (isinstance(act, Refunded) and act.refund not in kept) or (
            isinstance(act, Disputed) and act.dispute not in returned
        ):
            gone[act.payment] = gone.get(act.payment, 0) + act.amount
    totals: dict[str, int] = {}
    for act in acts:
        if isinstance(act, Bought):
            worth = worth_of(act.credits, act.amount, gone.get(act.payment, 0)) if act.payment in paid else 0
            totals[act.customer] = totals.get(act.customer, 0) + worth
    return totals


def most_ever(acts: Iterable[Act]) -> dict[str, int]:
    """The credits that each customer ever paid for: no balance was at any time legitimately higher."""
    acts = tuple(acts)
    only_purchases = tuple(act for act in acts if isinstance(act, Bought | Paid))
    return balances(only_purchases)


def worth_of(credits: int, amount: int, gone: int) -> int:  # noqa: A002 - the field's own word
    """The credits that are left of a paid order when so much of its amount is gone."""
    if amount == 0:
        return credits
    return credits * (amount - min(gone, amount)) // amount


def act_as_json(act: Act) -> dict[str, Any]:
    """The act as a JSON object."""
    return {"act": type(act).__name__, **attrs.asdict(act)}


def act_of_json(told: dict[str, Any]) -> Act:
    """The act that a JSON object of :func:`act_as_json` tells.

    :raises KeyError: if there is no such kind of act.
    """
    fields = {name: value for name, value in told.items() if name != "act"}
    act: Act = _KINDS[told["act"]](**fields)
    return act
