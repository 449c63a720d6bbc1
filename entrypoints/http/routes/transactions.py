"""`GET /transactions`: an account's ledger entries, as JSON or CSV."""

import csv
import io
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode

import attrs
from litestar import MediaType, Request, Response, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter, SkipValidation
from litestar.response import Stream

from domain.credits.ledger import EntryFilter, EntryKind, LedgerEntry
from domain.payments.purchases import PurchaseId
from domain.usecases.read_account import MAX_PAGE, Page
from entrypoints.auth.authenticator import Caller
from entrypoints.http.dependencies import requested_account
from entrypoints.http.openapi import CSV, AlsoAsCsv, problem_responses
from entrypoints.http.timestamps import parse_timestamp
from entrypoints.presenting import present
from entrypoints.services import Services

DEFAULT_PAGE = 50
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
    responses=problem_responses(400, 401, 403, 404, 429, 503),
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
    limit: Annotated[
        int | None, QueryParameter(ge=1, le=MAX_PAGE, description="50 by default; CSV has all there are by default.")
    ] = None,
    cursor: Annotated[str | None, QueryParameter(pattern=r"^[0-9]{1,18}\Z")] = None,
) -> Response[Transactions]:
    """List the user's ledger entries that match, newest first; as CSV with `Accept: text/csv`.

    CSV without a `limit` has every entry, however many there are; with one it has a page, and a link to the next.
    """
    wanted = EntryFilter(
        kinds=frozenset(kind or ()),
        since=parse_timestamp("since", since),
        until=parse_timestamp("until", until),
        purchase_id=PurchaseId(purchase_id) if purchase_id else None,
    )
    account, before = requested_account(caller, user_id), int(cursor) if cursor else None
    is_csv = request.accept.best_match([MediaType.JSON, CSV]) == CSV
    size = limit or (MAX_PAGE if is_csv else DEFAULT_PAGE)
    page = await services.reader.transactions(account, before_version=before, limit=size, wanted=wanted)
    if is_csv and limit is None:
        return _streamed(page, services.reader.transactions_after(account, page, wanted=wanted))
    return _presented(request, page, is_csv=is_csv)


def _presented(request: Request[Any, Any, Any], page: Page, *, is_csv: bool) -> Response[Any]:
    reported = Transactions(
        transactions=tuple(transaction_of(entry) for entry in page.entries),
        next_cursor=str(page.next_before) if page.next_before is not None else None,
    )
    if is_csv:
        return Response(
            _HEADING + _as_csv(reported.transactions), media_type=CSV, headers=_link_to_next(request, reported)
        )
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


def _streamed(first: Page, following: AsyncIterator[Page]) -> Response[Any]:
    """Return a statement that is sent page by page, so that no more than one is in memory."""

    async def parts() -> AsyncIterator[str]:
        yield _HEADING + _as_csv(map(transaction_of, first.entries))
        async for page in following:
            yield _as_csv(map(transaction_of, page.entries))

    return Stream(parts(), media_type=CSV)


def _as_csv(transactions: Iterable[Transaction]) -> str:
    return _csv(map(_cell, attrs.astuple(transaction, recurse=False)) for transaction in transactions)


def _csv(rows: Iterable[Iterable[object]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


_HEADING = _csv([[field.name for field in attrs.fields(Transaction)]])


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
