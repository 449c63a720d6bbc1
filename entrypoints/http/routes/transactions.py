"""`GET /transactions`: an account's ledger entries, as JSON or CSV."""

import csv
import io
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode

import attrs
from litestar import MediaType, Request, Response, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter, SkipValidation

from domain.credits.ledger import EntryFilter, EntryKind, LedgerEntry
from domain.payments.purchases import PurchaseId
from domain.usecases.read_account import MAX_PAGE, Page
from entrypoints.auth.authenticator import Caller
from entrypoints.http.dependencies import requested_account
from entrypoints.http.openapi import CSV, AlsoAsCsv, problem_responses
from entrypoints.http.timestamps import parse_timestamp
from entrypoints.presenting import present
from entrypoints.services import Services

_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")  # noqa: RUF001 - as wide as the letters of East Asia

UserAskedFor = Annotated[
    str | None, QueryParameter(name="user_id", description="For services and operators: the account's user.")
]


@attrs.frozen(kw_only=True)
class Transaction:
    """One ledger entry."""

    version: int
    kind: EntryKind
    amount: int
    balance_before: int
    balance_after: int
    description: str | None
    purchase_id: str | None
    stripe_session_id: str | None
    event_at: datetime | None
    created_at: datetime
    metadata: Mapping[str, str]


@attrs.frozen(kw_only=True)
class Transactions:
    """One page of entries, newest first. Pass `next_cursor` to get the next page."""

    transactions: tuple[Transaction, ...]
    next_cursor: str | None


@get(
    "/transactions",
    tags=["Account"],
    responses=problem_responses(400, 401, 403, 404, 503),
    operation_class=AlsoAsCsv,
)
async def list_transactions(
    request: Request[Any, Any, Any],
    services: NamedDependency[SkipValidation[Services]],
    caller: NamedDependency[SkipValidation[Caller]],
    user_id: UserAskedFor = None,
    kind: Annotated[list[EntryKind] | None, QueryParameter(description="May be repeated.")] = None,
    since: Annotated[
        str | None, QueryParameter(format="date-time", description="Written at this time or later.")
    ] = None,
    until: Annotated[str | None, QueryParameter(format="date-time", description="Written before this time.")] = None,
    purchase_id: Annotated[str | None, QueryParameter(max_length=255, pattern=r"^[^\x00]*\Z")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=MAX_PAGE)] = 50,
    cursor: Annotated[str | None, QueryParameter(pattern=r"^[0-9]{1,18}\Z")] = None,
) -> Response[Transactions]:
    """List the user's ledger entries that match, newest first; as CSV with `Accept: text/csv`."""
    wanted = EntryFilter(
        kinds=frozenset(kind or ()),
        since=parse_timestamp("since", since),
        until=parse_timestamp("until", until),
        purchase_id=PurchaseId(purchase_id) if purchase_id else None,
    )
    page = await services.reader.transactions(
        requested_account(caller, user_id),
        before_version=int(cursor) if cursor else None,
        limit=limit,
        wanted=wanted,
    )
    return _presented(request, page)


def _presented(request: Request[Any, Any, Any], page: Page) -> Response[Any]:
    reported = Transactions(
        transactions=tuple(transaction_of(entry) for entry in page.entries),
        next_cursor=str(page.next_before) if page.next_before is not None else None,
    )
    if request.accept.best_match([MediaType.JSON, CSV]) == CSV:
        return Response(_as_csv(reported), media_type=CSV, headers=_link_to_next(request, reported))
    return Response(reported)


def transaction_of(entry: LedgerEntry) -> Transaction:
    """Return an entry in its JSON form."""
    posting = entry.posting
    return present(
        Transaction,
        posting,
        version=entry.version,
        balance_before=entry.balance_before,
        balance_after=entry.balance_after,
        created_at=entry.created_at,
    )


def _as_csv(page: Transactions) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(field.name for field in attrs.fields(Transaction))
    for transaction in page.transactions:
        writer.writerow(map(_cell, attrs.astuple(transaction, recurse=False)))
    return text.getvalue()


def _cell(value: object) -> object:
    match value:
        case datetime():
            return value.isoformat()
        case Mapping():
            return json.dumps(dict(value), ensure_ascii=False, sort_keys=True) if value else ""
        case str() if value.lstrip().startswith(_FORMULA) or value[:1] in {"\t", "\r", "\n"}:
            # A spreadsheet would run it as a formula, some even after spaces; the apostrophe makes it text.
            return f"'{value}"
        case _:
            return value


def _link_to_next(request: Request[Any, Any, Any], page: Transactions) -> dict[str, str]:
    if page.next_cursor is None:
        return {}
    asked = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    return {"Link": f'<?{urlencode([*asked, ("cursor", page.next_cursor)])}>; rel="next"'}
