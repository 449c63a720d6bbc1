"""What the routes need: use cases and ports, wired by the composition root."""

from collections.abc import Mapping
from typing import Protocol

import attrs

from domain.decisions.batches import Outcome
from domain.decisions.operations import CreditOperation
from domain.ports import Audit, Backlogs, Clock, Deliveries, Inbox, Ledger, Outbox, QuotaCache, Wallets
from domain.usecases.audit_cache import CacheAuditor
from domain.usecases.check_out import CheckoutService
from domain.usecases.deliver_messages import OutboxWorker
from domain.usecases.read_account import AccountReader
from domain.usecases.reconcile import Reconciler
from domain.usecases.record_payment import PaymentRecorder
from domain.usecases.retry_inbox import InboxRetrier
from domain.usecases.synthetic_users import SyntheticUserService
from domain.usecases.thresholds import LowBalanceThresholds
from domain.values.accounts import UserId
from domain.values.plans import Catalogue
from entrypoints.auth.authenticator import Authenticator
from entrypoints.doctor import Doctor


class Credits(Protocol):
    """Does what callers ask of credits. Both methods raise :class:`domain.ports.LedgerUnavailable`."""

    async def execute(self, operation: CreditOperation) -> Outcome:
        """Do the operation once."""
        ...

    async def execute_overdue(self) -> Mapping[UserId, Outcome]:
        """Let expire what is over, of a batch of accounts; what came of it, for each of those."""
        ...


@attrs.frozen(kw_only=True)
class Services:
    """The inside of one running process."""

    authenticator: Authenticator
    deliveries: Deliveries
    recorder: PaymentRecorder
    checkout: CheckoutService
    reader: AccountReader
    credits: Credits
    watch: LowBalanceThresholds
    wallets: Wallets
    worker: OutboxWorker
    inbox_retrier: InboxRetrier
    reconciler: Reconciler
    auditor: CacheAuditor
    synthetic_users: SyntheticUserService
    doctor: Doctor
    ledger: Ledger
    inbox: Inbox
    outbox: Outbox
    backlogs: Backlogs
    audit: Audit
    cache: QuotaCache
    clock: Clock
    catalogue: Catalogue
