"""All the bugs that can be planted, by their names."""

from collections.abc import Mapping

from features.harness.bugs import (
    of_copies,
    of_invoices,
    of_purchases,
    of_recording,
    of_refreshing,
    of_selling,
    of_spending,
    of_unused_time,
)
from features.harness.bugs.bug import Bug

_GROUPS = (of_purchases, of_unused_time, of_invoices, of_recording, of_copies, of_refreshing, of_spending, of_selling)

BUGS: Mapping[str, Bug] = {bug.name: bug for group in _GROUPS for bug in group.BUGS}
"""Every bug by its name."""
