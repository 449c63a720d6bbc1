"""Requests as they come in: what no parser takes, and keys that are none, are the caller's mistake, never ours."""

import re
from http import HTTPStatus
from typing import Any

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from entrypoints.intents import KEY_PATTERN
from entrypoints.problems import problem


class JsonRequest(Request[Any, Any, Any]):
    """A request whose body may be deeper, or of other bytes, than a JSON parser stands."""

    async def json(self) -> Any:
        """The body, read as JSON; 400 where that can't be."""
        try:
            return await super().json()
        except (UnicodeDecodeError, RecursionError) as error:
            detail = "The body is refused: it must be JSON in UTF-8, not nested more deeply than what is asked for."
            raise problem(HTTPStatus.BAD_REQUEST, "invalid-body", detail) from error


def one_key(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Let nothing pass that is not named by exactly one Idempotency-Key: two would leave open which of them counts."""
    keys = connection.headers.getall("Idempotency-Key", [])
    if len(keys) != 1 or not re.match(KEY_PATTERN, keys[0]):
        detail = (
            "Send one Idempotency-Key: your name for this one intent, 1 to 255 visible ASCII characters without blanks."
            " A repetition under the same key gets the first answer, and changes nothing."
        )
        raise problem(HTTPStatus.BAD_REQUEST, "invalid-idempotency-key", detail)
