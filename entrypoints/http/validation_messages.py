"""Rewrites msgspec's validation errors for people, without its notation."""

import re
from collections.abc import Callable

_NOUNS = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "object": "an object",
    "array": "a list",
    "null": "null",
    "datetime": "a time such as 2030-01-31T00:00:00Z",
}
_GOT = {"float": "a decimal number"}
_RULES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (
        re.compile(r"Expected `([^`]+)`, got `([^`]+)`"),
        lambda found: f"must be {_named(found[1])}, not {_GOT.get(found[2]) or _named(found[2])}",
    ),
    (re.compile(r"Expected `[^`]+` >= (-?\d+)"), lambda found: f"must be {int(found[1]):,} or more"),
    (re.compile(r"Expected `[^`]+` <= (-?\d+)"), lambda found: f"must be {int(found[1]):,} or less"),
    (re.compile(r"Expected `str[^`]*` of length >= 1\b"), lambda _: "must not be empty"),
    (re.compile(r"Expected `str[^`]*` of length <= (\d+)"), lambda found: f"must have at most {found[1]} characters"),
    (re.compile(r"Expected `[^`]+` of length <= (\d+)"), lambda found: f"must have at most {found[1]} members"),
    (
        re.compile(r"Expected `str[^`]*` matching regex .*\[0-9\]"),
        lambda _: "must be a cursor from an earlier response",
    ),
    (re.compile(r"Expected `str[^`]*` matching regex .*\\s"), lambda _: "must not be blank or contain a NUL character"),
    (
        re.compile(r"Expected `str[^`]*` matching regex"),
        lambda _: "contains a character that is not allowed, such as NUL",
    ),
    (re.compile(r"Invalid enum value"), lambda _: "must be one of the names that /schema lists for it"),
    (re.compile(r"Object missing required field|'data'\Z"), lambda _: "is missing"),
)


def humanize(message: str) -> str:
    """Return the message without msgspec's notation; unknown messages are returned unchanged."""
    for pattern, words in _RULES:
        found = pattern.match(message)
        if found is not None:
            return words(found)
    return message


def _named(types: str) -> str:
    return " or ".join(_NOUNS.get(name, name) for name in types.split(" | "))
