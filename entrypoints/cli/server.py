"""Runs the HTTP API in this process, as `credence serve` does."""

import errno
import logging
import signal
import socket
import sys

import click
import uvicorn

from entrypoints.catalogue import load_catalogue
from entrypoints.composition import stores, wiring
from entrypoints.http.app import create_app
from entrypoints.http.edge import Edge
from entrypoints.http.gc_tuning import freeze_startup_objects
from entrypoints.http.protocol import limited_protocol
from entrypoints.settings.settings import Settings
from entrypoints.telemetry import logging as service_log

BACKLOG = 2048
"""How many connections may wait to be taken, as uvicorn has it."""

log = logging.getLogger("credence")


def serve(settings: Settings) -> None:
    """Serve the HTTP API until a signal ends it.

    :raises ClickException: if the port is in use.
    """
    catalogue = load_catalogue(settings.plans)
    service_log.configure()
    signal.signal(signal.SIGTERM, _end)
    with _listen(settings) as listening, stores.storage(settings) as storage:
        _say_where(settings, storage, plans=len(catalogue.on_sale))
        app = create_app(wiring.services(settings, storage), settings)
        # uvicorn raises the signal that ended it once more; it must not end us before the embedded storage has stopped.
        signal.signal(signal.SIGINT, _end)
        config = uvicorn.Config(
            Edge(app, settings),
            http=limited_protocol(request_seconds=settings.request_seconds, send_seconds=settings.send_seconds),
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=settings.idle_seconds,
            timeout_graceful_shutdown=settings.stop_seconds,
        )
        _Server(config).run([listening])


def _end(_number: int, _frame: object) -> None:
    sys.exit(0)


def _listen(settings: Settings) -> socket.socket:
    """Return the socket that listens, before anything is started or printed; early clients wait until it serves.

    :raises ClickException: if the port is in use.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        if error.errno == errno.EADDRINUSE:
            text = f"{where} is already in use. Choose another port with CREDENCE_PORT or --port."
            raise click.ClickException(text) from None
        raise click.ClickException(f"Cannot listen on {where}: {error.strerror or error}.") from None


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        freeze_startup_objects()


def _say_where(settings: Settings, storage: stores.Storage, *, plans: int) -> None:
    mode = "live" if settings.livemode else "test"
    click.echo(f"Credence is serving {settings.public_url} with {plans} plans and Stripe in {mode} mode.")
    if settings.embedded_storage:
        click.echo(f"Ledger: embedded Postgres, for development, in {settings.data}: {storage.postgres_url}")
    else:
        direct = storage.postgres_url is not None
        click.echo("Ledger: Postgres, direct connection." if direct else f"Ledger: Supabase, {settings.supabase_url}.")
    if settings.embedded_cache:
        click.echo(f"Cache: embedded Redis, for development: {storage.redis_url}")
    else:
        click.echo("Cache: configured Redis.")
    if settings.trust_user_headers:
        click.echo("Users: the x-user-id header is trusted without a token. For development only.")
    if not settings.worker:
        click.echo("Worker: not in this process; run `credence worker` too.")
    if settings.names_itself and not settings.embedded_storage:
        click.echo("Address: that of this process. If there are several, set one CREDENCE_PUBLIC_URL for all of them.")
    if settings.livemode and settings.plans is None:
        text = "Plans: the packaged example is on sale for real money; set CREDENCE_PLANS to your own catalogue."
        click.echo(text)
        log.warning(text)
    click.echo("Starting; press Ctrl-C to stop.")
