"""The decision about one intent: what it changes in the ledger, and the answer that this makes true."""

from datetime import datetime

import attrs

from domain.changes.changes import AccountGuard, Change, KeptRequest
from domain.changes.outbox import REFRESH_CACHE, OutboxMessage
from domain.credits.holds import Hold, HoldStatus
from domain.credits.idempotency import IdempotencyKey, key_of_capture, key_of_request
from domain.credits.ledger import EntryKind, Posting
from domain.credits.wallets import (
    Debit,
    Insufficient,
    Move,
    Unfounded,
    Wallet,
    capture,
    place_hold,
    posted,
    settle_dues,
    spend,
    void,
)
from domain.decisions.operations import (
    GIVEN,
    RESERVED_NAME,
    AdjustCredits,
    Answer,
    CaptureHold,
    EntryAnswer,
    GiveCredits,
    HoldAnswer,
    Intent,
    PlaceHold,
    SettleDues,
    Spend,
    VoidHold,
    content_of,
    key_of,
)
from domain.values.accounts import Account


@attrs.frozen(kw_only=True)
class TooMuch:
    """More is to be captured than the hold set aside."""

    held: int


@attrs.frozen(kw_only=True)
class AlreadySettled:
    """The hold is settled otherwise; it is settled once."""

    status: HoldStatus
    captured: int


@attrs.frozen(kw_only=True)
class EndIsOver:
    """What would be given ends in the past."""

    expires_at: datetime


Refusal = Insufficient | Unfounded | TooMuch | AlreadySettled | EndIsOver


@attrs.frozen(kw_only=True)
class Decided:
    """A change to commit, and the answer that it makes true.

    `wallet` is the account after it, None where only the ledger knows: a grant gets its id there.
    """

    change: Change
    answer: Answer | None
    wallet: Wallet | None
    comes_first: bool = False
    """Whether this only writes what the intent's answer rests on: it is decided again, on what the ledger then says."""

    @property
    def guard(self) -> AccountGuard:
        """The account that it is about."""
        assert self.change.account is not None  # noqa: S101 - for the type checker: what is decided here is guarded
        return self.change.account


def decide_intent(
    intent: Intent, wallet: Wallet, now: datetime, *, hold: Hold | None = None, notify_below: int | None = None
) -> Decided | Refusal:
    """What the intent comes to, given the account as it is, and the hold that it settles."""
    if hold is not None and hold.is_open and hold.expires_at <= now:
        # The caller is told so only once it is written: to a process whose clock is behind, the hold would be open yet.
        dues = decide_intent(SettleDues(user_id=hold.user_id), wallet, now, notify_below=notify_below)
        return attrs.evolve(dues, comes_first=True) if isinstance(dues, Decided) else dues
    moved: Move | Refusal
    match intent:
        case Spend():
            moved = spend(wallet, _debit(intent), now)
        case AdjustCredits() if intent.credits < 0:
            moved = spend(wallet, _correction(intent), now)
        case GiveCredits(expires_at=datetime() as ends) if ends <= now:
            return EndIsOver(expires_at=ends)
        case GiveCredits() | AdjustCredits():
            moved = _given(intent, wallet, now)
        case PlaceHold():
            moved = place_hold(wallet, _new_hold(intent, now), now)
        case CaptureHold() | VoidHold():
            assert hold is not None  # noqa: S101 - for the type checker: who settles a hold has found it
            moved = _settled(intent, hold, wallet, now)
        case SettleDues():
            moved = settle_dues(wallet, now)
    if not isinstance(moved, Move):
        return moved
    answer = _answer(intent, moved, now)
    change = Change(
        account=AccountGuard(user_id=wallet.account.user_id, expected_revision=wallet.account.revision),
        postings=moved.postings,
        holds=moved.holds,
        request=_kept(intent, wallet.account, answer),
        notify_below=notify_below,
    )
    makes_grant = any(posting.amount > 0 for posting in moved.postings)
    return Decided(change=change, answer=answer, wallet=None if makes_grant else moved.wallet)


def cache_refresh(guard: AccountGuard) -> OutboxMessage:
    """The message that lets the cache learn of what was decided about the account as it was."""
    return OutboxMessage(
        topic=REFRESH_CACHE,
        key=f"{REFRESH_CACHE}:{guard.user_id}:revision={guard.expected_revision}",
        payload={"user_id": guard.user_id},
    )


def _settled(
    intent: CaptureHold | VoidHold, hold: Hold, wallet: Wallet, now: datetime
) -> Move | TooMuch | AlreadySettled:
    if not hold.is_open:
        return AlreadySettled(status=hold.status, captured=hold.captured)
    if isinstance(intent, VoidHold):
        return void(wallet, hold.id, now)
    wanted = hold.credits if intent.credits is None else intent.credits
    if wanted > hold.credits:
        return TooMuch(held=hold.credits)
    debit = Debit(
        kind=EntryKind.CAPTURE,
        credits=wanted,
        key=key_of_capture(hold.id),
        description=hold.description,
        metadata={**hold.metadata, RESERVED_NAME: hold.id},
    )
    return capture(wallet, hold.id, debit, now)


def _given(intent: GiveCredits | AdjustCredits, wallet: Wallet, now: datetime) -> Move:
    kind = intent.kind if isinstance(intent, GiveCredits) else EntryKind.ADJUSTMENT
    dues = settle_dues(wallet, now)
    posting = Posting(
        user_id=intent.user_id,
        amount=intent.credits,
        kind=kind,
        idempotency_key=_entry_key(intent),
        description=intent.reason,
        metadata={"operator": intent.operator},
        event_at=now,
        expires_at=intent.expires_at if isinstance(intent, GiveCredits) else None,
        priority=GIVEN.get(kind),
    )
    return posted(dues, posting)


def _debit(intent: Spend) -> Debit:
    return Debit(
        kind=EntryKind.SPEND,
        credits=intent.credits,
        key=_entry_key(intent),
        description=intent.description,
        metadata=intent.metadata,
    )


def _correction(intent: AdjustCredits) -> Debit:
    return Debit(
        kind=EntryKind.ADJUSTMENT,
        credits=-intent.credits,
        key=_entry_key(intent),
        description=intent.reason,
        metadata={"operator": intent.operator},
    )


def _new_hold(intent: PlaceHold, now: datetime) -> Hold:
    return Hold(
        id=intent.hold_id,
        user_id=intent.user_id,
        credits=intent.credits,
        idempotency_key=intent.key,
        expires_at=now + intent.lasts,
        draws=(),
        description=intent.description,
        metadata=intent.metadata,
    )


def _entry_key(intent: Spend | GiveCredits | AdjustCredits) -> IdempotencyKey:
    return key_of_request(intent.key)


def _kept(intent: Intent, account: Account, answer: Answer | None) -> KeptRequest | None:
    key = key_of(intent)
    if key is None or answer is None:
        return None
    return KeptRequest(
        key=key, user_id=account.user_id, content=content_of(intent), answer=attrs.asdict(answer, recurse=False)
    )


def _answer(intent: Intent, moved: Move, now: datetime) -> Answer | None:
    account = moved.wallet.account
    match intent:
        case SettleDues():
            return None
        case PlaceHold() | CaptureHold() | VoidHold():
            hold = moved.holds[-1] if isinstance(intent, PlaceHold) else moved.holds[0]
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
        case Spend() | GiveCredits() | AdjustCredits():
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
