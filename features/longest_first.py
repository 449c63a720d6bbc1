"""Begins the longest test files first, so that no process is left alone with one at the end."""

from collections.abc import Sequence

import pytest

LONGEST = (
    "features/test_features.py",
    "features/harness/tests/test_random_worlds.py",
    "features/harness/tests/test_exhaustive.py",
    "features/http/test_fire.py",
    "domain/tests/test_purchase_laws.py",
    "features/http/test_real_kills.py",
)
"""By what `make test ARGS=--durations=0` shows. The others follow in the order in which they are found."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the tests of the longest files before all others."""
    items.sort(key=lambda item: _place(item.path.relative_to(config.rootpath).as_posix(), LONGEST))


def _place(path: str, first: Sequence[str]) -> int:
    return first.index(path) if path in first else len(first)
