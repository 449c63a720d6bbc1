"""A great many parked events: for how long a sale that is due behind them waits until the worker decides it."""

import asyncio
import contextlib
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator

import asyncpg
import httpx

from features.bench.end_to_end import service
from features.bench.figures import Figure
from features.bench.requests import WEBHOOK_SECRET, paid_session
from features.bench.servers import Servers
from simulators.stripe.signatures import sign_webhook

ROUNDS = 5
GIVEN_UP_SECONDS = 600
PARKED = """
insert into public.webhook_events (id, type, livemode, status, reason, body, received_at, retry_at, decided_at)
select
    'evt_' || made.name, 'checkout.session.completed', false, 'parked', 'unknown_user',
    replace(replace($1, 'NAME', made.name), 'USER', gen_random_uuid()::text),
    now() - interval '2 days', now() - interval '1 hour', now() - interval '1 day'
from (select 'old' || $2 || n as name from generate_series(1, $3::integer) n) made
"""
SIGNED_UP = """
with newcomer as (insert into auth.users (id) values ($1::uuid))
update public.webhook_events set retry_at = now() where id = $2
"""
"""In one statement: from then on the event can be decided, and is due, last of all."""


def measure(servers: Servers, *, events: int) -> list[Figure]:
    """The figure of so many parked events, which are due in each round before the sale is."""
    with service(servers, "Postgres", servers.folder / "parked.log") as running, _worker(servers):
        waited = [asyncio.run(_round(servers.postgres_url, running.url, events)) for _ in range(ROUNDS)]
    return [
        Figure(
            name=f"a newcomer's sale behind {events:,} parked events",
            figure=sorted(waited)[ROUNDS // 2],
            unit="s",
            note=f"until the worker has applied it; {max(waited):.1f} s at most",
        )
    ]


@contextlib.contextmanager
def _worker(servers: Servers) -> Iterator[None]:
    """`credence worker` beside the service."""
    settings = servers.settings(1, transport="Postgres")
    command = [sys.executable, "-m", "entrypoints", "worker"]
    with (
        (servers.folder / "worker.log").open("wb") as log,
        subprocess.Popen(command, env=settings, stdout=log, stderr=log) as process,
    ):
        try:
            yield
        finally:
            process.terminate()


async def _round(database_url: str, url: str, events: int) -> float:
    """The seconds from a newcomer's signing up until the sale that was parked before is on the account."""
    user, name, connection = str(uuid.uuid4()), uuid.uuid4().hex, await asyncpg.connect(database_url)
    try:
        body = paid_session().replace("NAME", name).replace("USER", user).encode()
        signed = {"Stripe-Signature": sign_webhook(body, WEBHOOK_SECRET, int(time.time()))}
        async with httpx.AsyncClient(base_url=url, timeout=60) as http:
            (await http.post("/webhooks/stripe", content=body, headers=signed)).raise_for_status()
        await connection.execute("delete from public.webhook_events where id like 'evt_old%'")
        await connection.execute(PARKED, paid_session(), name, events)
        await connection.execute(SIGNED_UP, user, f"evt_{name}")
        begun = time.perf_counter()
        applied = "select status = 'applied' from public.webhook_events, pg_sleep(0.01) where id = $1"
        async with asyncio.timeout(GIVEN_UP_SECONDS):
            while not await connection.fetchval(applied, f"evt_{name}"):
                pass
        return time.perf_counter() - begun
    finally:
        await connection.close()
