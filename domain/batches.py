"""Many intents decided together: those of one account one after the other, each on what the one before leaves."""

from collections.abc import Iterator, Mapping
from datetime import datetime

import attrs

from domain.accounts import UserId
from domain.commits import CommitResult, Committed, Conflict, Duplicate, Holdings, KeptRequest, Rejected
from domain.holds import Hold, HoldStatus
from domain.intents import (
    Answer,
    CaptureHold,
    Intent,
    VoidHold,
    answer_of,
    content_of,
    differing_fields,
    key_of,
)
from domain.spending import AlreadySettled, Decided, Refusal, cache_refresh, decide_intent
from domain.wallets import Wallet

BATCH = 16
"""So many intents are decided at a time, while those before them are being written."""


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
    """What came of some intents of a round: what is to be committed, by place, and what needs no commit.

    A place that is in neither waits for the next round, with newer holdings.
    """

    decided: Mapping[int, Decided]
    outcomes: Mapping[int, Outcome]


def decide_in_batches(
    intents: Mapping[int, Intent], found: Holdings, now: datetime, *, notify_below: int | None = None
) -> Iterator[Batch]:
    """Decide the intents in the order of their places, some at each step, given what was read for all of them.

    A refusal is given only on what the ledger has, never on what others of the round hope to have done.
    """
    hopes = _Hopes(found)
    places = [*intents]
    for begin in range(0, len(places), BATCH):
        batch = {place: intents[place] for place in places[begin : begin + BATCH]}
        yield hopes.decide(batch, now, notify_below=notify_below)


class _Hopes:
    """The accounts as they will be if everything that was decided is committed."""

    def __init__(self, found: Holdings) -> None:
        self._found = found
        self._wallets: dict[UserId, Wallet | None] = dict(found.wallets)
        self._keys: set[str | None] = set()

    def decide(self, intents: Mapping[int, Intent], now: datetime, *, notify_below: int | None) -> Batch:
        decided: dict[int, Decided] = {}
        outcomes: dict[int, Outcome] = {}
        refreshed: set[UserId] = set()
        for place, intent in intents.items():
            known = _known(intent, self._found)
            if known is not None:
                outcomes[place] = known
                continue
            hold = _hold_of(intent, self._found)
            user_id = hold.user_id if hold is not None else _user_of(intent)
            wallet = self._wallets[user_id]
            if wallet is None or key_of(intent) in self._keys:
                continue
            made = decide_intent(intent, wallet, now, hold=hold, notify_below=notify_below)
            if not isinstance(made, Decided):
                if wallet is self._found.wallets[user_id]:
                    outcomes[place] = made
                continue
            if not made.change.postings and not made.change.holds:
                if not made.comes_first:
                    outcomes[place] = Done(answer=made.answer)
                continue
            # One message does for a batch, which is written in one transaction: where the first of an account is not
            # committed, none of those after it is.
            if user_id not in refreshed:
                made = attrs.evolve(made, change=attrs.evolve(made.change, outbox=(cache_refresh(wallet.account),)))
                refreshed.add(user_id)
            decided[place] = made
            self._wallets[user_id] = made.wallet
            self._keys |= {key_of(intent)} - {None}
        return Batch(decided=decided, outcomes=outcomes)


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
        hold = found.holds.get(intent.hold_id)
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
    return found.holds[intent.hold_id] if isinstance(intent, CaptureHold | VoidHold) else None


def _user_of(intent: Intent) -> UserId:
    assert not isinstance(intent, CaptureHold | VoidHold)  # noqa: S101 - for the type checker: those have a hold
    return intent.user_id
