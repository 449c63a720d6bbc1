"""The use cases that routes, commands and the worker call, wired by the composition root. No ports are exposed."""

from collections.abc import Callable, Mapping
from typing import Protocol

import attrs

from domain.decisions.batches import Outcome
from domain.decisions.operations import CreditOperation
from domain.usecases.audit_cache import CacheAuditor
from domain.usecases.check_out import CheckoutService
from domain.usecases.deliver_messages import OutboxWorker
from domain.usecases.limit_rates import RateLimits
from domain.usecases.monitor import Monitor
from domain.usecases.read_account import AccountReader
from domain.usecases.read_hold import HoldReader
from domain.usecases.read_inbox import InboxReader
from domain.usecases.receive_webhook import WebhookReceiver
from domain.usecases.reconcile import Reconciler
from domain.usecases.refresh_cache import CacheRefresher
from domain.usecases.retry_inbox import InboxRetrier
from domain.usecases.retry_outbox import OutboxRetrier
from domain.usecases.selling.adopt_customers import CustomerAdopter
from domain.usecases.selling.cancel_subscription import SubscriptionCanceler
from domain.usecases.selling.change_subscription import SubscriptionChanger
from domain.usecases.selling.charge import ChargeService
from domain.usecases.selling.charge_attempts import ChargeAttempts
from domain.usecases.selling.open_portal import PortalService
from domain.usecases.selling.push_plans import PlanPusher
from domain.usecases.selling.push_portal import PortalPusher
from domain.usecases.selling.read_subscriptions import SubscriptionReader
from domain.usecases.synthetic_users import SyntheticUserService
from domain.usecases.thresholds import LowBalanceThresholds
from domain.values.accounts import UserId
from entrypoints.auth.authenticator import Authenticator
from entrypoints.doctor import Doctor


class Credits(Protocol):
    """Executes credit operations. Both methods raise :class:`domain.ports.ledger.LedgerUnavailable`."""

    async def execute(self, operation: CreditOperation) -> Outcome:
        """Execute the operation once, whatever the number of retries under its key."""
        ...

    async def execute_overdue(self) -> Mapping[UserId, Outcome]:
        """Expire overdue credits and holds on a batch of accounts; return the outcome for each of these accounts."""
        ...


@attrs.frozen(kw_only=True)
class SubscriptionServices:
    """The use cases of what accounts subscribe to."""

    reader: SubscriptionReader
    changer: SubscriptionChanger
    canceler: SubscriptionCanceler


@attrs.frozen(kw_only=True)
class Services:
    """The use cases of one running process."""

    authenticator: Authenticator
    webhooks: WebhookReceiver
    checkout: CheckoutService
    subscriptions: SubscriptionServices
    charges: ChargeService
    charge_attempts: ChargeAttempts
    reader: AccountReader
    credits: Credits
    holds: HoldReader
    watch: LowBalanceThresholds
    worker: OutboxWorker
    refresher: CacheRefresher
    outbox: OutboxRetrier
    inbox: InboxReader
    inbox_retrier: InboxRetrier
    reconciler: Reconciler
    auditor: CacheAuditor
    monitor: Monitor
    synthetic_users: SyntheticUserService
    adopter: CustomerAdopter
    portal: PortalService
    portal_pusher: PortalPusher
    doctor: Doctor
    limits: RateLimits
    pusher: PlanPusher
    begin_request: Callable[[], None] = lambda: None
    """Starts a request's budget for the cache."""
