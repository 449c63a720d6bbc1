"""The entrypoints keep their shape: use cases only, short handlers, short builders."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import get_type_hints

import pytest

from entrypoints.services import Services

FOLDER = Path(__file__).resolve().parents[1]
Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(path: Path) -> Iterator[Function]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    yield from (node for node in ast.walk(tree) if isinstance(node, Function))


def length(function: Function) -> int:
    """Return how many lines a function has after its signature and docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def is_handler(function: Function) -> bool:
    called = [one.func for one in function.decorator_list if isinstance(one, ast.Call)]
    return any(isinstance(name, ast.Name) and name.id in {"get", "post", "put", "delete"} for name in called)


def test_services_hold_no_port() -> None:
    """What routes, commands and the worker are given are use cases, values, and the time."""
    modules = {name: getattr(kind, "__module__", "") for name, kind in get_type_hints(Services).items()}
    assert [] == [name for name, module in modules.items() if module.startswith("domain.ports")]


@pytest.mark.parametrize("path", sorted((FOLDER / "http" / "routes").glob("*.py")), ids=lambda path: path.stem)
def test_handlers_are_short(path: Path) -> None:
    """They parse, call a use case and present: 15 lines do."""
    assert {} == {one.name: length(one) for one in functions(path) if is_handler(one) and length(one) > 15}


@pytest.mark.parametrize("path", sorted((FOLDER / "composition").glob("*.py")), ids=lambda path: path.stem)
def test_builders_are_short(path: Path) -> None:
    """What is wired can be read at a glance: 20 lines each."""
    assert {} == {one.name: length(one) for one in functions(path) if length(one) > 20}


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.py")), ids=lambda path: str(path.relative_to(FOLDER)))
def test_files_are_short(path: Path) -> None:
    """A file that grows beyond 250 lines is two."""
    if "tests" not in path.parts:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 250
