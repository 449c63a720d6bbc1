"""Subscriptions: how each event says that they stand, and whose they are."""

from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.stripe.events import read_event
from adapters.stripe.objects.subscriptions import SUBSCRIPTION_EVENTS
from domain.payments.reports import Attribution, ProviderReport, SubscriptionReport, Unreadable
from domain.payments.subscriptions import SubscriptionState, SubscriptionStatus

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
SOON, LATER = 1_780_000_000, 1_790_000_000
UPDATED, DELETED = "customer.subscription.updated", "customer.subscription.deleted"


def subscription(**changes: Any) -> dict[str, Any]:
    return {"id": "sub_1", "status": "active", "metadata": {}, "cancel_at_period_end": False, **changes}


def state(report: ProviderReport) -> SubscriptionState:
    assert isinstance(report, SubscriptionReport), report
    assert report.state is not None
    return report.state


@pytest.mark.parametrize("status", list(SubscriptionStatus))
@pytest.mark.parametrize("event_type", sorted(SUBSCRIPTION_EVENTS))
def test_a_subscription_stands_as_it_says_unless_it_is_deleted(event_type: str, status: str) -> None:
    """What is deleted is canceled, whatever it was the moment before."""
    expected = SubscriptionStatus.CANCELED if event_type == DELETED else SubscriptionStatus(status)
    assert expected is state(read_event(event_type, subscription(status=status), NOON)).status


@pytest.mark.parametrize("status", ["of a later version", "", None, 7, ["active"]])
def test_a_status_that_is_not_known_is_unreadable(status: object) -> None:
    """Better no news than wrong news; but for a deletion it does not matter."""
    assert isinstance(read_event(UPDATED, subscription(status=status), NOON), Unreadable)
    assert SubscriptionStatus.CANCELED is state(read_event(DELETED, subscription(status=status), NOON)).status


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, False),
        ({"cancel_at_period_end": True}, True),
        ({"cancel_at": SOON}, True),
        ({"cancel_at": None}, False),
        ({"cancel_at_period_end": "true"}, False),
    ],
)
def test_an_end_that_is_set_is_reported(changes: dict[str, Any], expected: bool) -> None:
    """By either of the ways in which Stripe says so."""
    assert expected is state(read_event(UPDATED, subscription(**changes), NOON)).cancels_at_period_end


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"current_period_end": SOON}, SOON),
        ({"items": {"data": [{"current_period_end": SOON}, {"current_period_end": LATER}]}}, LATER),
        ({"items": {"data": [{"current_period_end": None}]}}, None),
        ({}, None),
    ],
)
def test_the_period_ends_with_its_last_item(changes: dict[str, Any], expected: int | None) -> None:
    """Items may have periods of their own since 2025."""
    ends = state(read_event(UPDATED, subscription(**changes), NOON)).period_ends_at
    assert expected == (int(ends.timestamp()) if ends else None)


@pytest.mark.parametrize("metadata", [{}, [], None, {"shop": "another"}])
def test_a_subscription_without_metadata_of_ours_names_nobody(metadata: object) -> None:
    """Its session may have named the owner: the ledger knows."""
    report = read_event(UPDATED, subscription(metadata=metadata), NOON)
    assert isinstance(report, SubscriptionReport)
    assert (Attribution(), None) == (report.attribution, report.session_id)
