"""Reconcile: compare the provider's history with the ledger, and apply what never arrived as webhooks are applied."""

import enum
from collections.abc import AsyncIterator, Callable
from datetime import datetime

import attrs

from domain.changes.inbox import EventStatus
from domain.payments.reports import Delivery
from domain.ports.inbox import Inbox
from domain.ports.payment_provider import Found, History
from domain.usecases.record_payment import CommitRejected, PaymentRecorder
from domain.usecases.recorded import Recorded
from domain.values.accounts import UserId

BATCH = 100


class Source(enum.StrEnum):
    """The place where something was found: the provider's events or, if there is no event, its objects."""

    EVENT = "event"
    OBJECT = "object"


@attrs.frozen(kw_only=True)
class Finding:
    """Something that had not arrived, and the status that it got."""

    source: Source
    id: str
    """The event's id, or the object's."""
    kind: str
    status: EventStatus
    reason: str | None
    user_id: UserId | None
    purchase_id: str | None
    credits: int


@attrs.frozen(kw_only=True)
class Progress:
    """The progress of a reconciliation."""

    source: Source
    events: int = 0
    objects: int = 0
    found: int = 0


@attrs.frozen(kw_only=True)
class Reconciliation:
    """The result of a reconciliation: what was compared and found."""

    since: datetime
    dry_run: bool
    events: int
    objects: int
    found: tuple[Finding, ...]


Watcher = Callable[[Progress], None]


@attrs.frozen(kw_only=True)
class Reconciler:
    """Finds what never arrived; safe to run at any time, and several at once."""

    history: History
    inbox: Inbox
    recorder: PaymentRecorder

    async def run(self, since: datetime, *, dry_run: bool = False, watch: Watcher = lambda _: None) -> Reconciliation:
        """Compare everything since then and apply what is missing; with `dry_run` nothing is written.

        :raises PaymentsUnavailable: if the provider could not be reached; what was found before is applied.
        :raises LedgerUnavailable: if the ledger could not be asked; likewise.
        """
        found: list[Finding] = []
        progress = Progress(source=Source.EVENT)
        async for batch in _batches(self.history.events(since)):
            known = await self.inbox.known([delivery.event.id for delivery in batch])
            for delivery in batch:
                if delivery.event.id not in known:
                    found += await self._missing_event(delivery, dry_run=dry_run)
            progress = attrs.evolve(progress, events=progress.events + len(batch), found=len(found))
            watch(progress)
        progress = attrs.evolve(progress, source=Source.OBJECT)
        async for one in self.history.objects(since):
            found += await self._object(one, dry_run=dry_run)
            progress = attrs.evolve(progress, objects=progress.objects + 1, found=len(found))
            watch(progress)
        return Reconciliation(
            since=since,
            dry_run=dry_run,
            events=progress.events,
            objects=progress.objects,
            found=tuple(found),
        )

    async def _missing_event(self, delivery: Delivery, *, dry_run: bool) -> list[Finding]:
        event = delivery.event
        try:
            if dry_run:
                recorded = await self.recorder.assess(event, delivery.report)
            else:
                recorded = await self.recorder.record(event, delivery.report)
        except CommitRejected as rejected:
            recorded = _refused(rejected)
        if recorded.status in {EventStatus.IGNORED, EventStatus.NOTHING_NEW}:
            return []
        return [_finding(Source.EVENT, event.id, event.type, recorded)]

    async def _object(self, found: Found, *, dry_run: bool) -> list[Finding]:
        delivery = found.delivery
        try:
            recorded = await self.recorder.assess(None, delivery.report)
            if recorded.status is EventStatus.PARKED:
                if await self.inbox.waits_for(found.object_id):
                    return []
                # Park it where an operator sees it; the object takes the place of the event that does not exist.
                if not dry_run:
                    recorded = await self.recorder.record(delivery.event, delivery.report)
            elif recorded.status is EventStatus.APPLIED and not dry_run:
                # Decide with what was known before it, not after.
                recorded = attrs.evolve(await self.recorder.record(None, delivery.report), is_news=recorded.is_news)
        except CommitRejected as rejected:
            recorded = _refused(rejected)
        if recorded.status in {EventStatus.IGNORED, EventStatus.NOTHING_NEW} or not recorded.is_news:
            return []
        return [_finding(Source.OBJECT, found.object_id, found.kind, recorded)]


async def _batches(deliveries: AsyncIterator[Delivery]) -> AsyncIterator[tuple[Delivery, ...]]:
    batch: list[Delivery] = []
    async for delivery in deliveries:
        batch.append(delivery)
        if len(batch) == BATCH:
            yield tuple(batch)
            batch = []
    if batch:
        yield tuple(batch)


def _refused(rejected: CommitRejected) -> Recorded:
    return Recorded(status=EventStatus.FAILED, reason=rejected.reason)


def _finding(source: Source, found_id: str, kind: str, recorded: Recorded) -> Finding:
    return Finding(
        source=source,
        id=found_id,
        kind=kind,
        status=recorded.status,
        reason=recorded.reason,
        user_id=recorded.user_id,
        purchase_id=recorded.purchase_id,
        credits=recorded.credits,
    )
