"""What is wanted of a gift is said once: the routes, the command and the operators' page agree."""

from pathlib import Path

import pytest
from click.testing import CliRunner

import entrypoints
from domain.decisions.operations import GRANTABLE, MAX_OPERATOR_NAME, MAX_REASON
from entrypoints.cli.grants import grant
from entrypoints.http.routes.ops_grants import GrantKind

GRANT = ("6f1e0a52-3f0e-4d7c-9a55-0d5f6a1b2c3d", "5", "--kind", "goodwill")


def test_there_are_as_many_kinds_as_the_ledger_gives() -> None:
    """Each has its priority."""
    assert {kind.value for kind in GRANTABLE} == {kind.value for kind in GrantKind}


def test_the_page_lets_nobody_type_more_than_is_taken() -> None:
    """Of a reason and a name."""
    page = (Path(entrypoints.__file__).parent / "pages" / "ops.html").read_text()
    assert f'id="reason" maxlength="{MAX_REASON}"' in page
    assert f'id="operator" maxlength="{MAX_OPERATOR_NAME}"' in page


@pytest.mark.parametrize(("reason", "name"), [(MAX_REASON + 1, 1), (1, MAX_OPERATOR_NAME + 1)])
def test_the_command_says_how_much_is_taken(reason: int, name: int) -> None:
    """And does nothing with more."""
    done = CliRunner().invoke(grant, [*GRANT, "--reason", "x" * reason, "--operator", "x" * name])
    assert 2 == done.exit_code
    assert f"it must be 1 to {MAX_REASON if reason > 1 else MAX_OPERATOR_NAME} characters" in done.output
