"""The house is as docs/architecture.md draws it, and none of its rooms is too full."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
TOP = ("domain", "adapters", "entrypoints", "simulators", "features")
PACKAGES = sorted(path.parent for top in TOP for path in (ROOT / top).rglob("__init__.py"))
NAMED = sorted(set(re.findall(rf"`((?:{'|'.join((*TOP, 'migrations', 'docs'))})/[\w./-]*)`", PAGE)))
MOST_MODULES = 20


def drawn() -> set[str]:
    """Return what the tree on the page shows, as paths."""
    tree = PAGE.partition("```text\n")[2].partition("```")[0]
    shown, above = set(), []
    for line in filter(str.strip, tree.splitlines()):
        name = line.split()[0]
        depth = (len(line) - len(line.lstrip())) // 2
        above = [*above[:depth], name]
        shown.add("".join(above))
    return shown


def test_the_page_names_files() -> None:
    """What is checked below is there."""
    assert "domain/usecases/record_payment.py" in NAMED
    assert "entrypoints/http/routes/" in drawn()


@pytest.mark.parametrize("path", sorted({*NAMED, *drawn()}))
def test_what_the_page_names_exists(path: str) -> None:
    """A file that moves takes its name on the page along."""
    assert (ROOT / path).is_dir() if path.endswith("/") else (ROOT / path).is_file()


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_package_is_on_the_page(package: Path) -> None:
    """No package is added without a line that says what it is for."""
    assert f"{package.relative_to(ROOT).as_posix()}/" in drawn()


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_package_says_in_a_sentence_what_belongs_there(package: Path) -> None:
    """Its `__init__.py` is that sentence, holds no code and re-exports nothing."""
    source = (package / "__init__.py").read_text(encoding="utf-8")

    assert re.fullmatch(r'"""[A-Z][^."]*(?:`[^`]*`[^."]*)*\."""\n', source)


@pytest.mark.parametrize("top", [*TOP, "migrations"])
def test_no_folder_holds_more_modules_than_one_can_look_over(top: str) -> None:
    """Tests count, too."""
    folders = {path.parent for path in (ROOT / top).rglob("*.py")}
    modules = {folder: {path.name for path in folder.glob("*.py")} - {"__init__.py"} for folder in folders}

    assert {} == {str(folder): len(names) for folder, names in modules.items() if len(names) > MOST_MODULES}
