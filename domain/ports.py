"""What the use cases need of the world: every port, and the errors that a port may raise."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import attrs

from domain.accounts import Account, UserId
from domain.commits import Change, CommitResult, Inconsistency, Message, Settled, Snapshot
from domain.events import Delivery, Told
from domain.ledger import LedgerEntry
from domain.plans import Plan
from domain.purchases import Link


@attrs.frozen
class LedgerUnavailable(Exception):
    """The ledger could not be reached, or did not answer; whether a write took effect is unknown."""

    cause: str


@attrs.frozen
class CacheUnavailable(Exception):
    """The cache could not be reached, or did not answer."""

    cause: str


@attrs.frozen
class PaymentsUnavailable(Exception):
    """The payment provider could not be reached, or refused what we sent."""

    cause: str


@attrs.frozen
class InvalidSignature(Exception):
    """A delivery whose signature is missing, wrong, or outside the tolerated time."""

    reason: str


@attrs.frozen
class InvalidBody(Exception):
    """A delivery with a good signature whose body is no event that can be kept."""

    reason: str


class Clock(Protocol):
    """The time."""

    def now(self) -> datetime:
        """Now, in UTC, aware."""
        ...


class Ledger(Protocol):
    """The authority over purchases and what was posted for them.

    Every method raises :class:`LedgerUnavailable`.
    """

    async def read(self, *, event_id: str | None, user_id: UserId | None, links: frozenset[Link]) -> Snapshot:
        """What the ledger knows of an event, an account, and the purchases that any of the links reaches."""
        ...

    async def commit(self, changes: Sequence[Change]) -> tuple[CommitResult, ...]:
        """Write each change whole or not at all; one result per change, in their order."""
        ...


class Accounts(Protocol):
    """The authority's accounts, to read. Every method raises :class:`LedgerUnavailable`."""

    async def account(self, user_id: UserId) -> Account | None:
        """The account, or None when there is no such user."""
        ...

    async def entries(self, user_id: UserId, *, before_version: int | None, limit: int) -> tuple[LedgerEntry, ...]:
        """At most `limit` entries older than `before_version`, newest first."""
        ...


class Audit(Protocol):
    """The ledger's check of itself. Every method raises :class:`LedgerUnavailable`."""

    async def inconsistencies(self) -> tuple[Inconsistency, ...]:
        """One per inconsistent account, naming its first bad entry; none when all agrees."""
        ...


class Outbox(Protocol):
    """Messages that must follow a commit. Every method raises :class:`LedgerUnavailable`."""

    async def claim(self, limit: int, *, lease_seconds: int) -> tuple[Message, ...]:
        """Messages that are due; no other claim gets them until the lease has passed."""
        ...

    async def settle(self, settled: Sequence[Settled]) -> None:
        """Mark messages as delivered, or due again later."""
        ...


class QuotaCache(Protocol):
    """A fast copy of balances. Every method raises :class:`CacheUnavailable`."""

    async def find(self, user_id: UserId) -> Account | None:
        """The copy, or None where there is none. It has no email."""
        ...

    async def store(self, account: Account) -> None:
        """Keep the account unless a newer version is kept already."""
        ...


@attrs.frozen(kw_only=True)
class CheckoutNote:
    """Who started a checkout, for which plan."""

    user_id: UserId
    plan_id: str


class SessionMarkers(Protocol):
    """Short-lived notes on checkout sessions; losing them loses nothing.

    Every method raises :class:`CacheUnavailable`.
    """

    async def remember_checkout(self, session_id: str, note: CheckoutNote) -> None:
        """Keep who started the session."""
        ...

    async def recall_checkout(self, session_id: str) -> CheckoutNote | None:
        """Who started the session, if that is still known."""
        ...

    async def begin(self, session_id: str) -> None:
        """Mark that a delivery of the session is being handled."""
        ...

    async def finish(self, session_id: str, event_id: str | None) -> None:
        """Mark that the handling ended; with an event, that its effect is committed."""
        ...

    async def is_processed(self, session_id: str, event_id: str) -> bool:
        """Whether this event of the session is known to be committed."""
        ...


@attrs.frozen(kw_only=True)
class CheckoutRequest:
    """One customer's wish to buy one plan."""

    user_id: UserId
    email: str | None
    plan: Plan
    idempotency_key: str


@attrs.frozen(kw_only=True)
class Checkout:
    """A checkout session as the provider has it now; `told` is what it tells of its sale."""

    session_id: str
    url: str | None
    status: str
    told: Told


class Checkouts(Protocol):
    """Hosted checkout sessions. Every method raises :class:`PaymentsUnavailable`."""

    async def create(self, request: CheckoutRequest) -> Checkout:
        """Open a session; the same idempotency key gives the same session."""
        ...

    async def retrieve(self, session_id: str) -> Checkout | None:
        """The session, or None when there is none of that id."""
        ...


class Deliveries(Protocol):
    """Verification and translation of webhook deliveries."""

    def verify(self, body: bytes, signature: str | None) -> Delivery:
        """The event behind a delivery.

        :raises InvalidSignature: if it is not signed with one of our secrets, or not within 300 s of now.
        :raises InvalidBody: if what was signed is no snapshot event.
        """
        ...
