"""Check out: start a checkout, and return its status when the customer comes back."""

import contextlib
from collections.abc import Sequence

import attrs

from domain.changes.changes import RecordedPurchase, SnapshotQuery
from domain.changes.inbox import EventStatus
from domain.decisions.checkout_progress import CheckoutProgress, CheckoutStage, progress_of
from domain.decisions.quotes import AS_OFFERED, Wish, quote
from domain.decisions.reports import claimed_user, ledger_links
from domain.payments.admission import ParkReason
from domain.payments.invoices import LineKind
from domain.payments.purchases import Link, PaymentStatus
from domain.payments.reports import ProviderReport, SaleReport, SubscriptionReport
from domain.ports.cache import CacheUnavailable, CheckoutNote, SessionMarkers
from domain.ports.ledger import Accounts, Ledger, LedgerUnavailable, after_a_commit
from domain.ports.payment_provider import Checkout, CheckoutRequest, Checkouts
from domain.ports.price_book import PriceBook
from domain.usecases.read_account import AccountReader, UnknownUser
from domain.usecases.record_payment import CommitRejected, PaymentRecorder
from domain.usecases.recorded import Recorded
from domain.usecases.selling.customers import CustomerService
from domain.usecases.selling.open_checkouts import CheckoutOpener
from domain.usecases.selling.read_subscriptions import SubscriptionReader
from domain.usecases.selling.sellable_plans import HasSubscription, refuse_second_free_plan, sellable
from domain.values.accounts import UserId
from domain.values.plans import Catalogue, Plan, PlanMode
from domain.values.prices import price_selling
from domain.values.return_pages import ReturnPages


@attrs.frozen
class UnknownSession(Exception):
    """There is no such checkout session, or it belongs to another user."""

    session_id: str


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
    prices: PriceBook
    recorder: PaymentRecorder
    reader: AccountReader
    subscriptions: SubscriptionReader
    customers: CustomerService

    async def start(
        self,
        user_id: UserId,
        *,
        email: str | None,
        plan_id: str,
        idempotency_key: str,
        is_repeatable: bool,
        wish: Wish = AS_OFFERED,
    ) -> Checkout:
        """Open a checkout of the plan for the user; `is_repeatable` says that the caller knows the key.

        :raises UnknownPlan: if the plan is not on sale.
        :raises Unsellable: if the plan is not sold in that quantity, for that amount, or in that currency.
        :raises UnknownUser: if the ledger knows no such user: nobody may pay for credits without an owner.
        :raises AlreadySubscribed: if the plan is free and the user is subscribed to it already.
        :raises HasSubscription: if the catalogue sells one subscription at a time, and the user has one.
        :raises PaymentsUnavailable: if no session could be opened.
        :raises CheckoutDiffers: if the key was used with different parameters, such as another email.
        :raises LedgerUnavailable: if the user could not be looked up.
        """
        plan = sellable(self.catalogue, plan_id)
        sold = quote(plan, wish)
        account = await self.accounts.account(user_id)
        if account is None:
            raise UnknownUser(user_id)
        await refuse_second_free_plan(self.ledger, user_id, plan)
        is_only = plan.mode is PlanMode.SUBSCRIPTION and self.catalogue.one_subscription
        if is_only and (other := await self.subscriptions.another(user_id)) is not None:
            raise HasSubscription(other.id)
        price = price_selling(plan, sold.terms, await self.prices.for_sale(plan.id))
        request = CheckoutRequest(
            user_id=user_id,
            email=account.email or email,
            plan=plan,
            quoted=sold.terms,
            quantity=sold.quantity,
            trial_days=plan.trial_days if plan.trial_days and not await self._has_tried(user_id, plan) else 0,
            idempotency_key=idempotency_key,
            pages=self.pages,
            customer_id=await self.customers.for_checkout(user_id, account.email or email),
            price_id=price.id if price is not None else None,
        )
        opener = CheckoutOpener(
            checkouts=self.checkouts, ledger=self.ledger, customers=self.customers, subscriptions=self.subscriptions
        )
        checkout = await opener.begin(request, is_repeatable=is_repeatable)
        if is_only:
            await opener.close_others(checkout)
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

    async def _has_tried(self, user_id: UserId, plan: Plan) -> bool:
        """Return whether the account has had the plan's trial."""
        known = await self.ledger.read(SnapshotQuery(user_id=user_id, claims=True))
        return any(one.plan_id == plan.id and one.kind is LineKind.TRIAL for one in known.claimed)

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
