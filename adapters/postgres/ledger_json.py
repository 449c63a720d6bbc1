"""The JSON that the ledger's SQL functions speak, to and from the domain's values."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from adapters.postgres.wallet_json import (
    Json,
    account_from_json,
    draw_to_json,
    grant_from_json,
    hold_from_json,
    hold_to_json,
    request_from_json,
    request_to_json,
)
from domain.changes.changes import (
    AccountGuard,
    Change,
    CommitResult,
    Committed,
    Conflict,
    Duplicate,
    EventDecision,
    EventStatus,
    PurchaseRevision,
    RecordedPurchase,
    RecordedSubscription,
    Rejected,
    Snapshot,
    SnapshotQuery,
    SubscriptionRevision,
)
from domain.credits.clawbacks import ClawedBack
from domain.credits.explanation import AccountRecord, GrantRecord, PurchaseRecord, RecordedDraw
from domain.credits.idempotency import IdempotencyKey
from domain.credits.ledger import EntryFilter, EntryKind, GrantEnd, Lapse, LedgerEntry, Posted, Posting
from domain.payments.line_plans import Claimed, MadePrice
from domain.payments.purchases import Purchase, PurchaseId
from domain.payments.subscriptions import Subscription, SubscriptionId
from domain.values.accounts import Account, UserId

_PASSING = frozenset({"40001", "40P01", "55P03"})
"""Serialization failure, deadlock, lock not available: it was another's turn, and the next try is as good as any."""


def change_to_json(change: Change) -> dict[str, object]:
    """A change, as `ledger_commit` takes it; what is null or empty is left out, and is read as such."""
    guard, request = change.account, change.request
    return _present(
        event=_event(change.event) if change.event else None,
        purchase=_revision(change.revision) if change.revision else None,
        others=[_revision(other) for other in change.others] or None,
        ends=[_end(end) for end in change.ends] or None,
        made_prices=[msgspec.to_builtins(price) for price in change.made_prices] or None,
        subscription=_subscription(change.subscription) if change.subscription else None,
        account=_guard(guard) if guard else None,
        entries=[_posting(posting) for posting in change.postings] or None,
        holds=[hold_to_json(hold) for hold in change.holds] or None,
        request=request_to_json(request) if request else None,
        notify_below=change.notify_below,
        outbox=[
            {"topic": message.topic, "key": message.key, "payload": dict(message.payload)} for message in change.outbox
        ]
        or None,
    )


def result_from_json(result: Json) -> CommitResult:
    """One result of `ledger_commit`."""
    match result["status"]:
        case "committed":
            return Committed(accounts=_accounts(result))
        case "duplicate":
            kept = result["request"]
            return Duplicate(accounts=_accounts(result), request=request_from_json(kept) if kept else None)
        case "conflict":
            return Conflict(str(result["reason"]))
        case _ if result["sqlstate"] in _PASSING:
            return Conflict(f"sqlstate {result['sqlstate']}")
        case _:
            return Rejected(f"{result['sqlstate']}: {result['message']}")


def snapshot_query_to_json(query: SnapshotQuery) -> dict[str, object]:
    """A query, as `ledger_read` takes it."""
    return {
        "event_id": query.event_id,
        "user_id": query.user_id,
        "links": sorted(query.links),
        "subscription_id": query.subscription_id,
        "periods_since": query.periods_since.isoformat() if query.periods_since else None,
        "claims": query.claims,
        "price_ids": sorted(query.price_ids),
    }


def snapshot_from_json(snapshot: Json) -> Snapshot:
    """The answer of `ledger_read`."""
    event, account, subscription = snapshot["event"], snapshot["account"], snapshot["subscription"]
    return Snapshot(
        event_status=EventStatus(event["status"]) if event else None,
        account=account_from_json(account) if account else None,
        purchases=tuple(map(_recorded, snapshot["purchases"])),
        family=tuple(map(_recorded, snapshot["family"])),
        made_prices=tuple(msgspec.convert(made, MadePrice) for made in snapshot["made_prices"]),
        claimed=tuple(msgspec.convert(claimed, Claimed) for claimed in snapshot["claimed"]),
        subscription=RecordedSubscription(
            id=SubscriptionId(subscription["id"]),
            revision=subscription["revision"],
            subscription=msgspec.convert(subscription["facts"], Subscription),
        )
        if subscription
        else None,
        account_is_deleted=snapshot["account_is_deleted"],
    )


def entry_filter_to_json(wanted: EntryFilter) -> dict[str, object]:
    """Which entries are wanted, as `account_transactions` takes it."""
    return {
        "kinds": sorted(wanted.kinds) or None,
        "since": wanted.since.isoformat() if wanted.since else None,
        "until": wanted.until.isoformat() if wanted.until else None,
        "purchase_id": wanted.purchase_id,
    }


def entry_from_json(user_id: UserId, row: Json) -> LedgerEntry:
    """One of the rows of `account_transactions`."""
    return LedgerEntry(
        posting=Posting(
            user_id=user_id,
            amount=row["amount"],
            kind=EntryKind(row["kind"]),
            idempotency_key=IdempotencyKey(row["idempotency_key"]),
            purchase_id=row["purchase_id"],
            stripe_session_id=row["stripe_session_id"],
            stripe_event_id=row["stripe_event_id"],
            description=row["description"],
            metadata=row["metadata"],
            event_at=datetime.fromisoformat(row["event_at"]) if row["event_at"] else None,
        ),
        version=row["version"],
        balance_before=row["balance_before"],
        balance_after=row["balance_after"],
        created_at=datetime.fromisoformat(row["created_at"]),
    )


def account_record_from_json(user_id: UserId, row: Json) -> AccountRecord:
    """The answer of `account_record`."""
    return AccountRecord(
        user_id=user_id,
        account=account_from_json(row["account"]) if row["account"] else None,
        purchases=tuple(
            PurchaseRecord(
                id=PurchaseId(found["id"]),
                purchase=msgspec.convert(found["facts"], Purchase),
                merged=tuple(map(PurchaseId, found["merged"])),
            )
            for found in row["purchases"]
        ),
        entries=tuple(entry_from_json(user_id, entry) for entry in row["entries"]),
        grants=tuple(
            GrantRecord(
                grant=grant_from_json(found),
                draws=tuple(RecordedDraw(version=one["version"], credits=one["credits"]) for one in found["draws"]),
            )
            for found in row["grants"]
        ),
        holds=tuple(map(hold_from_json, row["holds"])),
    )


def _recorded(found: Json) -> RecordedPurchase:
    return RecordedPurchase(
        id=PurchaseId(found["id"]),
        revision=found["revision"],
        purchase=msgspec.convert(found["facts"], Purchase),
        posted=_posted(found["posted"]),
        absent_users=frozenset(map(UserId, found["absent_users"])),
    )


def _posted(rows: Sequence[Json]) -> dict[datetime | None, Posted]:
    periods: dict[datetime | None, list[Json]] = {}
    for row in rows:
        periods.setdefault(_moment(row["period_ends_at"]), []).append(row)
    return {
        period: Posted(
            {UserId(row["user_id"]): row["posted"] for row in found},
            {
                UserId(row["user_id"]): Lapse(credits=row["lapsed"], stood=row["stood"])
                for row in found
                if row["lapsed"] is not None
            },
            {UserId(row["user_id"]): _moment(row["grant"]["expires_at"]) for row in found if row["grant"] is not None},
            {
                UserId(row["user_id"]): msgspec.convert(row["clawed_back"], ClawedBack)
                for row in found
                if row["clawed_back"] is not None
            },
        )
        for period, found in periods.items()
    }


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text is not None else None


def _accounts(result: Json) -> tuple[Account, ...]:
    return tuple(account_from_json(account) for account in result["accounts"])


def _guard(guard: AccountGuard) -> dict[str, object]:
    return {"user_id": guard.user_id, "expected_revision": guard.expected_revision}


def _event(decision: EventDecision) -> dict[str, object]:
    event = decision.event
    return {
        "id": event.id,
        "type": event.type,
        "api_version": event.api_version,
        "livemode": event.livemode,
        "account": event.account,
        "created": int(event.created.timestamp()) if event.created else None,
        "session_id": event.session_id,
        "object_id": event.object_id,
        "status": decision.status,
        "reason": decision.reason,
        "again": decision.again,
        "body": event.body,
    }


def _end(end: GrantEnd) -> dict[str, object]:
    return {
        "user_id": end.user_id,
        "purchase_id": end.purchase_id,
        "period_ends_at": end.period_ends_at.isoformat() if end.period_ends_at else None,
        "expires_at": end.expires_at.isoformat() if end.expires_at else None,
    }


def _revision(revision: PurchaseRevision) -> dict[str, object]:
    purchase = revision.purchase
    order, bill = purchase.order, purchase.bill
    starts_at, ends_at = (bill.starts_at, bill.ends_at) if bill else (None, None)
    return {
        "id": revision.id,
        "expected_revision": revision.expected_revision,
        "user_id": order.user_id if order else None,
        "plan_id": order.plan_id if order else None,
        "credits": order.credits if order else None,
        "amount": order.amount if order else None,
        "currency": order.currency if order else None,
        "payment_status": purchase.payment,
        "subscription_id": bill.subscription_id if bill else None,
        "starts_at": starts_at.isoformat() if starts_at else None,
        "ends_at": ends_at.isoformat() if ends_at else None,
        "facts": {
            **msgspec.to_builtins(purchase),
            "links": sorted(purchase.links),
            "currencies": sorted(purchase.currencies),
        },
        "links": sorted(purchase.links),
        "absorbed": [{"id": other.id, "expected_revision": other.expected_revision} for other in revision.absorbed],
    }


def _subscription(revision: SubscriptionRevision) -> dict[str, object]:
    subscriber, state = revision.subscription.subscriber, revision.subscription.state
    return {
        "id": revision.id,
        "expected_revision": revision.expected_revision,
        "user_id": subscriber.user_id if subscriber else None,
        "plan_id": subscriber.plan_id if subscriber else None,
        "status": state.status if state else None,
        "cancels_at_period_end": state.cancels_at_period_end if state else False,
        "period_ends_at": state.period_ends_at.isoformat() if state and state.period_ends_at else None,
        "facts": msgspec.to_builtins(revision.subscription),
    }


def _posting(posting: Posting) -> dict[str, object]:
    return _present(
        user_id=posting.user_id,
        amount=posting.amount,
        kind=posting.kind,
        idempotency_key=posting.idempotency_key,
        purchase_id=posting.purchase_id,
        stripe_session_id=posting.stripe_session_id,
        stripe_event_id=posting.stripe_event_id,
        description=posting.description,
        metadata=dict(posting.metadata) or None,
        event_at=posting.event_at.isoformat() if posting.event_at else None,
        expires_at=posting.expires_at.isoformat() if posting.expires_at else None,
        rollover_cap=posting.rollover_cap,
        draws=None if posting.draws is None else [draw_to_json(draw) for draw in posting.draws],
        priority=posting.priority,
    )


def _present(**members: object) -> dict[str, object]:
    """The members that there are: the ledger's functions need not read that the others are null."""
    return {name: member for name, member in members.items() if member is not None}
