"""What a subscription's end means for the credits of its last period."""

from datetime import timedelta

from domain.payments.reports import Attribution, SubscriptionReport
from domain.payments.subscriptions import SubscriptionId, SubscriptionState, SubscriptionStatus
from features.billing.payloads import MONTHLY, START, SUBSCRIPTION, USER, Payload, ended, invoice, line
from features.billing.world import PLANS, StripeEvent, World, delivered_in_every_way, paid, plan

MONTH = invoice("in_1", line("il_1", 900, MONTHLY, days=(0, 30)), paid=0, reason="subscription_create")


def deleted(**metadata: str) -> StripeEvent:
    about: Payload = {**ended(10), "metadata": metadata}
    return StripeEvent(type="customer.subscription.deleted", about=about, days=10)


async def test_the_end_counts_though_the_metadata_names_no_plan() -> None:
    """The lines of its invoices name the plan, by the price's id say; no event of it is parked for that."""
    ways = await delivered_in_every_way([paid(MONTH), deleted(userId=USER)])
    assert [{"in_1@30": (100, 30)}] * len(ways) == [*ways.values()]
    assert "applied" == (await World().deliver(deleted(userId=USER))).status


async def test_a_plan_that_is_named_has_to_be_a_subscription_that_is_known() -> None:
    """Else a person has to look at it."""
    assert "unknown_plan" == (await World().deliver(deleted(userId=USER, plan="gold"))).reason
    assert "mode_disagrees" == (await World().deliver(deleted(userId=USER, plan="pack"))).reason


async def test_an_end_that_is_scheduled_leaves_no_grace() -> None:
    """No renewal is to come."""
    scheduled = StripeEvent(
        type="customer.subscription.updated", about=ended(30, status="active", scheduled=True), days=5
    )
    ways = await delivered_in_every_way([paid(MONTH), scheduled])
    assert [{"in_1@30": (100, 30)}] * len(ways) == [*ways.values()]


async def test_an_end_that_is_called_off_leaves_it() -> None:
    """The newest report counts."""
    scheduled = StripeEvent(
        type="customer.subscription.updated", about=ended(30, status="active", scheduled=True), days=5
    )
    resumed = StripeEvent(type="customer.subscription.updated", about=ended(30, status="active"), days=6)
    ways = await delivered_in_every_way([paid(MONTH), scheduled, resumed])
    assert [{"in_1@30": (100, 33)}] * len(ways) == [*ways.values()]


async def test_what_rolled_over_outlasts_the_subscription() -> None:
    """At most the cap of it."""
    world = World(plans=(plan("monthly", 100, 900, rollover=True, rollover_cap=50), *PLANS[1:]))
    await world.deliver(paid(MONTH), deleted(userId=USER))
    assert {"in_1@30": (100, 30)} == (await world.at(29)).grants
    assert 50 == await (await world.at(300)).balance()
    await world.spend(50)
    assert 0 == await world.balance()
    await world.check()


async def test_an_end_that_was_reported_too_early_is_asked_for_with_the_invoice() -> None:
    """Its own metadata names nobody, so its end is ignored; the invoice asks whose it is, and how it stands."""
    world = World()
    assert "ignored" == (await world.deliver(deleted())).status
    state = SubscriptionState(occurred_at=START + timedelta(days=12), status=SubscriptionStatus.CANCELED)
    world.payments.teach_subscription(
        SubscriptionReport(
            subscription_id=SubscriptionId(SUBSCRIPTION),
            attribution=Attribution(user_reference=USER, plan_id="monthly"),
            state=state,
            occurred_at=state.occurred_at,
        )
    )
    lines = line("il_1", 900, MONTHLY, days=(0, 30))
    await world.deliver(paid(invoice("in_1", lines, paid=0, metadata={})))
    assert {"in_1@30": (100, 30)} == world.grants


async def test_a_subscription_that_is_asked_for_later_is_no_news() -> None:
    """A reconciliation that finds it as it was known reports nothing, though it was asked at another time."""
    world = World()
    metadata = {"userId": USER, "plan": "monthly"}
    started = {"id": "cs_1", "object": "checkout.session", "mode": "subscription", "status": "complete"}
    session = {**started, "subscription": SUBSCRIPTION, "metadata": metadata}
    await world.deliver(StripeEvent(type="checkout.session.completed", about=session, days=0))
    for days, is_news in ((9, False), (10, True)):
        plan_id = "monthly" if days == 9 else "pro"
        later = SubscriptionReport(
            subscription_id=SubscriptionId(SUBSCRIPTION),
            attribution=Attribution(user_reference=USER, plan_id=plan_id),
            session_id="cs_1",
            occurred_at=START + timedelta(days=days),
        )
        assert is_news == (await world.recorder.assess(None, later)).is_news
