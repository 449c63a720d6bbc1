"""Rollover with a cap: of what is unspent when a period is over, so much stays, and the rest expires."""

from datetime import UTC, datetime, timedelta

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.credits.grants import Grant, GrantId, lapsing
from domain.credits.holds import Hold, HoldId
from domain.credits.idempotency import IdempotencyKey
from domain.credits.ledger import EntryKind
from domain.credits.wallets import (
    DebitDetails,
    Insufficient,
    Wallet,
    WalletChange,
    capture,
    expire_overdue,
    place_hold,
    spend,
    void,
)
from domain.payments.purchases import PurchaseId
from domain.tests.examples import ADA
from domain.values.accounts import Account

NOW = datetime(2026, 5, 1, tzinfo=UTC)
DAY = timedelta(days=1)
HOLD = HoldId("00000000-0000-0000-0000-0000000000f1")


def grant(number: int, days: float, credits: int = 100, *, cap: int | None = 50) -> Grant:  # noqa: A002 - the word for it
    """Return credits of a period that ends so many days from now."""
    ends = NOW + days * DAY
    return Grant(
        id=GrantId(number),
        kind="purchase",
        credits=credits,
        remaining=credits,
        expires_at=ends,
        purchase_id=PurchaseId(f"in_{number}"),
        period_ends_at=ends,
        rollover_cap=cap,
        created_at=NOW,
    )


def wallet(*grants: Grant, balance: int | None = None) -> Wallet:
    there = sum(one.remaining for one in grants)
    return Wallet(account=Account(user_id=ADA, balance=there if balance is None else balance), grants=grants)


def left(change: object) -> dict[int, int]:
    assert isinstance(change, WalletChange)
    return {one.id: one.remaining for one in change.wallet.grants}


def debit(credits: int, kind: EntryKind = EntryKind.SPEND) -> DebitDetails:  # noqa: A002 - the word for it
    return DebitDetails(kind=kind, credits=credits, key=IdempotencyKey("k"))


def hold(credits: int) -> Hold:  # noqa: A002 - the word for it
    return Hold(id=HOLD, user_id=ADA, credits=credits, idempotency_key="h", expires_at=NOW + 90 * DAY, draws=())


def test_what_rolls_over_is_at_most_the_cap_in_all() -> None:
    """The first period's credits fill it; of the second nothing more stays, and the third is not over yet."""
    assert {1: 50, 3: 100} == left(expire_overdue(wallet(grant(1, -40), grant(2, -10), grant(3, 20)), NOW))


def test_what_was_spent_makes_room() -> None:
    """What rolled over is spent first, and the next period's credits take its place."""
    settled = expire_overdue(wallet(grant(1, -40), grant(2, 20)), NOW)
    after = spend(settled.wallet, debit(30), NOW)
    assert {1: 20, 2: 100} == left(after)
    assert isinstance(after, WalletChange)
    assert {1: 20, 2: 30} == left(expire_overdue(after.wallet, NOW + 30 * DAY))


def test_rolled_over_credits_are_spent_and_held_like_others() -> None:
    """Though the end of their period is over; no more than what is there."""
    wallet_ = expire_overdue(wallet(grant(1, -40)), NOW).wallet
    assert {} == left(spend(wallet_, debit(50), NOW))
    assert Insufficient(50) == spend(wallet_, debit(51), NOW)
    assert isinstance(place_hold(wallet_, hold(50), NOW), WalletChange)


@pytest.mark.parametrize(("captured", "stays"), [(80, 20), (10, 50), (None, 50)])
def test_a_hold_is_decided_when_it_is_settled(captured: int | None, stays: int) -> None:
    """What it sets aside neither expires nor fills the cap; what it frees does either."""
    held = place_hold(wallet(grant(1, 1)), hold(80), NOW)
    assert isinstance(held, WalletChange)
    over = expire_overdue(held.wallet, NOW + 2 * DAY)
    assert {1: 100} == left(over)
    later = NOW + 3 * DAY
    freed = (
        void(over.wallet, HOLD, later)
        if captured is None
        else capture(over.wallet, HOLD, debit(captured, EntryKind.CAPTURE), later)
    )
    assert {1: stays} == left(freed)


def test_a_plan_of_a_smaller_cap_takes_nothing_of_what_rolled_over_before() -> None:
    """Of a larger plan's 200 credits; of its own credits nothing stays then."""
    assert {1: 200} == left(expire_overdue(wallet(grant(1, -40, 300, cap=200), grant(2, -10)), NOW))


def test_credits_that_do_not_roll_over_expire_beside_those_that_do() -> None:
    """Each by its own rule."""
    assert {1: 50} == left(expire_overdue(wallet(grant(1, -40), grant(2, -40, cap=None)), NOW))


def test_debt_is_not_made_by_an_expiry() -> None:
    """No more expires than is available."""
    change = expire_overdue(wallet(grant(1, -1), balance=20), NOW)
    assert 0 == change.wallet.account.balance


grants = st.lists(
    st.builds(
        lambda days, credits_, cap: (days, credits_, cap),
        st.integers(-10, 10),
        st.integers(1, 100),
        st.sampled_from([None, 1, 30, 50, 200]),
    ),
    max_size=6,
)


@given(periods=grants, looks=st.lists(st.integers(-10, 10), max_size=4))
def test_it_does_not_matter_when_it_is_looked_at(periods: list[tuple[int, int, int | None]], looks: list[int]) -> None:
    """Nor how often; and never more stays than the largest cap."""
    known = [grant(number, days, credits_, cap=cap) for number, (days, credits_, cap) in enumerate(periods, 1)]
    last = NOW + 10 * DAY
    step_by_step = wallet(*known)
    for look in sorted(looks):
        step_by_step = expire_overdue(step_by_step, NOW + look * DAY).wallet
    at_once = expire_overdue(wallet(*known), last).wallet
    assert at_once.grants == expire_overdue(step_by_step, last).wallet.grants
    assert {} == lapsing(at_once.grants, last)
    assert at_once.account.balance <= max((one.rollover_cap or 0 for one in known), default=0)


@given(periods=grants, late=st.integers(0, 5))
def test_a_period_that_is_reported_late_ends_as_if_it_had_been_reported_in_time(
    periods: list[tuple[int, int, int | None]], late: int
) -> None:
    """Where nothing was spent meanwhile, each grant keeps as much as it would have."""
    known = [grant(number, days, credits_, cap=cap) for number, (days, credits_, cap) in enumerate(periods, 1)]
    last = NOW + 10 * DAY
    of_late = known[late : late + 1]
    before = expire_overdue(wallet(*(one for one in known if one not in of_late)), last).wallet
    together = attrs.evolve(
        before,
        account=attrs.evolve(before.account, balance=before.account.balance + sum(one.remaining for one in of_late)),
        grants=(*before.grants, *of_late),
    )
    assert expire_overdue(wallet(*known), last).wallet.grants == expire_overdue(together, last).wallet.grants
