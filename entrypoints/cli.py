"""The command line: `credence serve`, `credence migrate`, `credence check`."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import click
import uvicorn
from rich.console import Console
from rich.table import Table

from domain.commits import Inconsistency
from domain.ports import LedgerUnavailable
from entrypoints import composition, service_log
from entrypoints.app import create_app
from entrypoints.catalogue import InvalidCatalogue, load_catalogue
from entrypoints.settings import Settings
from entrypoints.settings_rules import InvalidSettings

P = ParamSpec("P")
R = TypeVar("R")


def _told_plainly(command: Callable[P, R]) -> Callable[P, R]:
    """Turn what a person can mend into a message and exit code 1, never a traceback."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except (InvalidSettings, InvalidCatalogue, *composition.CANT_START) as error:
            raise click.ClickException(str(error)) from error
        except LedgerUnavailable as error:
            raise click.ClickException(f"The ledger can't be reached: {error.cause}") from error

    return run


@click.group()
@click.version_option(package_name="credence")
def main() -> None:
    """Stripe payments into spendable credits, exactly once."""


@main.command()
@_told_plainly
def serve() -> None:
    """Serve the HTTP API, and deliver the outbox beside it."""
    settings = Settings.from_environment(os.environ)
    catalogue = load_catalogue(settings.plans)
    service_log.configure()
    # uvicorn raises the signal that ended it once more; it must not end us before the embedded storage has stopped.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: sys.exit(0))
    with composition.storage(settings) as storage:
        _say_where(settings, storage, plans=len(catalogue.plans))
        app = create_app(composition.services(settings, storage))
        config = uvicorn.Config(
            app, host=settings.host, port=settings.port, log_config=None, access_log=False, lifespan="on"
        )
        server = uvicorn.Server(config)
        server.run()
        if not server.started:
            raise click.ClickException(f"Could not listen on {settings.host}:{settings.port}.")


@main.command()
@click.option("--database-url", envvar="SUPABASE_DB_URL", help="A Postgres address; default: SUPABASE_DB_URL.")
@_told_plainly
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


@main.command()
@_told_plainly
def check() -> None:
    """Check the ledger against itself; exits 1 and names accounts and entries when anything disagrees."""
    settings = Settings.from_environment(os.environ)
    with composition.storage(settings) as storage:
        found = asyncio.run(_inconsistencies(settings, storage))
    if not found:
        click.echo("The ledger is consistent.")
        return
    Console().print(_table_of(found))
    sys.exit(1)


async def _inconsistencies(settings: Settings, storage: composition.Storage) -> tuple[Inconsistency, ...]:
    async with composition.ledger(settings, storage.postgres_url) as ledger:
        return await ledger.inconsistencies()


def _table_of(found: tuple[Inconsistency, ...]) -> Table:
    table = Table("account", "problem", "entry", "version", "expected", "actual", title="The ledger disagrees")
    for row in found:
        table.add_row(
            row.user_id,
            row.problem,
            *("" if value is None else str(value) for value in (row.entry_id, row.version)),
            row.expected or "",
            row.actual or "",
        )
    return table


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
    click.echo("Ready for requests in a moment; Ctrl-C ends it.")
