"""Translates the JSON of the ledger's SQL functions to and from the domain's values.

A value's fields have the same names in both, and msgspec translates them; only what differs is here.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from domain.changes.changes import (
    CommitResult,
    Committed,
    Conflict,
    Duplicate,
    Holdings,
    HoldingsQuery,
    IdempotencyRecord,
    RecordedPurchase,
    RecordedSubscription,
    Rejected,
    Snapshot,
    SnapshotQuery,
)
from domain.changes.inbox import EventStatus
from domain.credits.clawbacks import ClawedBack
from domain.credits.grants import Grant
from domain.credits.holds import Hold, HoldId
from domain.credits.ledger import EntryFilter, ExpiredCredits, LedgerEntry, Posted
from domain.credits.records import AccountRecord, GrantRecord, PurchaseRecord, RecordedDraw, RecordPlace
from domain.credits.wallets import Wallet
from domain.payments.line_terms import Claimed, MadePrice
from domain.payments.purchases import Purchase
from domain.payments.subscriptions import HeldSubscription, Subscription
from domain.upkeep.consistency import Backlog
from domain.values.accounts import Account, UserId

Json = Mapping[str, Any]
"""A decoded JSON object; its shape is the SQL functions' contract."""

_PASSING = frozenset({"40001", "40P01", "55P03"})
"""Serialization failure, deadlock, lock not available: another transaction was first, and a retry may succeed."""


def result_from_json(result: Json) -> CommitResult:
    """Return one result of `ledger_commit`."""
    match result["status"]:
        case "committed":
            return Committed(accounts=_accounts(result))
        case "duplicate":
            return Duplicate(
                accounts=_accounts(result), request=msgspec.convert(result["request"], IdempotencyRecord | None)
            )
        case "conflict":
            return Conflict(str(result["reason"]))
        case _ if result["sqlstate"] in _PASSING:
            return Conflict(f"sqlstate {result['sqlstate']}")
        case _:
            return Rejected(f"{result['sqlstate']}: {result['message']}")


def snapshot_query_to_json(query: SnapshotQuery) -> dict[str, object]:
    """Return a query as `ledger_read` takes it."""
    return {**msgspec.to_builtins(query), "links": sorted(query.links), "price_ids": sorted(query.price_ids)}


def snapshot_from_json(snapshot: Json) -> Snapshot:
    """Return the answer of `ledger_read`."""
    event, account, subscription = snapshot["event"], snapshot["account"], snapshot["subscription"]
    return Snapshot(
        event_status=EventStatus(event["status"]) if event else None,
        account=account_from_json(account) if account else None,
        purchases=tuple(map(_recorded, snapshot["purchases"])),
        family=tuple(map(_recorded, snapshot["family"])),
        made_prices=msgspec.convert(snapshot["made_prices"], tuple[MadePrice, ...]),
        claimed=msgspec.convert(snapshot["claimed"], tuple[Claimed, ...]),
        subscription=RecordedSubscription(
            id=subscription["id"],
            revision=subscription["revision"],
            subscription=msgspec.convert(subscription["facts"], Subscription),
        )
        if subscription
        else None,
        account_is_deleted=snapshot["account_is_deleted"],
        now=datetime.fromisoformat(snapshot["now"]).astimezone(UTC),
    )


def held_from_json(row: Json) -> HeldSubscription:
    """Return a subscription of an account from the answer of `account_subscriptions`."""
    known = msgspec.convert(row["facts"], Subscription)
    return HeldSubscription(id=row["id"], plan_id=row["plan_id"], state=known.state)


def account_from_json(row: Json) -> Account:
    """Return an account as any of the functions returns it."""
    return Account(**row)


def holdings_query_to_json(query: HoldingsQuery) -> dict[str, object]:
    """Return a query as `accounts_read_for_spending` takes it."""
    named = {"user_ids": sorted(query.user_ids), "keys": sorted(query.keys), "hold_ids": sorted(query.hold_ids)}
    return {**named, "taking": query.taking, "now": query.now.isoformat() if query.now else None}


def holdings_from_json(row: Json, *, has_all_grants: bool) -> Holdings:
    """Return the answer of `accounts_read_for_spending`."""
    wallets = [
        Wallet(
            account=account_from_json(wallet["account"]),
            grants=tuple(map(_grant, wallet["grants"])),
            holds=tuple(map(_hold, wallet["holds"])),
        )
        for wallet in row["wallets"]
    ]
    requests = msgspec.convert(row["requests"], list[IdempotencyRecord])
    return Holdings(
        wallets={wallet.account.user_id: wallet for wallet in wallets},
        requests={request.key: request for request in requests},
        holds={HoldId(hold["id"]): _hold(hold) for hold in row["holds"]},
        now=datetime.fromisoformat(row["now"]).astimezone(UTC),
        has_all_grants=has_all_grants,
    )


def entry_filter_to_json(wanted: EntryFilter) -> dict[str, object]:
    """Return a filter as `account_transactions` takes it."""
    return {**msgspec.to_builtins(wanted), "kinds": sorted(wanted.kinds) or None}


def entry_from_json(user_id: UserId, row: Json) -> LedgerEntry:
    """Return an entry from a row of `account_transactions`."""
    return msgspec.convert({**row, "posting": {**row, "user_id": user_id}}, LedgerEntry)


def account_record_from_json(user_id: UserId, row: Json) -> AccountRecord:
    """Return the answer of `account_record`."""
    return AccountRecord(
        user_id=user_id,
        account=account_from_json(row["account"]) if row["account"] else None,
        purchases=tuple(
            msgspec.convert({**found, "purchase": found["facts"]}, PurchaseRecord) for found in row["purchases"]
        ),
        family=msgspec.convert(row["family"], tuple[Purchase, ...]),
        is_cut=row["is_cut"],
        entries=tuple(entry_from_json(user_id, entry) for entry in row["entries"]),
        grants=tuple(_grant_record(user_id, found) for found in row["grants"]),
        holds=tuple(map(_hold, row["holds"])),
        following=msgspec.convert(row["following"], RecordPlace | None),
    )


def backlog_from_json(row: Json) -> Backlog:
    """Return the answer of `credence_backlog`."""
    events = {(waiting["status"], waiting["reason"]): waiting["count"] for waiting in row["events"]}
    return Backlog(
        events=events,
        messages_due=row["messages_due"],
        messages_failed=row["messages_failed"],
        cache_behind_seconds=row["cache_behind_seconds"],
    )


def _accounts(result: Json) -> tuple[Account, ...]:
    return tuple(map(account_from_json, result["accounts"]))


def _grant(row: Json) -> Grant:
    # Keys and metadata name a period by its end in UTC.
    return msgspec.convert({**row, "period_ends_at": _moment(row["period_ends_at"])}, Grant)


def _grant_record(user_id: UserId, row: Json) -> GrantRecord:
    return GrantRecord(
        grant=_grant(row),
        plan_id=row["plan_id"],
        made_by=entry_from_json(user_id, row["made_by"]) if row["made_by"] else None,
        puts=tuple(row["puts"]),
        draws=msgspec.convert(row["draws"], tuple[RecordedDraw, ...]),
    )


def _hold(row: Json) -> Hold:
    draws = [{"grant_id": draw["grant"], "credits": draw["credits"]} for draw in row["draws"]]
    return msgspec.convert({**row, "draws": draws}, Hold)


def _recorded(found: Json) -> RecordedPurchase:
    return RecordedPurchase(
        id=found["id"],
        revision=found["revision"],
        purchase=msgspec.convert(found["facts"], Purchase),
        posted=_posted(found["posted"]),
        absent_users=frozenset(found["absent_users"]),
    )


def _posted(rows: Iterable[Json]) -> dict[datetime | None, Posted]:
    periods: dict[datetime | None, list[Json]] = {}
    for row in rows:
        periods.setdefault(_moment(row["period_ends_at"]), []).append(row)
    return {
        period: Posted(
            {row["user_id"]: row["posted"] for row in found},
            {
                row["user_id"]: ExpiredCredits(amount=row["expired"], posted_before=row["posted_before"])
                for row in found
                if row["expired"] is not None
            },
            {row["user_id"]: _moment(row["grant"]["expires_at"]) for row in found if row["grant"] is not None},
            {
                row["user_id"]: msgspec.convert(row["clawed_back"], ClawedBack)
                for row in found
                if row["clawed_back"] is not None
            },
        )
        for period, found in periods.items()
    }


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text is not None else None
