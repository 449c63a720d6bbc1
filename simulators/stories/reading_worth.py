"""Calculates what a set of readings is worth, in any order: each payment's credits, and when they expire."""

from collections.abc import Iterable
from fractions import Fraction

from simulators.stories.acts import worth_of
from simulators.stories.event_readings import (
    Claim,
    DisputeReading,
    Reading,
    RefundReading,
    Sold,
    SubscriptionReading,
    TotalReading,
)
from simulators.stories.invoice_worth import Due, Gone, KnownBill, dues_of
from simulators.stories.invoices import Bill, Note


def worth(readings: Iterable[Reading]) -> dict[str, int]:
    """Return the credits that each customer has if exactly these things are known."""
    totals: dict[str, int] = {}
    for due in dues(readings):
        totals[due.customer] = totals.get(due.customer, 0) + due.credits
    return totals


def dues(readings: Iterable[Reading]) -> list[Due]:
    """Return what each grant must come to if exactly these things are known."""
    readings = tuple(readings)
    found: list[Due] = []
    families: dict[str, list[KnownBill]] = {}
    for handles, claims in _grouped(readings):
        bills = [claim for claim in claims if isinstance(claim, Bill)]
        sales = [claim for claim in claims if isinstance(claim, Sold)]
        if bills:
            known = KnownBill(bill=bills[0], gone=_gone(claims), handles=frozenset(handles))
            families.setdefault(bills[0].subscription, []).append(known)
        elif any(sale.is_paid for sale in sales):
            sale = sales[0]
            left = worth_of(sale.credits, sale.amount, _refunds(claims) + _disputed(claims))
            found.append(Due(customer=sale.customer, handles=frozenset(handles), credits=left))
    ending = _ending(claim for reading in readings for claim in reading.claims)
    return found + [due for name, family in families.items() for due in dues_of(family, is_ending=name in ending)]


def invoices_due(readings: Iterable[Reading]) -> frozenset[str]:
    """Return the invoices of payments that are worth credits once all of this is known."""
    readings = tuple(readings)
    return frozenset(
        handle
        for handles, claims in _grouped(readings)
        if any(worth([Reading(frozenset({"it"}), tuple(claims))]).values())
        for handle in handles
        if handle.startswith("in_")
    )


def ends_of(readings: Iterable[Reading]) -> dict[str, int]:
    """Return when the first period that an invoice is for ends: nothing of it ends before."""
    bills = [claim for reading in readings for claim in reading.claims if isinstance(claim, Bill) and claim.sold]
    return {bill.invoice: min(line.end for line in bill.sold) for bill in bills}


def _grouped(readings: Iterable[Reading]) -> list[tuple[set[str], list[Claim]]]:
    """Return handles and claims of each payment: whatever shares a handle is about one."""
    groups: list[tuple[set[str], list[Claim]]] = []
    for reading in readings:
        handles, claims = set(reading.handles), list(reading.claims)
        apart = []
        for known in groups:
            if known[0] & handles:
                handles |= known[0]
                claims += known[1]
            else:
                apart.append(known)
        groups = [*apart, (handles, claims)]
    return groups


def _gone(claims: list[Claim]) -> Gone:
    latest = _latest_refunds(claims)
    notes: dict[str, Note] = {claim.note: claim for claim in claims if isinstance(claim, Note)}
    return Gone(
        refunds={refund.refund: refund.amount for refund in latest if refund.is_live},
        dead={refund.refund: refund.amount for refund in latest if not refund.is_live},
        total=_total(claims),
        disputed=_disputed(claims),
        notes=tuple(notes.values()),
    )


def _refunds(claims: list[Claim]) -> int:
    latest = _latest_refunds(claims)
    live = sum(refund.amount for refund in latest if refund.is_live)
    dead = sum(refund.amount for refund in latest if not refund.is_live)
    # A total counts refunds that are not known by their ids, and those that failed since.
    return max(live, _total(claims) - dead)


def _total(claims: list[Claim]) -> int:
    return max((claim.total for claim in claims if isinstance(claim, TotalReading)), default=0)


def _latest_refunds(claims: list[Claim]) -> list[RefundReading]:
    latest: dict[str, RefundReading] = {}
    for claim in claims:
        if isinstance(claim, RefundReading) and (claim.refund not in latest or latest[claim.refund].rank < claim.rank):
            latest[claim.refund] = claim
    return list(latest.values())


def _disputed(claims: list[Claim]) -> Fraction:
    latest: dict[str, DisputeReading] = {}
    moves: dict[str, dict[str, int]] = {}
    for claim in claims:
        if isinstance(claim, DisputeReading):
            moves.setdefault(claim.dispute, {}).update(claim.moves)
            if claim.dispute not in latest or latest[claim.dispute].moment < claim.moment:
                latest[claim.dispute] = claim
    return sum((_away(dispute, list(moves[name].values())) for name, dispute in latest.items()), Fraction(0))


def _away(dispute: DisputeReading, moves: list[int]) -> Fraction:
    """Return what of a dispute is with the bank: by the money that moved, once some came back; else by its status."""
    if any(move > 0 for move in moves) and any(move < 0 for move in moves):
        return Fraction(min(max(-sum(moves), 0), dispute.amount))
    return Fraction(dispute.amount if dispute.is_away else 0)


def _ending(claims: Iterable[Claim]) -> frozenset[str]:
    """Return the subscriptions that are over, or will be when their periods end, as they were reported last."""
    latest: dict[str, SubscriptionReading] = {}
    for claim in claims:
        if isinstance(claim, SubscriptionReading):
            known = latest.get(claim.subscription)
            if known is None or known.moment < claim.moment:
                latest[claim.subscription] = claim
    return frozenset(name for name, given in latest.items() if given.is_ending)
