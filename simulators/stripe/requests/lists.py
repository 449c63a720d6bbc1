"""Lists of Stripe's API: filters, pages and their refusals, the same for every kind of object."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from simulators.stripe.objects import Object, listed
from simulators.stripe.requests.refusals import invalid, missing

MAX_PAGE = 100

_PAGING = frozenset({"created", "ending_before", "expand", "limit", "starting_after"})
_COMPARISONS: Mapping[str, Callable[[int, int], bool]] = {
    "gt": int.__gt__,
    "gte": int.__ge__,
    "lt": int.__lt__,
    "lte": int.__le__,
}


def page(objects: Sequence[Object], url: str, parameters: Mapping[str, Any], *, filters: Sequence[str] = ()) -> Object:
    """A page of objects that are given oldest first; `filters` are the fields by which they may be chosen.

    :raises Refusal: if Stripe would refuse the parameters.
    """
    for name in parameters:
        if name not in _PAGING and name not in filters:
            raise invalid(f"Received unknown parameter: {name}", name, code="parameter_unknown")
    limit = integer(parameters.get("limit", "10"), "limit")
    if not 1 <= limit <= MAX_PAGE:
        raise invalid(f"Invalid integer: must be from 1 to {MAX_PAGE}", "limit")
    newest_first = list(objects)[::-1]
    backwards = "ending_before" in parameters
    if after := parameters.get("starting_after"):
        newest_first = newest_first[_place(newest_first, str(after), "starting_after") + 1 :]
    if before := parameters.get("ending_before"):
        newest_first = newest_first[: _place(newest_first, str(before), "ending_before")]
    bounds = _bounds(parameters.get("created", {}))
    wanted = {name: parameters[name] for name in filters if name in parameters}
    chosen = [
        one
        for one in newest_first
        if all(_value(one, name) == value for name, value in wanted.items())
        and all(holds(one["created"], at) for holds, at in bounds)
    ]
    data = chosen[-limit:] if backwards else chosen[:limit]
    return listed(data, url, has_more=len(chosen) > limit)


def integer(given: object, param: str) -> int:
    """A whole number of a request.

    :raises Refusal: if it is none.
    """
    text = str(given)
    if not (text.isascii() and text.isdecimal()) or len(text) > 12:
        raise invalid(f"Invalid integer: {text[:40]}", param, code="parameter_invalid_integer")
    return int(text)


def _value(one: Object, name: str) -> object:
    return one.get(name, one.get(f"_{name}"))


def _place(objects: list[Object], wanted: str, param: str) -> int:
    for place, one in enumerate(objects):
        if one["id"] == wanted:
            return place
    raise missing("object", wanted, param=param, status=400)


def _bounds(text: object) -> list[tuple[Callable[[int, int], bool], int]]:
    if not isinstance(text, Mapping):
        return [(int.__eq__, integer(text, "created"))]
    unknown = next((name for name in text if name not in _COMPARISONS), None)
    if unknown is not None:
        param = f"created[{unknown}]"
        raise invalid(f"Received unknown parameter: {param}", param, code="parameter_unknown")
    return [(_COMPARISONS[name], integer(value, f"created[{name}]")) for name, value in text.items()]
