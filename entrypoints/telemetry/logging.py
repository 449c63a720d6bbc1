"""The log: one JSON object per line on standard error."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from entrypoints.telemetry.requests import current_request

_OWN_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
_JSON = json.JSONEncoder(default=str)


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON, with the request's id and the fields of `extra` beside the message."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (request_id := current_request.get()) is not None:
            line["request_id"] = request_id
        line |= {name: value for name, value in vars(record).items() if name not in _OWN_FIELDS}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _JSON.encode(line)


def configure(level: int = logging.INFO) -> None:
    """Send the process's logs to standard error as JSON; libraries log warnings and above only.

    No line has the thread, the process or the place in the code: they are not looked up ("Optimization" in Python's
    logging HOWTO).
    """
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("credence").setLevel(level)
    logging.getLogger("uvicorn.error").setLevel(level)
