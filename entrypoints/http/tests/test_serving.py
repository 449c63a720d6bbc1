"""`credence serve` as an operator meets it: what it says, what it refuses, how it ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

import adapters
import domain
import entrypoints
import simulators
from entrypoints.catalogue import PACKAGED
from features.harness.service import eventually
from simulators.stack.postgrest import free_port
from simulators.stack.stack import serving, wait_until_ready

ROOT = Path(__file__).resolve().parents[3]
KEYS = {"STRIPE_SECRET_KEY": "sk_test_51abcdefghij", "STRIPE_WEBHOOK_SECRET": "whsec_abc"}


def environment(**settings: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **settings}


@pytest.mark.parametrize("package", [adapters, domain, entrypoints, simulators], ids=lambda package: package.__name__)
def test_the_packages_are_ours(package: object) -> None:
    """No other distribution's module of the same name is imported instead."""
    assert str(ROOT) == str(Path(package.__file__).parents[1])  # type: ignore[attr-defined]


@pytest.mark.parametrize("command", ["serve", "check"])
def test_wrong_settings_stop_the_start(command: str) -> None:
    """Every wrong variable is named, the exit code is not 0, and there is no traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "entrypoints", command],
        cwd=ROOT,
        env=environment(STRIPE_SECRET_KEY="pk_test_abc", CREDENCE_PORT="x"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert 1 == done.returncode
    for name in ("STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET", "CREDENCE_PORT"):
        assert name in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bad_catalogue_stops_the_start(tmp_path: Path) -> None:
    """The plan and the file are named."""
    plans = tmp_path / "plans.toml"
    plans.write_text("[plans.one]\ncredits = 0\n")
    done = subprocess.run(
        [sys.executable, "-m", "entrypoints", "serve"],
        cwd=ROOT,
        env=environment(**KEYS, CREDENCE_PLANS=str(plans)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (1, True) == (done.returncode, "plan one" in done.stderr and str(plans) in done.stderr)


def test_the_embedded_storage_is_reported_and_survives(new_server_folder: Callable[[], Path]) -> None:
    """It says where the ledger and the cache are, ends cleanly, and finds its data when it is started again."""
    folder, port = new_server_folder(), free_port()
    settings = environment(**KEYS, CREDENCE_DATA=str(folder / "data"), CREDENCE_PORT=str(port))
    log = folder / "log"
    for expected in (200, 200):
        with serving(settings, log) as said:
            wait_until_ready(f"http://127.0.0.1:{port}", log)
            given = "\n".join(said)
            assert "embedded Postgres" in given
            assert "postgresql://" in given
            assert "redis://" in given
            assert expected == httpx.get(f"http://127.0.0.1:{port}/plans").status_code
    assert (folder / "data" / "postgres" / "PG_VERSION").exists()
    assert not (folder / "data" / "postgres" / "postmaster.pid").exists()
    checked = subprocess.run(
        [sys.executable, "-m", "entrypoints", "check"],
        cwd=ROOT,
        env=settings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (0, "The ledger is consistent.\nRedis matches it.\n") == (checked.returncode, checked.stdout)


def test_what_waits_is_counted_without_the_worker(new_server_folder: Callable[[], Path]) -> None:
    """Where the worker runs apart, which serves no HTTP, the metrics of the service still report the backlog."""
    folder, port = new_server_folder(), free_port()
    settings = environment(**KEYS, CREDENCE_DATA=str(folder / "data"), CREDENCE_PORT=str(port), CREDENCE_WORKER="false")
    log = folder / "log"

    def is_shown() -> bool:
        return 'credence_outbox_messages{state="failed"} 0.0' in httpx.get(f"http://127.0.0.1:{port}/metrics").text

    with serving(settings, log):
        wait_until_ready(f"http://127.0.0.1:{port}", log)
        assert eventually(is_shown, True) is True


def test_an_example_for_sale_for_real_money_is_reported(database_url: str, redis_url: str, tmp_path: Path) -> None:
    """A live key without a catalogue says so as it starts, and in the log; with one there is no word of it."""
    settings = environment(
        STRIPE_SECRET_KEY="sk_live_51abcdefghij",
        STRIPE_WEBHOOK_SECRET="whsec_abc",
        SUPABASE_DB_URL=database_url,
        REDIS_URL=redis_url,
        CREDENCE_PUBLIC_URL="https://credits.example.com",
        CREDENCE_PORT=str(free_port()),
        CREDENCE_WORKER="false",
    )
    for plans, is_reported in (({}, True), ({"CREDENCE_PLANS": str(PACKAGED)}, False)):
        log = tmp_path / f"log of {len(plans)}"
        with serving({**settings, **plans}, log) as said:
            assert is_reported is any("packaged example is on sale" in line for line in said)
        assert is_reported is ("packaged example is on sale" in log.read_text())


def test_a_killed_service_leaves_what_the_next_one_takes_over(new_server_folder: Callable[[], Path]) -> None:
    """After SIGKILL the embedded servers run on; the next start joins them, and stops them in the end."""
    folder, port = new_server_folder(), free_port()
    settings = environment(**KEYS, CREDENCE_DATA=str(folder / "data"), CREDENCE_PORT=str(port))
    command = [sys.executable, "-m", "entrypoints", "serve"]
    log = folder / "log"
    with (
        log.open("ab") as errors,
        subprocess.Popen(
            command, cwd=ROOT, env={**settings, "PYTHONUNBUFFERED": "1"}, stdout=subprocess.PIPE, stderr=errors
        ) as killed,
    ):
        wait_until_ready(f"http://127.0.0.1:{port}", log)
        killed.send_signal(signal.SIGKILL)
    with serving(settings, log):
        wait_until_ready(f"http://127.0.0.1:{port}", log)
        ready = httpx.get(f"http://127.0.0.1:{port}/readyz").json()
    assert {"status": "ready", "ledger": "ok", "cache": "ok"} == ready
    assert not (folder / "data" / "postgres" / "postmaster.pid").exists()
    assert not (folder / "data" / "redis" / "address").exists()
