"""How the domain's values become answers: what has the same name in both is taken over."""

import functools
from typing import TypeVar

import attrs
from attrs import AttrsInstance

Answer = TypeVar("Answer", bound=AttrsInstance)


def present(answer: type[Answer], source: object, /, **own: object) -> Answer:
    """Return an answer with what `source` has under the names of its fields; what is `own` goes first.

    :raises AttributeError: if the source lacks one.
    """
    return answer(**{name: getattr(source, name) for name in _names(answer) if name not in own}, **own)


@functools.cache
def _names(answer: type[AttrsInstance]) -> tuple[str, ...]:
    return tuple(field.name for field in attrs.fields(answer))
