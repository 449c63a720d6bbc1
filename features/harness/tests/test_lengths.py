"""Modules stay short, as CONTRIBUTING.md says; tests may be longer."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
ROOMS = ("domain", "adapters", "entrypoints", "features", "simulators")
LINES_MAX = 250


def test_no_module_is_too_long() -> None:
    """One that grows beyond the rule is split."""
    modules = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    assert [] == [
        path.relative_to(ROOT).as_posix()
        for path in modules
        if "tests" not in path.parts and not path.name.startswith("test_")
        if len(path.read_text().splitlines()) > LINES_MAX
    ]
