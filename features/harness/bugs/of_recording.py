"""Bugs in how a decision gets into the inbox and the ledger."""

from collections.abc import Callable, Sequence
from typing import Any

import attrs

from adapters.memory import ledger
from domain.changes.changes import Change, Committed, Conflict, Duplicate
from domain.changes.inbox import EventStatus
from domain.credits import postings
from domain.decisions import payments, queries
from domain.ports.ledger import LedgerUnavailable
from domain.usecases.record_payment import PaymentRecorder
from domain.usecases.recorded import Recorded
from features.harness.bugs.bug import Bug
from features.harness.planting import Patch
from simulators.stories.checkers import Checker


def _marked_first(_: Any) -> Any:
    async def receive(self: PaymentRecorder, delivery: Any) -> Recorded:
        session_id, event_id = delivery.event.session_id, delivery.event.id
        if session_id is not None:
            if await self.markers.begin(session_id) == event_id:
                return Recorded(status=EventStatus.NOTHING_NEW)
            await self.markers.finish(session_id, event_id)
        return await self.record(delivery.event, delivery.report)

    return receive


def _answered_first(receive: Callable[..., Any]) -> Any:
    async def receive_wrong(self: PaymentRecorder, delivery: Any) -> Recorded:
        try:
            recorded: Recorded = await receive(self, delivery)
        except LedgerUnavailable:
            return Recorded(status=EventStatus.RECEIVED)
        return recorded

    return receive_wrong


def _of_session(receive: Callable[..., Any]) -> Any:
    async def receive_wrong(self: PaymentRecorder, delivery: Any) -> Recorded:
        session_id = delivery.event.session_id
        if session_id is not None and await self.markers.begin(session_id) is not None:
            return Recorded(status=EventStatus.NOTHING_NEW)
        recorded: Recorded = await receive(self, delivery)
        return recorded

    return receive_wrong


def _first_is_taken(is_outdated: Callable[..., Any]) -> Any:
    def is_outdated_wrong(change: Change, *known: Any) -> Any:
        is_first = change.revision is not None and change.revision.expected_revision == 0
        return None if is_first else is_outdated(change, *known)

    return is_outdated_wrong


@attrs.frozen
class _OtherLedger:
    """A ledger whose commits go by another function."""

    ledger: Any
    committing: Callable[[Any, Sequence[Change]], Any]

    async def read(self, query: Any) -> Any:
        return await self.ledger.read(query)

    async def commit(self, changes: Sequence[Change]) -> Any:
        return await self.committing(self.ledger, changes)


def _committing(function: Callable[[Any, Sequence[Change]], Any]) -> Callable[[Any], Any]:
    def changed(cases: Any) -> Any:
        recorder = attrs.evolve(cases.recorder, ledger=_OtherLedger(cases.recorder.ledger, function))
        return attrs.evolve(
            cases, recorder=recorder, inbox_retrier=attrs.evolve(cases.inbox_retrier, recorder=recorder)
        )

    return changed


async def _in_two_writes(kept: Any, changes: Sequence[Change]) -> Any:
    results = await kept.commit([attrs.evolve(change, outbox=()) for change in changes])
    if changes[0].outbox and isinstance(results[0], Committed):
        await kept.commit([Change(outbox=changes[0].outbox)])
    return results


async def _without_event_first(kept: Any, changes: Sequence[Change]) -> Any:
    (change,) = changes
    results = await kept.commit([attrs.evolve(change, event=None)])
    if change.event is not None and not isinstance(results[0], Conflict):
        await kept.commit([Change(event=change.event)])
    return results


async def _conflict_is_duplicate(kept: Any, changes: Sequence[Change]) -> Any:
    results = await kept.commit(changes)
    return tuple(Duplicate(accounts=()) if isinstance(result, Conflict) else result for result in results)


async def _forced(kept: Any, changes: Sequence[Change]) -> Any:
    (change,) = changes
    for _ in range(5):
        results = await kept.commit([change])
        if not isinstance(results[0], Conflict) or change.revision is None:
            break
        revision = change.revision
        change = attrs.evolve(change, revision=attrs.evolve(revision, expected_revision=revision.expected_revision + 1))
    return results


def _parked_forgotten(without_change: Callable[..., Any]) -> Any:
    def without_change_wrong(kept: Any, status: Any, reason: Any) -> Any:
        return without_change(None if status is EventStatus.PARKED else kept, status, reason)

    return without_change_wrong


BUGS = (
    Bug(
        name="marks seen before the commit",
        description="A session is marked as processed before the ledger has it.",
        case="purchase",
        checker=Checker.EVENT_LOST,
        patches=(Patch(PaymentRecorder, "receive", _marked_first),),
    ),
    Bug(
        name="acknowledges before the commit",
        description="Answers 200 although the ledger did not take it.",
        case="purchase",
        checker=Checker.EVENT_LOST,
        patches=(Patch(PaymentRecorder, "receive", _answered_first),),
    ),
    Bug(
        name="deduplicates by session",
        description="Any later event of a processed session is taken for a duplicate.",
        case="delayed payment",
        checker=Checker.EVENT_LOST,
        patches=(Patch(PaymentRecorder, "receive", _of_session),),
    ),
    Bug(
        name="the event in a second write",
        description="The inbox learns of an event after its entries are committed.",
        case="purchase",
        checker=Checker.BALANCE_IMPOSSIBLE,
        use_cases=_committing(_without_event_first),
    ),
    Bug(
        name="the outbox in a second write",
        description="A crash between two writes loses what must follow the first.",
        case="purchase with its invoice",
        checker=Checker.INVOICE,
        use_cases=_committing(_in_two_writes),
    ),
    Bug(
        name="a conflict is taken for a duplicate",
        description="What another worker overtook is answered and dropped.",
        case="full refund",
        checker=Checker.EVENT_LOST,
        use_cases=_committing(_conflict_is_duplicate),
    ),
    Bug(
        name="no second decision after a conflict",
        description="The first decision is written over what another worker wrote meanwhile.",
        case="full refund",
        checker=Checker.BALANCE_IMPOSSIBLE,
        use_cases=_committing(_forced),
    ),
    Bug(
        name="a first decision is always taken",
        description="The ledger writes what was decided as new over what it knows.",
        case="full refund",
        checker=Checker.BALANCE_IMPOSSIBLE,
        patches=(Patch(ledger, "is_outdated", _first_is_taken),),
    ),
    Bug(
        name="keys name the step",
        description="Idempotency keys do not name the state that is reached.",
        case="full refund",
        checker=Checker.KEY_TWICE,
        patches=(Patch(postings, "key_of_revision", lambda _: lambda id_, _revision, user, *_, **__: f"{id_}:{user}"),),
    ),
    Bug(
        name="a parked event is answered and forgotten",
        description="What can't be applied yet is not kept.",
        case="purchase before signing up",
        checker=Checker.EVENT_LOST,
        patches=(Patch(payments, "without_change", _parked_forgotten),),
    ),
    Bug(
        name="what belongs together is not looked up",
        description="A payment is looked for by nothing but its own event.",
        case="renewal, reported twice",
        checker=Checker.EVENT_LOST,
        patches=(Patch(queries, "ledger_links", lambda _: lambda _report: frozenset()),),
    ),
)
"""Each of one line."""
