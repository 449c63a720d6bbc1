"""Disputes: the status of each, merged from its reports, and how much money it withdrew."""

import enum
from collections.abc import Iterable
from datetime import datetime
from fractions import Fraction

import attrs


class DisputeStatus(enum.StrEnum):
    """A dispute's statuses, in the order that decides between reports of the same second.

    The names are Stripe's (https://docs.stripe.com/api/disputes/object), except `withdrawn` and `reinstated` for the
    two movements of money, and `unknown` for a status that Stripe added later; then the movements of money decide.
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


_DISPUTE_RANK = {status: rank for rank, status in enumerate(DisputeStatus)}

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
class Movement:
    """Money moved by a dispute, in minor units of the settlement currency: negative when it left the merchant."""

    id: str
    amount: int
    currency: str


@attrs.frozen(kw_only=True)
class Dispute:
    """The latest state of one dispute; the amount is in minor units of the payment's currency."""

    id: str
    occurred_at: datetime
    amount: int
    status: DisputeStatus
    currency: str | None = None
    movements: tuple[Movement, ...] = ()
    """Every reported movement, sorted by id."""

    @property
    def away(self) -> Fraction:
        """Return the part of the amount that is with the customer's bank.

        Inquiries (`warning_*`) move no money. Movements decide once money has come back, or if the status is unknown;
        from those in another currency only the fraction is taken. `won` and `lost` need no movements.
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


def latest_disputes(disputes: Iterable[Dispute]) -> tuple[Dispute, ...]:
    """Return each dispute in its latest state, with every reported movement of money."""
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
