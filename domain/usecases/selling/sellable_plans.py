"""Say which plans are sold, and to whom: what checkouts and changes of plan share."""

import attrs

from domain.changes.changes import SnapshotQuery
from domain.payments.invoices import LineKind
from domain.payments.subscriptions import ENDED, SubscriptionId
from domain.ports.ledger import Ledger
from domain.values.accounts import UserId
from domain.values.plans import Catalogue, Plan, PlanMode


@attrs.frozen
class UnknownPlan(Exception):
    """There is no such plan on sale."""

    plan_id: str


@attrs.frozen
class AlreadySubscribed(Exception):
    """The account already has this free plan; each account can have it once at a time."""

    plan_id: str


@attrs.frozen
class HasSubscription(Exception):
    """The account has a live subscription, and the catalogue sells one at a time."""

    subscription_id: str


def sellable(catalogue: Catalogue, plan_id: str) -> Plan:
    """Return the plan with that id.

    :raises UnknownPlan: if the plan is not on sale.
    """
    plan = catalogue.find(plan_id)
    if plan is None or plan.retired:
        raise UnknownPlan(plan_id)
    return plan


async def refuse_second_free_plan(ledger: Ledger, user_id: UserId, plan: Plan, *, beside: str | None = None) -> None:
    """Raise if the plan is a free subscription and the account has it; the subscription `beside` does not count.

    The account has it while a period of it is running, or if the subscription of the last one goes on.

    :raises AlreadySubscribed: if the account has it.
    :raises LedgerUnavailable: if the ledger could not be read.
    """
    if plan.mode is not PlanMode.SUBSCRIPTION or plan.terms.price.amount > 0:
        return
    known = await ledger.read(SnapshotQuery(user_id=user_id, claims=True))
    periods = [one for one in known.claimed if one.plan_id == plan.id and one.kind is not LineKind.TRIAL]
    last = max((one for one in periods if one.subscription_id != beside), key=lambda one: one.ends_at, default=None)
    if last is None:
        return
    if last.ends_at <= known.now:
        of_last = await ledger.read(SnapshotQuery(subscription_id=SubscriptionId(last.subscription_id)))
        state = of_last.subscription.subscription.state if of_last.subscription else None
        if state is None or state.status in ENDED:
            return
    raise AlreadySubscribed(plan.id)
