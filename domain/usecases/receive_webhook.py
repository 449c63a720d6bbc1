"""Receive a webhook: verify its sender and record its report."""

import attrs

from domain.payments.reports import InboxEvent
from domain.ports.ledger import LedgerBusy, LedgerUnavailable
from domain.ports.payment_provider import Deliveries, InvalidBody, InvalidSignature
from domain.usecases.record_payment import CommitRejected, PaymentRecorder
from domain.usecases.recorded import Recorded


@attrs.frozen
class DeliveryRefused(Exception):
    """A delivery that the provider did not send, or whose body is not an event."""

    cause: InvalidSignature | InvalidBody


@attrs.frozen
class DeliveryNotRecorded(Exception):
    """The event could not be stored; the provider must deliver it again."""

    event: InboxEvent
    cause: LedgerUnavailable | CommitRejected

    @property
    def is_overload(self) -> bool:
        """Return whether the cause is an overloaded ledger, for which a traceback says nothing."""
        return isinstance(self.cause, LedgerBusy)


@attrs.frozen
class Received:
    """An event, and how it was recorded."""

    event: InboxEvent
    recorded: Recorded


@attrs.frozen(kw_only=True)
class WebhookReceiver:
    """Receives the provider's deliveries; each may arrive any number of times."""

    deliveries: Deliveries
    recorder: PaymentRecorder

    async def receive(self, body: bytes, signature: str | None) -> Received:
        """Record the event of a signed body.

        :raises DeliveryRefused: if the signature or the body is invalid; nothing is stored.
        :raises DeliveryNotRecorded: if the ledger did not store it.
        """
        try:
            delivery = self.deliveries.verify(body, signature)
        except (InvalidSignature, InvalidBody) as refusal:
            raise DeliveryRefused(refusal) from refusal
        try:
            return Received(delivery.event, await self.recorder.receive(delivery))
        except (LedgerUnavailable, CommitRejected) as failure:
            raise DeliveryNotRecorded(delivery.event, failure) from failure
