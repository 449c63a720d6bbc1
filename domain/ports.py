"""What the use cases need of the world: every port, and the errors that a port may raise."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

import attrs

from domain.changes.changes import (
    Backlog,
    Change,
    CommitResult,
    EventStatus,
    FailedMessage,
    Holdings,
    Inconsistency,
    KeptEvent,
    Message,
    Settled,
    Snapshot,
)
from domain.credits.explanation import AccountRecord
from domain.credits.holds import HoldId
from domain.credits.ledger import EVERY_ENTRY, EntryFilter, LedgerEntry
from domain.decisions.low_balance import Notice, Undelivered
from domain.payments.purchases import Link
from domain.payments.reports import Delivery, PaymentNews, Price, Sale, SubscriptionNews, Told
from domain.payments.subscriptions import SubscriptionId
from domain.upkeep.diagnosis import SchemaFacts, WebhookEndpoint
from domain.upkeep.synthetic_users import Rehearsal, Removal, SyntheticUser, Tag
from domain.values.accounts import Account, BalanceThen, UserId
from domain.values.plans import Plan


@attrs.frozen
class LedgerUnavailable(Exception):
    """The ledger could not be reached, or did not answer; whether a write took effect is unknown."""

    cause: str


@attrs.frozen
class LedgerRefused(LedgerUnavailable):
    """The ledger answered with an error: nothing of what was sent together took effect."""

    is_final: bool
    """Whether it would answer the same again."""


@attrs.frozen
class LedgerBusy(LedgerUnavailable):
    """More is asked of the ledger than it keeps up with; nothing of this took effect."""

    retry_after_seconds: int


@attrs.frozen
class CacheUnavailable(Exception):
    """The cache could not be reached, or did not answer."""

    cause: str


@attrs.frozen
class PaymentsUnavailable(Exception):
    """The payment provider could not be reached, or refused what we sent."""

    cause: str


@attrs.frozen
class PaymentsRefused(Exception):
    """The payment provider refuses this request for good: repeating it changes nothing."""

    cause: str


@attrs.frozen
class CheckoutDiffers(Exception):
    """The idempotency key opened a session before, for a request of other content."""


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


class Turns(Protocol):
    """Turns at accounts that several processes want at once, so that they are not in each other's way.

    No account is less safe without them. No method fails: where nobody can tell whose turn it is, each goes ahead.
    """

    def shared(self, user_ids: Collection[UserId]) -> frozenset[UserId]:
        """Those of the accounts where others were met of late."""
        ...

    def met(self, user_ids: Collection[UserId]) -> None:
        """Others came first at these accounts."""
        ...

    def look(self, user_ids: Collection[UserId]) -> None:
        """Begin to look whether others have a turn at these accounts: then they are met."""
        ...

    def at(self, user_ids: Collection[UserId]) -> AbstractAsyncContextManager[None]:
        """A turn at all of these accounts, or as much of it as is to be had in a moment."""
        ...


class Ledger(Protocol):
    """The authority over purchases and what was posted for them.

    Every method raises :class:`LedgerUnavailable`.
    """

    async def read(
        self,
        *,
        event_id: str | None,
        user_id: UserId | None,
        links: frozenset[Link],
        subscription_id: SubscriptionId | None = None,
        periods_since: datetime | None = None,
        claims: bool = False,
        price_ids: frozenset[str] = frozenset(),
    ) -> Snapshot:
        """What the ledger knows of an event, an account, a subscription, and the purchases that the links reach.

        With them come the invoices of the subscription, or of the purchases' own, that end at `periods_since` or later,
        or when the purchases themselves begin; with `claims` the account's trials and free periods,
        and of the prices those that Credence made.
        """
        ...

    async def commit(self, changes: Sequence[Change]) -> tuple[CommitResult, ...]:
        """Write each change whole or not at all; one result per change, in their order."""
        ...


class Wallets(Protocol):
    """The authority's accounts with their grants and holds. Every method raises :class:`LedgerUnavailable`."""

    async def holdings(
        self, *, user_ids: frozenset[UserId], keys: frozenset[str], hold_ids: frozenset[HoldId]
    ) -> Holdings:
        """The wallets of users and of holds' owners, the requests under keys, and the holds."""
        ...

    async def due(self, limit: int) -> tuple[UserId, ...]:
        """At most `limit` users with a hold or a grant whose time is over, the longest over first."""
        ...


class Accounts(Protocol):
    """The authority's accounts, to read. Every method raises :class:`LedgerUnavailable`."""

    async def account(self, user_id: UserId) -> Account | None:
        """The account, or None when there is no such user."""
        ...

    async def entries(
        self, user_id: UserId, *, before_version: int | None, limit: int, wanted: EntryFilter = EVERY_ENTRY
    ) -> tuple[LedgerEntry, ...]:
        """At most `limit` of the entries that are wanted and older than `before_version`, newest first."""
        ...

    async def balance_at(self, user_id: UserId, moment: datetime) -> BalanceThen:
        """What the account had at the moment; nothing, where it had no entry by then."""
        ...


class Thresholds(Protocol):
    """The accounts' own thresholds of a low balance. Raises :class:`LedgerUnavailable`."""

    async def set_threshold(self, user_id: UserId, threshold: int | None) -> Account | None:
        """Set one, or take it away; gives the account, None where there is no such user."""
        ...


class Inbox(Protocol):
    """The events that were recorded, to look at and to decide again.

    Every method raises :class:`LedgerUnavailable`.
    """

    async def claim_waiting(self, limit: int, *, lease_seconds: int) -> tuple[KeptEvent, ...]:
        """Events that wait and are due for another try, longest due first, with their bodies; each for one claim."""
        ...

    async def find(self, event_id: str) -> KeptEvent | None:
        """The event with its body, or None where it was never recorded."""
        ...

    async def page(
        self, *, statuses: frozenset[EventStatus], before: KeptEvent | None, limit: int
    ) -> tuple[KeptEvent, ...]:
        """At most `limit` events of these statuses without their bodies, newest first, those after `before`."""
        ...

    async def known(self, event_ids: Sequence[str]) -> frozenset[str]:
        """Those of the events that are recorded, whatever became of them."""
        ...

    async def waits_for(self, object_id: str) -> bool:
        """Whether an event that tells of the object waits."""
        ...

    async def hasten(self) -> None:
        """Let every event that waits be due now; what is due already stays before it."""
        ...

    async def mark_failed(self, event_id: str, reason: str) -> None:
        """Note that deciding about a waiting event failed; it is tried again later."""
        ...


class Audit(Protocol):
    """The ledger's check of itself, and its repair. Every method raises :class:`LedgerUnavailable`."""

    async def inconsistencies(self) -> tuple[Inconsistency, ...]:
        """One per inconsistent account, naming its first bad entry; none when all agrees."""
        ...

    async def accounts_after(self, user_id: UserId | None, limit: int) -> tuple[Account, ...]:
        """At most `limit` accounts in the order of their ids: those after one, or the first ones."""
        ...

    async def accounts_of(self, user_ids: Sequence[UserId]) -> tuple[Account, ...]:
        """Those of the accounts that exist."""
        ...

    async def recompute(self, user_id: UserId) -> Account | None:
        """Bring an account in line with its entries; None where there is no such user."""
        ...

    async def record_of(self, user_id: UserId) -> AccountRecord | None:
        """All that the ledger has of an account; None where nothing is known of such a user."""
        ...


@attrs.frozen
class SyntheticUsersRefused(Exception):
    """The project's own constraints refuse users that nobody signed up."""

    cause: str


class SyntheticUsers(Protocol):
    """The users of rehearsals. Every method raises :class:`LedgerUnavailable`."""

    async def add(self, tag: Tag, count: int) -> tuple[SyntheticUser, ...]:
        """Let the rehearsal have users numbered up to the count; gives all that it has.

        :raises SyntheticUsersRefused: if one can't be made; then none is.
        """
        ...

    async def rehearsals(self) -> tuple[Rehearsal, ...]:
        """The rehearsals that have users now, oldest first."""
        ...

    async def remove(self, tag: Tag) -> Removal:
        """Remove the rehearsal's users, and what waits for them; may be repeated."""
        ...


class Backlogs(Protocol):
    """How much waits. Raises :class:`LedgerUnavailable`."""

    async def backlog(self) -> Backlog:
        """What waits now."""
        ...


class Outbox(Protocol):
    """Messages that must follow a commit. Every method raises :class:`LedgerUnavailable`."""

    async def claim(self, limit: int, *, lease_seconds: int) -> tuple[Message, ...]:
        """Messages that are due; no other claim gets them until the lease has passed."""
        ...

    async def settle(self, settled: Sequence[Settled]) -> None:
        """Mark messages as delivered, due again later, or given up."""
        ...

    async def failures(self, limit: int) -> tuple[FailedMessage, ...]:
        """At most `limit` messages whose delivery was given up, newest first."""
        ...

    async def retry(self, message_id: int) -> bool:
        """Let a message that was given up be delivered after all; False where there is none of that id."""
        ...


class QuotaCache(Protocol):
    """A fast copy of balances. Every method raises :class:`CacheUnavailable`."""

    async def find(self, user_id: UserId) -> Account | None:
        """The copy, or None where there is none. It has no email."""
        ...

    async def find_many(self, user_ids: Sequence[UserId]) -> tuple[Account | None, ...]:
        """The copy of each, or None where there is none."""
        ...

    async def store(self, account: Account) -> None:
        """Keep the account unless a newer version is kept already."""
        ...

    async def store_many(self, accounts: Sequence[Account]) -> None:
        """Keep each account unless a newer one is kept already."""
        ...

    async def forget(self, user_id: UserId) -> None:
        """Keep nothing of the user, whatever its version."""
        ...

    def lines(self) -> AsyncIterator[tuple[Account, ...]]:
        """Every copy that is kept, some at a time; one that moves meanwhile may come twice."""
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
    invoice_told: Told | None = None
    """What the first invoice of a subscription tells, once there is one."""


class Checkouts(Protocol):
    """Hosted checkout sessions. Every method raises :class:`PaymentsUnavailable`."""

    async def create(self, request: CheckoutRequest) -> Checkout:
        """Open a session; the same idempotency key gives the same session.

        :raises CheckoutDiffers: if the key was used with other content, such as another email.
        """
        ...

    async def retrieve(self, session_id: str) -> Checkout | None:
        """The session, or None when there is none of that id."""
        ...


class Payments(Protocol):
    """What the provider knows of a payment, asked once where a telling does not say enough.

    Every method raises :class:`PaymentsUnavailable`.
    """

    async def look_up(self, news: PaymentNews) -> PaymentNews:
        """The news with every link that the provider knows, and whether the payment is ours.

        Where the provider knows no such payment it stays as it is.
        """
        ...

    async def subscription(self, subscription_id: SubscriptionId) -> SubscriptionNews | None:
        """The subscription as it is now, or None where there is none."""
        ...

    async def price(self, price_id: str) -> Price | None:
        """Return all that the provider knows of a price, or None where it has none of that id."""
        ...

    async def whole(self, sale: Sale) -> Told:
        """What a sale of which a part was told is in whole; as it is where the provider knows no such sale."""
        ...

    async def sale(self, object_id: str) -> Told | None:
        """What a checkout, a payment or an invoice tells as a sale, whoever made it; None where there is none."""
        ...


class Identity(Protocol):
    """Who we are to the provider. No method fails."""

    async def account_id(self) -> str | None:
        """Our own account's id, or None where it is not known."""
        ...


class Invoices(Protocol):
    """Invoices that customers get. Raises :class:`PaymentsUnavailable` and :class:`PaymentsRefused`."""

    async def send(self, invoice_id: str, *, idempotency_key: str) -> None:
        """Send it by email; the same key sends it once."""
        ...


class Notifications(Protocol):
    """The way to the operator's own system. It raises nothing: what is not taken is told again later."""

    async def send(self, notices: Sequence[Notice]) -> tuple[Undelivered | None, ...]:
        """Tell all of them, within a bounded time; for each, in their order, None where it was taken."""
        ...


@attrs.frozen(kw_only=True)
class Found:
    """An object of the provider's, and what it tells; as an event that it might have made, to be kept if it waits."""

    object_id: str
    kind: str
    delivery: Delivery


class History(Protocol):
    """What the provider remembers: its events, and the objects that they told of.

    Every method raises :class:`PaymentsUnavailable`.
    """

    def events(self, since: datetime) -> AsyncIterator[Delivery]:
        """Every event that concerns us and was made since then."""
        ...

    def objects(self, since: datetime) -> AsyncIterator[Found]:
        """Every paid session and invoice, credit note, payment of ours, refund and dispute since then, as it is now."""
        ...

    async def event(self, event_id: str) -> Delivery | None:
        """One event, or None where the provider has none of that id, or none any more."""
        ...


class Endpoints(Protocol):
    """Where the provider delivers its events."""

    async def endpoints(self) -> tuple[WebhookEndpoint, ...]:
        """The addresses to which the provider delivers events.

        :raises PaymentsUnavailable: if it could not be asked.
        :raises PaymentsRefused: if the key may not ask.
        """
        ...


class Schema(Protocol):
    """How the ledger's schema is set up. Raises :class:`LedgerUnavailable`."""

    async def schema(self) -> SchemaFacts:
        """What the schema says of itself."""
        ...


class Deliveries(Protocol):
    """Verification and translation of webhook deliveries."""

    def verify(self, body: bytes, signature: str | None) -> Delivery:
        """The event behind a delivery.

        :raises InvalidSignature: if it is not signed with one of our secrets, or not within 300 s of now.
        :raises InvalidBody: if what was signed is no event.
        """
        ...

    def read(self, body: str) -> Delivery:
        """The event of a body that was verified before.

        :raises InvalidBody: if it is no event.
        """
        ...
