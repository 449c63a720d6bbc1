"""`credence serve`, `worker`, `migrate`: what a deployment runs."""

import asyncio
import os
import signal

import click

from entrypoints.cli.loading import loading
from entrypoints.cli.running import report_errors_plainly
from entrypoints.settings.reader import read_settings


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), help="The port to listen on; default: CREDENCE_PORT.")
@report_errors_plainly
def serve(port: int | None) -> None:
    """Serve the HTTP API. The worker runs too, unless CREDENCE_WORKER is false."""
    settings = read_settings(os.environ if port is None else {**os.environ, "CREDENCE_PORT": str(port)})
    with loading():
        from entrypoints.cli import server
    server.serve(settings)


@click.command()
@report_errors_plainly
def worker() -> None:
    """Run only the worker. It delivers the outbox, retries parked events, expires credits and reconciles."""
    settings = read_settings(os.environ)
    with loading():
        from entrypoints.composition import stores, wiring
        from entrypoints.http.gc_tuning import freeze_startup_objects
        from entrypoints.telemetry import logging
        from entrypoints.worker import run_worker
    logging.configure()

    async def work(storage: stores.Storage) -> None:
        async with wiring.services(settings, storage) as services:
            freeze_startup_objects()
            running = asyncio.create_task(run_worker(services, reconcile_every=settings.reconcile_every))
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, running.cancel)
            click.echo("The worker is running; press Ctrl-C to stop.")
            await asyncio.wait((running,))

    with stores.storage(settings) as storage:
        asyncio.run(work(storage))


@click.command()
@click.option("--database-url", envvar="SUPABASE_DB_URL", help="A Postgres URL; default: SUPABASE_DB_URL.")
@report_errors_plainly
def migrate(database_url: str | None) -> None:
    """Apply pending migrations. The Supabase CLI's `db push` does the same."""
    if not database_url:
        raise click.ClickException(
            "Which database? Give --database-url or set SUPABASE_DB_URL "
            "(Supabase: Connect, the direct address or the session pooler's)."
        )
    with loading():
        from entrypoints.composition import stores
    applied = asyncio.run(stores.migrate(database_url))
    for name in applied:
        click.echo(f"applied {name}")
    click.echo("The database is up to date.")
