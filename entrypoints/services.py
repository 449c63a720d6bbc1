"""What the routes need: use cases and ports, wired by the composition root."""

import attrs

from domain.plans import Catalogue
from domain.ports import Audit, Backlogs, Clock, Deliveries, Inbox, Ledger, Outbox, QuotaCache
from domain.usecases.audit_cache import CacheAuditor
from domain.usecases.check_out import CheckoutDesk
from domain.usecases.decide_again import InboxDesk
from domain.usecases.deliver_messages import OutboxWorker
from domain.usecases.read_account import AccountReader
from domain.usecases.reconcile import Reconciler
from domain.usecases.record_payment import PaymentRecorder
from domain.usecases.rehearse import RehearsalDesk
from entrypoints.auth import Authenticator
from entrypoints.doctor import Doctor


@attrs.frozen(kw_only=True)
class Services:
    """The inside of one running process."""

    authenticator: Authenticator
    deliveries: Deliveries
    recorder: PaymentRecorder
    desk: CheckoutDesk
    reader: AccountReader
    worker: OutboxWorker
    inbox_desk: InboxDesk
    reconciler: Reconciler
    auditor: CacheAuditor
    rehearsals: RehearsalDesk
    doctor: Doctor
    ledger: Ledger
    inbox: Inbox
    outbox: Outbox
    backlogs: Backlogs
    audit: Audit
    cache: QuotaCache
    clock: Clock
    catalogue: Catalogue
