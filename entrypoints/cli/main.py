"""The command line: `credence serve`, `worker`, `migrate`, and the operator's commands."""

import asyncio
import logging
import os
import signal
import socket
import sys

import click
import uvicorn

from entrypoints import composition
from entrypoints.catalogue import load_catalogue
from entrypoints.cli.audit import check, doctor, sync
from entrypoints.cli.explain import explain
from entrypoints.cli.grants import adjust, grant
from entrypoints.cli.inbox import claim, outbox, parked, replay
from entrypoints.cli.reconcile import reconcile
from entrypoints.cli.running import told_plainly
from entrypoints.http.app import create_app
from entrypoints.http.gc_tuning import settle_memory
from entrypoints.settings.reader import read_settings
from entrypoints.settings.settings import Settings
from entrypoints.telemetry import logging as service_log
from entrypoints.worker import run_worker

log = logging.getLogger("credence")


@click.group()
@click.version_option(package_name="credence")
def main() -> None:
    """Stripe payments into spendable credits, exactly once."""


@main.command()
@told_plainly
def serve() -> None:
    """Serve the HTTP API, with the worker beside it unless CREDENCE_WORKER is false."""
    settings = read_settings(os.environ)
    catalogue = load_catalogue(settings.plans)
    service_log.configure()
    # uvicorn raises the signal that ended it once more; it must not end us before the embedded storage has stopped.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: sys.exit(0))
    with composition.storage(settings) as storage:
        _say_where(settings, storage, plans=len(catalogue.on_sale))
        app = create_app(composition.services(settings, storage), settings)
        config = uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            http="httptools",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
        )
        server = _Server(config)
        server.run()
        if not server.started:
            raise click.ClickException(f"Could not listen on {settings.host}:{settings.port}.")


@main.command()
@told_plainly
def worker() -> None:
    """Run the worker alone: outbox, parked events, reconciliation. Any number may run; Ctrl-C ends it."""
    settings = read_settings(os.environ)
    service_log.configure()

    async def work(storage: composition.Storage) -> None:
        async with composition.services(settings, storage) as services:
            settle_memory()
            running = asyncio.create_task(run_worker(services, reconcile_every=settings.reconcile_every))
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, running.cancel)
            click.echo("The worker runs; Ctrl-C ends it.")
            await asyncio.wait((running,))

    with composition.storage(settings) as storage:
        asyncio.run(work(storage))


@main.command()
@click.option("--database-url", envvar="SUPABASE_DB_URL", help="A Postgres address; default: SUPABASE_DB_URL.")
@told_plainly
def migrate(database_url: str | None) -> None:
    """Apply the migrations that the database lacks; the Supabase CLI's `db push` does the same."""
    if not database_url:
        raise click.ClickException(
            "Which database? Give --database-url or set SUPABASE_DB_URL (Supabase: Project Settings, Database)."
        )
    applied = asyncio.run(composition.migrate(database_url))
    for name in applied:
        click.echo(f"applied {name}")
    click.echo("The database is up to date.")


for _command in (parked, claim, replay, outbox, reconcile, check, sync, explain, grant, adjust, doctor):
    main.add_command(_command)


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        settle_memory()


def _say_where(settings: Settings, storage: composition.Storage, *, plans: int) -> None:
    mode = "live" if settings.livemode else "test"
    click.echo(f"Credence serves {settings.public_url} with {plans} plans, Stripe in {mode} mode.")
    if storage.embedded_postgres:
        click.echo(f"Ledger: the embedded Postgres, for development, in {settings.data}: {storage.postgres_url}")
    else:
        direct = storage.postgres_url is not None
        click.echo("Ledger: Postgres, directly." if direct else f"Ledger: Supabase, {settings.supabase_url}.")
    if storage.embedded_redis:
        click.echo(f"Cache: the embedded Redis, for development: {storage.redis_url}")
    else:
        click.echo("Cache: the Redis that is configured.")
    if settings.trust_user_headers:
        click.echo("Users: the x-user-id header is believed as it comes. For development only.")
    if not settings.worker:
        click.echo("Worker: not here; run `credence worker` beside it.")
    if settings.livemode and settings.plans is None:
        told = "Plans: the packaged example is for sale, for real money; set CREDENCE_PLANS to a catalogue of your own."
        click.echo(told)
        log.warning(told)
    click.echo("Ready for requests in a moment; Ctrl-C ends it.")
