"""The versions in docs/deployment.md's table of connections are those that the tests run on."""

import asyncio
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from features.harness.pgbouncer import binary
from features.harness.redis_servers import REDISES, command_of
from features.real_parts import ROOT, fetched, postgrest_binary

ROW = re.compile(
    r"^\| (?P<part>Postgres|PgBouncer|PostgREST|Valkey|Redis) (?P<version>\d[\d.]*)(?P<rest>[^\n]*)", re.MULTILINE
)
PAGE = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")


def documented(part: str) -> set[str]:
    """The versions of a part that the page says were tried."""
    found = [row for row in ROW.finditer(PAGE) if row["part"] == part and "untried" not in row["rest"]]
    return {row["version"] for row in found}


def is_named(version: str, part: str) -> bool:
    """Whether the page names a version of a part, as far as it says which."""
    return any(f"{version}.".startswith(f"{named}.") for named in documented(part))


def said_by(program: Path | str) -> str:
    """The version that a program says it is."""
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    (version, *_) = re.findall(r"\d+(?:\.\d+)+", done.stdout)
    return str(version)


def info_of(url: str, name: str) -> str:
    info = command_of(url, "INFO", "server")
    assert isinstance(info, dict)
    return str(info[name])


def test_the_page_names_each_part() -> None:
    """Else nothing is compared."""
    assert [1, 2, 1, 1, 2] == [
        len(documented(part)) for part in ("PgBouncer", "Postgres", "PostgREST", "Valkey", "Redis")
    ]


def test_pgbouncer_is_the_documented_one() -> None:
    """Debian's, on the machine that runs the tests."""
    assert is_named(said_by(binary()), "PgBouncer"), said_by(binary())


def test_postgrest_is_the_documented_one() -> None:
    """That of npm, which the Makefile pins."""
    assert is_named(said_by(postgrest_binary()), "PostgREST"), said_by(postgrest_binary())


def test_postgres_is_the_documented_one(database_url: str) -> None:
    """The embedded one."""
    version = str(asyncio.run(fetched(database_url, "show server_version"))).partition(" ")[0]
    assert is_named(version, "Postgres"), version


def test_valkey_is_the_documented_one(redis_url: str) -> None:
    """The embedded cache."""
    version = info_of(redis_url, "valkey_version")
    assert is_named(version, "Valkey"), version


@pytest.mark.parametrize("redis_kind", REDISES)
def test_each_redis_is_a_documented_one(new_redis: Callable[[], str], redis_kind: str) -> None:
    """To the minor version, and each is another row."""
    version = info_of(new_redis(), "redis_version")
    assert is_named(version, "Redis"), version
    assert version.startswith(f"{redis_kind.removeprefix('Redis ')}.")
