"""Decides about a new sale before the ledger is read, so that one commit is all that it takes."""

from datetime import UTC, datetime

import attrs

from domain.changes.changes import Snapshot
from domain.changes.inbox import EventDecision, EventStatus
from domain.decisions.payments import decide
from domain.decisions.purchase_changes import Decision
from domain.decisions.reports import claimed_user
from domain.payments.reports import ProviderReport, SaleReport
from domain.values.accounts import Account
from domain.values.plans import Catalogue

NOTHING_KNOWN = Snapshot(event_status=None, account=None, purchases=(), now=datetime.min.replace(tzinfo=UTC))
"""What a ledger has that knows nothing of a report; no decision about a new sale depends on its time."""


def decide_unread(
    kept: EventDecision, report: ProviderReport, catalogue: Catalogue, *, livemode: bool
) -> Decision | None:
    """Return the decision about a sale of which the ledger knows nothing yet; None if it depends on more than that.

    The commit refuses the change unless what is presumed here is so: no event with the id is final, no purchase has
    the id or one of the links, and the user exists, with the email that the sale claims if that counts. Nothing else
    that a snapshot has says anything of a complete one-time sale that an event brings and that posts credits.
    """
    user_id = claimed_user(report)
    if not isinstance(report, SaleReport) or user_id is None:
        return None
    if report.lines is not None or report.items is not None or report.subscription_id is not None:
        return None
    presumed = Account(user_id=user_id, email=report.attribution.email)
    unknown = attrs.evolve(NOTHING_KNOWN, account=presumed)
    decision = decide(kept, report, unknown, catalogue, livemode=livemode)
    # One that lacks something is parked, and may be completed.
    if decision.status is not EventStatus.APPLIED or not decision.change.postings:
        return None
    # Terms of our own decide alone: then no email is compared.
    email = report.attribution.email if report.attribution.terms is None else None
    return attrs.evolve(decision, change=attrs.evolve(decision.change, owner_email=email or None))
