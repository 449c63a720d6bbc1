"""Decide again about events of the inbox: those that wait, by themselves; any of them, by an operator's wish."""

import attrs

from domain.changes.inbox import EventStatus, InboxRecord
from domain.payments.admission import Confirmation
from domain.payments.purchases import PaymentStatus
from domain.payments.reports import Delivery, Irrelevant, SaleReport, SubscriptionReport, Unreadable
from domain.ports.inbox import Inbox
from domain.ports.payment_provider import Deliveries, History, InvalidBody
from domain.usecases.record_payment import CommitRejected, PaymentRecorder
from domain.usecases.recorded import Recorded

BATCH = 50
LEASE_SECONDS = 120

WAITING = frozenset({EventStatus.RECEIVED, EventStatus.PARKED, EventStatus.FAILED})


@attrs.frozen
class UnknownEvent(Exception):
    """Neither the inbox nor the provider has such an event."""

    event_id: str


@attrs.frozen
class NotClaimable(Exception):
    """The event has no owner to be named: it is decided already, or tells of no sale."""

    event_id: str
    status: EventStatus


@attrs.frozen
class NoSale(Exception):
    """The provider's object can't be given to anybody: it is no sale, not paid, or what it sold can't be told."""

    object_id: str
    reason: str


@attrs.frozen
class Retried:
    """An event that was decided again."""

    event: InboxRecord
    recorded: Recorded


@attrs.frozen(kw_only=True)
class InboxRetrier:
    """Works on what the inbox holds; any number may work at once."""

    inbox: Inbox
    deliveries: Deliveries
    history: History
    recorder: PaymentRecorder

    async def run_once(self) -> tuple[Retried, ...]:
        """Decide again about waiting events that are due, at most :data:`BATCH` of them.

        :raises LedgerUnavailable: if the inbox could not be asked; claims lapse by themselves.
        """
        return tuple([Retried(kept, await self.decide(kept)) for kept in await self.claim_due()])

    async def retry(self) -> tuple[Retried, ...]:
        """Decide again about at most :data:`BATCH` events that wait, due or not: first about those not tried of late.

        :raises LedgerUnavailable: if the inbox could not be asked; claims lapse by themselves.
        """
        await self.inbox.make_all_due()
        return await self.run_once()

    async def retry_all(self) -> tuple[Retried, ...]:
        """Decide again about all events that wait, due or not; gives the last try of each.

        :raises LedgerUnavailable: if the inbox could not be asked; claims lapse by themselves.
        """
        tried: dict[str, Retried] = {}
        batch = await self.retry()
        while batch:
            before = len(tried)
            tried.update({one.event.id: one for one in batch})
            if len(tried) < before + len(batch):
                # What was tried is due again already: then nothing is left that was not.
                break
            batch = await self.run_once()
        return tuple(tried.values())

    async def claim_due(self) -> tuple[InboxRecord, ...]:
        """Return waiting events that are due, at most :data:`BATCH` of them, claimed for :data:`LEASE_SECONDS`.

        :raises LedgerUnavailable: if the inbox could not be asked.
        """
        return await self.inbox.claim_waiting(BATCH, lease_seconds=LEASE_SECONDS)

    async def decide(self, kept: InboxRecord) -> Recorded:
        """Decide again about one event; what can't be decided is failed, with why.

        :raises LedgerUnavailable: if it could not be stored.
        """
        delivery = self._read(kept)
        if delivery is None:
            return await self.fail(kept, "the body can't be read any more")
        try:
            return await self.recorder.record(delivery.event, delivery.report)
        except CommitRejected as rejected:
            return await self.fail(kept, f"the ledger refuses it: {rejected.reason}")

    async def fail(self, kept: InboxRecord, reason: str) -> Recorded:
        """Note that deciding about a waiting event failed; it is tried again later.

        :raises LedgerUnavailable: if that could not be stored.
        """
        await self.inbox.mark_failed(kept.id, reason)
        return Recorded(status=EventStatus.FAILED, reason=reason, session_id=kept.session_id)

    async def claim(self, claimed_id: str, confirmation: Confirmation) -> Recorded:
        """Give a payment to the user whom an operator confirms: that of a waiting event, or one that named nobody.

        The latter by the id of its checkout, payment or invoice, or of an event that tells of it.

        :raises UnknownEvent: if neither the inbox nor the provider has anything of that id.
        :raises NotClaimable: if the event is decided already, or is about no sale.
        :raises NoSale: if the object is no sale, is not paid, or can't be credited so.
        :raises PaymentsUnavailable: if the provider had to be asked and could not be.
        :raises LedgerUnavailable: if it could not be stored.
        :raises CommitRejected: if the ledger refuses it.
        """
        kept = await self.inbox.find(claimed_id)
        delivery = self._read(kept) if kept is not None else await self._made(claimed_id)
        report = delivery.report if delivery else None
        is_open = kept is None or kept.status in WAITING
        if delivery is not None and isinstance(report, SaleReport | SubscriptionReport) and is_open:
            recorded = await self.recorder.record(
                delivery.event, attrs.evolve(report, attribution=confirmation.of(report.attribution))
            )
        elif kept is not None and kept.status is not EventStatus.IGNORED:
            raise NotClaimable(claimed_id, kept.status)
        else:
            recorded = await self._claim_object(claimed_id, delivery, confirmation)
        # What waits for the same reason, a renewal, say, may be good now.
        await self.inbox.make_all_due()
        return recorded

    async def _made(self, event_id: str) -> Delivery | None:
        return await self.history.event(event_id) if event_id.startswith("evt_") else None

    async def _claim_object(self, claimed_id: str, delivery: Delivery | None, confirmation: Confirmation) -> Recorded:
        object_id = delivery.event.object_id if delivery else claimed_id
        report = await self.recorder.payments.sale(object_id) if object_id is not None else None
        match report:
            case None if delivery is None:
                raise UnknownEvent(claimed_id)
            case SaleReport() | SubscriptionReport():
                named = attrs.evolve(report, attribution=confirmation.of(report.attribution))
            case Irrelevant(reason) | Unreadable(reason):
                raise NoSale(claimed_id, reason)
            case _:
                raise NoSale(claimed_id, "it is about no sale")
        if isinstance(named, SaleReport) and named.facts.payment is not PaymentStatus.PAID:
            raise NoSale(claimed_id, "it is not paid")
        assessed = await self.recorder.assess(None, named)
        if assessed.status in {EventStatus.PARKED, EventStatus.IGNORED}:
            raise NoSale(claimed_id, assessed.reason or assessed.status)
        if assessed.user_id != confirmation.user_id:
            raise NoSale(claimed_id, f"it is of user {assessed.user_id} already")
        return await self.recorder.record(delivery.event if delivery else None, named, again=True)

    async def replay(self, event_id: str) -> Recorded:
        """Decide about an event once more, whatever became of it; one that never arrived is asked of the provider.

        :raises UnknownEvent: if nobody has such an event.
        :raises PaymentsUnavailable: if the provider had to be asked and could not be.
        :raises LedgerUnavailable: if it could not be stored.
        :raises CommitRejected: if the ledger refuses it.
        """
        kept = await self.inbox.find(event_id)
        delivery = self._read(kept) if kept is not None else await self.history.event(event_id)
        if delivery is None:
            raise UnknownEvent(event_id)
        return await self.recorder.record(delivery.event, delivery.report, again=True)

    def _read(self, kept: InboxRecord) -> Delivery | None:
        try:
            return self.deliveries.read(kept.body or "")
        except InvalidBody:
            return None
