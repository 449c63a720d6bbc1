"""Reads what each of Stripe's events says of a payment, independently of the service.

The service reads events in its own way. This is a second reading, written from Stripe's documentation and the
stand-in's shapes, to compare the first one with. It knows no order: a set of reports is worth the same in any order.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from simulators.stories.invoice_readings import SaleTerms, read_bill, read_note
from simulators.stories.invoices import Bill, Note
from simulators.stripe.objects import Object

CHARGE_KEY = "credence_charge"
"""Metadata of a payment with a saved card: the id of the charge that it is for."""
TERMS_KEY = "credence_terms"

_REFUND_RANK = {"pending": 0, "requires_action": 0, "succeeded": 1, "failed": 2, "canceled": 3}
_DISPUTE_RANK = ("created", "updated", "funds_withdrawn", "closed", "funds_reinstated")


@attrs.frozen(kw_only=True)
class Sold:
    """Somebody bought credits for an amount; `is_paid` says whether the money is there."""

    customer: str
    credits: int
    amount: int
    is_paid: bool


@attrs.frozen(kw_only=True)
class RefundReading:
    """A refund, as it was at some rank of its life."""

    refund: str
    amount: int
    rank: int

    @property
    def is_live(self) -> bool:
        """Return whether the money is with the customer, or on its way to them."""
        return self.rank <= 1


@attrs.frozen(kw_only=True)
class TotalReading:
    """The amount of a charge that is refunded in total, without saying by which refunds."""

    total: int


@attrs.frozen(kw_only=True)
class DisputeReading:
    """A dispute, as it was at a moment, and what it had moved by then, by the moves' ids."""

    dispute: str
    amount: int
    moment: tuple[int, int, bool]
    is_away: bool
    moves: tuple[tuple[str, int], ...] = ()


@attrs.frozen(kw_only=True)
class SubscriptionReading:
    """The state of a subscription at a moment."""

    subscription: str
    moment: tuple[int, bool, bool]
    is_ending: bool


Claim = Sold | RefundReading | TotalReading | DisputeReading | Bill | Note | SubscriptionReading


@attrs.frozen
class Reading:
    """The content of one event: which of Stripe's objects belong to one payment, and what is claimed of it."""

    handles: frozenset[str] = frozenset()
    claims: tuple[Claim, ...] = ()


def reading_of(  # noqa: PLR0911 - one line for each kind of object
    body: str, credits_by_plan: Mapping[str, int], prices: Sequence[Mapping[str, Any]] = ()
) -> Reading:
    """Return what an event says by its body; nothing, if it is of a kind that concerns no payment.

    `prices` are Stripe's, of plans and of anything else. Without any, each period is of its subscription's plan.
    """
    event: Object = json.loads(body)
    kind, subject = event["type"], event["data"]["object"]
    match subject["object"]:
        case "checkout.session" if subject["mode"] == "payment":
            is_paid = subject["payment_status"] != "unpaid" and not kind.endswith(("failed", "expired"))
            sold = _sold(subject["metadata"], subject["amount_total"], credits_by_plan, is_paid=is_paid)
            return Reading(_handles(subject, "id", "payment_intent", "invoice"), sold)
        case "payment_intent" if subject["metadata"].get(CHARGE_KEY):
            return reading_of_charge(subject, credits_by_plan)
        case "invoice" if subject["status"] == "paid":
            bill = read_bill(subject, SaleTerms(credits_by_plan=credits_by_plan, prices=prices))
            return Reading(_handles(subject, "id", "payment_intent", "charge"), (bill,) if bill else ())
        case "credit_note":
            return Reading(_handles(subject, "invoice"), (read_note(subject),))
        case "subscription":
            return Reading(frozenset(), (_subscription(event),))
        case "invoice_payment":
            return Reading(_handles({**subject, **subject["payment"]}, "invoice", "payment_intent"))
        case "charge":
            return Reading(_handles(subject, "id", "payment_intent", "invoice"), _refunded(subject))
        case "refund":
            return Reading(_handles(subject, "charge", "payment_intent"), (_refund(subject),))
        case "dispute":
            return Reading(_handles(subject, "charge", "payment_intent"), (_dispute(event),))
        case _:
            return Reading()


def reading_of_charge(intent: Mapping[str, Any], credits_by_plan: Mapping[str, int]) -> Reading:
    """Return what a payment with a saved card says, by an event or by the answer to the request for it."""
    paid = _sold(intent["metadata"], intent["amount"], credits_by_plan, is_paid=intent["status"] == "succeeded")
    return Reading(_handles(intent, "id", "latest_charge", "invoice"), paid)


def _handles(subject: Mapping[str, Any], *names: str) -> frozenset[str]:
    return frozenset(str(subject[name]) for name in names if subject.get(name))


def _sold(metadata: Object, amount: int, credits_by_plan: Mapping[str, int], *, is_paid: bool) -> tuple[Claim, ...]:
    if not metadata.get("userId"):
        return ()
    # What is on sale may have changed since: the terms of a sale stand in its metadata.
    credits_text = metadata.get(TERMS_KEY, "").partition("/")[0]
    sold = int(credits_text) if credits_text else credits_by_plan[metadata["plan"]]
    return (Sold(customer=metadata["userId"], credits=sold, amount=amount, is_paid=is_paid),)


def _refunded(charge: Object) -> tuple[Claim, ...]:
    if charge.get("refunds"):
        return tuple(_refund(refund) for refund in charge["refunds"]["data"])
    return (TotalReading(total=charge["amount_refunded"]),)


def _refund(refund: Object) -> RefundReading:
    return RefundReading(refund=refund["id"], amount=refund["amount"], rank=_REFUND_RANK[refund["status"]])


def _dispute(event: Object) -> DisputeReading:
    dispute, what = event["data"]["object"], event["type"].rpartition(".")[2]
    return DisputeReading(
        dispute=dispute["id"],
        amount=dispute["amount"],
        # An inquiry may become a dispute, never the other way round: that tells the order within one second.
        moment=(event["created"], _DISPUTE_RANK.index(what), not dispute["status"].startswith("warning_")),
        is_away=dispute["status"] in ("needs_response", "under_review", "lost"),
        moves=tuple((move["id"], move["amount"]) for move in dispute["balance_transactions"]),
    )


def _subscription(event: Object) -> SubscriptionReading:
    given = event["data"]["object"]
    is_over, is_scheduled = given["status"] == "canceled", bool(given["cancel_at_period_end"])
    return SubscriptionReading(
        subscription=given["id"],
        moment=(event["created"], is_over, is_scheduled),
        is_ending=is_over or is_scheduled,
    )
