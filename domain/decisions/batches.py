"""Many operations decided together, and what came of each."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import attrs

from domain.changes.changes import (
    Change,
    CommitResult,
    Committed,
    Conflict,
    Duplicate,
    Holdings,
    IdempotencyRecord,
    Rejected,
)
from domain.changes.outbox import cache_refresh
from domain.credits.holds import Hold, HoldStatus
from domain.credits.wallets import Wallet
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
    """The operation is done; `repeated` tells that it had been done before, and this is its first answer."""

    answer: Answer | None
    repeated: bool = False


@attrs.frozen
class IdempotencyKeyReused:
    """The key names another operation, which differs in these fields."""

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
    """The operation could not be committed; asking again under its key is harmless."""

    cause: str
    is_contended: bool = False
    """Whether others came first each time, so that it may still be done."""


Outcome = Done | Refusal | IdempotencyKeyReused | NoSuchUser | NoSuchHold | NotCommitted


@attrs.frozen(kw_only=True)
class BatchDecision:
    """What came of some operations: what is to be committed, by place, and what needs no commit.

    A place that is in neither is decided again, with newer holdings.
    """

    decided: Mapping[int, Decided]
    outcomes: Mapping[int, Outcome]


def decide_together(
    operations: Mapping[int, CreditOperation], found: Holdings, now: datetime, *, notify_below: int | None = None
) -> BatchDecision:
    """Decide operations that were asked for before `found` was read.

    Those of one account are decided one after the other, each on what the one before leaves, and are to be committed
    together. `notify_below` is the threshold of accounts that have none.
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
        assert user_id is not None  # noqa: S101 - for the type checker: what can't be decided was told
        wallet = wallets[user_id]
        if wallet is None or key in keys:
            continue
        made = decide_operation(operation, wallet, now, hold=_hold_of(operation, found), notify_below=notify_below)
        if not isinstance(made, Decided):
            # Never on what others have not done yet: their commit may come to nothing.
            if wallet is found.wallets[user_id]:
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
    """Return whose account the operation is about; None where its hold is not known."""
    if not isinstance(operation, CaptureHold | VoidHold):
        return operation.user_id
    hold = _hold_of(operation, found)
    return hold.user_id if hold is not None else None


def commit_plan(decided: Sequence[Decided]) -> list[Change]:
    """Return what is to be committed together, with one message for each account whose copies are older then.

    Where the first change of an account is not committed, none of those after it is: its message does for all.
    """
    seen: set[UserId] = set()
    changes = []
    for one in decided:
        change, user_id, revision = one.change, one.guard.user_id, one.guard.expected_revision
        if user_id not in seen:
            seen.add(user_id)
            refresh = cache_refresh(user_id, f"{user_id}:revision={revision}")
            change = attrs.evolve(change, outbox=(*change.outbox, refresh))
        changes.append(change)
    return changes


def outcome_from(operation: CreditOperation, decided: Decided, result: CommitResult) -> Outcome | None:
    """Return what a commit's result means for the operation; None where it must be decided again."""
    match result:
        case Committed() if not decided.comes_first:
            return Done(answer=decided.answer)
        case Duplicate(request=IdempotencyRecord() as kept) if not isinstance(operation, CaptureHold | VoidHold):
            return _repeated(operation, kept)
        case Rejected(reason):
            return NotCommitted(f"the ledger rejected it: {reason}")
        case Conflict("idempotency_key"):
            return NotCommitted("an entry of the same key is another's")
        case _:
            return None


def _known(operation: CreditOperation, found: Holdings) -> Outcome | None:
    """Return the outcome that needs no decision: of what is done already, or can't be."""
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
