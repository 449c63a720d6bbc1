"""The domain does nothing: what its modules import and call is read off their source."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

DOMAIN = Path(__file__).resolve().parents[1]
MODULES = sorted(path for path in DOMAIN.rglob("*.py") if "tests" not in path.relative_to(DOMAIN).parts)

ACTS = frozenset(
    {
        "asyncio", "concurrent", "ctypes", "fcntl", "http", "importlib", "io", "logging", "multiprocessing", "os",
        "pathlib", "queue", "random", "secrets", "select", "selectors", "shutil", "signal", "socket", "sqlite3",
        "ssl", "subprocess", "sys", "tempfile", "threading", "time", "urllib", "warnings",
    }
)  # fmt: skip
ALLOWED = (sys.stdlib_module_names - ACTS) | {"attrs", "domain"}
ACTING_CALLS = frozenset(
    {"__import__", "breakpoint", "eval", "exec", "input", "now", "open", "print", "today", "utcnow", "uuid1", "uuid4"}
)


def imported(source: str) -> Iterator[str]:
    """The top-level names of what a module imports, at any depth of it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." if node.level else str(node.module).partition(".")[0]


def called(source: str) -> Iterator[str]:
    """The last names of what a module calls."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            match node.func:
                case ast.Name(id=name) | ast.Attribute(attr=name):
                    yield name


def test_the_modules_are_found() -> None:
    """The check below looks at the rules and the use cases."""
    names = {path.relative_to(DOMAIN).as_posix() for path in MODULES}
    known = {"payments/purchases.py", "credits/ledger.py", "decisions/payments.py", "usecases/record_payment.py"}
    assert known <= names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(DOMAIN).as_posix())
def test_a_module_only_decides(path: Path) -> None:
    """It imports the standard library's passive parts, attrs and the domain; it asks no clock and no chance."""
    source = path.read_text(encoding="utf-8")
    assert set() == set(imported(source)) - ALLOWED
    assert set() == set(called(source)) & ACTING_CALLS


@pytest.mark.parametrize(
    "source",
    [
        "import asyncio",
        "import os.path",
        "from time import monotonic",
        "def decide():\n    import random",
        "if True:\n    from adapters.system.clock import SystemClock",
        "import stripe",
        "from . import money",
    ],
)
def test_a_forbidden_import_is_seen(source: str) -> None:
    """Wherever in a module it hides."""
    assert set(imported(source)) - ALLOWED


@pytest.mark.parametrize("source", ["datetime.now(UTC)", "uuid.uuid4()", "print(1)", "def f():\n    return open('x')"])
def test_a_forbidden_call_is_seen(source: str) -> None:
    """However it is reached."""
    assert set(called(source)) & ACTING_CALLS
