"""Gives each request an id, by which its log lines are found, and logs the request itself."""

import logging
import os
import re
from collections.abc import Iterable
from contextvars import ContextVar

from entrypoints.settings.settings import RequestLog

HEADER = b"x-request-id"
_WELL_FORMED = re.compile(rb"[A-Za-z0-9._:-]{1,128}")

current_request: ContextVar[str | None] = ContextVar("current_request", default=None)
"""The id of the request that is being answered; None outside of any."""

log = logging.getLogger("credence.requests")


def request_id_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the id that the caller gave the request, if it is one that a log can carry; else a new one."""
    for name, value in headers:
        if name == HEADER and _WELL_FORMED.fullmatch(value):
            return value.decode()
    return os.urandom(16).hex()  # a fifth of what a UUID of the same length takes


def log_request(wanted: RequestLog, *, method: str, route: str | None, status: int, seconds: float) -> None:
    """Log a request that was answered, if such are wanted; by its route, since its address may name people."""
    if wanted is RequestLog.ALL or (wanted is RequestLog.ERRORS and status >= 400):
        fields = {"method": method, "route": route, "status": status, "duration_ms": round(seconds * 1000, 1)}
        log.info("%s %s %s", method, route or "without a route", status, extra=fields)
