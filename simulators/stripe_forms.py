"""The form encoding of Stripe's API: brackets make objects, and lists are objects with the keys `0`, `1`, ..."""

import re
from typing import Any
from urllib.parse import parse_qsl

_PART = re.compile(r"\[([^\]]*)\]")


def decode(body: bytes) -> dict[str, Any]:
    """A form body as the object it means.

    :raises ValueError: if it is no form of this kind.
    """
    decoded: dict[str, Any] = {}
    for name, value in parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=bool(body)):
        *path, last = [name.partition("[")[0], *_PART.findall(name)]
        place = decoded
        for part in path:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise ValueError(f"{name} is both a value and an object")
        place[last] = value
    return decoded
