"""Charges of saved cards by their SQL functions, over either transport."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from adapters.postgres.rpc import Rpc
from domain.payments.charges import (
    AuthenticationRequired,
    Charge,
    ChargeStatus,
    ClaimedCharge,
    Declined,
    FinalOutcome,
    NewCharge,
    NotCharged,
    Paid,
    SavedCard,
    status_of,
)
from domain.ports.coordination import Clock
from domain.values.accounts import UserId


class SqlCharges:
    """Implements the port ChargeRecords by SQL functions."""

    def __init__(self, rpc: Rpc, clock: Clock) -> None:
        self._rpc = rpc
        self._clock = clock

    async def claim(self, key: str, user_id: UserId, plan_id: str, *, lease: timedelta) -> ClaimedCharge | None:
        """Return the charge under a key, or None, by `charge_open()`; claimed if it is of this user and plan."""
        return await self._opened({"key": key, "user_id": user_id, "plan_id": plan_id}, lease)

    async def create(self, wanted: NewCharge, *, lease: timedelta) -> ClaimedCharge:
        """Record a charge and claim it, by `charge_open()`, or return the one under its key."""
        sold = {"credits": wanted.terms.credits, **msgspec.to_builtins(wanted.terms.price)}
        named = {"id": wanted.id, "key": wanted.key, "user_id": wanted.user_id, "plan_id": wanted.plan_id}
        opened = await self._opened({**named, **sold}, lease)
        assert opened is not None  # noqa: S101 - it was recorded by the same call, if there was none
        return opened

    async def claim_due(self, *, lease: timedelta) -> ClaimedCharge | None:
        """Claim the charge that has been due longest, by `charge_claim_due()`."""
        send_before = self._clock.now() + lease
        found = await self._rpc.value("charge_claim_due", {"lease_seconds": _seconds(lease)})
        return _claimed(found, send_before) if found else None

    async def begin(self, claimed: ClaimedCharge, card: SavedCard) -> ClaimedCharge:
        """Record the card that is going to be charged, by `charge_change()`."""
        named = {"customer_id": card.customer_id, "payment_method": card.payment_method}
        change = {"status": ChargeStatus.CHARGING, "card_read_at": card.read_at.isoformat(), **named}
        return _claimed(await self._changed(claimed.charge, change), claimed.send_before)

    async def finish(self, charge: Charge, outcome: FinalOutcome) -> Charge:
        """Record what became of a charge, by `charge_change()`; return it as it is then."""
        found = await self._changed(charge, {"status": status_of(outcome), **_fields(outcome)})
        return msgspec.convert(found["charge"], Charge)

    async def postpone(self, charge: Charge, seconds: int, *, payment_intent: str | None = None) -> Charge:
        """Let go of a charge for so many seconds, by `charge_change()`; return it as it is then."""
        found = await self._changed(charge, {"pause_seconds": seconds, "payment_intent": payment_intent})
        return msgspec.convert(found["charge"], Charge)

    async def _opened(self, wanted: dict[str, object], lease: timedelta) -> ClaimedCharge | None:
        send_before = self._clock.now() + lease
        found = await self._rpc.value("charge_open", {"wanted": wanted, "lease_seconds": _seconds(lease)})
        return _claimed(found, send_before) if found else None

    async def _changed(self, charge: Charge, change: Mapping[str, object]) -> dict[str, Any]:
        arguments = {"charge_id": charge.id, "attempt": charge.attempts, "change": change}
        found: dict[str, Any] = await self._rpc.value("charge_change", arguments)
        return found


def _fields(outcome: FinalOutcome) -> dict[str, object]:
    match outcome:
        case Paid(payment_intent=intent) | AuthenticationRequired(payment_intent=intent):
            return {"payment_intent": intent}
        case Declined(payment_intent=intent, code=code, is_hard=is_hard):
            return {"payment_intent": intent, "code": code, "is_hard": is_hard}
        case NotCharged(code=code):
            return {"code": code}


def _claimed(row: dict[str, Any], send_before: datetime) -> ClaimedCharge:
    charge = msgspec.convert(row["charge"], Charge)
    now = datetime.fromisoformat(row["now"]).astimezone(UTC)
    return ClaimedCharge(charge=charge, is_owner=row["is_owner"], now=now, send_before=send_before)


def _seconds(lease: timedelta) -> int:
    return int(lease.total_seconds())
