"""The law of changes: no sequence of them and of cancellations brings more credits than were paid for."""

import contextlib
from datetime import timedelta
from typing import Any

import attrs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.stripe.connection import StripeConnection
from adapters.stripe.objects.prices import PRICE_CREDITS_KEY, PRICE_PLAN_KEY
from domain.credits.ledger import EntryKind
from domain.ports.subscription_changes import ChangeDeclined
from domain.usecases.selling.cancel_subscription import CancelWish
from domain.usecases.selling.plan_changes import AlreadyOnPlan, ChangeWish, CostsMore, NotAtPeriodEnd, PreviewExpired
from domain.usecases.selling.present_period import PriceNotBilled
from domain.usecases.selling.read_subscriptions import NoSubscription, PaymentDue
from domain.values.plans import Catalogue
from features.billing.world import ADA, plan
from features.selling.subscribed_world import START, SubscribedWorld
from simulators.stripe.account.subscription_shapes import Terms
from simulators.stripe.stand_in import StripeStandIn

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR
CENTS = 10
"""What a credit costs, on every plan."""
PLANS = (
    plan("low", 100, 1000),
    plan("middle", 300, 3000),
    plan("high", 1000, 10000),
    plan("year", 1200, 12000, "year"),
)
NAMES = [one.id for one in PLANS]
CLASSIC = Terms(names_credited=False)
REFUSALS = (
    AlreadyOnPlan,
    ChangeDeclined,
    CostsMore,
    NoSubscription,
    NotAtPeriodEnd,
    PaymentDue,
    PreviewExpired,
    PriceNotBilled,
)


@attrs.frozen
class Wait:
    """Time passes."""

    minutes: int


@attrs.frozen
class Hear:
    """Stripe's events arrive, which are late otherwise."""


@attrs.frozen
class Change:
    """The plan changes; at once as of so many minutes ago, if any are given, whatever was previewed."""

    plan: str
    at_once: bool = True
    minutes_ago: int | None = None


@attrs.frozen
class InPortal:
    """The plan changes at once in Stripe's portal, which knows nothing of Credence's rules."""

    plan: str


@attrs.frozen
class Cancel:
    """The subscription is canceled."""

    at_once: bool
    gives_back: bool


@attrs.frozen
class Bank:
    """The bank declines from now on, or no longer."""

    declines: bool


ACTS = st.one_of(
    st.builds(Wait, st.one_of(st.integers(0, 20), st.integers(0, 33 * 24 * 60))),
    st.just(Hear()),
    st.builds(Change, st.sampled_from(NAMES), st.just(True), st.none() | st.integers(0, 15)),
    st.builds(Change, st.sampled_from(NAMES), st.booleans()),
    st.builds(InPortal, st.sampled_from(NAMES[:3])),
    st.builds(Cancel, st.booleans(), st.booleans()),
    st.builds(Bank, st.booleans()),
)
TERMS = st.sampled_from(
    [CLASSIC, Terms(), Terms(billing_mode="flexible"), Terms(billing_mode="flexible", proration_discounts="itemized")]
)
BACK_BEFORE_IT_BEGAN = [Change("high"), Hear(), Change("low", minutes_ago=14), Hear()]
AT_A_PRICE_NEVER_BILLED = [Change("low", at_once=False), Hear(), Change("middle"), Hear()]


@settings(max_examples=100, deadline=None)
@given(first=st.sampled_from(PLANS[:3]), terms=TERMS, story=st.lists(ACTS, min_size=1, max_size=9))
@example(first=PLANS[0], terms=CLASSIC, story=[Wait(20), *BACK_BEFORE_IT_BEGAN * 2])
@example(first=PLANS[2], terms=CLASSIC, story=[Wait(DAY // MINUTE), *AT_A_PRICE_NEVER_BILLED, InPortal("high")])
@example(first=PLANS[2], terms=CLASSIC, story=[Wait(20), Change("low", at_once=False), InPortal("high")] * 2)
@example(
    first=PLANS[0], terms=CLASSIC, story=[Wait(20), Change("high"), Change("low", at_once=False), Change("middle")]
)
@example(first=PLANS[2], terms=CLASSIC, story=[Change("low", at_once=False), Cancel(at_once=True, gives_back=True)])
@example(first=PLANS[2], terms=CLASSIC, story=[Bank(declines=True), Wait(31 * DAY // MINUTE), Hear(), Change("low")])
@example(first=PLANS[2], terms=CLASSIC, story=[Wait(31 * DAY // MINUTE - 30), Change("low"), Bank(True), Wait(90)])
async def test_no_changes_bring_more_than_was_paid_for(first: Any, terms: Terms, story: list[Any]) -> None:
    """At whatever moments, as of whatever moments, told of whenever; each credit costs the same on every plan."""
    with StripeStandIn(seed=3) as stripe:
        stripe.account.stand_still(START)
        connection = StripeConnection(api_key="sk_test_123456789012", api_base=stripe.url)
        async with contextlib.aclosing(connection):
            world = SubscribedWorld(stripe, connection, Catalogue({one.id: one for one in PLANS}))
            subscription_id = await world.subscribe(first, terms=terms)
            for number, act in enumerate(story):
                with contextlib.suppress(*REFUSALS):
                    await live(world, act, subscription_id, f"key-{number}")
            await world.hear()
            bills = [one for one in stripe.account.all_kept("invoice") if one["status"] == "paid"]
            paid, lines = sum(one["total"] for one in bills), sum(len(one["_lines"]) for one in bills)
            # Each line is rounded to a cent.
            assert await brought(world) * CENTS <= paid + lines


@pytest.mark.parametrize("story", [BACK_BEFORE_IT_BEGAN, AT_A_PRICE_NEVER_BILLED])
async def test_what_would_give_back_time_that_was_not_billed_is_refused(story: list[Any]) -> None:
    """Before Stripe is asked, in a preview too: the customer's balance gains nothing."""
    with StripeStandIn(seed=3) as stripe:
        stripe.account.stand_still(START)
        connection = StripeConnection(api_key="sk_test_123456789012", api_base=stripe.url)
        async with contextlib.aclosing(connection):
            world = SubscribedWorld(stripe, connection, Catalogue({one.id: one for one in PLANS}))
            subscription_id = await world.subscribe(PLANS[1 if story is AT_A_PRICE_NEVER_BILLED else 0], terms=CLASSIC)
            await world.wait(DAY)
            first, _, second, _ = story
            await live(world, first, subscription_id, "key-1")
            wish = wish_of(world, attrs.evolve(second, plan="high" if second.plan == "middle" else second.plan))
            with pytest.raises((PreviewExpired, PriceNotBilled)):
                await world.changer.preview(wish)
            with pytest.raises((PreviewExpired, PriceNotBilled)):
                await world.changer.change(wish, key="key-2")


async def live(world: SubscribedWorld, act: Any, subscription_id: str, key: str) -> None:
    """Do one act; nothing is heard of it."""
    account = world.stripe.account
    match act:
        case Wait(minutes):
            account.billing.advance(minutes * MINUTE)
        case Hear():
            await world.hear()
        case Change():
            await world.changer.change(wish_of(world, act), key=key)
        case InPortal(plan_id):
            in_portal(world, plan_id, subscription_id)
        case Cancel(at_once, gives_back):
            await world.canceler.cancel(CancelWish(user_id=ADA, at_once=at_once, gives_back=gives_back))
        case Bank(declines):
            account.billing.decline(subscription_id, declines=declines)


def wish_of(world: SubscribedWorld, act: Change) -> ChangeWish:
    """Return the wish for a change, with a moment that the caller chose."""
    ago = act.minutes_ago
    moment = world.ledger_now() - timedelta(minutes=ago) if ago is not None else None
    return ChangeWish(user_id=ADA, plan_id=act.plan, at_once=act.at_once, prorated_at=moment)


def in_portal(world: SubscribedWorld, plan_id: str, subscription_id: str) -> None:
    """Change the plan as the portal does, which asks for a paid subscription and for a card that pays."""
    account = world.stripe.account
    found = account.kept("subscription", subscription_id)
    owed = [one for one in account.all_kept("invoice") if one["status"] in ("draft", "open")]
    if found["status"] != "active" or found["_declines"] or owed:
        return
    if found["_items"][0]["_price"]["recurring"]["interval"] != "month":
        return
    wanted = next(one for one in PLANS if one.id == plan_id)
    amount = wanted.terms.price.amount
    if amount != found["_items"][0]["_price"]["unit_amount"]:
        says = {PRICE_PLAN_KEY: wanted.id, PRICE_CREDITS_KEY: str(wanted.terms.credits)}
        price = account.billing.price(amount, metadata=says)
        account.billing.change(subscription_id, price=price, invoice_now=True)


async def brought(world: SubscribedWorld) -> int:
    """Return the credits that came, less those that were taken back; what expired has come."""
    entries = [entry.posting for entry in await world.entries()]
    return sum(posting.amount for posting in entries if posting.kind is not EntryKind.EXPIRY)
