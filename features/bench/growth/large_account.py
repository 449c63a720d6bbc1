"""An account of 100,000 entries: what a page of it costs, first and last, and what others notice of its being read."""

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import attrs
import httpx

from adapters.memory.cache import MemoryQuotaCache
from adapters.postgres.direct_rpc import PostgresRpc
from adapters.postgres.ledger import SqlLedger
from domain.changes.changes import Change as LedgerChange
from domain.changes.changes import Committed, PurchaseRevision
from domain.credits.holds import HoldId
from domain.credits.ledger import EntryKind
from domain.credits.postings import postings_due
from domain.decisions.batches import Done
from domain.decisions.operations import CaptureHold, CreditOperation, GrantCredits, PlaceHold, Spend
from domain.payments.entitlements import grants_due
from domain.payments.purchases import PurchaseId
from domain.tests.biller import MONTHLY, Change, billed, purchases_of
from domain.usecases.use_credits import CreditService
from domain.values.accounts import UserId
from features.bench.accounts import user_id
from features.bench.end_to_end import Running, service
from features.bench.figures import Figure, latency_of
from features.bench.requests import SERVICE_KEY
from features.bench.servers import Servers, execute

OTHER = UserId(user_id(0))
ROUND = 500
"""Entries between two renewals: spends, and one in ten a captured hold."""


def measure(servers: Servers, *, entries: int) -> list[Figure]:
    """The figures of one account with so many entries."""
    heavy = UserId(str(uuid4()))
    asyncio.run(execute(servers.postgres_url, f"insert into auth.users (id) values ('{heavy}')"))
    asyncio.run(_fill(servers.postgres_url, heavy, entries))
    asyncio.run(execute(servers.postgres_url, "vacuum analyze"))
    with service(servers, "Postgres", servers.folder / "large.log") as running:
        return [*_measured(running, heavy, entries), _command(servers, heavy, entries)]


async def _fill(url: str, user: UserId, entries: int) -> None:
    """A renewal and a gift for each round of spends and captured holds, written as the service writes them."""
    rounds = max(entries // ROUND, 1)
    months = purchases_of(billed([Change(24 * 31 * rounds, MONTHLY, 1, True)], 0, "classic", names_credited=False))
    now = datetime.now(UTC)
    async with contextlib.aclosing(PostgresRpc(url)) as rpc:
        ledger = SqlLedger(rpc)
        credit = CreditService(ledger=ledger, wallets=ledger, cache=MemoryQuotaCache())
        for number in range(rounds):
            invoice, id_ = months[number], PurchaseId(f"in_large_{number}")
            bought = attrs.evolve(invoice, order=attrs.evolve(invoice.order, user_id=user) if invoice.order else None)
            dues = [attrs.evolve(due, expires_at=None) for due in grants_due(bought)]
            change = LedgerChange(
                revision=PurchaseRevision(id=id_, expected_revision=0, purchase=bought),
                postings=postings_due(id_, bought, {}, revision=1, dues=dues),
            )
            (result,) = await ledger.commit([change])
            if not isinstance(result, Committed):
                raise AssertionError(result)
            for batch in _batches(user, number):
                for outcome in await credit.execute(batch, now):
                    if not isinstance(outcome, Done):
                        raise AssertionError(outcome)


def _batches(user: UserId, number: int) -> Iterator[list[CreditOperation]]:
    name = f"large {number}"
    kind = EntryKind.GOODWILL
    yield [GrantCredits(user_id=user, credits=ROUND, kind=kind, key=name, reason="sorry", operator="Grace")]
    holds = [HoldId(str(uuid4())) for _ in range(ROUND // 10)]
    yield [
        PlaceHold(hold_id=one, user_id=user, credits=1, key=f"hold {one}", lasts=timedelta(hours=1)) for one in holds
    ]
    yield [CaptureHold(hold_id=one, credits=1) for one in holds]
    spends = ROUND - 2 - len(holds)
    yield [Spend(user_id=user, credits=1, key=f"{name} {n}", description=f"number {n}") for n in range(spends)]


def _measured(running: Running, heavy: UserId, entries: int) -> Iterator[Figure]:
    headers = {"Authorization": f"Bearer {SERVICE_KEY}"}
    with httpx.Client(base_url=running.url, headers=headers, timeout=120) as client:
        client.get(f"/accounts/{heavy}/explanation").raise_for_status()
        alone = _others(running.url, lambda: time.sleep(3))[1]
        before = running.megabytes
        walks: dict[str, Callable[[], list[tuple[float, int]]]] = {
            "explanation": lambda: _walk(client, f"/accounts/{heavy}/explanation?limit=200", "next_cursor"),
            "transactions": lambda: _walk(client, f"/transactions?user_id={heavy}&limit=200", "next_cursor"),
            "CSV": lambda: _stream(client, f"/transactions?user_id={heavy}"),
        }
        for name, walk in walks.items():
            begun = time.perf_counter()
            pages, waited = _others(running.url, walk)
            spent = time.perf_counter() - begun
            size = sum(size for _, size in pages)
            yield Figure(
                name=f"{name}, all of {entries:,} entries", figure=spent, unit="s", note=f"{size / 1e6:.1f} MB"
            )
            if len(pages) > 20:
                first, last = (sorted(part)[5] for part in (pages[:10], pages[-11:-1]))
                yield Figure(
                    name=f"{name}, one of the last of {len(pages)} pages",
                    figure=last[0] * 1000,
                    unit="ms",
                    limit=first[0] * 1000,
                    limit_name="one of the first",
                    note=f"{max(size for _, size in pages) / 1e3:.0f} KB at most",
                )
            yield Figure(
                name=f"another's quota meanwhile: {name}",
                figure=waited[len(waited) // 2],
                unit="ms",
                limit=alone[len(alone) // 2],
                limit_name="while nothing is read",
                latency=latency_of([one / 1000 for one in waited], at_least=spent),
                note=f"{waited[-1]:.0f} ms at most",
            )
        yield Figure(
            name="memory of the service",
            figure=running.megabytes,
            unit="MB",
            limit=before,
            limit_name="before all this",
        )


def _walk(client: httpx.Client, path: str, key: str) -> list[tuple[float, int]]:
    """The seconds and bytes of every page."""
    pages, cursor = [], ""
    while True:
        begun = time.perf_counter()
        answer = client.get(path + cursor).raise_for_status()
        pages.append((time.perf_counter() - begun, len(answer.content)))
        following: Any = answer.json()[key]
        if following is None:
            return pages
        cursor = f"&cursor={following}"


def _stream(client: httpx.Client, path: str) -> list[tuple[float, int]]:
    with client.stream("GET", path, headers={"Accept": "text/csv"}) as answer:
        return [(0.0, sum(map(len, answer.raise_for_status().iter_bytes())))]


def _others(url: str, work: Callable[[], Any]) -> tuple[Any, list[float]]:
    """Return the result of some work, and the sorted milliseconds that another user's quota reads took meanwhile."""
    done, took = threading.Event(), []

    def read() -> None:
        with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {SERVICE_KEY}"}, timeout=120) as client:
            while not done.wait(0.005):
                begun = time.perf_counter()
                client.get(f"/quota?user_id={OTHER}").raise_for_status()
                took.append((time.perf_counter() - begun) * 1000)

    other = threading.Thread(target=read)
    other.start()
    try:
        found = work()
    finally:
        done.set()
        other.join()
    return found, sorted(took)


def _command(servers: Servers, heavy: UserId, entries: int) -> Figure:
    settings = {**servers.settings(1, transport="Postgres"), "SUPABASE_DB_URL": servers.postgres_url}
    begun, before = time.perf_counter(), os.times()
    said = subprocess.run(
        [sys.executable, "-m", "entrypoints", "explain", heavy], env=settings, check=True, capture_output=True
    ).stdout
    spent, after = time.perf_counter() - begun, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    note = f"{len(said) / 1e3:.0f} KB, {cpu:.1f} s of CPU"
    return Figure(name=f"credence explain, of {entries:,} entries", figure=spent, unit="s", note=note)
