"""What the routes need: use cases and ports, wired by the composition root."""

import attrs

from domain.plans import Catalogue
from domain.ports import Audit, Clock, Deliveries, Ledger, QuotaCache
from domain.usecases.check_out import CheckoutDesk
from domain.usecases.deliver_messages import OutboxWorker
from domain.usecases.read_account import AccountReader
from domain.usecases.record_payment import PaymentRecorder
from entrypoints.auth import Authenticator


@attrs.frozen(kw_only=True)
class Services:
    """The inside of one running process."""

    authenticator: Authenticator
    deliveries: Deliveries
    recorder: PaymentRecorder
    desk: CheckoutDesk
    reader: AccountReader
    worker: OutboxWorker
    ledger: Ledger
    audit: Audit
    cache: QuotaCache
    clock: Clock
    catalogue: Catalogue
