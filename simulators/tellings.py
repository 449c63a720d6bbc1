"""What one of Stripe's events tells of a payment, in the simulators' own words, and what a set of them is worth.

This is not how the service reads events: it is a second reading, from Stripe's documentation and the stand-in's
shapes, to hold the first one against. It knows no order: a set of tellings is worth the same however it was told.
"""

import json
from collections.abc import Iterable, Mapping

import attrs

from simulators.acts import worth_of
from simulators.stripe_objects import Object

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
class RefundTold:
    """A refund, as it was at some rank of its life."""

    refund: str
    amount: int
    rank: int

    @property
    def is_live(self) -> bool:
        """Whether the money is with the customer, or on its way to them."""
        return self.rank <= 1


@attrs.frozen(kw_only=True)
class TotalTold:
    """How much of a charge is refunded in all, without saying by which refunds."""

    total: int


@attrs.frozen(kw_only=True)
class DisputeTold:
    """A dispute, as it was at a moment."""

    dispute: str
    amount: int
    moment: tuple[int, int, bool]
    is_away: bool


Claim = Sold | RefundTold | TotalTold | DisputeTold


@attrs.frozen
class Telling:
    """What one event tells: which of Stripe's objects are of one payment, and what is so with it."""

    handles: frozenset[str] = frozenset()
    claims: tuple[Claim, ...] = ()


def telling_of(  # noqa: PLR0911 - one line for each kind of object
    body: str, credits_by_plan: Mapping[str, int]
) -> Telling:
    """What an event tells by its body; nothing, if it is of a kind that concerns no payment."""
    event: Object = json.loads(body)
    kind, subject = event["type"], event["data"]["object"]
    match subject["object"]:
        case "checkout.session" if subject["mode"] == "payment":
            return Telling(_handles(subject, "id", "payment_intent", "invoice"), _sold(kind, subject, credits_by_plan))
        case "invoice":
            return Telling(_handles(subject, "id", "payment_intent", "charge"), _period(subject, credits_by_plan))
        case "invoice_payment":
            return Telling(_handles({**subject, **subject["payment"]}, "invoice", "payment_intent"))
        case "charge":
            return Telling(_handles(subject, "id", "payment_intent", "invoice"), _refunded(subject))
        case "refund":
            return Telling(_handles(subject, "charge", "payment_intent"), (_refund(subject),))
        case "dispute":
            return Telling(_handles(subject, "charge", "payment_intent"), (_dispute(event),))
        case _:
            return Telling()


def worth(tellings: Iterable[Telling]) -> dict[str, int]:
    """The credits that each customer has if exactly these things are known."""
    totals: dict[str, int] = {}
    for claims in _payments(tellings):
        sales = [claim for claim in claims if isinstance(claim, Sold)]
        if not any(sale.is_paid for sale in sales):
            continue
        sale = sales[0]
        left = worth_of(sale.credits, sale.amount, _refunds(claims) + _disputed(claims))
        totals[sale.customer] = totals.get(sale.customer, 0) + left
    return totals


def invoices_due(tellings: Iterable[Telling]) -> frozenset[str]:
    """The invoices of payments that are worth credits once all of this is known."""
    tellings = tuple(tellings)
    return frozenset(
        handle
        for handles, claims in _grouped(tellings)
        if any(worth([Telling(frozenset({"it"}), tuple(claims))]).values())
        for handle in handles
        if handle.startswith("in_")
    )


def ends_of(bodies: Iterable[str]) -> dict[str, int]:
    """When each period of a subscription that is told of ends, in seconds since 1970, by its invoice."""
    ends: dict[str, int] = {}
    for body in bodies:
        subject: Object = json.loads(body)["data"]["object"]
        if subject["object"] == "invoice" and subject["billing_reason"].startswith("subscription"):
            ends[subject["id"]] = max(line["period"]["end"] for line in subject["lines"]["data"])
    return ends


def _payments(tellings: Iterable[Telling]) -> list[list[Claim]]:
    """The claims about each payment."""
    return [claims for _, claims in _grouped(tellings)]


def _grouped(tellings: Iterable[Telling]) -> list[tuple[set[str], list[Claim]]]:
    """Handles and claims of each payment: whatever shares a handle is about one."""
    groups: list[tuple[set[str], list[Claim]]] = []
    for telling in tellings:
        handles, claims = set(telling.handles), list(telling.claims)
        apart = []
        for known in groups:
            if known[0] & handles:
                handles |= known[0]
                claims += known[1]
            else:
                apart.append(known)
        groups = [*apart, (handles, claims)]
    return groups


def _refunds(claims: list[Claim]) -> int:
    latest: dict[str, RefundTold] = {}
    for claim in claims:
        if isinstance(claim, RefundTold) and (claim.refund not in latest or latest[claim.refund].rank < claim.rank):
            latest[claim.refund] = claim
    live = sum(refund.amount for refund in latest.values() if refund.is_live)
    dead = sum(refund.amount for refund in latest.values() if not refund.is_live)
    # A total counts refunds that are not known by their ids, and those that failed since.
    total = max((claim.total for claim in claims if isinstance(claim, TotalTold)), default=0)
    return max(live, total - dead)


def _disputed(claims: list[Claim]) -> int:
    latest: dict[str, DisputeTold] = {}
    for claim in claims:
        if isinstance(claim, DisputeTold) and (
            claim.dispute not in latest or latest[claim.dispute].moment < claim.moment
        ):
            latest[claim.dispute] = claim
    return sum(dispute.amount for dispute in latest.values() if dispute.is_away)


def _handles(subject: Object, *names: str) -> frozenset[str]:
    return frozenset(str(subject[name]) for name in names if subject.get(name))


def _sold(kind: str, session: Object, credits_by_plan: Mapping[str, int]) -> tuple[Claim, ...]:
    metadata = session["metadata"]
    if not metadata.get("userId"):
        return ()
    is_paid = session["payment_status"] != "unpaid" and not kind.endswith(("failed", "expired"))
    return (
        Sold(
            customer=metadata["userId"],
            credits=credits_by_plan[metadata["plan"]],
            amount=session["amount_total"],
            is_paid=is_paid,
        ),
    )


def _period(invoice: Object, credits_by_plan: Mapping[str, int]) -> tuple[Claim, ...]:
    if not invoice["billing_reason"].startswith("subscription") or invoice["total"] <= 0:
        return ()
    parent = invoice.get("parent") or {}
    metadata = (parent.get("subscription_details") or invoice.get("subscription_details") or {}).get("metadata") or {}
    return (
        Sold(
            customer=metadata["userId"],
            credits=credits_by_plan[metadata["plan"]],
            amount=invoice["amount_paid"],
            is_paid=True,
        ),
    )


def _refunded(charge: Object) -> tuple[Claim, ...]:
    if charge.get("refunds"):
        return tuple(_refund(refund) for refund in charge["refunds"]["data"])
    return (TotalTold(total=charge["amount_refunded"]),)


def _refund(refund: Object) -> RefundTold:
    return RefundTold(refund=refund["id"], amount=refund["amount"], rank=_REFUND_RANK[refund["status"]])


def _dispute(event: Object) -> DisputeTold:
    dispute, what = event["data"]["object"], event["type"].rpartition(".")[2]
    moves = [move["amount"] for move in dispute["balance_transactions"]]
    came_back = bool(moves) and sum(moves) >= 0
    return DisputeTold(
        dispute=dispute["id"],
        amount=dispute["amount"],
        # An inquiry may become a dispute, never the other way round: that tells the order within one second.
        moment=(event["created"], _DISPUTE_RANK.index(what), not dispute["status"].startswith("warning_")),
        is_away=dispute["status"] in ("needs_response", "under_review", "lost") and not came_back,
    )
