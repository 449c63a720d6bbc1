"""Builds the use cases from their adapters."""

import contextlib
from collections.abc import AsyncIterator, Callable
from functools import partial

import attrs

from adapters.batching.batched_credits import BatchedCreditService
from adapters.memory.rate_counter import MemoryRateCounter
from adapters.postgres import migrations
from adapters.postgres.synthetic_users import SqlSyntheticUsers
from adapters.stripe.checkout import StripeCheckouts
from adapters.stripe.endpoints import StripeDeployment
from adapters.stripe.events import CONCERNING
from adapters.stripe.history import StripeHistory
from adapters.stripe.identity import StripeIdentity
from adapters.stripe.invoice_mailer import StripeInvoices
from adapters.stripe.lookup import StripeLookup
from adapters.stripe.webhooks import StripeWebhooks
from domain.usecases.audit_cache import CacheAuditor
from domain.usecases.check_out import CheckoutService
from domain.usecases.deliver_messages import OutboxWorker
from domain.usecases.examine_deployment import DeploymentExaminer
from domain.usecases.limit_rates import RateLimiter, RateLimits
from domain.usecases.monitor import Monitor
from domain.usecases.read_account import AccountReader
from domain.usecases.read_hold import HoldReader
from domain.usecases.read_inbox import InboxReader
from domain.usecases.receive_webhook import WebhookReceiver
from domain.usecases.reconcile import Reconciler
from domain.usecases.record_payment import PaymentRecorder
from domain.usecases.refresh_cache import CacheRefresher
from domain.usecases.retry_inbox import InboxRetrier
from domain.usecases.retry_outbox import OutboxRetrier
from domain.usecases.synthetic_users import SyntheticUserService
from domain.usecases.thresholds import LowBalanceThresholds
from domain.usecases.use_credits import CreditService
from domain.values.return_pages import ReturnPages
from entrypoints.auth.authenticator import Authenticator
from entrypoints.composition.parts import Parts, parts
from entrypoints.composition.selling import adopter, customers, portal, portal_examiner, portal_pusher
from entrypoints.composition.stores import Storage
from entrypoints.doctor import Doctor
from entrypoints.services import Services
from entrypoints.settings.settings import Settings


@contextlib.asynccontextmanager
async def services(settings: Settings, storage: Storage) -> AsyncIterator[Services]:
    """Yield everything that one process needs to serve, and close it at the end."""
    async with parts(settings, storage) as opened, _credits(opened) as credits_:
        made = _services(opened, _recorder(opened), credits_, Authenticator.from_settings(settings))
        yield attrs.evolve(made, begin_request=opened.redis.begin_request)


@contextlib.asynccontextmanager
async def _credits(parts: Parts) -> AsyncIterator[BatchedCreditService]:
    service = CreditService(
        ledger=parts.ledger.sql,
        wallets=parts.ledger.sql,
        cache=parts.redis.cache,
        notify_below=parts.settings.low_balance,
        locks=parts.redis.account_locks,
    )
    async with contextlib.aclosing(BatchedCreditService(service, begin=parts.redis.begin_request)) as batched:
        yield batched


def _recorder(parts: Parts) -> PaymentRecorder:
    return PaymentRecorder(
        ledger=parts.ledger.commits,
        cache=parts.redis.cache,
        markers=parts.redis.markers,
        payments=StripeLookup(parts.stripe.quick),
        catalogue=parts.catalogue,
        livemode=parts.settings.livemode,
        recent=parts.ledger.commits.recent_links,
        identity=StripeIdentity(parts.stripe.quick, configured=parts.settings.stripe_account_id),
        notify_below=parts.settings.low_balance,
    )


def _checkouts(parts: Parts, recorder: PaymentRecorder) -> CheckoutService:
    return CheckoutService(
        checkouts=StripeCheckouts(parts.stripe.patient),
        pages=ReturnPages(success_url=parts.settings.success_url, cancel_url=parts.settings.cancel_url),
        accounts=parts.ledger.sql,
        ledger=parts.ledger.commits,
        markers=parts.redis.markers,
        catalogue=parts.catalogue,
        recorder=recorder,
        reader=_reader(parts),
        customers=customers(parts),
    )


def _reader(parts: Parts) -> AccountReader:
    return AccountReader(accounts=parts.ledger.sql, audit=parts.ledger.audit, cache=parts.redis.cache)


def _outbox_worker(parts: Parts) -> OutboxWorker:
    return OutboxWorker(
        outbox=parts.ledger.inbox,
        invoices=StripeInvoices(parts.stripe.patient),
        customers=customers(parts),
        notifications=parts.notifications,
    )


def _doctor(parts: Parts, authenticator: Authenticator) -> Doctor:
    examiner = DeploymentExaminer(
        provider=StripeDeployment(parts.stripe.patient),
        database=parts.ledger.audit,
        ledger=parts.ledger.commits,
        auditor=_auditor(parts),
        backlogs=parts.ledger.inbox,
        portal=portal_examiner(parts),
        livemode=parts.settings.livemode,
        wanted_url=f"{parts.settings.public_url}/webhooks/stripe",
        wanted_events=CONCERNING,
        wanted_migrations=migrations.versions(),
    )
    return Doctor(settings=parts.settings, examiner=examiner, jwks=authenticator.jwks)


def _synthetic_users(parts: Parts) -> SyntheticUserService:
    users = SqlSyntheticUsers(parts.ledger.rpc)
    return SyntheticUserService(users=users, cache=parts.redis.patient, livemode=parts.settings.livemode)


def _limits(parts: Parts) -> RateLimits:
    settings, shared, own = parts.settings, parts.redis.rates, MemoryRateCounter()
    return RateLimits(
        checkouts=RateLimiter(kind="checkouts", per_minute=settings.checkouts_per_minute, shared=shared, own=own),
        service_requests=RateLimiter(
            kind="service", per_minute=settings.service_requests_per_minute, shared=shared, own=own
        ),
    )


def _auditor(parts: Parts) -> CacheAuditor:
    return CacheAuditor(audit=parts.ledger.audit, cache=parts.redis.patient, markers=parts.redis.patient_markers)


def _deliveries(parts: Parts) -> StripeWebhooks:
    return StripeWebhooks(secrets=parts.settings.stripe_webhook_secrets, clock=parts.clock)


def _history(parts: Parts) -> StripeHistory:
    return StripeHistory(parts.stripe.patient, livemode=parts.settings.livemode)


def _inbox_retrier(parts: Parts, recorder: PaymentRecorder) -> InboxRetrier:
    deliveries, history = _deliveries(parts), _history(parts)
    return InboxRetrier(inbox=parts.ledger.inbox, deliveries=deliveries, history=history, recorder=recorder)


def _with_upkeep(parts: Parts, recorder: PaymentRecorder) -> Callable[..., Services]:
    """Return what makes the services, with those given that keep the deployment in order."""
    return partial(
        Services,
        worker=_outbox_worker(parts),
        refresher=CacheRefresher(walk=parts.ledger.audit, audit=parts.ledger.audit, cache=parts.redis.cache),
        outbox=OutboxRetrier(outbox=parts.ledger.inbox),
        inbox=InboxReader(inbox=parts.ledger.inbox),
        inbox_retrier=_inbox_retrier(parts, recorder),
        reconciler=Reconciler(history=_history(parts), inbox=parts.ledger.inbox, recorder=recorder),
        auditor=_auditor(parts),
        monitor=Monitor(ledger=parts.ledger.commits, cache=parts.redis.cache, backlogs=parts.ledger.inbox),
        synthetic_users=_synthetic_users(parts),
        adopter=adopter(parts),
        portal=portal(parts),
        portal_pusher=portal_pusher(parts),
    )


def _services(
    parts: Parts, recorder: PaymentRecorder, credits_: BatchedCreditService, authenticator: Authenticator
) -> Services:
    return _with_upkeep(parts, recorder)(
        authenticator=authenticator,
        webhooks=WebhookReceiver(deliveries=_deliveries(parts), recorder=recorder),
        checkout=_checkouts(parts, recorder),
        reader=_reader(parts),
        credits=credits_,
        holds=HoldReader(wallets=parts.ledger.sql),
        watch=LowBalanceThresholds(thresholds=parts.ledger.sql, default=parts.settings.low_balance),
        doctor=_doctor(parts, authenticator),
        limits=_limits(parts),
    )
