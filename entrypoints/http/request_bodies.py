"""Parses request bodies strictly: unreadable bodies and malformed keys are answered 400, never 500."""

import re
from enum import StrEnum
from functools import cache
from http import HTTPStatus
from typing import Any

import attrs
import msgspec
from litestar import Request
from litestar.exceptions import SerializationException, ValidationException

from entrypoints.http.operation_answers import KEY_PATTERN
from entrypoints.http.problems import problem

ALLOW_UNKNOWN_FIELDS = "may_have_also_other_fields"
"""The route `opt` that allows unknown fields in the body."""

KEY_WANTED = "needs_an_idempotency_key"
"""The route `opt` that requires an Idempotency-Key."""

KEY_TAKEN = "takes_an_idempotency_key"
"""The `opt` of a route that may be called without an Idempotency-Key."""

_MISSING = re.compile(r"Object missing required field `(.+)`")
_PLACE = re.compile(r" - at (?:`key` in )?`\$\.(.+)`$")


class JsonRequest(Request[Any, Any, Any]):
    """A request whose JSON body is parsed strictly."""

    async def json(self) -> Any:
        """Return the body as the type that the route declares; 400 if it is malformed or of another type.

        Numbers must be JSON numbers: Litestar's lax parsing, meant for query strings, also accepts "5" and 5.0.
        Unknown fields are refused, since a misspelt `expires_at` would otherwise count as omitted.
        """
        wanted = self.route_handler.parsed_data_field
        if not await self.body():
            raise ValidationException(extra=[_field("body", "is missing")])
        body = await self._parsed()
        if wanted is None:
            return body
        try:
            understood = msgspec.convert(body, wanted.annotation, str_keys=True)
        except msgspec.ValidationError as error:
            raise ValidationException(extra=[_wrong(str(error), wanted.annotation)]) from error
        unknown = body.keys() - _names(wanted.annotation)
        if unknown and not self.route_handler.opt.get(ALLOW_UNKNOWN_FIELDS):
            raise ValidationException(extra=[_field(name[:64], "is not a known field") for name in sorted(unknown)[:5]])
        return understood

    async def _parsed(self) -> Any:
        try:
            return await super().json()
        except (SerializationException, UnicodeDecodeError, RecursionError) as error:
            detail = (
                "The body must be JSON in UTF-8, not nested too deeply, without numbers out of range or unpaired"
                " surrogates."
            )
            raise problem(HTTPStatus.BAD_REQUEST, "invalid-body", detail) from error


def check_idempotency_key(request: Request[Any, Any, Any]) -> None:
    """Raise 400 unless the request has as many keys as its route takes; with two it is unclear which one counts."""
    opt = request.route_handler.opt
    if not opt.get(KEY_WANTED) and not opt.get(KEY_TAKEN):
        return
    keys = request.headers.getall("Idempotency-Key", [])
    if not keys and opt.get(KEY_TAKEN):
        return
    if len(keys) != 1 or not re.match(KEY_PATTERN, keys[0]):
        detail = (
            "Send exactly one Idempotency-Key: 1 to 255 visible ASCII characters without spaces. Repeating a request "
            "with the same key returns the first answer and changes nothing."
        )
        raise problem(HTTPStatus.BAD_REQUEST, "invalid-idempotency-key", detail)


def _wrong(message: str, wanted: Any) -> dict[str, str]:
    """Return the field and its problem, in the form that Litestar uses for other parameters."""
    missing, place = _MISSING.match(message), _PLACE.search(message)
    if missing is not None:
        return _field(missing[1], message)
    key = place[1] if place is not None else "body"
    return _field(key, _accepted(wanted, key) or message.split(" - ", 1)[0])


@cache
def _names(wanted: Any) -> frozenset[str]:
    return frozenset(attrs.fields_dict(wanted))


def _field(name: str, message: str) -> dict[str, str]:
    return {"message": message, "key": name, "source": "body"}


def _accepted(wanted: Any, name: str) -> str | None:
    """Return the allowed values of an enum field in words, such as "must be a or b"."""
    field = attrs.fields_dict(wanted).get(name) if attrs.has(wanted) else None
    names = field.type if field is not None else None
    return f"must be {' or '.join(names)}" if isinstance(names, type) and issubclass(names, StrEnum) else None
