"""Modules stay short: those that are longer than the rule are named by CONTRIBUTING.md, and no others."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
ROOMS = ("domain", "adapters", "entrypoints", "features", "simulators")
LINES_MAX = 250


def test_modules_that_are_too_long_are_those_that_are_named() -> None:
    """A new one has to be split, and one that was shortened leaves the list."""
    rule = (ROOT / "CONTRIBUTING.md").read_text().partition("These modules are longer")[2].partition("Docstrings")[0]
    modules = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    assert sorted(re.findall(r"`([\w/]+\.py)`", rule)) == sorted(
        path.relative_to(ROOT).as_posix()
        for path in modules
        if "tests" not in path.parts and not path.name.startswith("test_")
        if len(path.read_text().splitlines()) > LINES_MAX
    )
