"""Calendar intervals, as Stripe bills them: a month before the 31st ends on the last day of a shorter month."""

import calendar
from datetime import datetime, timedelta

_DAYS = {"day": 1, "week": 7}
_MONTHS = {"month": 1, "year": 12}


def interval_before(end: datetime, interval: str, count: int = 1) -> datetime:
    """Return when a period of so many intervals (`day`, `week`, `month`, `year`) began that ends at `end`."""
    if interval in _DAYS:
        return end - timedelta(days=_DAYS[interval] * count)
    months = end.year * 12 + end.month - 1 - _MONTHS[interval] * count
    year, month = divmod(months, 12)
    return end.replace(year=year, month=month + 1, day=min(end.day, calendar.monthrange(year, month + 1)[1]))
