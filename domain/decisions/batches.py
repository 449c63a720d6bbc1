"""Many intents decided together, and what came of each."""

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
    KeptRequest,
    Rejected,
)
from domain.credits.holds import Hold, HoldStatus
from domain.credits.wallets import Wallet
from domain.decisions.operations import (
    Answer,
    CaptureHold,
    Intent,
    VoidHold,
    answer_of,
    content_of,
    differing_fields,
    key_of,
)
from domain.decisions.spending import AlreadySettled, Decided, Refusal, cache_refresh, decide_intent
from domain.values.accounts import UserId


@attrs.frozen(kw_only=True)
class Done:
    """The intent is done; `repeated` tells that it had been done before, and this is its first answer."""

    answer: Answer | None
    repeated: bool = False


@attrs.frozen
class KeyReused:
    """The key names another intent, which differs in these fields."""

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
class Unsettled:
    """The intent could not be committed; asking again under its key is harmless."""

    cause: str
    is_contended: bool = False
    """Whether others came first each time, so that it may still be done."""


Outcome = Done | Refusal | KeyReused | NoSuchUser | NoSuchHold | Unsettled


@attrs.frozen(kw_only=True)
class Batch:
    """What came of some intents: what is to be committed, by place, and what needs no commit.

    A place that is in neither is decided again, with newer holdings.
    """

    decided: Mapping[int, Decided]
    outcomes: Mapping[int, Outcome]


def decide_together(
    intents: Mapping[int, Intent], found: Holdings, now: datetime, *, notify_below: int | None = None
) -> Batch:
    """Decide intents that were asked for before `found` was read.

    Those of one account are decided one after the other, each on what the one before leaves, and are to be committed
    together. `notify_below` is the threshold of accounts that have none.
    """
    decided: dict[int, Decided] = {}
    outcomes: dict[int, Outcome] = {}
    wallets: dict[UserId, Wallet | None] = dict(found.wallets)
    keys: set[str | None] = set()
    for place, intent in intents.items():
        known = _known(intent, found)
        if known is not None:
            outcomes[place] = known
            continue
        user_id, key = owner_of(intent, found), key_of(intent)
        assert user_id is not None  # noqa: S101 - for the type checker: what can't be decided was told
        wallet = wallets[user_id]
        if wallet is None or key in keys:
            continue
        made = decide_intent(intent, wallet, now, hold=_hold_of(intent, found), notify_below=notify_below)
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
    return Batch(decided=decided, outcomes=outcomes)


def owner_of(intent: Intent, found: Holdings) -> UserId | None:
    """Whose account the intent is about; None where its hold is not known."""
    if not isinstance(intent, CaptureHold | VoidHold):
        return intent.user_id
    hold = _hold_of(intent, found)
    return hold.user_id if hold is not None else None


def for_one_commit(decided: Sequence[Decided]) -> list[Change]:
    """What is to be committed together, with one message for each account whose copies are older then.

    Where the first change of an account is not committed, none of those after it is: its message does for all.
    """
    seen: set[UserId] = set()
    changes = []
    for one in decided:
        change, user_id = one.change, one.guard.user_id
        if user_id not in seen:
            seen.add(user_id)
            change = attrs.evolve(change, outbox=(*change.outbox, cache_refresh(one.guard)))
        changes.append(change)
    return changes


def outcome_of(intent: Intent, decided: Decided, result: CommitResult) -> Outcome | None:
    """What a commit's result means for the intent; None where it must be decided again."""
    match result:
        case Committed() if not decided.comes_first:
            return Done(answer=decided.answer)
        case Duplicate(request=KeptRequest() as kept) if not isinstance(intent, CaptureHold | VoidHold):
            return _repeated(intent, kept)
        case Rejected(reason):
            return Unsettled(f"the ledger refuses it: {reason}")
        case Conflict("idempotency_key"):
            return Unsettled("an entry of the same key is another's")
        case _:
            return None


def _known(intent: Intent, found: Holdings) -> Outcome | None:
    """The outcome that needs no decision: of what is done already, or can't be."""
    kept = found.requests.get(key_of(intent) or "")
    if isinstance(intent, CaptureHold | VoidHold):
        hold = _hold_of(intent, found)
        if hold is None:
            return NoSuchHold(intent.hold_id)
        if not hold.is_open:
            return _settled_before(intent, hold, kept)
        return None if hold.user_id in found.wallets else NoSuchUser(hold.user_id)
    if kept is not None:
        return _repeated(intent, kept)
    return None if intent.user_id in found.wallets else NoSuchUser(intent.user_id)


def _settled_before(intent: CaptureHold | VoidHold, hold: Hold, kept: KeptRequest | None) -> Outcome:
    if isinstance(intent, VoidHold):
        is_same = hold.status is HoldStatus.VOIDED
    else:
        wanted = hold.credits if intent.credits is None else intent.credits
        is_same = hold.status is HoldStatus.CAPTURED and hold.captured == wanted
    if is_same and kept is not None:
        return Done(answer=answer_of(kept), repeated=True)
    return AlreadySettled(status=hold.status, captured=hold.captured)


def _repeated(intent: Intent, kept: KeptRequest) -> Done | KeyReused:
    fields = differing_fields(kept.content, content_of(intent))
    return KeyReused(fields) if fields else Done(answer=answer_of(kept), repeated=True)


def _hold_of(intent: Intent, found: Holdings) -> Hold | None:
    return found.holds.get(intent.hold_id) if isinstance(intent, CaptureHold | VoidHold) else None
