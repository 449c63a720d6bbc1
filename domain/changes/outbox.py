"""Messages that follow a commit, and the results of their delivery."""

from collections.abc import Mapping
from datetime import datetime

import attrs

SEND_INVOICE = "send_invoice"
"""The outbox topic of an invoice to send to the customer."""

CUSTOMER_ADDRESS = "customer_address"
"""The outbox topic of an account whose customer may have another address than the account."""

CUSTOMER_DELETED = "customer_deleted"
"""The outbox topic of a customer that the payment provider has no longer."""


@attrs.frozen(kw_only=True)
class OutboxMessage:
    """A message to deliver after the commit, at least once; messages with the same key are one."""

    topic: str
    key: str
    payload: Mapping[str, str]


@attrs.frozen(kw_only=True)
class Message:
    """An outbox message that a worker has claimed."""

    id: int
    key: str
    topic: str
    payload: Mapping[str, str]
    attempts: int
    created_at: datetime


@attrs.frozen(kw_only=True)
class DeliveryResult:
    """The result of a delivery: delivered if there is no error, else due again later or failed for good."""

    id: int
    error: str | None = None
    retry_in_seconds: int = 0
    gives_up: bool = False


@attrs.frozen(kw_only=True)
class FailedMessage:
    """An outbox message whose delivery failed for good, and why."""

    id: int
    topic: str
    payload: Mapping[str, str]
    attempts: int
    error: str
    failed_at: datetime
