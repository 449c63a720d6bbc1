"""Check out: start a checkout, and follow it when the customer returns."""

import contextlib
import enum

import attrs

from domain.accounts import UserId
from domain.commits import EventStatus, RecordedPurchase
from domain.events import Sale, SubscriptionNews, Told
from domain.plans import Catalogue
from domain.ports import (
    Accounts,
    CacheUnavailable,
    Checkout,
    CheckoutNote,
    CheckoutRequest,
    Checkouts,
    Ledger,
    LedgerUnavailable,
    SessionMarkers,
)
from domain.purchases import Link, PaymentStatus
from domain.recording import links_of, user_told
from domain.usecases.read_account import UnknownUser
from domain.usecases.record_payment import CommitRejected, PaymentRecorder


@attrs.frozen
class UnknownPlan(Exception):
    """There is no such plan on sale."""

    plan_id: str


@attrs.frozen
class UnknownSession(Exception):
    """There is no such checkout session, or it is another user's."""

    session_id: str


class CheckoutStage(enum.StrEnum):
    """Where a checkout stands, in the customer's eyes."""

    OPEN = "open"
    PROCESSING = "processing"
    CREDITED = "credited"
    FAILED = "failed"
    EXPIRED = "expired"
    UNDER_REVIEW = "under_review"


@attrs.frozen(kw_only=True)
class CheckoutProgress:
    """Where a checkout stands; the credits are those on the account for it now."""

    session_id: str
    stage: CheckoutStage
    plan_id: str | None
    credits: int


@attrs.frozen(kw_only=True)
class CheckoutDesk:
    """Starts checkouts and follows them."""

    checkouts: Checkouts
    accounts: Accounts
    ledger: Ledger
    markers: SessionMarkers
    catalogue: Catalogue
    recorder: PaymentRecorder

    async def start(self, user_id: UserId, *, email: str | None, plan_id: str, idempotency_key: str) -> Checkout:
        """Open a checkout of the plan for the user.

        :raises UnknownPlan: if the plan is not on sale.
        :raises UnknownUser: if the ledger knows no such user: nobody shall pay for credits without an owner.
        :raises PaymentsUnavailable: if no session could be opened.
        :raises CheckoutDiffers: if the key opened a session with other content, such as another email.
        :raises LedgerUnavailable: if the user could not be looked up.
        """
        plan = self.catalogue.find(plan_id)
        if plan is None or plan.retired:
            raise UnknownPlan(plan_id)
        account = await self.accounts.account(user_id)
        if account is None:
            raise UnknownUser(user_id)
        checkout = await self.checkouts.create(
            CheckoutRequest(user_id=user_id, email=account.email or email, plan=plan, idempotency_key=idempotency_key)
        )
        with contextlib.suppress(CacheUnavailable):
            await self.markers.remember_checkout(checkout.session_id, CheckoutNote(user_id=user_id, plan_id=plan.id))
        return checkout

    async def follow(self, user_id: UserId, session_id: str) -> CheckoutProgress:
        """Where the user's checkout stands; credits that are due are put on the account on the way.

        :raises UnknownSession: if there is no such session of this user.
        :raises PaymentsUnavailable: if the provider had to be asked and could not be.
        :raises LedgerUnavailable: if the ledger could not be asked.
        """
        recorded = await self._recorded(frozenset({Link(f"session:{session_id}")}))
        if recorded is not None and _owner(recorded) == user_id and _is_settled(recorded):
            return _progress(session_id, recorded, user_id)
        if await self._is_anothers(user_id, session_id):
            raise UnknownSession(session_id)
        checkout = await self.checkouts.retrieve(session_id)
        if checkout is None or user_told(checkout.told) != user_id:
            raise UnknownSession(session_id)
        return await self._learn(user_id, checkout)

    async def _learn(self, user_id: UserId, checkout: Checkout) -> CheckoutProgress:
        told = [checkout.told] if checkout.invoice_told is None else [checkout.told, checkout.invoice_told]
        waiting = CheckoutProgress(
            session_id=checkout.session_id, stage=CheckoutStage.OPEN, plan_id=_plan_told(checkout.told), credits=0
        )
        if checkout.status == "expired":
            return attrs.evolve(waiting, stage=CheckoutStage.EXPIRED)
        if checkout.status != "complete":
            return waiting
        try:
            outcomes = [await self.recorder.record(None, one) for one in told]
        except CommitRejected as rejected:
            raise LedgerUnavailable(rejected.reason) from rejected
        if any(outcome.status is EventStatus.PARKED for outcome in outcomes):
            return attrs.evolve(waiting, stage=CheckoutStage.UNDER_REVIEW)
        recorded = await self._recorded(frozenset().union(*map(links_of, told)))
        if recorded is None:
            return attrs.evolve(waiting, stage=CheckoutStage.PROCESSING)
        return _progress(checkout.session_id, recorded, user_id)

    async def _recorded(self, links: frozenset[Link]) -> RecordedPurchase | None:
        snapshot = await self.ledger.read(event_id=None, user_id=None, links=links)
        return snapshot.purchases[0] if snapshot.purchases else None

    async def _is_anothers(self, user_id: UserId, session_id: str) -> bool:
        try:
            note = await self.markers.recall_checkout(session_id)
        except CacheUnavailable:
            return False
        return note is not None and note.user_id != user_id


def _plan_told(told: Told) -> str | None:
    return told.naming.plan_id if isinstance(told, Sale | SubscriptionNews) else None


def _owner(recorded: RecordedPurchase) -> UserId | None:
    return recorded.purchase.order.user_id if recorded.purchase.order else None


def _is_settled(recorded: RecordedPurchase) -> bool:
    return recorded.purchase.payment is PaymentStatus.PAID


def _progress(session_id: str, recorded: RecordedPurchase, user_id: UserId) -> CheckoutProgress:
    stages = {
        PaymentStatus.PAID: CheckoutStage.CREDITED,
        PaymentStatus.FAILED: CheckoutStage.FAILED,
        PaymentStatus.UNPAID: CheckoutStage.PROCESSING,
    }
    return CheckoutProgress(
        session_id=session_id,
        stage=stages[recorded.purchase.payment],
        plan_id=recorded.purchase.order.plan_id if recorded.purchase.order else None,
        credits=recorded.credits_of(user_id),
    )
