"""The walls of the house hold: each import that they forbid is planted in a copy, and found."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
COMMANDS = Path(sys.executable).parent
COPIED = ("domain", "adapters", "entrypoints", "simulators", "features", "migrations")

USE_CASES = "Adapters implement ports"
TECHNOLOGIES = "Adapters don't know each other"
COMPOSITION = "Only the composition root knows adapters"
DOMAIN = "Inside the domain"
ENTRYPOINTS = "Inside the entrypoints"
SIMULATORS = "Inside the simulators"
CYCLES = "No package and no module of one depends on itself"
NOBODY = "Nobody imports the migrations, nor the features"
NOT_OURS = "The simulators share neither our rules"
NOT_THEIRS = "Neither the domain nor an adapter knows the simulators"
PURE = "The domain does nothing, and needs attrs alone"
ROUTES = "A route knows HTTP"
COMMANDS_ALONE = "Commands know the command line"
AUTH = "Authentication knows tokens"
SETTINGS = "Settings are read from the environment alone"
TELEMETRY = "Telemetry knows Prometheus"
PLAIN_ENTRYPOINTS = "Entrypoints of no technology know none"
STRIPE = "Stripe's adapter knows Stripe's library alone"
POSTGRES = "The ledger's adapter knows Postgres and Supabase alone"
REDIS = "The cache's adapter knows Redis alone"
NOTICES = "The notices' adapter knows HTTP and Standard Webhooks alone"
PLAIN_ADAPTERS = "Adapters of no technology know none"
NO_PORTS = "Entrypoints call use cases"
STACK = "Of the simulators the stack alone"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the packages without their tests."""
    copy = tmp_path_factory.mktemp("house")
    for folder in COPIED:
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("tests", "__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    return copy


@pytest.fixture
def planted(house: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """Plant a line at the end of a module for as long as the test runs; give the copy."""
    module, line = request.param
    path = house / f"{module.replace('.', '/')}.py"
    before = path.read_text(encoding="utf-8")
    path.write_text(f"{before}\n{line}\n", encoding="utf-8")
    yield house
    path.write_text(before, encoding="utf-8")


def run(house: Path, command: str, *arguments: str) -> tuple[int, str]:
    """Run a command of the virtual environment in the copy; return its exit code, and its output in one line."""
    done = subprocess.run(
        [COMMANDS / command, *arguments], cwd=house, capture_output=True, text=True, timeout=120, check=False
    )
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def test_the_copy_as_it_is_passes(house: Path) -> None:
    """What follows is found because it was planted."""
    code, output = run(house, "lint-imports")
    assert 0 == code, output
    assert "0 broken" in output


@pytest.mark.parametrize(
    ("planted", "contract"),
    [
        (("adapters.redis.quota_cache", "from adapters.postgres import errors"), TECHNOLOGIES),
        (("adapters.batching.batcher", "from adapters.stripe import connection"), TECHNOLOGIES),
        (("adapters.batching.batched_credits", "from domain.usecases.use_credits import CreditService"), USE_CASES),
        (("adapters.stripe.webhooks", "from simulators.stripe import signatures"), NOT_THEIRS),
        (("domain.credits.grants", "from simulators.stripe import signatures"), NOT_THEIRS),
        (("domain.credits.grants", "import features"), NOBODY),
        (("domain.payments.purchases", "from features.harness import credit_stories"), NOBODY),
        (("adapters.stripe.webhooks", "from features.harness import processes"), NOBODY),
        (("adapters.memory.ledger", "def f():\n    from features.billing.world import World"), NOBODY),
        (("entrypoints.services", "from features.bench import size"), NOBODY),
        (("entrypoints.http.routes.plans", "from features.real_parts import execute"), NOBODY),
        (("simulators.stories.life", "from features.harness import binding"), NOBODY),
        (("simulators.explorer.cases", "import features.steps.story"), NOBODY),
        (("domain.upkeep.diagnosis", "import migrations"), NOBODY),
        (("adapters.postgres.migrations", "import migrations as schema"), NOBODY),
        (("entrypoints.worker", "import migrations"), NOBODY),
        (("simulators.fire.runs", "import migrations"), NOBODY),
        (("features.real_parts", "import migrations"), NOBODY),
        (("features.harness.processes", "from features.harness import binding"), CYCLES),
        (("entrypoints.http.routes.plans", "import asyncpg"), ROUTES),
        (("entrypoints.http.routes.plans", "import sqlite3"), ROUTES),
        (("entrypoints.http.routes.plans", "import socket"), ROUTES),
        (("entrypoints.pages.routes", "import asyncpg"), ROUTES),
        (("entrypoints.http.guarding", "import asyncpg"), ROUTES),
        (("entrypoints.cli.inbox", "import asyncpg"), COMMANDS_ALONE),
        (("entrypoints.auth.jwks", "import redis"), AUTH),
        (("entrypoints.settings.rules", "import supabase"), SETTINGS),
        (("entrypoints.telemetry.metrics", "import asyncpg"), TELEMETRY),
        (("entrypoints.worker", "import asyncpg"), PLAIN_ENTRYPOINTS),
        (("adapters.stripe.checkout", "import asyncpg"), STRIPE),
        (("adapters.postgres.inbox", "import redis"), POSTGRES),
        (("adapters.redis.client", "import stripe"), REDIS),
        (("adapters.standard_webhooks", "import stripe"), NOTICES),
        (("adapters.batching.group_commit", "import asyncpg"), PLAIN_ADAPTERS),
        (("adapters.system.clock", "import redis"), PLAIN_ADAPTERS),
        (("entrypoints.http.routes.plans", "from adapters.stripe import connection"), COMPOSITION),
        (("entrypoints.http.routes.plans", "from domain.ports import Ledger"), NO_PORTS),
        (("entrypoints.cli.grants", "from domain.ports import LedgerUnavailable"), NO_PORTS),
        (("entrypoints.services", "from domain.ports import Ledger"), NO_PORTS),
        (("domain.payments.purchases", "import typing_extensions"), PURE),
        (("domain.payments.purchases", "def f():\n    import time"), PURE),
        (("domain.payments.purchases", "import ctypes"), PURE),
        (("domain.payments.purchases", "import platform"), PURE),
        (("simulators.stories.life", "import redis"), STACK),
        (("simulators.explorer.cases", "import litestar"), STACK),
        (("simulators.fire.sender", "import asyncpg"), STACK),
        (("simulators.stories.life", "from domain.values import money"), NOT_OURS),
        (("domain.values.money", "from domain.payments import invoices"), DOMAIN),
        (("domain.payments.purchases", "from domain.credits import ledger"), DOMAIN),
        (("entrypoints.services", "from entrypoints.http import problems"), ENTRYPOINTS),
        (("entrypoints.settings.rules", "from entrypoints.auth import jwks"), ENTRYPOINTS),
        (("simulators.stripe.objects", "from simulators.stories import life"), SIMULATORS),
        (("domain.payments.invoices", "from domain.payments import purchases"), CYCLES),
        (("simulators.stripe.account.reversals", "from simulators.stripe.account.account import METHODS"), CYCLES),
    ],
    indirect=["planted"],
    ids=lambda value: f"{value[0]}: {value[1].split(maxsplit=1)[-1]}" if isinstance(value, tuple) else "",
)
def test_a_forbidden_import_is_found(planted: Path, contract: str) -> None:
    """`make check` fails of it, by the contract that is there for it."""
    code, output = run(planted, "lint-imports")

    broken = output.partition("Broken contracts")[2]
    assert 1 == code
    assert contract in broken


def test_a_new_package_has_to_find_its_layer(house: Path) -> None:
    """The lists of layers are complete."""
    new = house / "domain" / "helpers"
    new.mkdir()
    (new / "__init__.py").write_text('"""Whatever."""\n', encoding="utf-8")
    try:
        code, output = run(house, "lint-imports")
    finally:
        shutil.rmtree(new)

    assert 1 == code
    assert "domain.helpers" in output


@pytest.mark.parametrize(
    "planted", [("adapters.stripe.connection", "import typing_extensions")], indirect=True, ids=["typing_extensions"]
)
def test_an_undeclared_dependency_is_found(planted: Path) -> None:
    """What is only there because others need it is no dependency of ours."""
    code, output = run(planted, "deptry", ".")

    assert 1 == code
    assert "'typing_extensions' imported but it is a transitive dependency" in output
