"""Payments of users who left: nothing is posted to nobody, and what is paid for in vain is named."""

import attrs
import pytest

from domain.payments.purchases import PurchaseId
from domain.payments.reports import Attribution, SubscriptionReport
from domain.payments.subscriptions import SubscriptionId, SubscriptionState, SubscriptionStatus
from domain.tests.examples import ADA, BOB, NOON
from domain.tests.examples import run_at_once as run
from domain.usecases.tests.payment_world import PERIOD, SALE, World, linked, refund


def test_a_user_who_left_is_parked_and_followed_when_back(world: World) -> None:
    """A refund can't be posted to nobody, and waits; nothing loops."""
    world.deliver("evt_1", SALE)
    world.ledger.delete_user(ADA)
    assert "user_deleted" == world.deliver("evt_2", refund("re_1", 500, by="both")).reason
    assert (
        "user_deleted"
        == world.deliver("evt_3", attrs.evolve(SALE, purchase_id=PurchaseId("pi_9"), links=linked("a:1"))).reason
    )


def test_a_renewal_of_a_user_who_left_names_the_subscription(world: World) -> None:
    """So that somebody cancels it: else it is paid for in vain again and again."""
    named = Attribution(user_reference=ADA, plan_id="monthly")
    began = SubscriptionReport(subscription_id=SubscriptionId("sub_1"), attribution=named, occurred_at=NOON)
    world.deliver("evt_0", SALE)
    world.deliver("evt_1", began)
    world.ledger.delete_user(ADA)
    assert (
        "user_deleted: cancel subscription sub_1"
        == world.deliver("evt_2", attrs.evolve(PERIOD, attribution=named)).reason
    )
    other = attrs.evolve(began, subscription_id=SubscriptionId("sub_2"))
    assert "user_deleted: cancel subscription sub_2" == world.deliver("evt_3", other).reason
    backlog = run(world.ledger.backlog())
    assert {("parked", "user_deleted"): 2} == backlog.events


def test_who_left_within_a_trial_was_there_all_the_same(world: World) -> None:
    """No entry names them, but the subscription does; of one that nobody knew, nobody can tell."""
    named = Attribution(user_reference=ADA, plan_id="monthly")
    began = SubscriptionReport(subscription_id=SubscriptionId("sub_1"), attribution=named, occurred_at=NOON)
    world.deliver("evt_1", began)
    world.ledger.delete_user(ADA)
    for number, attribution in enumerate((named, Attribution())):
        report = attrs.evolve(PERIOD, attribution=attribution)
        assert "user_deleted: cancel subscription sub_1" == world.deliver(f"evt_2{number}", report).reason
    other = attrs.evolve(PERIOD, attribution=named, subscription_id=SubscriptionId("sub_2"))
    assert "unknown_user" == world.deliver("evt_3", other).reason
    stranger = attrs.evolve(PERIOD, attribution=attrs.evolve(named, user_reference=BOB))
    assert "unknown_user" == world.deliver("evt_4", stranger).reason


@pytest.mark.parametrize("status", [SubscriptionStatus.CANCELED, SubscriptionStatus.INCOMPLETE_EXPIRED])
def test_a_subscription_that_ended_is_not_to_be_canceled(world: World, status: SubscriptionStatus) -> None:
    """Neither where the news themselves say so, nor where it is known from earlier ones."""
    named = Attribution(user_reference=ADA, plan_id="monthly")
    state = SubscriptionState(occurred_at=NOON, status=status)
    ended = SubscriptionReport(
        subscription_id=SubscriptionId("sub_1"), attribution=named, state=state, occurred_at=NOON
    )
    world.deliver("evt_0", SALE)
    world.deliver("evt_1", ended)
    world.ledger.delete_user(ADA)
    assert "user_deleted" == world.deliver("evt_2", attrs.evolve(PERIOD, attribution=named)).reason
    assert "user_deleted" == world.deliver("evt_3", attrs.evolve(ended, subscription_id=SubscriptionId("sub_2"))).reason
