"""What `supabase db lint` says of the schema, by the real CLI and the extension that it asks."""

import asyncio
import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.postgres.embedded import prepare
from features.harness.checking_postgres import checking_postgres
from features.harness.supabase_cli import supabase_cli_at
from features.real_parts import database, execute

LINT = ("db", "lint", "--schema", "public", "--level", "warning", "--fail-on", "warning")
MENDED = "create function public.planted() returns jsonb language plpgsql as $$ begin return '[]'::jsonb; end $$"


@pytest.fixture(scope="module")
def server(new_server_folder: Callable[[], Path]) -> Iterator[str]:
    """A server that has plpgsql_check."""
    with checking_postgres(new_server_folder()) as url:
        yield url


@pytest.fixture
def project(server: str) -> str:
    """A migrated project."""
    name = f"project_{uuid.uuid4().hex}"
    asyncio.run(execute(server, f"create database {name}"))
    asyncio.run(prepare(database(server, name)))
    return database(server, name)


def lint(url: str, folder: Path) -> tuple[int, list[tuple[str, str]]]:
    """What the CLI exits with, and what it finds: function and message."""
    code, said = supabase_cli_at(url, folder, *LINT, "--output-format", "json")
    found: list[dict[str, Any]] = json.JSONDecoder().raw_decode(said)[0]["results"]
    return code, [(one["function"], issue["message"]) for one in found for issue in one["issues"]]


def test_the_linter_finds_nothing(project: str, tmp_path: Path) -> None:
    """No literal is left untyped in the functions, and no cast is hidden."""
    assert (0, []) == lint(project, tmp_path)


def test_the_linter_would_find_it(project: str, tmp_path: Path) -> None:
    """A function like ours with an untyped literal is named: the silence above is that of a linter that looked."""
    asyncio.run(execute(project, MENDED.replace("::jsonb", "")))
    code, found = lint(project, tmp_path)
    assert 1 == code
    assert ("public.planted", "target type is different type than source type") in found
