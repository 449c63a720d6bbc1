"""The whole stack on this machine: the Stripe stand-in, and the service as a process of its own."""

import asyncio
import contextlib
import os
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import attrs

from simulators.stack.postgrest import free_port
from simulators.stripe.stand_in import StripeStandIn

Result = TypeVar("Result")

WEBHOOK_SECRET = "whsec_simulated_endpoint"  # noqa: S105 - a secret of a simulation
STRIPE_KEY = "sk_test_simulated_account"
SERVICE_KEY = "service-key-of-the-simulated-backend"
OPERATOR_KEY = "operator-key-of-the-simulated-backend"
READY_SECONDS = 60


class StackFailed(Exception):
    """The service did not start, with what it said."""


@attrs.frozen(kw_only=True)
class Stack:
    """A running stack; addresses without trailing slashes."""

    url: str
    stripe: StripeStandIn
    postgres_url: str
    redis_url: str
    log: Path

    def sign_up(self, email: str) -> str:
        """Return the id of the user of that address, as Supabase Auth would make it."""
        query = (
            "insert into auth.users (email) values ($1)"
            " on conflict (email) do update set email = excluded.email returning id"
        )
        return str(self.rows(query, email)[0]["id"])

    def rows(self, query: str, *arguments: object) -> list[dict[str, Any]]:
        """Return what the database answers."""

        async def fetch() -> list[dict[str, Any]]:
            connection = await asyncpg.connect(self.postgres_url)
            try:
                return [dict(row) for row in await connection.fetch(query, *arguments)]
            finally:
                await connection.close()

        return run_apart(fetch())


def run_apart(work: Coroutine[Any, Any, Result]) -> Result:
    """Run asynchronous work to its end, whether or not this thread has an event loop."""
    done: list[Result] = []
    thread = threading.Thread(target=lambda: done.append(asyncio.run(work)))
    thread.start()
    thread.join()
    return done[0]


@contextlib.contextmanager
def running(
    data: Path,
    *,
    auto_deliver: bool,
    port: int | None = None,
    stripe_port: int = 0,
    settings: dict[str, str] | None = None,
) -> Iterator[Stack]:
    """Return the stack on the embedded storage in `data`, until the end of the block.

    :raises StackFailed: if the service does not start.
    """
    data.mkdir(parents=True, exist_ok=True)
    port = free_port() if port is None else port
    url = f"http://127.0.0.1:{port}"
    log = data / "service.log"
    with (
        StripeStandIn(
            port=stripe_port,
            webhook_url=f"{url}/webhooks/stripe",
            webhook_secret=WEBHOOK_SECRET,
            auto_deliver=auto_deliver,
        ) as stripe,
        serving(environment_of(data, port=port, stripe_url=stripe.url, settings=settings), log) as said,
    ):
        wait_until_ready(url, log)
        yield Stack(
            url=url,
            stripe=stripe,
            postgres_url=address_said(said, "postgresql"),
            redis_url=address_said(said, "redis"),
            log=log,
        )


def environment_of(data: Path, *, port: int, stripe_url: str, settings: dict[str, str] | None = None) -> dict[str, str]:
    """Return the variables of a service on the embedded storage in `data`, without what is set for another one."""
    outside = {name: value for name, value in os.environ.items() if not _is_ours(name)}
    return {
        **outside,
        "STRIPE_SECRET_KEY": STRIPE_KEY,
        "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "STRIPE_API_BASE": stripe_url,
        "CREDENCE_DATA": str(data),
        "CREDENCE_PORT": str(port),
        "CREDENCE_SERVICE_KEY": SERVICE_KEY,
        "CREDENCE_OPERATOR_KEY": OPERATOR_KEY,
        **(settings or {}),
    }


@contextlib.contextmanager
def serving(environment: dict[str, str], log: Path) -> Iterator[list[str]]:
    """Run `credence serve` with these variables; gives what it says at its start. Its log goes to the file.

    :raises StackFailed: if it ends instead.
    """
    command = [sys.executable, "-m", "entrypoints", "serve"]
    with (
        log.open("ab") as errors,
        subprocess.Popen(  # noqa: S603 - our own command
            command,
            env={**environment, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        ) as process,
    ):
        said: list[str] = []
        assert process.stdout is not None  # noqa: S101 - for the type checker: it is a pipe
        try:
            for line in process.stdout:
                said.append(line.rstrip())
                if line.startswith("Starting"):
                    break
            else:
                process.wait()
                raise StackFailed(log.read_text()[-2000:])
            yield said
        finally:
            process.terminate()
            process.wait()


def wait_until_ready(url: str, log: Path) -> None:
    """Wait until the service can work.

    :raises StackFailed: if it can't within a minute.
    """
    pause = threading.Event()
    for _ in range(READY_SECONDS * 20):
        if is_ready(url):
            return
        pause.wait(0.05)
    raise StackFailed(log.read_text()[-2000:])


def is_ready(url: str) -> bool:
    """Return whether the service can work now."""
    with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/readyz", timeout=5):  # noqa: S310 - our own
        return True
    return False


def address_said(said: list[str], scheme: str) -> str:
    """Return the first address of a scheme among the lines; none is an empty one."""
    found = re.search(rf"{scheme}://\S+", "\n".join(said))
    return found.group() if found else ""


def _is_ours(name: str) -> bool:
    return name.startswith(("STRIPE_", "SUPABASE_", "UPSTASH_", "REDIS_", "CREDENCE_"))
