"""The log: one JSON object per line on standard error."""

import json
import logging
import sys
from datetime import UTC, datetime

from entrypoints.telemetry.requests import current_request

_OWN_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON, with the request's id and the fields of `extra` beside the message."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON."""
        request_id = current_request.get()
        extra = {name: value for name, value in vars(record).items() if name not in _OWN_FIELDS}
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **({} if request_id is None else {"request_id": request_id}),
            **extra,
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure(level: int = logging.INFO) -> None:
    """Send the process's logs to standard error as JSON; libraries log warnings and above only."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("credence").setLevel(level)
    logging.getLogger("uvicorn.error").setLevel(level)
