"""Webhook handlers as people write them by hand, to see what the same request costs there.

`python -m features.bench.cpu.handlers supabase URL KEY` or `asyncpg URL` prints its address and runs until it is ended.
They stand on Litestar, which is there already and costs less than the usual FastAPI: that is in their favour.
"""

import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import asyncpg
import stripe
import uvicorn
import uvloop
from litestar import Litestar, Request, post
from litestar.exceptions import ClientException
from supabase import create_client

from features.bench.requests import WEBHOOK_SECRET

CREDITS = 50
POOL_SIZE = 4
"""Connections, as the service opens them by default."""

SCHEMA = """
    create table public.bench_profiles (id uuid primary key, credits bigint not null default 0);
    create table public.bench_events (id text primary key, received_at timestamptz not null default now());
    create table public.bench_entries (
        id bigint generated always as identity primary key, profile_id uuid not null references public.bench_profiles,
        credits bigint not null, payment text not null unique, created_at timestamptz not null default now()
    );
    grant all on public.bench_profiles to service_role;
"""

AnyRequest = Request[Any, Any, Any]


@post("/webhooks/stripe", status_code=200)
async def by_supabase(request: AnyRequest) -> dict[str, bool]:
    """Add credits as most people do: read, add, write back. Duplicates and concurrency are left to luck."""
    if event := await _paid(request):
        profiles, user = request.app.state.supabase.table("bench_profiles"), event.data.object["metadata"]["userId"]
        had = profiles.select("credits").eq("id", user).single().execute().data["credits"]
        profiles.update({"credits": had + CREDITS}).eq("id", user).execute()
    return {"received": True}


@post("/webhooks/stripe", status_code=200)
async def by_asyncpg(request: AnyRequest) -> dict[str, bool]:
    """Add credits as careful people do: in one transaction, each event once, an entry a payment, a guarded balance."""
    if event := await _paid(request):
        session = event.data.object
        async with request.app.state.pool.acquire() as connection, connection.transaction():
            if await connection.fetchval(
                "insert into public.bench_events (id) values ($1) on conflict do nothing returning id", event.id
            ):
                user = session["metadata"]["userId"]
                await connection.execute(
                    "insert into public.bench_entries (profile_id, credits, payment) values ($1, $2, $3)",
                    *(user, CREDITS, session["payment_intent"]),
                )
                await connection.execute(
                    "update public.bench_profiles set credits = credits + $2 where id = $1", user, CREDITS
                )
    return {"received": True}


async def _paid(request: AnyRequest) -> stripe.Event | None:
    """Return the event, once its signature is right, if it says that a session was paid."""
    signature = request.headers.get("stripe-signature", "")
    try:
        event = stripe.Webhook.construct_event(await request.body(), signature, WEBHOOK_SECRET)
    except (ValueError, stripe.SignatureVerificationError) as error:
        raise ClientException("The body or its signature is wrong.") from error
    is_paid = event.type == "checkout.session.completed" and event.data.object["payment_status"] == "paid"
    return event if is_paid else None


@asynccontextmanager
async def _with_supabase(app: Litestar) -> AsyncIterator[None]:
    app.state.supabase = create_client(sys.argv[2], sys.argv[3])
    yield


@asynccontextmanager
async def _with_pool(app: Litestar) -> AsyncIterator[None]:
    async with asyncpg.create_pool(sys.argv[2], min_size=POOL_SIZE, max_size=POOL_SIZE) as app.state.pool:
        yield


async def _serve(
    listening: socket.socket, handler: Any, lifespan: Callable[[Litestar], AbstractAsyncContextManager[None]]
) -> None:
    app = Litestar([handler], lifespan=[lifespan], logging_config=None, openapi_config=None)
    await uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False)).serve([listening])


if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listening:
        print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
        uvloop.run(
            _serve(listening, by_supabase, _with_supabase)
            if sys.argv[1] == "supabase"
            else _serve(listening, by_asyncpg, _with_pool)
        )
