"""Builds the adapters that the use cases need: Stripe, the ledger, Redis and notifications."""

import contextlib
from collections.abc import AsyncIterator, Callable

import attrs

from adapters.batching.group_commit import GroupCommit
from adapters.postgres.audit import SqlAudit
from adapters.postgres.customers import SqlCustomerLinks
from adapters.postgres.direct_rpc import PostgresRpc
from adapters.postgres.inbox import SqlInbox
from adapters.postgres.ledger import SqlLedger
from adapters.postgres.rpc import Rpc
from adapters.redis.account_locks import RedisAccountLocks
from adapters.redis.client import connect
from adapters.redis.guard import guarded
from adapters.redis.ledger_keys import LedgerKeys
from adapters.redis.quota_cache import RedisQuotaCache
from adapters.redis.rate_counter import RedisRateCounter
from adapters.redis.session_markers import RedisSessionMarkers
from adapters.standard_webhooks import StandardWebhooksNotifications
from adapters.stripe.connection import StripeConnection
from adapters.stripe.lookup import ANSWER_SECONDS
from adapters.system.clock import SystemClock
from domain.values.plans import Catalogue
from entrypoints.catalogue import load_catalogue
from entrypoints.composition.stores import Storage
from entrypoints.settings.settings import Settings
from entrypoints.telemetry.cache import cache_changed


@attrs.frozen(kw_only=True)
class StripeParts:
    """Stripe, over one connection with long timeouts and one with short timeouts for callers who wait."""

    patient: StripeConnection
    quick: StripeConnection


@attrs.frozen(kw_only=True)
class LedgerParts:
    """The ledger in Postgres; `commits` is the same ledger with group commit."""

    rpc: Rpc
    sql: SqlLedger
    inbox: SqlInbox
    audit: SqlAudit
    commits: GroupCommit
    customers: SqlCustomerLinks


@attrs.frozen(kw_only=True)
class RedisParts:
    """The adapters that keep their data in Redis; for operators, `patient` ones without guard and budget."""

    cache: RedisQuotaCache
    markers: RedisSessionMarkers
    account_locks: RedisAccountLocks
    rates: RedisRateCounter
    patient: RedisQuotaCache
    patient_markers: RedisSessionMarkers
    begin_request: Callable[[], None]


@attrs.frozen(kw_only=True)
class Parts:
    """The adapters that the use cases need."""

    settings: Settings
    clock: SystemClock
    catalogue: Catalogue
    stripe: StripeParts
    ledger: LedgerParts
    redis: RedisParts
    notifications: StandardWebhooksNotifications | None


@contextlib.asynccontextmanager
async def parts(settings: Settings, storage: Storage) -> AsyncIterator[Parts]:
    """Yield the adapters that the use cases need, and close them at the end."""
    async with (
        _stripe(settings) as stripe,
        _ledger(settings, storage.postgres_url) as ledger,
        _redis(settings, storage.redis_url, ledger.audit) as redis,
        _notifications(settings) as notifications,
    ):
        yield Parts(
            settings=settings,
            clock=SystemClock(),
            catalogue=load_catalogue(settings.plans),
            stripe=stripe,
            ledger=ledger,
            redis=redis,
            notifications=notifications,
        )


@contextlib.asynccontextmanager
async def _stripe(settings: Settings) -> AsyncIterator[StripeParts]:
    key, base = settings.stripe_secret_key, settings.stripe_api_base
    patient = StripeConnection(api_key=key, api_base=base)
    quick = StripeConnection(api_key=key, api_base=base, seconds=ANSWER_SECONDS, retries=0)
    async with contextlib.aclosing(patient), contextlib.aclosing(quick):
        yield StripeParts(patient=patient, quick=quick)


@contextlib.asynccontextmanager
async def _ledger(settings: Settings, postgres_url: str | None) -> AsyncIterator[LedgerParts]:
    """Yield the ledger, over a direct connection if one is configured, else over Supabase's API."""
    if postgres_url is not None:
        rpc: Rpc = PostgresRpc(postgres_url, connections=settings.db_connections)
    else:
        from adapters.postgres.supabase_rpc import SupabaseRpc  # noqa: PLC0415 - a tenth of the memory, where it is used

        rpc = SupabaseRpc(settings.supabase_url or "", settings.supabase_service_key or "")
    async with contextlib.aclosing(rpc), contextlib.aclosing(GroupCommit(SqlLedger(rpc))) as commits:
        yield LedgerParts(
            rpc=rpc,
            sql=SqlLedger(rpc),
            inbox=SqlInbox(rpc),
            audit=SqlAudit(rpc),
            commits=commits,
            customers=SqlCustomerLinks(rpc),
        )


@contextlib.asynccontextmanager
async def _redis(settings: Settings, url: str, audit: SqlAudit) -> AsyncIterator[RedisParts]:
    client = guarded(url, budget=settings.cache_budget_ms / 1000, on_change=cache_changed)
    async with (
        contextlib.aclosing(LedgerKeys(audit.identity)) as keys,
        contextlib.aclosing(client),
        contextlib.aclosing(connect(url)) as patient,
    ):
        client.probe_soon()
        cache, patient_cache = RedisQuotaCache(client, keys), RedisQuotaCache(patient, keys)
        yield RedisParts(
            cache=cache,
            markers=RedisSessionMarkers(client, keys, cache),
            account_locks=RedisAccountLocks(client, keys),
            rates=RedisRateCounter(client, keys),
            patient=patient_cache,
            patient_markers=RedisSessionMarkers(patient, keys, patient_cache),
            begin_request=client.begin_request,
        )


@contextlib.asynccontextmanager
async def _notifications(settings: Settings) -> AsyncIterator[StandardWebhooksNotifications | None]:
    if settings.notify_url is None:
        yield None
        return
    sender = StandardWebhooksNotifications(settings.notify_url, settings.notify_secrets, SystemClock())
    async with contextlib.aclosing(sender):
        yield sender
