"""What is read from the ledger before a decision, and written to it in one commit after."""

import enum
from collections.abc import Mapping

import attrs

from domain.accounts import Account
from domain.events import InboxEvent
from domain.ledger import Posted, Posting
from domain.purchases import Purchase, PurchaseId


class EventStatus(enum.StrEnum):
    """What became of an inbox event."""

    RECEIVED = "received"
    APPLIED = "applied"
    NOTHING_NEW = "nothing_new"
    IGNORED = "ignored"
    PARKED = "parked"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """Whether a repetition of the event needs no second decision."""
        return self in {EventStatus.APPLIED, EventStatus.NOTHING_NEW, EventStatus.IGNORED}


@attrs.frozen(kw_only=True)
class RecordedPurchase:
    """A purchase as the ledger has it, at a revision; revision 0 is one that is not recorded yet."""

    id: PurchaseId
    revision: int
    purchase: Purchase
    posted: Posted = attrs.field(factory=Posted)


@attrs.frozen(kw_only=True)
class Snapshot:
    """What the ledger knew at one moment."""

    event_status: EventStatus | None
    account: Account | None
    purchases: tuple[RecordedPurchase, ...]


@attrs.frozen(kw_only=True)
class EventDecision:
    """An inbox event with what was decided about it."""

    event: InboxEvent
    status: EventStatus
    reason: str | None = None


@attrs.frozen(kw_only=True)
class PurchaseRevision:
    """A purchase's next state, good only if the ledger still has the expected revision."""

    id: PurchaseId
    expected_revision: int
    purchase: Purchase


@attrs.frozen(kw_only=True)
class OutboxMessage:
    """A message to deliver after the commit, at least once; the key makes it one message."""

    topic: str
    key: str
    payload: Mapping[str, str]


@attrs.frozen(kw_only=True)
class Change:
    """All that one decision writes: whole, or not at all."""

    event: EventDecision | None = None
    revision: PurchaseRevision | None = None
    postings: tuple[Posting, ...] = ()
    outbox: tuple[OutboxMessage, ...] = ()


@attrs.frozen(kw_only=True)
class Committed:
    """The change is written; the accounts are those it touched, as they are now."""

    accounts: tuple[Account, ...]


@attrs.frozen(kw_only=True)
class Duplicate:
    """The change had been written before; the accounts are those it touched, as they are now."""

    accounts: tuple[Account, ...]


@attrs.frozen
class Conflict:
    """Nothing is written: the ledger has moved on since it was read. Read again, decide again."""

    reason: str


@attrs.frozen
class Rejected:
    """Nothing is written: the ledger's own guards refuse the change."""

    reason: str


CommitResult = Committed | Duplicate | Conflict | Rejected


@attrs.frozen(kw_only=True)
class Message:
    """An outbox message under a claim."""

    id: int
    topic: str
    payload: Mapping[str, str]
    attempts: int


@attrs.frozen(kw_only=True)
class Settled:
    """How a claimed message fared: delivered when there is no error, else due again later."""

    id: int
    error: str | None = None
    retry_in_seconds: int = 0


@attrs.frozen(kw_only=True)
class Inconsistency:
    """An account that disagrees with its entries, and the first entry that shows it."""

    user_id: str
    problem: str
    entry_id: int | None
    version: int | None
    expected: str | None
    actual: str | None
