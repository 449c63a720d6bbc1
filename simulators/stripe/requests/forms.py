"""The form encoding of Stripe's API: brackets make objects, and lists are objects with the keys `0`, `1`, ..."""

import re
from typing import Any
from urllib.parse import parse_qsl

MAX_FIELDS = 1000
MAX_DEPTH = 8

_NAME = re.compile(r"[^\[\]]+(\[[^\[\]]*\])*")
_PART = re.compile(r"\[([^\]]*)\]")


def decode(form: bytes) -> dict[str, Any]:
    """Return a form body, or a query, as the object it means.

    :raises ValueError: if it is no form of this kind.
    """
    decoded: dict[str, Any] = {}
    fields = parse_qsl(form.decode(), keep_blank_values=True, strict_parsing=bool(form), max_num_fields=MAX_FIELDS)
    for name, value in fields:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name} is no name of a parameter")
        *path, last = [name.partition("[")[0], *_PART.findall(name)]
        if len(path) > MAX_DEPTH:
            raise ValueError(f"{name} is too deep")
        place = decoded
        for part in path:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise ValueError(f"{name} is both a value and an object")
        if isinstance(place.get(last), dict):
            raise ValueError(f"{name} is both a value and an object")
        # A list without numbers: each `name[]` is one more.
        place[last or str(len(place))] = value
    return decoded
