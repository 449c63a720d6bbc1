"""Decides one operation: its change to the ledger, and the answer that holds once it is committed."""

from datetime import datetime

import attrs

from domain.changes.changes import AccountGuard, Change, IdempotencyRecord
from domain.credits.holds import Hold, HoldStatus
from domain.credits.idempotency import key_of_capture, key_of_request
from domain.credits.ledger import EntryKind, Posting
from domain.credits.wallets import (
    BalanceMismatch,
    DebitDetails,
    Insufficient,
    Wallet,
    WalletChange,
    capture,
    expire_overdue,
    place_hold,
    posted,
    spend,
    void,
)
from domain.decisions.operations import (
    GRANTABLE,
    RESERVED_NAME,
    AdjustCredits,
    Answer,
    CaptureHold,
    CreditOperation,
    EntryAnswer,
    ExpireOverdue,
    GrantCredits,
    HoldAnswer,
    PlaceHold,
    Spend,
    VoidHold,
    content_of,
    key_of,
)
from domain.values.accounts import Account


@attrs.frozen(kw_only=True)
class CaptureExceedsHold:
    """The capture exceeds the hold."""

    held: int


@attrs.frozen(kw_only=True)
class HoldAlreadySettled:
    """The hold was already settled differently."""

    status: HoldStatus
    captured: int


@attrs.frozen(kw_only=True)
class ExpiryInPast:
    """The grant would already be expired."""

    expires_at: datetime


Refusal = Insufficient | BalanceMismatch | CaptureExceedsHold | HoldAlreadySettled | ExpiryInPast


@attrs.frozen(kw_only=True)
class Decided:
    """A change to commit, and the answer that holds once it is committed.

    `wallet` is the account afterwards; None if only the ledger knows it, since it assigns the ids of new grants.
    """

    change: Change
    answer: Answer | None
    wallet: Wallet | None
    comes_first: bool = False
    """Whether the change only prepares the answer: the operation is decided again once it is committed."""

    @property
    def guard(self) -> AccountGuard:
        """Return the user whose account it is about."""
        assert self.change.account is not None  # noqa: S101 - for the type checker: every decision here has a guard
        return self.change.account


def decide_operation(
    operation: CreditOperation,
    wallet: Wallet,
    now: datetime,
    *,
    hold: Hold | None = None,
    notify_below: int | None = None,
) -> Decided | Refusal:
    """Return the decision or refusal of an operation, given the account and the hold that it settles."""
    if hold is not None and hold.is_open and hold.expires_at <= now:
        # Write the expiry before answering: to a process whose clock is behind, the hold would still be open.
        dues = decide_operation(ExpireOverdue(user_id=hold.user_id), wallet, now, notify_below=notify_below)
        return attrs.evolve(dues, comes_first=True) if isinstance(dues, Decided) else dues
    moved: WalletChange | Refusal
    match operation:
        case Spend():
            moved = spend(wallet, _debit(operation), now)
        case AdjustCredits() if operation.credits < 0:
            moved = spend(wallet, _correction(operation), now)
        case GrantCredits(expires_at=datetime() as ends) if ends <= now:
            return ExpiryInPast(expires_at=ends)
        case GrantCredits() | AdjustCredits():
            moved = _given(operation, wallet, now)
        case PlaceHold():
            moved = place_hold(wallet, _new_hold(operation, now), now)
        case CaptureHold() | VoidHold():
            assert hold is not None  # noqa: S101 - for the type checker: an operation that settles a hold has it
            moved = _settle_hold(operation, hold, wallet, now)
        case ExpireOverdue():
            moved = expire_overdue(wallet, now)
    if not isinstance(moved, WalletChange):
        return moved
    answer = _answer(operation, moved, now)
    change = Change(
        account=AccountGuard(user_id=wallet.account.user_id, expected_revision=wallet.account.revision),
        postings=moved.postings,
        holds=moved.holds,
        request=_kept(operation, wallet.account, answer),
        notify_below=notify_below,
    )
    makes_grant = any(posting.amount > 0 for posting in moved.postings)
    return Decided(change=change, answer=answer, wallet=None if makes_grant else moved.wallet)


def _settle_hold(
    operation: CaptureHold | VoidHold, hold: Hold, wallet: Wallet, now: datetime
) -> WalletChange | CaptureExceedsHold | HoldAlreadySettled:
    if not hold.is_open:
        return HoldAlreadySettled(status=hold.status, captured=hold.captured)
    if isinstance(operation, VoidHold):
        return void(wallet, hold.id, now)
    wanted = hold.credits if operation.credits is None else operation.credits
    if wanted > hold.credits:
        return CaptureExceedsHold(held=hold.credits)
    debit = DebitDetails(
        kind=EntryKind.CAPTURE,
        credits=wanted,
        key=key_of_capture(hold.id),
        description=hold.description,
        metadata={**hold.metadata, RESERVED_NAME: hold.id},
    )
    return capture(wallet, hold.id, debit, now)


def _given(operation: GrantCredits | AdjustCredits, wallet: Wallet, now: datetime) -> WalletChange:
    kind = operation.kind if isinstance(operation, GrantCredits) else EntryKind.ADJUSTMENT
    dues = expire_overdue(wallet, now)
    posting = Posting(
        user_id=operation.user_id,
        amount=operation.credits,
        kind=kind,
        idempotency_key=key_of_request(operation.key),
        description=operation.reason,
        metadata={"operator": operation.operator},
        event_at=now,
        expires_at=operation.expires_at if isinstance(operation, GrantCredits) else None,
        priority=GRANTABLE.get(kind),
    )
    return posted(dues, posting)


def _debit(operation: Spend) -> DebitDetails:
    return DebitDetails(
        kind=EntryKind.SPEND,
        credits=operation.credits,
        key=key_of_request(operation.key),
        description=operation.description,
        metadata=operation.metadata,
    )


def _correction(operation: AdjustCredits) -> DebitDetails:
    return DebitDetails(
        kind=EntryKind.ADJUSTMENT,
        credits=-operation.credits,
        key=key_of_request(operation.key),
        description=operation.reason,
        metadata={"operator": operation.operator},
    )


def _new_hold(operation: PlaceHold, now: datetime) -> Hold:
    return Hold(
        id=operation.hold_id,
        user_id=operation.user_id,
        credits=operation.credits,
        idempotency_key=operation.key,
        expires_at=now + operation.lasts,
        draws=(),
        description=operation.description,
        metadata=operation.metadata,
    )


def _kept(operation: CreditOperation, account: Account, answer: Answer | None) -> IdempotencyRecord | None:
    key = key_of(operation)
    if key is None or answer is None:
        return None
    return IdempotencyRecord(
        key=key, user_id=account.user_id, content=content_of(operation), answer=attrs.asdict(answer, recurse=False)
    )


def _answer(operation: CreditOperation, moved: WalletChange, now: datetime) -> Answer | None:
    account = moved.wallet.account
    match operation:
        case ExpireOverdue():
            return None
        case PlaceHold() | CaptureHold() | VoidHold():
            hold = moved.holds[-1] if isinstance(operation, PlaceHold) else moved.holds[0]
            return HoldAnswer(
                id=hold.id,
                user_id=account.user_id,
                status=hold.status.value,
                credits=hold.credits,
                captured=hold.captured,
                expires_at=hold.expires_at.isoformat(),
                balance=account.balance,
                held=account.held,
                available=account.available,
            )
        case Spend() | GrantCredits() | AdjustCredits():
            posting = moved.postings[-1]
            return EntryAnswer(
                user_id=account.user_id,
                kind=posting.kind.value,
                credits=posting.amount,
                version=account.version,
                balance=account.balance,
                held=account.held,
                available=account.available,
                created_at=now.isoformat(),
                expires_at=posting.expires_at.isoformat() if posting.expires_at else None,
            )
