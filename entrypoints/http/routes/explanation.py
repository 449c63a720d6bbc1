"""`GET /accounts/{id}/explanation`: what became of every credit of an account."""

from datetime import datetime

import attrs
from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, SkipValidation

from domain.credits.explanation import AccountExplanation, DrawExplanation, GrantExplanation, PurchaseExplanation
from domain.credits.holds import Hold, HoldStatus
from domain.credits.ledger import EntryKind
from domain.payments.disputes import Dispute
from domain.payments.invoices import CreditNote
from domain.payments.purchases import PaymentStatus, Refund
from entrypoints.auth.authenticator import Caller
from entrypoints.explained_lines import ExplainedLine, ExplainedReturn, lines_of, returns_of
from entrypoints.http.dependencies import requested_account
from entrypoints.http.openapi import problem_responses
from entrypoints.http.routes.transactions import Transaction, transaction_of
from entrypoints.presenting import present
from entrypoints.services import Services


@attrs.frozen(kw_only=True)
class ExplainedPurchase:
    """What one purchase gave, and what of it was taken back; amounts are in minor units of `currency`.

    A subscription's invoice has `lines`, and `unused_time` that it gives back. `never_paid` was asked for and never
    collected: credited before the payment, or not captured.
    """

    id: str
    plan: str | None
    status: PaymentStatus
    ordered_credits: int
    amount: int
    currency: str | None
    worth: int
    posted: int
    expires_at: datetime | None
    refunds: tuple[Refund, ...]
    refunded_total: int
    disputes: tuple[Dispute, ...]
    paid_at: datetime | None
    never_paid: int
    credit_notes: tuple[CreditNote, ...]
    lines: tuple[ExplainedLine, ...]
    unused_time: tuple[ExplainedReturn, ...]
    stripe: tuple[str, ...]
    transactions: tuple[Transaction, ...]


@attrs.frozen(kw_only=True)
class ExplainedDraw:
    """Credits that one entry took from a grant; the version is null where it is no longer known which one did."""

    credits: int
    version: int | None
    kind: EntryKind | None
    description: str | None
    pays_debt: bool
    created_at: datetime | None


@attrs.frozen(kw_only=True)
class ExplainedGrant:
    """The life of one grant: its credits are what remains, and what was drawn.

    With a `rollover_cap`, what is unspent at `expires_at` rolls over, at most so many credits on the account in all.
    """

    id: int
    kind: str
    purchase_id: str | None
    plan: str | None
    reason: str | None
    operator: str | None
    credits: int
    remaining: int
    drawn: int
    held: int
    priority: int
    expires_at: datetime | None
    rollover_cap: int | None
    period_ends_at: datetime | None
    created_at: datetime
    put_by_versions: tuple[int, ...]
    draws: tuple[ExplainedDraw, ...]


@attrs.frozen(kw_only=True)
class ReservedCredits:
    """Credits of a grant that a hold reserves, or did."""

    grant_id: int
    credits: int


@attrs.frozen(kw_only=True)
class ExplainedHold:
    """Credits that were set aside, and what became of them."""

    id: str
    status: HoldStatus
    credits: int
    captured: int
    description: str | None
    expires_at: datetime
    reserves: tuple[ReservedCredits, ...]


@attrs.frozen(kw_only=True)
class Explanation:
    """An account: by purchase, with the entries that none is behind, and by grant, with its holds; oldest first."""

    user_id: str
    balance: int | None
    held: int | None
    purchases: tuple[ExplainedPurchase, ...]
    other_transactions: tuple[Transaction, ...]
    grants: tuple[ExplainedGrant, ...]
    holds: tuple[ExplainedHold, ...]


@get(
    "/accounts/{user_id:str}/explanation",
    tags=["Account"],
    responses=problem_responses(400, 401, 403, 404, 503),
)
async def explain_account(
    user_id: FromPath[str],
    services: NamedDependency[SkipValidation[Services]],
    caller: NamedDependency[SkipValidation[Caller]],
) -> Explanation:
    """Return where every credit came from, what was taken back, spent or expired, and Stripe's objects behind it."""
    return explanation_of(await services.reader.explanation(requested_account(caller, user_id)))


def explanation_of(explained: AccountExplanation) -> Explanation:
    """Return an account's explanation as it is told."""
    account = explained.account
    return Explanation(
        user_id=explained.user_id,
        balance=account.balance if account else None,
        held=account.held if account else None,
        purchases=tuple(map(_purchase, explained.purchases)),
        other_transactions=tuple(map(transaction_of, explained.others)),
        grants=tuple(map(_grant, explained.grants)),
        holds=tuple(map(_hold, explained.holds)),
    )


def _purchase(explained: PurchaseExplanation) -> ExplainedPurchase:
    purchase, order = explained.purchase, explained.purchase.order
    return present(
        ExplainedPurchase,
        purchase,
        id=explained.id,
        plan=order.plan_id if order else None,
        status=purchase.payment,
        ordered_credits=order.credits if order else 0,
        amount=order.amount if order else 0,
        currency=order.currency if order else None,
        worth=explained.worth,
        posted=explained.posted,
        expires_at=explained.expires_at,
        lines=lines_of(explained),
        unused_time=returns_of(explained),
        stripe=tuple(sorted(purchase.links)),
        transactions=tuple(map(transaction_of, explained.entries)),
    )


def _grant(explained: GrantExplanation) -> ExplainedGrant:
    return present(
        ExplainedGrant,
        explained.grant,
        plan=explained.plan_id,
        reason=explained.reason,
        operator=explained.operator,
        drawn=explained.drawn,
        put_by_versions=tuple(entry.version for entry in explained.puts),
        draws=tuple(map(_draw, explained.draws)),
    )


def _draw(draw: DrawExplanation) -> ExplainedDraw:
    entry = draw.entry
    return ExplainedDraw(
        credits=draw.credits,
        version=entry.version if entry else None,
        kind=entry.posting.kind if entry else None,
        description=entry.posting.description if entry else None,
        pays_debt=draw.pays_debt,
        created_at=entry.created_at if entry else None,
    )


def _hold(hold: Hold) -> ExplainedHold:
    return present(ExplainedHold, hold, reserves=tuple(present(ReservedCredits, draw) for draw in hold.draws))
