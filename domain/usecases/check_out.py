"""Check out: start a checkout, and return its status when the customer comes back."""

import contextlib
from collections.abc import Sequence

import attrs

from domain.changes.changes import Change, Duplicate, IdempotencyRecord, RecordedPurchase, SnapshotQuery
from domain.changes.inbox import EventStatus
from domain.decisions.checkout_progress import CheckoutProgress, CheckoutStage, progress_of
from domain.decisions.reports import claimed_user, ledger_links
from domain.payments.admission import ParkReason
from domain.payments.purchases import Link, PaymentStatus
from domain.payments.reports import ProviderReport, SaleReport, SubscriptionReport
from domain.ports.cache import CacheUnavailable, CheckoutNote, SessionMarkers
from domain.ports.customers import CustomerMissing
from domain.ports.ledger import Accounts, Ledger, LedgerUnavailable, after_a_commit
from domain.ports.payment_provider import Checkout, CheckoutRequest, Checkouts
from domain.usecases.read_account import AccountReader, UnknownUser
from domain.usecases.record_payment import CommitRejected, PaymentRecorder
from domain.usecases.recorded import Recorded
from domain.usecases.selling.customers import CustomerService
from domain.usecases.selling.read_subscriptions import SubscriptionReader
from domain.usecases.selling.sellable_plans import refuse_second_free_plan, sellable
from domain.values.accounts import UserId
from domain.values.customers import CustomerId
from domain.values.plans import Catalogue, PlanMode
from domain.values.return_pages import ReturnPages


@attrs.frozen
class UnknownSession(Exception):
    """There is no such checkout session, or it belongs to another user."""

    session_id: str


@attrs.frozen
class HasSubscription(Exception):
    """The account has a live subscription, and the catalogue sells one at a time."""

    subscription_id: str


@attrs.frozen(kw_only=True)
class CheckoutService:
    """Starts checkouts and returns their status."""

    checkouts: Checkouts
    pages: ReturnPages
    """This process's pages; another process may have others."""
    accounts: Accounts
    ledger: Ledger
    markers: SessionMarkers
    catalogue: Catalogue
    recorder: PaymentRecorder
    reader: AccountReader
    subscriptions: SubscriptionReader
    customers: CustomerService

    async def start(
        self, user_id: UserId, *, email: str | None, plan_id: str, idempotency_key: str, is_repeatable: bool
    ) -> Checkout:
        """Open a checkout of the plan for the user; `is_repeatable` says that the caller knows the key.

        :raises UnknownPlan: if the plan is not on sale.
        :raises UnknownUser: if the ledger knows no such user: nobody may pay for credits without an owner.
        :raises AlreadySubscribed: if the plan is free and the user is subscribed to it already.
        :raises HasSubscription: if the catalogue sells one subscription at a time, and the user has one.
        :raises PaymentsUnavailable: if no session could be opened.
        :raises CheckoutDiffers: if the key was used with different parameters, such as another email.
        :raises LedgerUnavailable: if the user could not be looked up.
        """
        plan = sellable(self.catalogue, plan_id)
        account = await self.accounts.account(user_id)
        if account is None:
            raise UnknownUser(user_id)
        await refuse_second_free_plan(self.ledger, user_id, plan)
        is_only = plan.mode is PlanMode.SUBSCRIPTION and self.catalogue.one_subscription
        if is_only and (other := await self.subscriptions.another(user_id)) is not None:
            raise HasSubscription(other.id)
        request = CheckoutRequest(
            user_id=user_id,
            email=account.email or email,
            plan=plan,
            idempotency_key=idempotency_key,
            pages=self.pages,
            customer_id=await self.customers.for_checkout(user_id, account.email or email),
        )
        checkout = await self._opened(await self._as_first_asked(request) if is_repeatable else request)
        if is_only:
            await self._close_others(checkout)
        with contextlib.suppress(CacheUnavailable):
            await self.markers.remember_checkout(checkout.session_id, CheckoutNote(user_id=user_id, plan_id=plan.id))
        return checkout

    async def follow(self, user_id: UserId, session_id: str) -> CheckoutProgress:
        """Return the status of the user's checkout. Credits that are due and not posted yet are posted.

        :raises UnknownSession: if this user has no such session.
        :raises UnknownUser: if the ledger knows no such user.
        :raises PaymentsUnavailable: if the provider was needed and could not be reached.
        :raises LedgerUntouched: if the ledger could not be asked, and nothing was posted.
        :raises LedgerUnavailable: if the ledger could not be asked.
        """
        recorded = await self._recorded(frozenset({Link(f"session:{session_id}")}))
        if recorded is not None and recorded.purchase.payment is PaymentStatus.PAID:
            order = recorded.purchase.order
            if order is not None and order.user_id == user_id:
                return await self._with_balance(user_id, progress_of(session_id, recorded, user_id))
        if await self._is_anothers(user_id, session_id):
            raise UnknownSession(session_id)
        checkout = await self.checkouts.retrieve(session_id)
        if checkout is None or claimed_user(checkout.report) != user_id:
            raise UnknownSession(session_id)
        waiting = CheckoutProgress(
            session_id=session_id, stage=CheckoutStage.OPEN, plan_id=_claimed_plan(checkout.report), credits=0
        )
        if checkout.status == "expired":
            return await self._with_balance(user_id, attrs.evolve(waiting, stage=CheckoutStage.EXPIRED))
        if checkout.status != "complete":
            return await self._with_balance(user_id, waiting)
        return await self._learn(user_id, checkout, waiting)

    async def _as_first_asked(self, asked: CheckoutRequest) -> CheckoutRequest:
        """Return the request with pages and customer as when the key came first, since the provider compares them.

        They are kept in the ledger before the session is opened, so that clicks at the same moment agree as well. A
        ledger that takes no writes prevents no checkout.
        """
        ours = {
            "success_url": asked.pages.success_url,
            "cancel_url": asked.pages.cancel_url,
            "customer_id": asked.customer_id,
        }
        kept = IdempotencyRecord(
            key=asked.idempotency_key, user_id=asked.user_id, content={"operation": "checkout"}, answer=ours
        )
        with contextlib.suppress(LedgerUnavailable):
            (result,) = await self.ledger.commit((Change(request=kept),))
            if isinstance(result, Duplicate) and result.request and result.request.content == kept.content:
                first = result.request.answer
                pages = ReturnPages(success_url=str(first["success_url"]), cancel_url=str(first["cancel_url"]))
                customer = first.get("customer_id")
                return attrs.evolve(asked, pages=pages, customer_id=CustomerId(str(customer)) if customer else None)
        return asked

    async def _opened(self, request: CheckoutRequest) -> Checkout:
        """Open the session; a customer that the provider has no longer is made again, once."""
        try:
            return await self.checkouts.create(request)
        except CustomerMissing as missing:
            made = await self.customers.for_checkout(request.user_id, request.email, gone=missing.customer_id)
            # The provider may repeat its refusal under the first key.
            key = f"{request.idempotency_key}-{made or 'alone'}"
            return await self.checkouts.create(attrs.evolve(request, customer_id=made, idempotency_key=key))

    async def _close_others(self, checkout: Checkout) -> None:
        """Close the customer's earlier checkouts of subscriptions; if one of them was just paid, close this one.

        What remains: two that begin within the same second, and checkouts without a customer at the provider.

        :raises HasSubscription: if one of them was paid.
        """
        if checkout.customer_id is None:
            return
        for subscription_id in await self.checkouts.close_earlier(checkout.session_id, checkout.customer_id):
            if await self.subscriptions.is_live(subscription_id):
                await self.checkouts.close(checkout.session_id)
                raise HasSubscription(subscription_id)

    async def _learn(self, user_id: UserId, checkout: Checkout, waiting: CheckoutProgress) -> CheckoutProgress:
        """Record what the provider reports of a finished checkout, and return the status that follows."""
        try:
            outcomes = [await self.recorder.record(None, checkout.report)]
            with after_a_commit():
                if checkout.invoice_report is not None:
                    outcomes.append(await self.recorder.record(None, checkout.invoice_report))
                return await self._with_balance(user_id, await self._learned(user_id, checkout, waiting, outcomes))
        except CommitRejected as rejected:
            raise LedgerUnavailable(rejected.reason) from rejected

    async def _learned(
        self, user_id: UserId, checkout: Checkout, waiting: CheckoutProgress, outcomes: Sequence[Recorded]
    ) -> CheckoutProgress:
        report = [checkout.report] if checkout.invoice_report is None else [checkout.report, checkout.invoice_report]
        if any(outcome.status is EventStatus.PARKED for outcome in outcomes):
            needs_person = any(map(_needs_person, report, outcomes))
            return attrs.evolve(waiting, stage=CheckoutStage.UNDER_REVIEW if needs_person else CheckoutStage.PROCESSING)
        recorded = await self._recorded(frozenset().union(*map(ledger_links, report)))
        if recorded is None:
            is_over = any(outcome.status is EventStatus.IGNORED for outcome in outcomes)
            return attrs.evolve(waiting, stage=CheckoutStage.NOTHING_DUE if is_over else CheckoutStage.PROCESSING)
        return progress_of(checkout.session_id, recorded, user_id)

    async def _with_balance(self, user_id: UserId, progress: CheckoutProgress) -> CheckoutProgress:
        quota = await self.reader.quota(user_id)
        return attrs.evolve(progress, balance=quota.account.balance)

    async def _recorded(self, links: frozenset[Link]) -> RecordedPurchase | None:
        snapshot = await self.ledger.read(SnapshotQuery(links=links))
        return snapshot.purchases[0] if snapshot.purchases else None

    async def _is_anothers(self, user_id: UserId, session_id: str) -> bool:
        try:
            note = await self.markers.recall_checkout(session_id)
        except CacheUnavailable:
            return False
        return note is not None and note.user_id != user_id


def _claimed_plan(report: ProviderReport) -> str | None:
    return report.attribution.plan_id if isinstance(report, SaleReport | SubscriptionReport) else None


def _needs_person(report: ProviderReport, outcome: Recorded) -> bool:
    """Return whether it is parked until a person acts, rather than until the payment or the provider's answer."""
    if outcome.status is not EventStatus.PARKED or outcome.reason == ParkReason.INCOMPLETE_INVOICE:
        return False
    return not isinstance(report, SaleReport) or report.facts.payment is PaymentStatus.PAID
