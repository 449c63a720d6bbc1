"""What a line of the log has, and how it is written."""

import json
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

import pytest

from entrypoints.telemetry.logging import JsonFormatter
from entrypoints.telemetry.requests import current_request

USER = UUID("6f1e0a52-3f0e-4d7c-9a55-0d5f6a1b2c3d")
MOMENT = datetime(2026, 9, 20, 12, 0, 0, 123_456, UTC)


@pytest.fixture(params=[None, "req_1"])
def request_id(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """The id of the request that is answered, or none."""
    token = current_request.set(request.param)
    yield request.param
    current_request.reset(token)


def record(message: str, *arguments: object, **extra: object) -> logging.LogRecord:
    fields = {"name": "credence.webhooks", "levelname": "INFO", "msg": message, "args": arguments}
    return logging.makeLogRecord({**fields, "created": MOMENT.timestamp(), **extra})


def test_a_line_has_the_fields_in_their_order(request_id: str | None) -> None:
    """Time, level, logger, message, the request if there is one, and what was given beside it; all in ASCII."""
    line = JsonFormatter().format(record("For %s\n\u20ac \ud800", USER, event_id="evt_1", user_id=USER, reason=None))
    asked = {"request_id": request_id} if request_id else {}
    expected = {
        "time": "2026-09-20T12:00:00.123+00:00",
        "level": "info",
        "logger": "credence.webhooks",
        "message": f"For {USER}\n\u20ac \ud800",
        **asked,
        "event_id": "evt_1",
        "user_id": str(USER),
        "reason": None,
    }
    assert list(expected.items()) == list(json.loads(line).items())
    assert (True, False) == (line.isascii(), "\n" in line)


def test_a_line_ends_with_the_exception() -> None:
    """As a traceback, behind all other fields."""
    try:
        raise ValueError("wrong")
    except ValueError:
        line = json.loads(JsonFormatter().format(record("Failed", event_id="evt_1", exc_info=sys.exc_info())))
    assert ["event_id", "exception"] == list(line)[-2:]
    assert line["exception"].endswith("ValueError: wrong")
