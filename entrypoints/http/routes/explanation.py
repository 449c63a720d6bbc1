"""`GET /accounts/{id}/explanation`: where every credit of an account came from and went, page by page."""

import re
from datetime import datetime
from typing import Annotated

import attrs
from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter, SkipValidation

from domain.credits.explanation import AccountExplanation, DrawExplanation, GrantExplanation, PurchaseExplanation
from domain.credits.holds import Hold, HoldId, HoldStatus
from domain.credits.ledger import EntryKind
from domain.credits.records import MAX_RECORDS, NEWEST, RecordPlace
from domain.payments.disputes import Dispute
from domain.payments.invoices import CreditNote
from domain.payments.purchases import PaymentStatus, PurchaseId, Refund
from entrypoints.auth.authenticator import Caller
from entrypoints.explained_lines import ExplainedLine, ExplainedReturn, lines_of, returns_of
from entrypoints.http.dependencies import requested_account
from entrypoints.http.openapi import problem_responses
from entrypoints.http.routes.transactions import Transaction, transaction_of
from entrypoints.presenting import present
from entrypoints.services import Services

CURSOR = r"^([0-9]{1,18})?~([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})?~([^\x00]{1,255})?\Z"


@attrs.frozen(kw_only=True)
class ExplainedPurchase:
    """The credits that a purchase granted and lost again; amounts are in minor units of `currency`.

    Its `transactions` are those on this page; everything else is about the whole purchase.
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
    """Credits that one entry drew from a grant."""

    credits: int
    version: int
    kind: EntryKind
    description: str | None
    pays_debt: bool
    created_at: datetime


@attrs.frozen(kw_only=True)
class ExplainedGrant:
    """One grant: its credits are those remaining plus those drawn.

    `put_by_versions` and `draws` are by the entries of this page; everything else is about the whole grant.
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
    made_by_version: int | None
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
    """A page of an account: by purchase, by entries without a purchase, by grant and by hold.

    The first page has the newest entries, holds and purchases, and the newest live grants. Within a page the oldest
    comes first. Each entry and hold is on one page, a purchase or a grant on each page with entries of it.
    With `has_unread_invoices`, a subscription has so many invoices for the same times that only the nearest were read:
    unused time of others is not deducted from `worth`, though it is in `posted`. `next_cursor` requests the older page.
    """

    user_id: str
    balance: int | None
    held: int | None
    purchases: tuple[ExplainedPurchase, ...]
    other_transactions: tuple[Transaction, ...]
    grants: tuple[ExplainedGrant, ...]
    holds: tuple[ExplainedHold, ...]
    has_unread_invoices: bool
    next_cursor: str | None


@get(
    "/accounts/{user_id:str}/explanation",
    tags=["Account"],
    responses=problem_responses(400, 401, 403, 404, 429, 503),
)
async def explain_account(
    user_id: FromPath[str],
    services: NamedDependency[SkipValidation[Services]],
    caller: NamedDependency[SkipValidation[Caller]],
    limit: Annotated[
        int, QueryParameter(ge=1, le=MAX_RECORDS, description="The most entries, holds and purchases of a page, each.")
    ] = 50,
    cursor: Annotated[str | None, QueryParameter(pattern=CURSOR, description="A page's `next_cursor`.")] = None,
) -> Explanation:
    """Return where every credit came from and what was taken back, spent or expired, with Stripe's ids."""
    place = place_of(cursor) if cursor is not None else NEWEST
    account = requested_account(caller, user_id)
    return explanation_of(await services.reader.explanation(account, place=place, limit=limit))


def place_of(cursor: str) -> RecordPlace:
    """Return where the page of a cursor begins; with the newest if it is not a cursor."""
    found = re.match(CURSOR, cursor)
    if found is None:
        return NEWEST
    entry, hold, purchase = found.groups()
    return RecordPlace(
        entry=int(entry) if entry else None,
        hold=HoldId(hold) if hold else None,
        purchase=PurchaseId(purchase) if purchase else None,
    )


def _cursor_of(place: RecordPlace) -> str:
    return f"{place.entry or ''}~{place.hold or ''}~{place.purchase or ''}"


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
        has_unread_invoices=explained.has_unread_invoices,
        next_cursor=_cursor_of(explained.following) if explained.following is not None else None,
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
        made_by_version=explained.made_by.version if explained.made_by else None,
        put_by_versions=tuple(entry.version for entry in explained.puts),
        draws=tuple(map(_draw, explained.draws)),
    )


def _draw(draw: DrawExplanation) -> ExplainedDraw:
    entry = draw.entry
    return ExplainedDraw(
        credits=draw.credits,
        version=entry.version,
        kind=entry.posting.kind,
        description=entry.posting.description,
        pays_debt=draw.pays_debt,
        created_at=entry.created_at,
    )


def _hold(hold: Hold) -> ExplainedHold:
    return present(ExplainedHold, hold, reserves=tuple(present(ReservedCredits, draw) for draw in hold.draws))
