"""`GET /quota`, `/transactions`, `/accounts/{id}/explanation`: what a user may spend, and how it came about."""

import csv
import io
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode

import attrs
from litestar import MediaType, Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter, SkipValidation

from domain.explanations import PurchaseExplanation
from domain.ledger import LedgerEntry
from domain.purchases import Dispute, PaymentStatus, Refund
from domain.usecases.read_account import MAX_PAGE, Page
from entrypoints.auth import Caller
from entrypoints.callers import account_asked_for
from entrypoints.services import Services

CSV = "text/csv"

UserAskedFor = Annotated[str | None, QueryParameter(name="user_id", description="For services: whose account.")]


@attrs.frozen(kw_only=True)
class QuotaAnswer:
    """A user's credits; `source` is `cache` or `ledger`."""

    user_id: str
    balance: int
    held: int
    available: int
    version: int
    source: str


@attrs.frozen(kw_only=True)
class Transaction:
    """One ledger entry."""

    version: int
    kind: str
    amount: int
    balance_before: int
    balance_after: int
    description: str | None
    purchase_id: str | None
    stripe_session_id: str | None
    event_at: datetime | None
    created_at: datetime


@attrs.frozen(kw_only=True)
class Transactions:
    """Entries newest first; `next_cursor` asks for the page that follows."""

    transactions: tuple[Transaction, ...]
    next_cursor: str | None


@get("/quota", tags=["Account"])
async def read_quota(
    services: NamedDependency[SkipValidation[Services]],
    caller: NamedDependency[SkipValidation[Caller]],
    user_id: UserAskedFor = None,
) -> QuotaAnswer:
    """What the user may spend now."""
    quota = await services.reader.quota(account_asked_for(caller, user_id))
    account = quota.account
    return QuotaAnswer(
        user_id=account.user_id,
        balance=account.balance,
        held=account.held,
        available=account.available,
        version=account.version,
        source=quota.source,
    )


@get("/transactions", tags=["Account"])
async def list_transactions(
    request: Request[Any, Any, Any],
    services: NamedDependency[SkipValidation[Services]],
    caller: NamedDependency[SkipValidation[Caller]],
    user_id: UserAskedFor = None,
    limit: Annotated[int, QueryParameter(ge=1, le=MAX_PAGE)] = 50,
    cursor: Annotated[str | None, QueryParameter(pattern=r"^[0-9]{1,18}$")] = None,
) -> Response[Any]:
    """The user's ledger entries, newest first; as CSV for `Accept: text/csv`."""
    page = await services.reader.transactions(
        account_asked_for(caller, user_id), before_version=int(cursor) if cursor else None, limit=limit
    )
    presented = _presented(page)
    if request.accept.best_match([MediaType.JSON, CSV]) == CSV:
        return Response(_as_csv(presented), media_type=CSV, headers=_link_to_next(request, presented))
    return Response(presented)


@attrs.frozen(kw_only=True)
class ExplainedPurchase:
    """What one purchase gave, and what of it was taken back; amounts are in minor units of `currency`."""

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
    stripe: tuple[str, ...]
    transactions: tuple[Transaction, ...]


@attrs.frozen(kw_only=True)
class Explanation:
    """An account, purchase by purchase, and the entries that no purchase is behind, oldest first."""

    user_id: str
    balance: int | None
    held: int | None
    purchases: tuple[ExplainedPurchase, ...]
    other_transactions: tuple[Transaction, ...]


@get("/accounts/{user_id:str}/explanation", tags=["Account"])
async def explain_account(
    user_id: FromPath[str],
    services: NamedDependency[SkipValidation[Services]],
    caller: NamedDependency[SkipValidation[Caller]],
) -> Explanation:
    """Where every credit came from, what was taken back, and Stripe's objects behind it."""
    explained = await services.reader.explanation(account_asked_for(caller, user_id))
    account = explained.account
    return Explanation(
        user_id=explained.user_id,
        balance=account.balance if account else None,
        held=account.held if account else None,
        purchases=tuple(map(_explained, explained.purchases)),
        other_transactions=tuple(map(_transaction, explained.others)),
    )


def _explained(purchase: PurchaseExplanation) -> ExplainedPurchase:
    return ExplainedPurchase(
        id=purchase.id,
        plan=purchase.plan_id,
        status=purchase.status,
        ordered_credits=purchase.ordered_credits,
        amount=purchase.amount,
        currency=purchase.currency,
        worth=purchase.worth,
        posted=purchase.posted,
        expires_at=purchase.expires_at,
        refunds=purchase.refunds,
        refunded_total=purchase.refunded_total,
        disputes=purchase.disputes,
        stripe=tuple(purchase.links),
        transactions=tuple(map(_transaction, purchase.entries)),
    )


def _presented(page: Page) -> Transactions:
    return Transactions(
        transactions=tuple(_transaction(entry) for entry in page.entries),
        next_cursor=str(page.next_before) if page.next_before is not None else None,
    )


def _transaction(entry: LedgerEntry) -> Transaction:
    posting = entry.posting
    return Transaction(
        version=entry.version,
        kind=posting.kind,
        amount=posting.amount,
        balance_before=entry.balance_before,
        balance_after=entry.balance_after,
        description=posting.description,
        purchase_id=posting.purchase_id,
        stripe_session_id=posting.stripe_session_id,
        event_at=posting.event_at,
        created_at=entry.created_at,
    )


def _as_csv(page: Transactions) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(field.name for field in attrs.fields(Transaction))
    for transaction in page.transactions:
        writer.writerow(
            value.isoformat() if isinstance(value, datetime) else value for value in attrs.astuple(transaction)
        )
    return text.getvalue()


def _link_to_next(request: Request[Any, Any, Any], page: Transactions) -> dict[str, str]:
    if page.next_cursor is None:
        return {}
    asked = {name: value for name, value in request.query_params.items() if name != "cursor"}
    return {"Link": f'<?{urlencode({**asked, "cursor": page.next_cursor})}>; rel="next"'}
