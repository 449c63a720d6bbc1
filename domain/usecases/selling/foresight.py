"""Foresee what a change of a subscription does to credits, by the decision that its invoice will be given."""

from datetime import timedelta

import attrs

from domain.changes.inbox import EventStatus
from domain.decisions.previews import CreditsPreview, preview_credits
from domain.payments.reports import Attribution, SaleReport, SubscriptionReport
from domain.payments.subscription_changes import InvoicePreview, PlanChange
from domain.payments.subscriptions import HeldSubscription, SubscriptionState
from domain.ports.ledger import Accounts
from domain.usecases.read_account import UnknownUser
from domain.usecases.record_payment import PaymentRecorder
from domain.values.accounts import UserId


@attrs.frozen
class Unforeseeable(Exception):
    """The invoice of the change would be parked, so nobody knows yet what it is worth."""

    reason: str | None


@attrs.frozen(kw_only=True)
class CreditsForeseer:
    """Foresees credits by the rules by which they are recorded."""

    accounts: Accounts
    recorder: PaymentRecorder

    async def foresee(
        self,
        user_id: UserId,
        held: HeldSubscription,
        state: SubscriptionState,
        invoice: InvoicePreview | None,
        *,
        plan: PlanChange | None = None,
    ) -> CreditsPreview:
        """Return what the invoice, once it is paid, and the subscription's next state do to the user's credits.

        :raises Unforeseeable: if the invoice would be parked.
        :raises UnknownUser: if the ledger knows no such user.
        :raises LedgerUnavailable: if the ledger could not be read.
        """
        account = await self.accounts.account(user_id)
        if account is None:
            raise UnknownUser(user_id)
        state = _after(state, held.state)
        report: SaleReport | SubscriptionReport = SubscriptionReport(
            subscription_id=held.id, attribution=Attribution(), state=state, occurred_at=state.occurred_at
        )
        if invoice is not None:
            report = attrs.evolve(
                invoice.report, subscription_state=state, attribution=_named(invoice.report.attribution, user_id, plan)
            )
        decision, snapshot = await self.recorder.foresee(report)
        if decision.status is EventStatus.PARKED:
            raise Unforeseeable(decision.reason)
        return preview_credits(decision.change, snapshot, user_id, balance=account.balance)


def _named(attribution: Attribution, user_id: UserId, plan: PlanChange | None) -> Attribution:
    """Return the attribution that the invoice will have, by what the change writes to the subscription's metadata."""
    if plan is None:
        return attribution
    return attrs.evolve(attribution, user_reference=user_id, plan_id=plan.plan_id, terms=plan.terms)


def _after(state: SubscriptionState, known: SubscriptionState | None) -> SubscriptionState:
    """Return the state as of a moment after all that is known, since it is the one to come."""
    latest = max(state.occurred_at, known.occurred_at) if known else state.occurred_at
    return attrs.evolve(state, occurred_at=latest + timedelta(seconds=1))
