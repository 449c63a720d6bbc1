"""Decides many operations together, and turns the commit's results into their outcomes."""

from collections.abc import Mapping
from datetime import datetime

import attrs

from domain.changes.changes import CommitResult, Committed, Conflict, Duplicate, Holdings, IdempotencyRecord, Rejected
from domain.credits.holds import Hold, HoldStatus
from domain.credits.wallets import BalanceMismatch, Wallet
from domain.decisions.operations import (
    Answer,
    CaptureHold,
    CreditOperation,
    VoidHold,
    answer_of,
    content_of,
    differing_fields,
    key_of,
)
from domain.decisions.spending import Decided, HoldAlreadySettled, Refusal, decide_operation
from domain.values.accounts import UserId


@attrs.frozen(kw_only=True)
class Done:
    """The operation is done; if `repeated`, it had been done before, and this is its first answer."""

    answer: Answer | None
    repeated: bool = False


@attrs.frozen
class IdempotencyKeyReused:
    """The key was used for another operation, which differs in these fields."""

    fields: tuple[str, ...]


@attrs.frozen
class NoSuchUser:
    """There is no such user."""

    user_id: UserId


@attrs.frozen
class NoSuchHold:
    """There is no such hold."""

    hold_id: str


@attrs.frozen
class NotCommitted:
    """The operation could not be committed; retrying with its key is safe."""

    cause: str
    is_contended: bool = False
    """Whether only conflicts prevented it, so that a retry may succeed."""


Outcome = Done | Refusal | IdempotencyKeyReused | NoSuchUser | NoSuchHold | NotCommitted


@attrs.frozen(kw_only=True)
class BatchDecision:
    """The decisions about a batch, by position: changes to commit, and outcomes that need no commit.

    A position that is in neither is decided again, with newer accounts and all their grants.
    """

    decided: Mapping[int, Decided]
    outcomes: Mapping[int, Outcome]


def decide_together(
    operations: Mapping[int, CreditOperation], found: Holdings, now: datetime, *, notify_below: int | None = None
) -> BatchDecision:
    """Decide operations that were submitted before `found` was read.

    Those of one account are decided one after the other, each on the result of the one before, and must be committed
    together. `notify_below` is the low-balance threshold for accounts without one of their own.
    """
    decided: dict[int, Decided] = {}
    outcomes: dict[int, Outcome] = {}
    wallets: dict[UserId, Wallet | None] = dict(found.wallets)
    keys: set[str | None] = set()
    for place, operation in operations.items():
        known = _known(operation, found)
        if known is not None:
            outcomes[place] = known
            continue
        user_id, key = owner_of(operation, found), key_of(operation)
        assert user_id is not None  # noqa: S101 - for the type checker: the others have an outcome already
        wallet = wallets[user_id]
        if wallet is None or key in keys:
            continue
        made = decide_operation(operation, wallet, now, hold=_hold_of(operation, found), notify_below=notify_below)
        if not isinstance(made, Decided):
            # Never build on a grant or hold that is not committed yet: its commit may fail. And never refuse for want
            # of grants while not all were read.
            is_known = found.has_all_grants or not isinstance(made, BalanceMismatch)
            if is_known and wallet is found.wallets[user_id]:
                outcomes[place] = made
        elif made.change.postings or made.change.holds:
            decided[place] = made
            wallets[user_id] = made.wallet
            if key is not None:
                keys.add(key)
        elif not made.comes_first:
            outcomes[place] = Done(answer=made.answer)
    return BatchDecision(decided=decided, outcomes=outcomes)


def owner_of(operation: CreditOperation, found: Holdings) -> UserId | None:
    """Return the user whose account the operation is about; None if its hold is unknown."""
    if not isinstance(operation, CaptureHold | VoidHold):
        return operation.user_id
    hold = _hold_of(operation, found)
    return hold.user_id if hold is not None else None


def outcome_from(operation: CreditOperation, decided: Decided, result: CommitResult) -> Outcome | None:
    """Return the outcome of the operation for a commit's result; None if it must be decided again."""
    match result:
        case Committed() if not decided.comes_first:
            return Done(answer=decided.answer)
        case Duplicate(request=IdempotencyRecord() as kept) if not isinstance(operation, CaptureHold | VoidHold):
            return _repeated(operation, kept)
        case Rejected(reason):
            return NotCommitted(f"the ledger rejected it: {reason}")
        case Conflict("idempotency_key"):
            return NotCommitted("another entry has the same key")
        case _:
            return None


def _known(operation: CreditOperation, found: Holdings) -> Outcome | None:
    """Return the outcome of an operation that needs no decision: one that is done already or impossible."""
    kept = found.requests.get(key_of(operation) or "")
    if isinstance(operation, CaptureHold | VoidHold):
        hold = _hold_of(operation, found)
        if hold is None:
            return NoSuchHold(operation.hold_id)
        if not hold.is_open:
            return _settled_before(operation, hold, kept)
        return None if hold.user_id in found.wallets else NoSuchUser(hold.user_id)
    if kept is not None:
        return _repeated(operation, kept)
    return None if operation.user_id in found.wallets else NoSuchUser(operation.user_id)


def _settled_before(operation: CaptureHold | VoidHold, hold: Hold, kept: IdempotencyRecord | None) -> Outcome:
    if isinstance(operation, VoidHold):
        is_same = hold.status is HoldStatus.VOIDED
    else:
        wanted = hold.credits if operation.credits is None else operation.credits
        is_same = hold.status is HoldStatus.CAPTURED and hold.captured == wanted
    if is_same and kept is not None:
        return Done(answer=answer_of(kept), repeated=True)
    return HoldAlreadySettled(status=hold.status, captured=hold.captured)


def _repeated(operation: CreditOperation, kept: IdempotencyRecord) -> Done | IdempotencyKeyReused:
    fields = differing_fields(kept.content, content_of(operation))
    return IdempotencyKeyReused(fields) if fields else Done(answer=answer_of(kept), repeated=True)


def _hold_of(operation: CreditOperation, found: Holdings) -> Hold | None:
    return found.holds.get(operation.hold_id) if isinstance(operation, CaptureHold | VoidHold) else None
