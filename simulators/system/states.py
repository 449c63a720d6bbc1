"""States of objects in memory, forked and compared without their knowing.

Frozen values are shared by all forks; whatever can change is copied. Nothing here knows which adapter it is about, so
a new field of one is forked and compared from the day it exists.
"""

import enum
import hashlib
from collections.abc import Callable, Hashable, Mapping
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

import attrs

_ATOMS = (str, int, float, bool, bytes, type(None), Fraction, datetime, timedelta, enum.Enum)


def forked(value: Any, known: dict[int, Any]) -> Any:
    """Return a copy that shares only what can't change; `known` has what was copied already, by its id."""
    if isinstance(value, _ATOMS) or _is_frozen(type(value)):
        return value
    if id(value) in known:
        return known[id(value)]
    match value:
        case tuple():
            return tuple(forked(item, known) for item in value)
        case frozenset():
            return value
        case list():
            copy: Any = [forked(item, known) for item in value]
        case dict():
            copy = {key: forked(item, known) for key, item in value.items()}
        case set():
            copy = set(value)
        case _:
            copy = object.__new__(type(value))
            known[id(value)] = copy
            for name in _fields(value):
                object.__setattr__(copy, name, forked(getattr(value, name), known))
    known[id(value)] = copy
    return copy


def state_of(  # noqa: PLR0911 - one line for each kind of value
    value: Any, views: Mapping[str, Callable[[Any], Hashable]]
) -> Hashable:
    """Return the value as nested tuples that are equal where the values are.

    `views` has, by a class's name, what of its objects counts. Of a mapping only its items count, not their order.
    """
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, _ATOMS):
        return value
    match value:
        case tuple() | list():
            return tuple([state_of(item, views) for item in value])
        case frozenset() | set():
            return ("set", *sorted((state_of(item, views) for item in value), key=repr))
        case Mapping():
            return ("map", *[(key, state_of(value[key], views)) for key in sorted(value, key=repr)])
        case _:
            kind = type(value).__name__
            if kind in views:
                return views[kind](value)
            return (kind, *[state_of(getattr(value, name), views) for name in _fields(value)])


def digest_of(state: Hashable) -> str:
    """Return a short name for a state, independent of the run."""
    return hashlib.sha256(repr(state).encode()).hexdigest()[:16]


def _fields(value: Any) -> list[str]:
    if attrs.has(type(value)):
        return [field.name for field in attrs.fields(type(value))]
    return sorted(vars(value))


_FROZEN: dict[type, bool] = {}


def _is_frozen(kind: type) -> bool:
    if kind not in _FROZEN:
        _FROZEN[kind] = attrs.has(kind) and _refuses_change(kind)
    return _FROZEN[kind]


def _refuses_change(kind: type) -> bool:
    fields = attrs.fields(kind)
    if not fields:
        return True
    try:
        setattr(object.__new__(kind), fields[0].name, None)
    except attrs.exceptions.FrozenInstanceError:
        return True
    except Exception:  # noqa: BLE001 - a validator that refuses None shows that it may be set
        return False
    return False
