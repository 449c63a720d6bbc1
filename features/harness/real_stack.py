"""A stack over Supabase's API whose parts can be killed: Postgres, PostgREST behind the gateway, Redis, the service."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs

from adapters.postgres.embedded import EmbeddedPostgres
from adapters.redis.embedded import EmbeddedRedis
from features.real_parts import FAR_FUTURE, JWT_SECRET, execute, postgrest_binary
from simulators.fire.killable_stack import OPERATOR_KEY, KillableStack, Parts
from simulators.stack.parts import PostgresPart, RedisPart, ServicePart
from simulators.stack.postgrest import Postgrest, free_port
from simulators.stack.stack import STRIPE_KEY, WEBHOOK_SECRET, is_ready
from simulators.stack.supabase import SupabaseGateway
from simulators.stripe.signatures import mint_token
from simulators.stripe.stand_in import StripeStandIn


@attrs.frozen
class SupabasePart:
    """A project's database with the PostgREST in front of it: they die together, and come back together."""

    postgres: PostgresPart
    postgrest: Postgrest

    def kill(self) -> None:
        """Kill both."""
        self.postgrest.kill()
        self.postgres.kill()

    def start(self) -> None:
        """Start both."""
        self.postgres.start()
        self.postgrest.start()


@contextlib.contextmanager
def killable_supabase(data: Path) -> Iterator[KillableStack]:
    """The stack over Supabase's API, in `data`, until the end of the block."""
    with contextlib.ExitStack() as ends:
        server = EmbeddedPostgres(data / "postgres")
        database_url = server.start()
        ends.callback(server.stop)
        asyncio.run(execute(database_url, "alter system set fsync = off", "select pg_reload_conf()"))
        postgres = PostgresPart(data / "postgres")
        ends.callback(postgres.stop)
        as_authenticator = database_url.replace("postgres:@", "authenticator:@")
        postgrest = ends.enter_context(Postgrest(postgrest_binary(), as_authenticator, JWT_SECRET))
        gateway = ends.enter_context(SupabaseGateway(postgrest.url))
        stripe = ends.enter_context(StripeStandIn(webhook_secret=WEBHOOK_SECRET))
        embedded_redis = EmbeddedRedis(data / "redis")
        redis_url = embedded_redis.start()
        cache = RedisPart(redis_url)
        ends.callback(embedded_redis.stop)
        ends.callback(cache.stop)
        port = free_port()
        url, log = f"http://127.0.0.1:{port}", data / "service.log"
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(data),
            "STRIPE_SECRET_KEY": STRIPE_KEY,
            "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "STRIPE_API_BASE": stripe.url,
            "SUPABASE_URL": gateway.url,
            "SUPABASE_SERVICE_ROLE_KEY": mint_token(JWT_SECRET, {"role": "service_role", "exp": FAR_FUTURE}),
            "REDIS_URL": redis_url,
            "CREDENCE_PORT": str(port),
            "CREDENCE_OPERATOR_KEY": OPERATOR_KEY,
        }
        service = ServicePart([sys.executable, "-m", "entrypoints", "serve"], environment, log, lambda: is_ready(url))
        ends.callback(service.stop)
        service.start()
        ledger = SupabasePart(postgres, postgrest)
        yield KillableStack(
            url=url,
            secret=WEBHOOK_SECRET,
            operator_key=OPERATOR_KEY,
            postgres_url=database_url,
            parts=Parts(service=service, cache=cache, ports={"ledger": ledger, "cache": cache}),
            log=log,
        )
