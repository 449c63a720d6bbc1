"""The worker: refreshes the cache, delivers the outbox, retries events, ends charges, expires credits, reconciles.

Any number may run: each piece of work is claimed by one worker, and doing it twice is harmless.
"""

import asyncio
import itertools
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

from domain.changes.inbox import EventStatus, InboxRecord
from domain.decisions.batches import NotCommitted
from domain.payments.charges import Charge
from domain.ports.cache import CacheUnavailable
from domain.ports.ledger import LedgerUnavailable
from domain.ports.payment_provider import PaymentsUnavailable
from domain.usecases import deliver_messages, retry_inbox, use_credits
from domain.usecases.reconcile import Reconciliation
from domain.usecases.recorded import Recorded
from domain.usecases.retry_inbox import Retried
from entrypoints.services import Services
from entrypoints.telemetry import cache, metrics

IDLE_SECONDS = 1.0
WAITING_SECONDS = 5.0
COUNTING_SECONDS = 15.0
EXPIRY_SECONDS = 5.0
MAX_BACKOFF_SECONDS = 30.0
OVERLAP = timedelta(days=3)
"""How far back each reconciliation looks: Stripe retries deliveries for three days (https://docs.stripe.com/webhooks)."""

log = logging.getLogger("credence.worker")

Work = Callable[[], Awaitable[bool]]
"""Does one piece of work; returns True if there is more to do immediately."""


async def run_worker(services: Services, *, reconcile_every: timedelta | None) -> None:
    """Work until cancelled; after an outage, retry with exponential backoff."""

    def delivery(topic: str) -> Work:
        async def deliver() -> bool:
            return await services.worker.run_once(topic) == deliver_messages.BATCH

        return deliver

    async def refresh() -> bool:
        return await services.refresher.run_once() > 0

    newest_first = itertools.cycle((True, False))

    async def decide() -> bool:
        due = await services.inbox_retrier.claim_due(newest_first=next(newest_first))
        handled: list[Retried] = []
        try:
            for kept in due:
                handled.append(Retried(kept, await _decided(services, kept)))  # noqa: PERF401 - what fails ends it
        finally:
            _log_retried(handled)
        return len(due) == retry_inbox.BATCH

    async def charge() -> bool:
        advanced = await services.charge_attempts.run_once()
        if advanced is not None:
            _log_charge(advanced)
        return advanced is not None

    async def expire() -> bool:
        settled = await services.credits.execute_overdue()
        not_committed = {user_id: outcome for user_id, outcome in settled.items() if isinstance(outcome, NotCommitted)}
        for user_id, outcome in not_committed.items():
            if not outcome.is_contended:
                log.error("Could not expire overdue credits: %s", outcome.cause, extra={"user_id": user_id})
        return len(settled) == use_credits.OVERDUE_BATCH and len(not_committed) < len(settled)

    async def reconcile() -> bool:
        done = await services.reconciler.run(datetime.now(UTC) - OVERLAP)
        _log_reconciled(done)
        return False

    loops = [
        _repeat("Refresh of the cache", refresh, IDLE_SECONDS),
        *(_repeat(f"Delivery of {topic}", delivery(topic), IDLE_SECONDS) for topic in deliver_messages.TOPICS),
        _repeat("Inbox retries", decide, WAITING_SECONDS),
        _repeat("Charges of saved cards", charge, WAITING_SECONDS),
        _repeat("Expiry of credits", expire, EXPIRY_SECONDS),
    ]
    if reconcile_every is not None:
        loops.append(_repeat("Reconciliation", reconcile, reconcile_every.total_seconds(), at_once=False))
    async with asyncio.TaskGroup() as group:
        for loop in loops:
            group.create_task(loop)


async def watch_backlog(services: Services) -> None:
    """Update this process's backlog metrics until cancelled; this only reads."""

    async def count() -> bool:
        cache.show_cache(is_used=await services.monitor.is_cache_used())
        metrics.show_backlog(await services.monitor.backlog())
        return False

    await _repeat("Backlog count", count, COUNTING_SECONDS)


async def _repeat(name: str, work: Work, idle: float, *, at_once: bool = True) -> None:
    pause = idle
    if not at_once:
        await asyncio.sleep(pause)
    while True:
        try:
            pause = 0.0 if await work() else idle
        except (LedgerUnavailable, PaymentsUnavailable, CacheUnavailable) as unavailable:
            pause = max(idle, min(max(pause, IDLE_SECONDS) * 2, MAX_BACKOFF_SECONDS))
            log.warning("%s paused, retrying: %s", name, unavailable.cause)
        except Exception:
            pause = max(idle, MAX_BACKOFF_SECONDS)
            log.exception("%s paused, retrying", name)
        await asyncio.sleep(pause)


async def _decided(services: Services, kept: InboxRecord) -> Recorded:
    try:
        return await services.inbox_retrier.decide(kept)
    except LedgerUnavailable:
        raise
    except Exception as error:
        # An event that raises must not block the others.
        log.exception("Failed to handle %s", kept.type, extra={"event_id": kept.id})
        return await services.inbox_retrier.fail(kept, f"unexpected {type(error).__name__}; see the log")


def _log_charge(charge: Charge) -> None:
    fields = {"charge_id": charge.id, "user_id": charge.user_id, "attempts": charge.attempts, "code": charge.code}
    if charge.status.is_final:
        log.info("Charge %s of a saved card is %s", charge.id, charge.status, extra=fields)
    else:
        log.warning("Charge %s of a saved card is still unclear; it is looked up again later", charge.id, extra=fields)


def _log_retried(handled: Sequence[Retried]) -> None:
    """Log each session that was processed, and all that was retried in one line."""
    counts: Counter[str] = Counter()
    for one in handled:
        event, recorded = one.event, one.recorded
        if recorded.status is EventStatus.APPLIED and recorded.session_id is not None:
            fields = {"event_id": event.id, "event_type": event.type, "status": recorded.status}
            log.info(
                "Successfully processed session %s for user %s", recorded.session_id, recorded.user_id, extra=fields
            )
        kind = (recorded.reason or "").partition(":")[0]
        counts[f"{recorded.status} ({kind})" if kind and not recorded.status.is_final else recorded.status] += 1
    if handled:
        results = ", ".join(f"{count} {what}" for what, count in counts.most_common())
        log.info("Retried %s pending events: %s", len(handled), results)


def _log_reconciled(done: Reconciliation) -> None:
    log.info("Compared %s events and %s objects; %s were missing", done.events, done.objects, len(done.found))
    for found in done.found:
        log.warning(
            "Found %s %s, which had not arrived: %s",
            found.kind,
            found.id,
            found.status,
            extra={"reason": found.reason},
        )
