"""All the bugs that can be planted, by their names."""

from collections.abc import Mapping

from features.harness.bugs import of_invoices, of_purchases, of_recording, of_spending
from features.harness.bugs.bug import Bug

BUGS: Mapping[str, Bug] = {
    bug.name: bug for bug in (*of_purchases.BUGS, *of_invoices.BUGS, *of_recording.BUGS, *of_spending.BUGS)
}
"""Every bug by its name."""
