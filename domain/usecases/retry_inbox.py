"""Retry the inbox: pending events automatically, any event on an operator's request."""

import contextlib

import attrs

from domain.changes.inbox import EventStatus, InboxRecord
from domain.payments.admission import Confirmation
from domain.payments.purchases import PaymentStatus
from domain.payments.reports import Delivery, Irrelevant, SaleReport, SubscriptionReport, Unreadable
from domain.ports.inbox import Inbox
from domain.ports.ledger import LedgerUnavailable, after_a_commit
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
    """The event cannot be assigned to a user: it is decided already, or is not about a sale."""

    event_id: str
    status: EventStatus


@attrs.frozen
class NoSale(Exception):
    """The object cannot be assigned to a user: it is not a sale, not paid, or it is unclear what was sold."""

    object_id: str
    reason: str


@attrs.frozen
class Retried:
    """An event that was retried, and its result."""

    event: InboxRecord
    recorded: Recorded


@attrs.frozen(kw_only=True)
class InboxRetrier:
    """Retries the events of the inbox; any number may run at once."""

    inbox: Inbox
    deliveries: Deliveries
    history: History
    recorder: PaymentRecorder

    async def run_once(self) -> tuple[Retried, ...]:
        """Retry at most :data:`BATCH` pending events that are due, longest due first.

        :raises LedgerUnavailable: if the inbox could not be reached; claims expire automatically.
        """
        due = await self.inbox.claim_waiting(BATCH, lease_seconds=LEASE_SECONDS)
        with after_a_commit():
            return tuple([Retried(kept, await self.decide(kept)) for kept in due])

    async def retry(self) -> tuple[Retried, ...]:
        """Retry at most :data:`BATCH` pending events, due or not, starting with those that were not retried recently.

        :raises LedgerUnavailable: if the inbox could not be reached; claims expire automatically.
        """
        await self.inbox.make_all_due()
        return await self.run_once()

    async def retry_all(self) -> tuple[Retried, ...]:
        """Retry all pending events, due or not; return the last result of each.

        :raises LedgerUnavailable: if the inbox could not be reached; claims expire automatically.
        """
        tried: dict[str, Retried] = {}
        batch = await self.retry()
        while batch:
            before = len(tried)
            tried.update({one.event.id: one for one in batch})
            if len(tried) < before + len(batch):
                # A claimed event was retried before: then all others have been, too.
                break
            batch = await self.run_once()
        return tuple(tried.values())

    async def claim_due(self, *, newest_first: bool) -> tuple[InboxRecord, ...]:
        """Claim at most :data:`BATCH` pending events that are due, for :data:`LEASE_SECONDS` seconds.

        With `newest_first` those received last, so that a new sale does not wait for everything that was parked long
        ago; else those that are longest due, so that these do not wait for everything that is new.

        :raises LedgerUnavailable: if the inbox could not be reached.
        """
        return await self.inbox.claim_waiting(BATCH, lease_seconds=LEASE_SECONDS, newest_first=newest_first)

    async def decide(self, kept: InboxRecord) -> Recorded:
        """Retry one event; if it cannot be decided, record it as failed with the reason.

        :raises LedgerUnavailable: if it could not be stored.
        """
        delivery = self._read(kept)
        if delivery is None:
            return await self.fail(kept, "the stored body can no longer be read")
        try:
            return await self.recorder.record(delivery.event, delivery.report)
        except CommitRejected as rejected:
            return await self.fail(kept, f"the ledger rejected it: {rejected.reason}")

    async def fail(self, kept: InboxRecord, reason: str) -> Recorded:
        """Record that deciding a pending event failed; it is retried later.

        :raises LedgerUnavailable: if that could not be stored.
        """
        await self.inbox.mark_failed(kept.id, reason)
        return Recorded(status=EventStatus.FAILED, reason=reason, session_id=kept.session_id)

    async def claim(self, claimed_id: str, confirmation: Confirmation) -> Recorded:
        """Assign a payment to the user whom an operator confirms.

        `claimed_id` is the id of a parked event or, for an ignored payment without our metadata, that of its checkout,
        payment or invoice, or of an event about it.

        :raises UnknownEvent: if neither the inbox nor the provider has anything with that id.
        :raises NotClaimable: if the event is decided already, or is not about a sale.
        :raises NoSale: if the object is not a sale, is not paid, or cannot be credited as requested.
        :raises PaymentsUnavailable: if the provider had to be asked and could not be.
        :raises LedgerUnavailable: if it could not be stored.
        :raises CommitRejected: if the ledger rejects it.
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
        # Other parked events, such as renewals of the same subscription, may be decidable now; else they are later.
        with contextlib.suppress(LedgerUnavailable):
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
                raise NoSale(claimed_id, "it is not a sale")
        if isinstance(named, SaleReport) and named.facts.payment is not PaymentStatus.PAID:
            raise NoSale(claimed_id, "it is not paid")
        assessed = await self.recorder.assess(None, named)
        if assessed.status in {EventStatus.PARKED, EventStatus.IGNORED}:
            raise NoSale(claimed_id, assessed.reason or assessed.status)
        if assessed.user_id != confirmation.user_id:
            raise NoSale(claimed_id, f"it already belongs to user {assessed.user_id}")
        return await self.recorder.record_once_more(delivery.event if delivery else None, named)

    async def replay(self, event_id: str) -> Recorded:
        """Process an event again, whatever its status; one that never arrived is fetched from the provider.

        :raises UnknownEvent: if neither the inbox nor the provider has it.
        :raises PaymentsUnavailable: if the provider had to be asked and could not be.
        :raises LedgerUnavailable: if it could not be stored.
        :raises CommitRejected: if the ledger rejects it.
        """
        kept = await self.inbox.find(event_id)
        delivery = self._read(kept) if kept is not None else await self.history.event(event_id)
        if delivery is None:
            raise UnknownEvent(event_id)
        return await self.recorder.record_once_more(delivery.event, delivery.report)

    def _read(self, kept: InboxRecord) -> Delivery | None:
        try:
            return self.deliveries.read(kept.body or "")
        except InvalidBody:
            return None
