"""Bugs to be planted, each of one line, to see that the explorers would find them."""

from collections.abc import Callable, Mapping
from typing import Any

import attrs


def _same(value: Any) -> Any:
    return value


@attrs.frozen(kw_only=True)
class Bug:
    """One bug: how the use cases, or what survives them, differ."""

    name: str
    told: str
    use_cases: Callable[[Any], Any] = _same
    parts: Callable[[Any], Any] = _same


BUGS: Mapping[str, Bug] = {}
