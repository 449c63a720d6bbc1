"""A low balance is reported when it becomes one, once."""

import attrs
from hypothesis import given
from hypothesis import strategies as st

from domain.changes.outbox import Message
from domain.decisions.low_balance import Notice, low_balance_due, low_balance_notice
from domain.tests.examples import ADA, NOON
from domain.values.accounts import Account

account = st.builds(
    Account,
    user_id=st.just(ADA),
    balance=st.integers(-20, 20),
    held=st.integers(0, 10),
    notify_below=st.none() | st.integers(0, 15),
)


@given(account, account, st.none() | st.integers(0, 15))
def test_only_crossing_the_threshold_downwards_is_reported(
    before: Account, after: Account, default: int | None
) -> None:
    """An account's own threshold goes before the deployment's; what was low already is reported no more."""
    reported = low_balance_due(before, after, default)
    threshold = default if after.notify_below is None else after.notify_below
    was_low, is_low = (threshold is not None and one.available < threshold for one in (before, after))
    assert (is_low and not was_low) == (reported is not None)


def test_a_notice_reports_what_the_account_has() -> None:
    """The numbers are numbers again, and its name is that of the message."""
    before, after = Account(user_id=ADA, balance=12), Account(user_id=ADA, balance=11, held=2, version=7)
    due = low_balance_due(before, after, 10)
    assert due is not None
    message = Message(
        **attrs.asdict(due, filter=attrs.filters.exclude("payload")),
        payload=due.payload,
        id=3,
        attempts=1,
        created_at=NOON,
    )
    fields = {"user_id": ADA, "balance": 11, "held": 2, "available": 9, "threshold": 10}
    expected = Notice(id=f"low_balance:{ADA}:7", type="credits.low_balance", occurred_at=NOON, content=fields)
    assert expected == low_balance_notice(message)
