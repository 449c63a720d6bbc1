"""Reports the state of the cache: a log line each time that it goes out of use or comes back, and a metric."""

import logging

from prometheus_client import Gauge

log = logging.getLogger("credence.cache")

_used = Gauge(
    "credence_cache_used",
    "1 while Redis is used, 0 while the ledger answers in its place; updated every 15 seconds and on each change.",
)


def show_cache(*, is_used: bool) -> None:
    """Show whether Redis is used."""
    _used.set(int(is_used))


def cache_changed(cause: str | None) -> None:
    """Log why Redis is not used from now on; without a cause, that it is used again."""
    show_cache(is_used=cause is None)
    if cause is None:
        log.warning("Redis is used again.")
    else:
        log.warning("Redis is not used; the ledger answers in its place: %s.", cause.rstrip("."))
