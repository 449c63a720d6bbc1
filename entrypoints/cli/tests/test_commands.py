"""What commands say before they need any service."""

import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from entrypoints.cli.main import main

USER = "00000000-0000-0000-0000-00000000000a"
GRANT = ("--kind", "goodwill", "--reason", "an outage", "--operator", "Grace")
SETTINGS = {"STRIPE_SECRET_KEY": "sk_test_of_nobody", "STRIPE_WEBHOOK_SECRET": "whsec_1"}


def said(*arguments: str, **environment: str) -> str:
    """What a command that is refused says."""
    done = CliRunner().invoke(main, arguments, env=environment)
    assert 0 != done.exit_code
    return done.output


def test_a_grant_of_less_than_nothing_says_what_to_do() -> None:
    """It is a correction that takes credits."""
    assert "to take credits, run: credence adjust USER -5" in said("grant", USER, "-5", *GRANT)


@pytest.mark.parametrize("wrong", ["--raeson", "-x"])
def test_a_misspelt_option_of_a_grant_is_one(wrong: str) -> None:
    """It is not taken for credits."""
    assert f"No such option '{wrong}'" in said("grant", USER, wrong, *GRANT)


@pytest.mark.parametrize("time", ["2030-01-31", "2030-01-31T00:00:00", "tomorrow"])
def test_credits_expire_at_a_time_with_its_offset(time: str) -> None:
    """As over HTTP."""
    assert "such as 2030-01-31T00:00:00Z" in said("grant", USER, "5", *GRANT, "--expires-at", time)


def test_a_database_that_is_away_is_named_without_its_password() -> None:
    """The host and the port are what an operator can look at."""
    assert "Error: Cannot connect to the database at 127.0.0.1:1: connection refused.\n" == said(
        "migrate", "--database-url", "postgresql://postgres:secret@127.0.0.1:1/postgres"
    )


def test_a_ledger_that_is_away_is_named_without_its_password() -> None:
    """As by `migrate`; a change says besides that nothing was changed."""
    away = {"SUPABASE_DB_URL": "postgresql://postgres:secret@127.0.0.1:1/postgres", "REDIS_URL": "redis://127.0.0.1:1"}
    problem = "annot connect to the database at 127.0.0.1:1: connection refused.\n"
    assert f"Error: C{problem}" == said("parked", **SETTINGS, **away)
    assert f"Error: Nothing was changed: c{problem}" == said("grant", USER, "5", *GRANT, **SETTINGS, **away)


def test_settings_are_refused_all_at_once() -> None:
    """Each problem is a line."""
    reported = said("serve", STRIPE_SECRET_KEY="pk_test_1", STRIPE_WEBHOOK_SECRET="", CREDENCE_PORT="none")
    assert reported.startswith("Error: Invalid configuration:\n- ")
    assert 4 == len(reported.splitlines())


def test_a_catalogue_is_refused_by_its_name(tmp_path: Path) -> None:
    """With what is wrong in it."""
    plans = str(tmp_path / "nope.toml")
    assert said("serve", **SETTINGS, CREDENCE_PLANS=plans).startswith(f"Error: Invalid plan catalogue {plans}:\n- ")


def test_a_port_in_use_is_reported_before_anything_is_started(tmp_path: Path) -> None:
    """No storage is made, and nothing says that it serves."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        reported = said("serve", **SETTINGS, CREDENCE_PORT=port, CREDENCE_DATA=str(tmp_path / "data"))
    assert f"Error: 127.0.0.1:{port} is already in use. Choose another port with CREDENCE_PORT or --port.\n" == reported
    assert not (tmp_path / "data").exists()
