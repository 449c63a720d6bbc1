"""The JSON of accounts, grants, holds and requests, to and from the domain's values."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from domain.changes.changes import Holdings, IdempotencyRecord
from domain.credits.grants import Draw, Grant, GrantId
from domain.credits.holds import Hold, HoldId, HoldStatus
from domain.credits.wallets import Wallet
from domain.payments.purchases import PurchaseId
from domain.values.accounts import Account, UserId

Json = Mapping[str, Any]
"""A JSON object as the transport decoded it; its shape is the SQL functions' contract."""


def account_from_json(account: Json) -> Account:
    """An account as any of the functions gives it."""
    return Account(
        user_id=UserId(account["user_id"]),
        email=account.get("email"),
        balance=account["balance"],
        held=account["held"],
        version=account["version"],
        revision=account["revision"],
        notify_below=account["notify_below"],
    )


def grant_from_json(row: Json) -> Grant:
    """A grant as any of the functions gives it."""
    return Grant(
        id=GrantId(row["id"]),
        kind=row["kind"],
        priority=row["priority"],
        credits=row["credits"],
        remaining=row["remaining"],
        held=row["held"],
        expires_at=datetime.fromisoformat(row["expires_at"]) if row["expires_at"] else None,
        purchase_id=PurchaseId(row["purchase_id"]) if row["purchase_id"] else None,
        period_ends_at=datetime.fromisoformat(row["period_ends_at"]).astimezone(UTC) if row["period_ends_at"] else None,
        rollover_cap=row["rollover_cap"],
        created_at=datetime.fromisoformat(row["created_at"]),
    )


def draw_to_json(draw: Draw) -> dict[str, object]:
    """A draw, of an entry or of a hold."""
    return {"grant": draw.grant_id, "credits": draw.credits}


def hold_from_json(row: Json) -> Hold:
    """A hold as any of the functions gives it."""
    return Hold(
        id=HoldId(row["id"]),
        user_id=UserId(row["user_id"]),
        credits=row["credits"],
        captured=row["captured"],
        status=HoldStatus(row["status"]),
        idempotency_key=row["idempotency_key"],
        expires_at=datetime.fromisoformat(row["expires_at"]),
        draws=tuple(Draw(grant_id=GrantId(draw["grant"]), credits=draw["credits"]) for draw in row["draws"]),
        description=row["description"],
        metadata=row["metadata"],
    )


def hold_to_json(hold: Hold) -> dict[str, object]:
    """A hold's next state, as `ledger_commit` takes it."""
    return {
        "id": hold.id,
        "user_id": hold.user_id,
        "credits": hold.credits,
        "captured": hold.captured,
        "status": hold.status,
        "idempotency_key": hold.idempotency_key,
        "expires_at": hold.expires_at.isoformat(),
        "draws": [draw_to_json(draw) for draw in hold.draws],
        "description": hold.description,
        "metadata": dict(hold.metadata),
    }


def request_from_json(row: Json) -> IdempotencyRecord:
    """A request with its first answer."""
    return IdempotencyRecord(
        key=row["key"], user_id=UserId(row["user_id"]), content=row["content"], answer=row["answer"]
    )


def request_to_json(request: IdempotencyRecord) -> dict[str, object]:
    """A request with its first answer, as `ledger_commit` takes it."""
    return {
        "key": request.key,
        "user_id": request.user_id,
        "content": dict(request.content),
        "answer": dict(request.answer),
    }


def holdings_from_json(row: Json) -> Holdings:
    """The answer of `wallets_read`."""
    wallets = [
        Wallet(
            account=account_from_json(wallet["account"]),
            grants=tuple(map(grant_from_json, wallet["grants"])),
            holds=tuple(map(hold_from_json, wallet["holds"])),
        )
        for wallet in row["wallets"]
    ]
    return Holdings(
        wallets={wallet.account.user_id: wallet for wallet in wallets},
        requests={request["key"]: request_from_json(request) for request in row["requests"]},
        holds={HoldId(hold["id"]): hold_from_json(hold) for hold in row["holds"]},
    )
