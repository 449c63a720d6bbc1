"""The law of previews: what a change was previewed to cost and bring is what it costs and brings."""

import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.stripe.connection import StripeConnection
from domain.usecases.selling.cancel_subscription import CancelWish
from domain.usecases.selling.change_subscription import SubscriptionPreview
from domain.usecases.selling.plan_changes import AlreadyOnPlan, ChangeWish, CostsMore, NotAtPeriodEnd
from domain.usecases.selling.present_period import PriceNotBilled
from domain.usecases.selling.read_subscriptions import NoSubscription, PaymentDue
from features.billing.world import ADA, PLANS
from features.selling.subscribed_world import ON_SALE, START, SubscribedWorld, by_grant
from simulators.stripe.account.subscription_shapes import Terms
from simulators.stripe.stand_in import StripeStandIn

HOUR = 3600
DAY = 24 * HOUR
REFUSALS = (AlreadyOnPlan, CostsMore, NoSubscription, NotAtPeriodEnd, PaymentDue, PriceNotBilled)
BY_THE_PERIOD = [one.id for one in ON_SALE if one.interval]


@attrs.frozen
class Wait:
    """Time passes."""

    hours: int


@attrs.frozen
class Use:
    """Credits are spent."""

    credits: int


@attrs.frozen
class Change:
    """The plan changes, some seconds after it was previewed."""

    plan: str
    at_once: bool
    seconds: int


@attrs.frozen
class Cancel:
    """The subscription is canceled."""

    at_once: bool
    gives_back: bool


ACTS = st.one_of(
    st.builds(Wait, st.integers(0, 70 * 24)),
    st.builds(Use, st.integers(1, 1200)),
    st.builds(Change, st.sampled_from(BY_THE_PERIOD), st.booleans(), st.integers(0, 600)),
    st.builds(Cancel, st.booleans(), st.booleans()),
)
TERMS = st.sampled_from(
    [
        Terms(),
        Terms(names_credited=False),
        Terms(billing_mode="flexible"),
        Terms(billing_mode="flexible", proration_discounts="itemized"),
    ]
)


@settings(max_examples=60, deadline=None)
@given(
    first=st.sampled_from([one for one in ON_SALE if one.interval]),
    coupon=st.sampled_from([0, 0, 50, 100]),
    terms=TERMS,
    story=st.lists(ACTS, min_size=1, max_size=6),
)
@example(first=PLANS[0], coupon=0, terms=Terms(), story=[Wait(15 * 24), Change("pro", True, 60)])
@example(first=PLANS[1], coupon=0, terms=Terms(), story=[Wait(15 * 24), Use(900), Change("monthly", True, 0)])
@example(first=PLANS[1], coupon=0, terms=Terms(), story=[Wait(15 * 24), Change("monthly", False, 0), Wait(20 * 24)])
@example(first=PLANS[2], coupon=50, terms=Terms(), story=[Wait(73 * 24), Change("monthly", True, 5)])
@example(first=PLANS[0], coupon=0, terms=Terms(), story=[Wait(10 * 24), Cancel(True, True)])
async def test_what_was_previewed_is_what_happens(first: Any, coupon: int, terms: Terms, story: list[Any]) -> None:
    """For each change and cancellation, at whatever moment, after whatever others: money, credits and their expiry."""
    with StripeStandIn(seed=3) as stripe:
        stripe.account.stand_still(START)
        connection = StripeConnection(api_key="sk_test_123456789012", api_base=stripe.url)
        async with contextlib.aclosing(connection):
            world = SubscribedWorld(stripe, connection)
            subscription_id = await world.subscribe(first, coupon=coupon, terms=terms)
            for act in story:
                with contextlib.suppress(*REFUSALS):
                    await live(world, act, subscription_id)


async def live(world: SubscribedWorld, act: Any, subscription_id: str) -> None:
    """Do one act, and check what was previewed of it."""
    await world.wait(1)  # Of two states of the same second the one that ends counts.
    match act:
        case Wait(hours):
            await world.wait(hours * HOUR)
        case Use(credits_):
            await world.spend(credits_)
        case Change(plan_id, at_once, seconds):
            await change(world, ChangeWish(user_id=ADA, plan_id=plan_id, at_once=at_once), seconds, subscription_id)
        case Cancel(at_once, gives_back):
            wish = CancelWish(user_id=ADA, at_once=at_once, gives_back=gives_back)
            preview, before = await world.canceler.preview(wish), await world.entries()
            await world.canceler.cancel(wish)
            await world.hear()
            await comes_true(world, preview, len(before), subscription_id)


async def change(world: SubscribedWorld, wish: ChangeWish, seconds: int, subscription_id: str) -> None:
    """Preview a change, wait, and make it as of the moment of the preview."""
    if any(bill["status"] == "draft" for bill in world.stripe.account.all_kept("invoice")):
        await world.wait(2 * HOUR)  # Else a renewal is paid between the preview and the change.
    preview = await world.changer.preview(wish)
    invoice = preview.invoice
    assert invoice is not None, "a subscription that goes on is billed again"
    if wish.at_once and invoice.prorated_at is not None and _period_end(world, subscription_id) > seconds:
        await world.wait(seconds)
        wish = attrs.evolve(wish, prorated_at=invoice.prorated_at)
    before = len(await world.entries())
    changed = await world.changer.change(wish, key=f"key-{before}-{world.stripe.account.now()}")
    await world.hear()
    if invoice.billed_at > datetime.fromtimestamp(world.stripe.account.now(), UTC):
        assert [] == by_grant((await world.entries())[before:]), "nothing comes before it is billed"
        await world.wait(_period_end(world, subscription_id) + 2 * HOUR)
    assert changed.id == subscription_id
    await comes_true(world, preview, before, subscription_id, within=seconds)


async def comes_true(
    world: SubscribedWorld, preview: SubscriptionPreview, before: int, subscription_id: str, *, within: int = 0
) -> None:
    """Check what happened since against what was previewed.

    A period of another length begins with the change itself, so it may end so many seconds later than was previewed.
    """
    since = (await world.entries())[before:]
    grants = preview.credits.grants
    assert_near([(one.period_ends_at, one.credits) for one in grants if one.credits], by_grant(since), within)
    assert preview.credits.credits == sum(entry.posting.amount for entry in since)
    assert preview.credits.balance == await world.balance()
    added = [entry.posting for entry in since if entry.posting.amount > 0]
    expiries = [(posting.expires_at, posting.amount) for posting in added]
    assert_near([(one.expires_at, one.credits) for one in grants if one.credits > 0], expiries, within)
    if preview.invoice is not None:
        newest = world.stripe.account.kept("subscription", subscription_id)["latest_invoice"]
        bill = world.stripe.account.kept("invoice", newest)
        assert (preview.invoice.total, preview.invoice.amount_due) == (bill["total"], bill["amount_due"])
        assert [line.amount for line in preview.invoice.lines] == [line["amount"] for line in bill["_lines"]]


Dated = list[tuple[datetime | None, int]]


def assert_near(expected: Dated, found: Dated, seconds: int) -> None:
    """Assert that both are the same credits, with times that differ by so many seconds at most."""
    assert sorted(credits_ for _, credits_ in expected) == sorted(credits_ for _, credits_ in found)
    for one, other in zip(sorted(expected, key=_place), sorted(found, key=_place), strict=True):
        assert one[1] == other[1]
        assert one[0] is not None
        assert other[0] is not None
        assert timedelta(0) <= other[0] - one[0] <= timedelta(seconds=seconds)


def _place(dated: tuple[datetime | None, int]) -> tuple[int, datetime | None]:
    return dated[1], dated[0]


def _period_end(world: SubscribedWorld, subscription_id: str) -> int:
    """Return the seconds until the subscription's present period ends."""
    return int(world.stripe.account.kept("subscription", subscription_id)["_period"][1]) - world.stripe.account.now()
