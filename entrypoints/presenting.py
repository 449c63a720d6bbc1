"""Turns the domain's values into responses by copying the fields that have the same name in both."""

import functools
from typing import TypeVar

import attrs
from attrs import AttrsInstance

Answer = TypeVar("Answer", bound=AttrsInstance)


def present(answer: type[Answer], source: object, /, **own: object) -> Answer:
    """Return a response whose fields are copied from `source`; those given in `own` take precedence.

    :raises AttributeError: if `source` lacks a field.
    """
    return answer(**{name: getattr(source, name) for name in _names(answer) if name not in own}, **own)


@functools.cache
def _names(answer: type[AttrsInstance]) -> tuple[str, ...]:
    return tuple(field.name for field in attrs.fields(answer))
