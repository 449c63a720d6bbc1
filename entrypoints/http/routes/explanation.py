"""`GET /accounts/{id}/explanation`: where every credit of an account came from and went."""

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
    """The credits that a purchase granted and lost again; amounts are in minor units of `currency`.

    A subscription's invoice has `lines`, and the `unused_time` that it returns. `never_paid` is the amount that was
    never collected: credited before the payment, or not captured.
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
    """Credits that one entry drew from a grant; `version` is null if that entry is no longer known."""

    credits: int
    version: int | None
    kind: EntryKind | None
    description: str | None
    pays_debt: bool
    created_at: datetime | None


@attrs.frozen(kw_only=True)
class ExplainedGrant:
    """One grant: its credits are those remaining plus those drawn.

    With a `rollover_cap`, unspent credits roll over at `expires_at`, up to that many on the account in total.
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
    """Credits of a grant that a hold reserves or reserved."""

    grant_id: int
    credits: int


@attrs.frozen(kw_only=True)
class ExplainedHold:
    """A hold, and the grants from which it reserved."""

    id: str
    status: HoldStatus
    credits: int
    captured: int
    description: str | None
    expires_at: datetime
    reserves: tuple[ReservedCredits, ...]


@attrs.frozen(kw_only=True)
class Explanation:
    """An account by purchase, by entries without a purchase, by grant and by hold; each list is oldest first."""

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
    """Return where every credit came from and what was taken back, spent or expired, with Stripe's ids."""
    return explanation_of(await services.reader.explanation(requested_account(caller, user_id)))


def explanation_of(explained: AccountExplanation) -> Explanation:
    """Return an explanation in its JSON form."""
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
