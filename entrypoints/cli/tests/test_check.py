"""`credence check` on a real ledger, with Redis and without."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from features.harness.redis_servers import NewRedis

ROOT = Path(__file__).resolve().parents[3]


def check(database_url: str, redis_url: str, *options: str) -> subprocess.CompletedProcess[str]:
    settings = {"SUPABASE_DB_URL": database_url, "REDIS_URL": redis_url, "STRIPE_SECRET_KEY": "sk_test_of_nobody"}
    return subprocess.run(
        [sys.executable, "-m", "entrypoints", "check", *options],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "STRIPE_WEBHOOK_SECRET": "whsec_of_nobody", **settings},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_consistent_ledger_exits_0(database_url: str, new_redis: NewRedis) -> None:
    """And says that Redis matches it: one of its own, since the databases of tests are copies with one ledger's id."""
    done = check(database_url, new_redis())
    assert (0, "The ledger is consistent.\nRedis matches it.\n") == (done.returncode, done.stdout), done.stderr


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_the_ledger_is_checked_although_redis_is_away(database_url: str, options: tuple[str, ...]) -> None:
    """It exits 2, which is no verdict of the ledger's: that is given beside it."""
    done = check(database_url, "redis://127.0.0.1:1/0", *options)
    assert (2, True) == (done.returncode, "Redis was not compared: " in done.stderr), done.stdout + done.stderr
    assert ('"consistent": true' if options else "The ledger is consistent.\n") in done.stdout
    assert "Redis matches it" not in done.stdout
