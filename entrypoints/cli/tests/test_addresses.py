"""Addresses of databases that say what can't be meant: every command refuses them in words, before it does anything."""

import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from adapters.postgres.direct_rpc import PostgresRpc
from domain.ports.ledger import LedgerUntouched
from entrypoints.cli.main import main
from features.real_parts import ROOT

ENVIRONMENT = {
    "STRIPE_SECRET_KEY": "sk_test_of_addresses",
    "STRIPE_WEBHOOK_SECRET": "whsec_of_addresses",
    "SUPABASE_DB_URL": "postgresql://ada:secret@127.0.0.1:1/postgres?pgbouncer=maybe",
    "REDIS_URL": "redis://127.0.0.1:1",
}
REFUSED = "Error: Invalid database URL: pgbouncer must be true or false.\n"


@pytest.mark.parametrize("command", ["worker", "check", "doctor", "parked"])
def test_a_command_refuses_the_address(command: str) -> None:
    """With exit code 1, and no secret shown."""
    done = CliRunner().invoke(main, [command], env=ENVIRONMENT)
    assert (1, REFUSED) == (done.exit_code, done.output)


def test_the_service_does_not_start_with_it() -> None:
    """It says why, and listens nowhere."""
    environment = {"PATH": os.environ["PATH"], **ENVIRONMENT, "CREDENCE_PORT": "59999"}
    command = [sys.executable, "-m", "entrypoints", "serve"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (1, "", REFUSED) == (done.returncode, done.stdout, done.stderr)


async def test_a_parameter_that_postgres_does_not_know_is_named(database_url: str) -> None:
    """What nobody understands goes to the server, whose own words are handed on."""
    rpc = PostgresRpc(f"{database_url}&colour=blue")
    with pytest.raises(LedgerUntouched, match='unrecognized configuration parameter "colour"'):
        await rpc.value("account_read", {})
    await rpc.aclose()
