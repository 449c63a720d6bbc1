"""Defines a bug: one name of the real code that means something else, and how it must come to light."""

from collections.abc import Callable
from typing import Any

import attrs

from features.harness.planting import Patch
from simulators.stories.checkers import Checker


def _same(value: Any) -> Any:
    return value


@attrs.frozen(kw_only=True)
class Bug:
    """One bug, the case in which the exhaustive explorer finds it, and the checker that must complain first."""

    name: str
    description: str
    case: str
    checker: Checker
    patches: tuple[Patch, ...] = ()
    use_cases: Callable[[Any], Any] = _same
    """How one process's use cases differ, where a port of theirs does."""
