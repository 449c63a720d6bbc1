"""One process of the system under test: the real use cases, on ports that are stepped."""

from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any

import attrs

from adapters.stripe.webhooks import StripeWebhooks
from domain.changes.outbox import SEND_INVOICE
from domain.credits.holds import HoldId
from domain.decisions.batches import Done, NotCommitted
from domain.decisions.operations import CaptureHold, CreditOperation, PlaceHold, Spend, VoidHold
from domain.payments.charges import ChargeId, ChargeStatus
from domain.ports.ledger import LedgerUnavailable
from domain.ports.payment_provider import InvalidBody, InvalidSignature
from domain.usecases.deliver_messages import OutboxWorker
from domain.usecases.read_account import AccountReader, UnknownUser
from domain.usecases.record_payment import CommitRejected, PaymentRecorder
from domain.usecases.refresh_cache import CacheRefresher
from domain.usecases.retry_inbox import InboxRetrier
from domain.usecases.selling.charge import ChargeService
from domain.usecases.selling.charge_attempts import ChargeAttempts
from domain.usecases.selling.customers import CustomerService
from domain.usecases.selling.push_plans import PlanPusher
from domain.usecases.use_credits import CreditService
from domain.values.accounts import parse_user_id
from domain.values.plans import Catalogue
from simulators.stories.credit_operations import Answered, Use
from simulators.stories.observation import Copy
from simulators.system.stepping import SteppedPort
from simulators.system.system import Ask, Deliver, Job, ReadQuota, Result, Work


@attrs.define
class WorldClock:
    """The time of one world; implements the port Clock."""

    moment: datetime

    def now(self) -> datetime:
        """Now."""
        return self.moment


@attrs.frozen(kw_only=True)
class UseCases:
    """One process: the use cases, on stepped ports."""

    deliveries: StripeWebhooks
    recorder: PaymentRecorder
    reader: AccountReader
    outbox_worker: OutboxWorker
    refresher: CacheRefresher
    inbox_retrier: InboxRetrier
    credit_service: CreditService
    charge_service: ChargeService
    pusher: PlanPusher

    async def deliver(self, body: bytes, signature: str) -> int:
        """Handle a delivery as the webhook route does; gives the answer's status."""
        try:
            await self.recorder.receive(self.deliveries.verify(body, signature))
        except (InvalidSignature, InvalidBody):
            return 400
        except LedgerUnavailable:
            return 503
        except CommitRejected:
            return 500
        return 200

    async def read(self, customer: str) -> Copy | None:
        """Read a quota as its route does; None where there is no such user, or nobody can tell."""
        try:
            account = (await self.reader.quota(parse_user_id(customer))).account
        except (UnknownUser, LedgerUnavailable):
            return None
        return Copy(balance=account.balance, version=account.version, held=account.held)

    async def ask(self, use: Use) -> Answered:
        """Do what a service asks as its route does."""
        if use.act == "charge":
            return await self._charged(use)
        (outcome,) = await self.credit_service.execute([_operation(use)])
        match outcome:
            case Done(answer=answer):
                return Answered(verdict="done", answer=repr(attrs.asdict(answer)) if answer else "")
            case NotCommitted(cause):
                return Answered(verdict="unsettled", answer=cause)
            case refusal:
                return Answered(verdict="refused", answer=repr(refusal))

    async def _charged(self, use: Use) -> Answered:
        try:
            result = await self.charge_service.charge(
                parse_user_id(use.customer), use.plan or "", key=use.key, charge_id=ChargeId(use.hold or "")
            )
        except UnknownUser:
            return Answered(verdict="refused", answer="unknown user")
        charge = result.charge
        verdict = "done" if charge.status is ChargeStatus.SUCCEEDED else "refused"
        return Answered(verdict=verdict, answer=charge.payment_intent or charge.code or charge.status)

    async def work(self, job: str) -> int:
        """Do one round of a worker's job; gives how many pieces it took."""
        match job:
            case "outbox":
                return await self.outbox_worker.run_once(SEND_INVOICE)
            case "cache":
                return await self.refresher.run_once()
            case "inbox":
                return len(await self.inbox_retrier.run_once())
            case "charges":
                return int(await self.charge_service.attempts.run_once() is not None)
            case "push":
                return len([step async for step in self.pusher.push()])
            case "expire":
                return len(await self.credit_service.execute_overdue())
            case _:
                raise ValueError(f"no worker does {job!r}")


def begun(cases: UseCases, job: Job) -> Coroutine[Any, Any, Result]:
    """The coroutine of a job."""
    match job:
        case Deliver(body, signature):
            return cases.deliver(body, signature)
        case ReadQuota(customer):
            return cases.read(customer)
        case Work(name):
            return cases.work(name)
        case Ask(use):
            return cases.ask(use)


def use_cases(clock: WorldClock, catalogue: Catalogue, secret: str, *, pushed: Catalogue) -> UseCases:
    """A process afresh; `pushed` are the plans that a push is about."""
    ledger, cache, payments = SteppedPort("ledger"), SteppedPort("cache"), SteppedPort("payments")
    deliveries = StripeWebhooks(secrets=(secret,), clock=clock)
    recorder = PaymentRecorder(
        ledger=ledger,
        cache=cache,
        markers=SteppedPort("markers"),
        payments=payments,
        catalogue=catalogue,
        livemode=False,
    )
    attempts = ChargeAttempts(
        records=SteppedPort("charges"),
        cards=SteppedPort("cards"),
        customers=_customers(ledger),
        accounts=ledger,
        recorder=recorder,
    )
    return UseCases(
        deliveries=deliveries,
        recorder=recorder,
        reader=AccountReader(accounts=ledger, audit=SteppedPort("audit"), cache=cache),
        outbox_worker=OutboxWorker(
            outbox=SteppedPort("outbox"), invoices=SteppedPort("invoices"), customers=_customers(ledger)
        ),
        refresher=CacheRefresher(walk=SteppedPort("walk"), audit=SteppedPort("audit"), cache=cache),
        credit_service=CreditService(ledger=ledger, wallets=SteppedPort("wallets"), cache=cache),
        inbox_retrier=InboxRetrier(
            inbox=SteppedPort("inbox"), deliveries=deliveries, history=SteppedPort("history"), recorder=recorder
        ),
        charge_service=ChargeService(records=attempts.records, attempts=attempts, accounts=ledger, catalogue=catalogue),
        pusher=PlanPusher(catalogue=pushed, provider=SteppedPort("provider"), prices=SteppedPort("prices")),
    )


def _customers(accounts: SteppedPort) -> CustomerService:
    customers = SteppedPort("customers")
    return CustomerService(links=customers, customers=customers, accounts=accounts, watch=SteppedPort("watch"))


def _operation(use: Use) -> CreditOperation:
    user_id, hold_id = parse_user_id(use.customer), HoldId(use.hold or "")
    match use.act:
        case "spend":
            return Spend(user_id=user_id, credits=use.credits, key=use.key)
        case "hold":
            lasts = timedelta(seconds=use.lasts)
            return PlaceHold(hold_id=hold_id, user_id=user_id, credits=use.credits, key=use.key, lasts=lasts)
        case "capture":
            return CaptureHold(hold_id=hold_id, credits=use.credits)
        case _:
            return VoidHold(hold_id=hold_id)
