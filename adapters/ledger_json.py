"""The JSON that the ledger's SQL functions speak, to and from the domain's values."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from domain.accounts import Account, UserId
from domain.commits import (
    Change,
    CommitResult,
    Committed,
    Conflict,
    Duplicate,
    EventDecision,
    EventStatus,
    Message,
    PurchaseRevision,
    RecordedPurchase,
    Rejected,
    Settled,
    Snapshot,
)
from domain.idempotency import IdempotencyKey
from domain.ledger import EntryKind, LedgerEntry, Posted, Posting
from domain.purchases import Purchase, PurchaseId

Json = Mapping[str, Any]
"""A JSON object as the transport decoded it; its shape is the SQL functions' contract."""


def change_to_json(change: Change) -> dict[str, object]:
    """A change, as `ledger_commit` takes it."""
    return {
        "event": _event(change.event) if change.event else None,
        "purchase": _revision(change.revision) if change.revision else None,
        "entries": [_posting(posting) for posting in change.postings],
        "outbox": [
            {"topic": message.topic, "key": message.key, "payload": dict(message.payload)} for message in change.outbox
        ],
    }


def result_from_json(result: Json) -> CommitResult:
    """One result of `ledger_commit`."""
    match result["status"]:
        case "committed":
            return Committed(accounts=_accounts(result))
        case "duplicate":
            return Duplicate(accounts=_accounts(result))
        case "conflict":
            return Conflict(str(result["reason"]))
        case _:
            return Rejected(f"{result['sqlstate']}: {result['message']}")


def snapshot_from_json(snapshot: Json) -> Snapshot:
    """The answer of `ledger_read`."""
    event, account = snapshot["event"], snapshot["account"]
    return Snapshot(
        event_status=EventStatus(event["status"]) if event else None,
        account=account_from_json(account) if account else None,
        purchases=tuple(
            RecordedPurchase(
                id=PurchaseId(found["id"]),
                revision=found["revision"],
                purchase=msgspec.convert(found["facts"], Purchase),
                posted=Posted({UserId(user): amount for user, amount in found["posted"].items()}),
            )
            for found in snapshot["purchases"]
        ),
    )


def account_from_json(account: Json) -> Account:
    """An account as any of the functions gives it."""
    return Account(
        user_id=UserId(account["user_id"]),
        email=account.get("email"),
        balance=account["balance"],
        held=account["held"],
        version=account["version"],
    )


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
            event_at=datetime.fromisoformat(row["event_at"]) if row["event_at"] else None,
        ),
        version=row["version"],
        balance_before=row["balance_before"],
        balance_after=row["balance_after"],
        created_at=datetime.fromisoformat(row["created_at"]),
    )


def message_from_json(row: Json) -> Message:
    """One message of `outbox_claim`."""
    return Message(id=row["id"], topic=row["topic"], payload=row["payload"], attempts=row["attempts"])


def settled_to_json(settled: Settled) -> dict[str, object]:
    """One outcome, as `outbox_settle` takes it."""
    return {"id": settled.id, "error": settled.error, "retry_in_seconds": settled.retry_in_seconds}


def _accounts(result: Json) -> tuple[Account, ...]:
    return tuple(account_from_json(account) for account in result["accounts"])


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
        "status": decision.status,
        "reason": decision.reason,
        "body": event.body,
    }


def _revision(revision: PurchaseRevision) -> dict[str, object]:
    purchase = revision.purchase
    order = purchase.order
    return {
        "id": revision.id,
        "expected_revision": revision.expected_revision,
        "user_id": order.user_id if order else None,
        "plan_id": order.plan_id if order else None,
        "credits": order.credits if order else None,
        "amount": order.amount if order else None,
        "currency": order.currency if order else None,
        "payment_status": purchase.payment,
        "facts": {**msgspec.to_builtins(purchase), "links": sorted(purchase.links)},
        "links": sorted(purchase.links),
    }


def _posting(posting: Posting) -> dict[str, object]:
    return {
        "user_id": posting.user_id,
        "amount": posting.amount,
        "kind": posting.kind,
        "idempotency_key": posting.idempotency_key,
        "purchase_id": posting.purchase_id,
        "stripe_session_id": posting.stripe_session_id,
        "stripe_event_id": posting.stripe_event_id,
        "description": posting.description,
        "metadata": {},
        "event_at": posting.event_at.isoformat() if posting.event_at else None,
        "expires_at": None,
    }
