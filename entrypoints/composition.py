"""The composition root: the one place where adapters meet the use cases."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import attrs

from adapters.batching.batched_credits import GatheredCredits
from adapters.batching.group_commit import GroupCommit
from adapters.postgres import migrations
from adapters.postgres.direct_rpc import CONNECT_SECONDS, PostgresRpc
from adapters.postgres.embedded import EmbeddedPostgres, EmbeddedPostgresMissing
from adapters.postgres.ledger import SqlLedger
from adapters.postgres.supabase_rpc import SupabaseRpc
from adapters.postgres.synthetic_users import SqlSyntheticUsers
from adapters.redis.account_locks import RedisTurns
from adapters.redis.client import connect, upstash_url
from adapters.redis.embedded import EmbeddedRedis, EmbeddedRedisMissing
from adapters.redis.quota_cache import RedisQuotaCache
from adapters.redis.session_markers import RedisSessionMarkers
from adapters.standard_webhooks import StandardWebhooksNotifications
from adapters.stripe.checkout import StripeCheckouts
from adapters.stripe.connection import StripeConnection
from adapters.stripe.endpoints import StripeDeployment
from adapters.stripe.events import CONCERNING
from adapters.stripe.history import StripeHistory
from adapters.stripe.identity import StripeIdentity
from adapters.stripe.invoice_mailer import StripeInvoices
from adapters.stripe.lookup import ANSWER_SECONDS, StripeLookup
from adapters.stripe.webhooks import StripeWebhooks
from adapters.system.clock import SystemClock
from domain.usecases.audit_cache import CacheAuditor
from domain.usecases.check_out import CheckoutDesk
from domain.usecases.deliver_messages import OutboxWorker
from domain.usecases.read_account import AccountReader
from domain.usecases.reconcile import Reconciler
from domain.usecases.record_payment import PaymentRecorder
from domain.usecases.retry_inbox import InboxDesk
from domain.usecases.synthetic_users import RehearsalDesk
from domain.usecases.thresholds import BalanceWatch
from domain.usecases.use_credits import CreditDesk
from entrypoints.auth.authenticator import Authenticator
from entrypoints.catalogue import load_catalogue
from entrypoints.doctor import Doctor
from entrypoints.services import Services
from entrypoints.settings.reader import FILL_IN, PLACEHOLDER
from entrypoints.settings.settings import Settings

CANT_START = (EmbeddedPostgresMissing, EmbeddedRedisMissing, migrations.MigrationFailed)
"""What a person has to mend before the service can start; each says how."""


@attrs.frozen(kw_only=True)
class Storage:
    """Where the ledger and the cache are; an address is None where Supabase's API is used instead."""

    postgres_url: str | None
    redis_url: str
    embedded_postgres: bool
    embedded_redis: bool


@contextlib.contextmanager
def storage(settings: Settings) -> Iterator[Storage]:
    """The storage that the settings name; what they leave out is started embedded, and stopped at the end.

    :raises EmbeddedPostgresMissing: if the embedded Postgres is needed and not installed.
    :raises EmbeddedRedisMissing: likewise for Redis.
    """
    with contextlib.ExitStack() as stack:
        postgres_url, redis_url = settings.supabase_db_url, _redis_url(settings)
        if settings.embedded_storage:
            postgres = EmbeddedPostgres(Path(settings.data) / "postgres")
            postgres_url = postgres.start()
            stack.callback(postgres.stop)
        if redis_url is None:
            redis = EmbeddedRedis(Path(settings.data) / "redis")
            redis_url = redis.start()
            stack.callback(redis.stop)
        yield Storage(
            postgres_url=postgres_url,
            redis_url=redis_url,
            embedded_postgres=settings.embedded_storage,
            embedded_redis=settings.embedded_cache,
        )


@contextlib.asynccontextmanager
async def ledger_calls(settings: Settings, postgres_url: str | None) -> AsyncIterator[PostgresRpc | SupabaseRpc]:
    """The way to the ledger's functions: a direct connection where there is one, else Supabase's API."""
    if postgres_url is not None:
        rpc: PostgresRpc | SupabaseRpc = PostgresRpc(postgres_url)
    else:
        rpc = SupabaseRpc(settings.supabase_url or "", settings.supabase_service_key or "")
    async with contextlib.aclosing(rpc):
        yield rpc


@contextlib.asynccontextmanager
async def services(settings: Settings, storage: Storage) -> AsyncIterator[Services]:
    """Everything that one process needs to serve."""
    clock = SystemClock()
    catalogue = load_catalogue(settings.plans)
    key, base = settings.stripe_secret_key, settings.stripe_api_base
    stripe = StripeConnection(api_key=key, api_base=base)
    hasty_stripe = StripeConnection(api_key=key, api_base=base, seconds=ANSWER_SECONDS, retries=0)
    async with (
        ledger_calls(settings, storage.postgres_url) as rpc,
        contextlib.aclosing(GroupCommit(SqlLedger(rpc))) as group_commit,
        contextlib.aclosing(connect(storage.redis_url)) as redis,
        contextlib.aclosing(stripe),
        contextlib.aclosing(hasty_stripe),
        _notifications(settings, clock) as notifications,
        contextlib.AsyncExitStack() as stack,
    ):
        sql_ledger = SqlLedger(rpc)
        cache = RedisQuotaCache(redis)
        markers = RedisSessionMarkers(redis)
        deliveries = StripeWebhooks(secrets=settings.stripe_webhook_secrets, clock=clock)
        history = StripeHistory(stripe, livemode=settings.livemode)
        auditor = CacheAuditor(audit=sql_ledger, cache=cache)
        recorder = PaymentRecorder(
            ledger=group_commit,
            cache=cache,
            markers=markers,
            payments=StripeLookup(hasty_stripe),
            catalogue=catalogue,
            livemode=settings.livemode,
            identity=StripeIdentity(hasty_stripe, configured=settings.stripe_account_id),
            notify_below=settings.low_balance,
        )
        desk = CreditDesk(
            ledger=sql_ledger,
            wallets=sql_ledger,
            cache=cache,
            notify_below=settings.low_balance,
            turns=RedisTurns(redis),
        )
        gathered = await stack.enter_async_context(contextlib.aclosing(GatheredCredits(desk, clock)))
        yield Services(
            authenticator=Authenticator.from_settings(settings),
            deliveries=deliveries,
            recorder=recorder,
            desk=CheckoutDesk(
                checkouts=StripeCheckouts(stripe, success_url=settings.success_url, cancel_url=settings.cancel_url),
                accounts=sql_ledger,
                ledger=group_commit,
                markers=markers,
                catalogue=catalogue,
                recorder=recorder,
            ),
            credits=gathered,
            watch=BalanceWatch(thresholds=sql_ledger, default=settings.low_balance),
            wallets=sql_ledger,
            reader=AccountReader(accounts=sql_ledger, audit=sql_ledger, cache=cache),
            worker=OutboxWorker(
                outbox=sql_ledger,
                accounts=sql_ledger,
                cache=cache,
                invoices=StripeInvoices(stripe),
                notifications=notifications,
            ),
            inbox_desk=InboxDesk(inbox=sql_ledger, deliveries=deliveries, history=history, recorder=recorder),
            reconciler=Reconciler(history=history, inbox=sql_ledger, recorder=recorder),
            auditor=auditor,
            rehearsals=RehearsalDesk(users=SqlSyntheticUsers(rpc), cache=cache, livemode=settings.livemode),
            doctor=Doctor(
                settings=settings,
                provider=StripeDeployment(stripe),
                database=sql_ledger,
                auditor=auditor,
                backlogs=sql_ledger,
                wanted_events=CONCERNING,
                wanted_migrations=migrations.versions(),
            ),
            ledger=group_commit,
            inbox=sql_ledger,
            outbox=sql_ledger,
            backlogs=sql_ledger,
            audit=sql_ledger,
            cache=cache,
            clock=clock,
            catalogue=catalogue,
        )


async def migrate(database_url: str) -> tuple[str, ...]:
    """Apply the migrations that the database lacks; returns their names.

    :raises MigrationFailed: if it can't be reached, or one fails.
    """
    if PLACEHOLDER in database_url:
        raise migrations.MigrationFailed("The database", f"the address still has {PLACEHOLDER} in it; {FILL_IN}")
    try:
        connection = await asyncpg.connect(database_url, timeout=CONNECT_SECONDS)
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise migrations.MigrationFailed("The database", f"can't connect ({type(error).__name__}: {error})") from error
    try:
        return await migrations.apply(connection)
    finally:
        await connection.close()


@contextlib.asynccontextmanager
async def _notifications(settings: Settings, clock: SystemClock) -> AsyncIterator[StandardWebhooksNotifications | None]:
    if settings.notify_url is None:
        yield None
        return
    sender = StandardWebhooksNotifications(settings.notify_url, settings.notify_secrets, clock)
    async with contextlib.aclosing(sender):
        yield sender


def _redis_url(settings: Settings) -> str | None:
    if settings.redis_url is not None:
        return settings.redis_url
    if settings.upstash_redis_rest_url and settings.upstash_redis_rest_token:
        return upstash_url(settings.upstash_redis_rest_url, settings.upstash_redis_rest_token)
    return None
