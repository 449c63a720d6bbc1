"""The JSON of what waits in the inbox and the outbox, to and from the domain's values."""

from datetime import datetime

from adapters.postgres.wallet_json import Json
from domain.changes.changes import Backlog, DeliveryResult, EventStatus, FailedMessage, InboxRecord, Message


def message_from_json(row: Json) -> Message:
    """One message of `outbox_claim`."""
    return Message(
        id=row["id"],
        key=row["key"],
        topic=row["topic"],
        payload=row["payload"],
        attempts=row["attempts"],
        created_at=datetime.fromisoformat(row["created_at"]),
    )


def delivery_result_to_json(settled: DeliveryResult) -> dict[str, object]:
    """One outcome, as `outbox_settle` takes it."""
    return {
        "id": settled.id,
        "error": settled.error,
        "retry_in_seconds": settled.retry_in_seconds,
        "gives_up": settled.gives_up,
    }


def failed_message_from_json(row: Json) -> FailedMessage:
    """One message of `outbox_failures`."""
    return FailedMessage(
        id=row["id"],
        topic=row["topic"],
        payload=row["payload"],
        attempts=row["attempts"],
        error=row["last_error"] or "",
        failed_at=datetime.fromisoformat(row["failed_at"]),
    )


def kept_event_from_json(row: Json) -> InboxRecord:
    """An event of the inbox."""
    return InboxRecord(
        id=row["id"],
        type=row["type"],
        status=EventStatus(row["status"]),
        reason=row["reason"],
        attempts=row["attempts"],
        received_at=datetime.fromisoformat(row["received_at"]),
        session_id=row["session_id"],
        object_id=row["object_id"],
        purchase_id=row["purchase_id"],
        body=row["body"],
    )


def backlog_from_json(row: Json) -> Backlog:
    """The answer of `credence_backlog`."""
    return Backlog(
        events={(waiting["status"], waiting["reason"]): waiting["count"] for waiting in row["events"]},
        messages_due=row["messages_due"],
        messages_failed=row["messages_failed"],
    )
