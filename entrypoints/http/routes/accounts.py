"""`GET /quota`, `GET /transactions`: what a user may spend, and how it came about."""

import csv
import io
import json
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlencode

import attrs
from litestar import MediaType, Request, Response, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter, SkipValidation

from domain.credits.ledger import EntryFilter, EntryKind, LedgerEntry
from domain.payments.purchases import PurchaseId
from domain.usecases.read_account import MAX_PAGE, Page, Quota, QuotaSource
from domain.values.accounts import Account
from entrypoints.auth.authenticator import Caller
from entrypoints.http.dependencies import caller_of, requested_account, services_of
from entrypoints.http.openapi import CSV, OPERATORS, SERVICES, USERS, AlsoAsCsv, problem_responses
from entrypoints.http.problems import problem
from entrypoints.http.timestamps import invalid_timestamp, parse_timestamp
from entrypoints.services import Services

MAX_QUOTAS = 100
"""The most accounts that one request may ask for."""

_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")  # noqa: RUF001 - as wide as the letters of East Asia

UserAskedFor = Annotated[str | None, QueryParameter(name="user_id", description="For services: whose account.")]
UsersAskedFor = Annotated[
    list[str] | None,
    QueryParameter(name="user_id", description=f"For services: whose account; up to {MAX_QUOTAS} of them."),
]


@attrs.frozen(kw_only=True)
class QuotaAnswer:
    """A user's credits, and who said so."""

    user_id: str
    balance: int
    held: int
    available: int
    version: int
    source: QuotaSource


@attrs.frozen(kw_only=True)
class QuotaAt:
    """A user's credits at a moment that is over."""

    user_id: str
    balance: int
    held: int
    available: int
    at: datetime


@attrs.frozen(kw_only=True)
class Quotas:
    """Several users' credits, in the order in which they were asked for, and those whom nobody knows."""

    quotas: tuple[QuotaAnswer, ...]
    unknown: tuple[str, ...]


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
    """Entries newest first; `next_cursor` asks for the page that follows."""

    transactions: tuple[Transaction, ...]
    next_cursor: str | None


@get(
    "/quota",
    tags=["Account"],
    security=[*USERS, *SERVICES, *OPERATORS],
    responses=problem_responses(400, 401, 403, 404, 503),
)
async def read_quota(
    request: Request[Any, Any, Any],
    user_id: UsersAskedFor = None,
    at: Annotated[str | None, QueryParameter(format="date-time", description="A moment that is over.")] = None,
) -> QuotaAnswer | QuotaAt | Quotas:
    """What the user may spend now, or could `at` a moment; a service may name up to 100 users."""
    # Asked thousands of times a second: without Litestar's dependencies, which cost as much as Redis.
    services = services_of(request.app.state)
    caller = await caller_of(request, services)
    if user_id is not None and len(user_id) > 1:
        return await _quotas(services, caller, user_id, at)
    named = requested_account(caller, user_id[0] if user_id else None)
    wanted = parse_timestamp("at", at)
    if wanted is None:
        return _quota(await services.reader.quota(named))
    if wanted > services.clock.now():
        raise invalid_timestamp("What will be then, nobody knows: name a moment that is over.")
    then = await services.reader.quota_at(named, wanted)
    return QuotaAt(user_id=named, balance=then.balance, held=then.held, available=then.available, at=wanted)


@get(
    "/transactions",
    tags=["Account"],
    security=[*USERS, *SERVICES, *OPERATORS],
    responses=problem_responses(400, 401, 403, 404, 503),
    operation_class=AlsoAsCsv,
)
async def list_transactions(
    request: Request[Any, Any, Any],
    services: NamedDependency[SkipValidation[Services]],
    caller: NamedDependency[SkipValidation[Caller]],
    user_id: UserAskedFor = None,
    kind: Annotated[list[EntryKind] | None, QueryParameter(description="Once or several times.")] = None,
    since: Annotated[str | None, QueryParameter(format="date-time", description="Written then or later.")] = None,
    until: Annotated[str | None, QueryParameter(format="date-time", description="Written before.")] = None,
    purchase_id: Annotated[str | None, QueryParameter(max_length=255, pattern=r"^[^\x00]*\Z")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=MAX_PAGE)] = 50,
    cursor: Annotated[str | None, QueryParameter(pattern=r"^[0-9]{1,18}\Z")] = None,
) -> Response[Transactions]:
    """The user's ledger entries that are asked for, newest first; as CSV for `Accept: text/csv`."""
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
    presented = _presented(page)
    if request.accept.best_match([MediaType.JSON, CSV]) == CSV:
        return _in_csv(request, presented)
    return Response(presented)


def _presented(page: Page) -> Transactions:
    return Transactions(
        transactions=tuple(transaction_of(entry) for entry in page.entries),
        next_cursor=str(page.next_before) if page.next_before is not None else None,
    )


def transaction_of(entry: LedgerEntry) -> Transaction:
    """The entry, as it is shown."""
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
        metadata=posting.metadata,
    )


def _in_csv(request: Request[Any, Any, Any], page: Transactions) -> Response[Any]:
    return Response(_as_csv(page), media_type=CSV, headers=_link_to_next(request, page))


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
            # A spreadsheet would run it, some after blanks too; the apostrophe lets it stay text.
            return f"'{value}"
        case _:
            return value


def _link_to_next(request: Request[Any, Any, Any], page: Transactions) -> dict[str, str]:
    if page.next_cursor is None:
        return {}
    asked = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    return {"Link": f'<?{urlencode([*asked, ("cursor", page.next_cursor)])}>; rel="next"'}


async def _quotas(services: Services, caller: Caller, user_ids: list[str], at: str | None) -> Quotas:
    if at is not None:
        detail = "Ask for one user's balance at a moment; several are told as they are now."
        raise problem(HTTPStatus.BAD_REQUEST, "one-user-at-a-moment", detail)
    if len(user_ids) > MAX_QUOTAS:
        detail = f"At most {MAX_QUOTAS} users can be asked for at once."
        raise problem(HTTPStatus.BAD_REQUEST, "too-many-users", detail)
    named = [requested_account(caller, user_id) for user_id in user_ids]
    found = await services.reader.quotas(named)
    return Quotas(
        quotas=tuple(_quota(found[user_id]) for user_id in dict.fromkeys(named) if user_id in found),
        unknown=tuple(user_id for user_id in dict.fromkeys(named) if user_id not in found),
    )


def quota_answer(account: Account, source: QuotaSource) -> QuotaAnswer:
    """An account, as its quota is told."""
    return QuotaAnswer(
        user_id=account.user_id,
        balance=account.balance,
        held=account.held,
        available=account.available,
        version=account.version,
        source=source,
    )


def _quota(quota: Quota) -> QuotaAnswer:
    return quota_answer(quota.account, quota.source)
