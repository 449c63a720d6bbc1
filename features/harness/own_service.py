"""A service of its own for tests of what surrounds its routes, as a process on real storage."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import httpx
import pytest

from simulators.stack.postgrest import free_port
from simulators.stack.stack import wait_until_ready

ROOT = Path(__file__).resolve().parents[2]


@attrs.frozen(kw_only=True)
class Serving:
    """A running service."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path
    http: httpx.Client


Serve = Callable[..., contextlib.AbstractContextManager[Serving]]


@pytest.fixture(scope="module")
def serve(new_database: Callable[[], str], redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Serve:
    """Runs a service with some settings until the end of a block, however busy it is then."""

    @contextlib.contextmanager
    def running(**settings: str) -> Iterator[Serving]:
        port, log = free_port(), tmp_path_factory.mktemp("service") / "log"
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "STRIPE_SECRET_KEY": "sk_test_of_the_edge",
            "STRIPE_WEBHOOK_SECRET": "whsec_1",
            "SUPABASE_DB_URL": new_database(),
            "SUPABASE_JWT_SECRET": "s" * 40,
            "REDIS_URL": redis_url,
            "CREDENCE_PORT": str(port),
            "CREDENCE_SERVICE_KEY": "service-key-of-the-edge",
            "CREDENCE_WORKER": "false",
            **settings,
        }
        command = [sys.executable, "-m", "entrypoints", "serve"]
        with (
            log.open("wb") as errors,
            subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=errors) as process,
            httpx.Client(base_url=f"http://127.0.0.1:{port}") as http,
        ):
            try:
                wait_until_ready(str(http.base_url), log)
                yield Serving(process=process, port=port, log=log, http=http)
            finally:
                process.kill()

    return running
