"""Subscriptions join as purchases do: in any order, as often as told, the newest wins."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from domain.payments.subscriptions import (
    Subscriber,
    Subscription,
    SubscriptionState,
    SubscriptionStatus,
    merge_subscriptions,
)
from domain.tests.examples import NOON
from domain.values.accounts import UserId
from domain.values.money import Money
from domain.values.plans import Terms

MOMENTS = st.integers(0, 3).map(lambda seconds: NOON + timedelta(seconds=seconds))
SUBSCRIBERS = st.builds(
    Subscriber,
    occurred_at=MOMENTS,
    user_id=st.sampled_from([UserId("a"), UserId("b")]),
    plan_id=st.sampled_from([None, "m", "t"]),
    terms=st.none() | st.builds(Terms, credits=st.integers(1, 2), price=st.just(Money(amount=5, currency="usd"))),
    confirmed=st.booleans(),
)
STATES = st.builds(
    SubscriptionState,
    occurred_at=MOMENTS,
    status=st.sampled_from(SubscriptionStatus),
    cancels_at_period_end=st.booleans(),
    period_ends_at=st.none() | MOMENTS,
)
SUBSCRIPTIONS = st.builds(Subscription, subscriber=st.none() | SUBSCRIBERS, state=st.none() | STATES)


@given(SUBSCRIPTIONS, SUBSCRIPTIONS, SUBSCRIPTIONS)
def test_merging_is_a_join(one: Subscription, two: Subscription, three: Subscription) -> None:
    """Commutative, associative and idempotent, with nothing known as its bottom."""
    merge = merge_subscriptions
    assert merge(one, two) == merge(two, one)
    assert merge(one, merge(two, three)) == merge(merge(one, two), three)
    assert merge(one, one) == one == merge(one, Subscription())


def state(status: SubscriptionStatus, seconds: int) -> Subscription:
    return Subscription(state=SubscriptionState(occurred_at=NOON + timedelta(seconds=seconds), status=status))


def test_the_newest_state_wins_and_within_a_second_the_later_one() -> None:
    """`created` has whole seconds: a cancellation in the second of an update is not dropped."""
    active, canceled = state(SubscriptionStatus.ACTIVE, 5), state(SubscriptionStatus.CANCELED, 5)
    assert canceled == merge_subscriptions(canceled, active)
    assert active == merge_subscriptions(state(SubscriptionStatus.PAST_DUE, 4), active)
