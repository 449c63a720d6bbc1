"""Each number of docs/plans.md, in the payload shapes of before and after 2025-03-31, reported in every order.

`{"in_1@30": (50, 33)}` reads: of invoice in_1 and its period that ends on day 30, there are 50 credits, until day 33.
"""

from collections.abc import Iterable
from typing import Any

import attrs
import pytest

from features.billing.payloads import (
    ANNUAL,
    MONTHLY,
    PRO,
    USER,
    WEEKLY,
    Payload,
    StripePrice,
    ended,
    in_new_shape,
    invoice,
    line,
)
from features.billing.reversals import credit_note, dispute, refund
from features.billing.world import PLANS, StripeEvent, World, delivered_in_every_way, paid, plan

PRICES = (MONTHLY, PRO, ANNUAL, WEEKLY)
SUPPORT = StripePrice(id="price_support", amount=1900, product="prod_support")
USAGE = StripePrice(id="price_usage", amount=1, product="prod_usage", metered=True)
SETUP = StripePrice(id="price_setup", amount=2500, product="prod_setup")

Grants = dict[str, tuple[int, float | None]]

MONTH = invoice("in_1", line("il_1", 900, MONTHLY, days=(0, 30)), paid=0, reason="subscription_create")
PRO_MONTH = invoice("in_1", line("il_1", 4900, PRO, days=(0, 30)), paid=0, reason="subscription_create")
YEAR = invoice("in_1", line("il_1", 9000, ANNUAL, days=(0, 365)), paid=0, reason="subscription_create")


async def grants_after(*events: Payload | StripeEvent, **world: Any) -> Grants:
    """Return the grants after events, which are the same in both shapes and every order."""
    known = [one if isinstance(one, StripeEvent) else paid(one) for one in events]
    found: list[Grants] = []
    for shape in (_in_old_shape, _in_new_shape):
        ways = await delivered_in_every_way([shape(one) for one in known], **world)
        # What was reported first names the purchase: its payment, or its invoice.
        found += [{name.removeprefix("pi_"): left for name, left in ways[way].items()} for way in ways]
    assert [found[0]] * len(found) == found
    return found[0]


def unused(id_: str, amount: int, price: StripePrice, days: tuple[float, float], of: str = "1", **more: Any) -> Payload:
    """Return a line that gives unused time of a line of an earlier invoice back."""
    return line(id_, -amount, price, days=days, proration=True, gives_back=(f"in_{of}", f"il_{of}"), **more)


def rest(id_: str, amount: int, price: StripePrice, days: tuple[float, float], **more: Any) -> Payload:
    """Return a line for the rest of a period."""
    return line(id_, amount, price, days=days, proration=True, **more)


def noted(note: Payload) -> StripeEvent:
    return StripeEvent(type="credit_note.created", about=note, days=1)


def refunded(*refunds: Payload) -> list[StripeEvent]:
    return [StripeEvent(type="refund.created", about=one, days=1) for one in refunds]


def disputed(*disputes: Payload) -> list[StripeEvent]:
    return [StripeEvent(type="charge.dispute.updated", about=one, days=day) for day, one in enumerate(disputes, 1)]


def credits_of(grants: Grants) -> int:
    return sum(credits_ for credits_, _ in grants.values())


def _in_new_shape(event: StripeEvent) -> StripeEvent:
    return attrs.evolve(event, about=in_new_shape(event.about)) if event.type.startswith("invoice.") else event


def _in_old_shape(event: StripeEvent) -> StripeEvent:
    """Return the event, with a credit note as before 2025-05-28: of one kind, and with one refund at most."""
    note = event.about
    if not event.type.startswith("credit_note.") or len(note["refunds"]) > 1:
        return event
    new = {"pre_payment_amount", "post_payment_amount", "out_of_band_amount", "refunds"}
    kept = {key: value for key, value in note.items() if key not in new}
    only = note["refunds"][0]["refund"] if note["refunds"] else None
    kind = "pre_payment" if note["pre_payment_amount"] else "post_payment"
    return attrs.evolve(event, about={**kept, "type": kind, "refund": only, "out_of_band_amount": None})


async def test_a_period() -> None:
    """A month brings its credits for the month, and for three days of grace."""
    assert {"in_1@30": (100, 33)} == await grants_after(MONTH)


async def test_switching_to_and_fro() -> None:
    """Ten days each of month, pro and month again: a third of each plan's credits."""
    to_pro = invoice(
        "in_2",
        unused("ii_2", 600, MONTHLY, (10, 30)),
        rest("il_2", 3267, PRO, (10, 30)),
        paid=10,
        reason="subscription_update",
    )
    back = invoice(
        "in_3",
        unused("ii_3", 1633, PRO, (20, 30), of="2"),
        rest("il_3", 300, MONTHLY, (20, 30)),
        paid=20,
        reason="subscription_update",
    )
    assert {"in_1@30": (33, 33), "in_2@30": (333, 33), "in_3@30": (33, 33)} == await grants_after(MONTH, to_pro, back)


async def test_cancelling_at_once_then_subscribing_again_by_the_balance() -> None:
    """The third that was used stays; the new month is whole, though only $3.00 of it was paid by card."""
    gone = StripeEvent(type="customer.subscription.deleted", about=ended(10), days=10)
    cancelled = invoice("in_2", unused("ii_2", 600, MONTHLY, (10, 30)), paid=10, reason="manual")
    new = line("il_3", 900, MONTHLY, days=(10, 40), item="si_2", subscription="sub_2")
    again = invoice(
        "in_3",
        new,
        paid=10,
        reason="subscription_create",
        subscription="sub_2",
        starting_balance=-600,
        ending_balance=0,
        amount_due=300,
        amount_paid=300,
    )
    assert {"in_1@30": (33, 30), "in_3@40": (100, 43)} == await grants_after(MONTH, cancelled, gone, again)


async def test_cancelling_at_once_without_proration() -> None:
    """Nothing was given back: the credits stay until the period's end, without grace."""
    assert {"in_1@30": (100, 30)} == await grants_after(
        MONTH, StripeEvent(type="customer.subscription.deleted", about=ended(10), days=10)
    )


@pytest.mark.parametrize(
    "note",
    [credit_note("cn_1", "in_1", after=450), credit_note("cn_1", "in_1", before=450)],
    ids=["to the balance, or out of band", "before the payment"],
)
async def test_a_credit_note_of_half(note: Payload) -> None:
    """It does not matter which way the money went, or whether it was never asked for."""
    assert {"in_1@30": (50, 33)} == await grants_after(MONTH, noted(note))


async def test_a_refund_of_half() -> None:
    """Takes half."""
    assert {"in_1@30": (50, 33)} == await grants_after(MONTH, *refunded(refund("re_1", 450, "in_1")))


async def test_a_credit_note_out_of_band() -> None:
    """As one to the balance."""
    note = {**credit_note("cn_1", "in_1", after=450), "out_of_band_amount": 450}
    assert {"in_1@30": (50, 33)} == await grants_after(MONTH, noted(note))


@pytest.mark.parametrize(
    ("lines", "left"),
    [({"il_2": 2500}, 100), ({"il_1": 450}, 50), ({"custom": 1700}, 50), ({"il_1": 300, "il_2": 700}, 66)],
    ids=["of the setup fee", "of the month", "of no line", "of both"],
)
async def test_a_credit_note_with_named_lines(lines: dict[str, int], left: int) -> None:
    """Of a month for $9.00 with a setup fee of $25.00: what names a line takes from that line alone."""
    sold = invoice(
        "in_1",
        line("il_1", 900, MONTHLY, days=(0, 30)),
        line("il_2", 2500, SETUP, days=(0, 0), fee=True),
        paid=0,
        reason="subscription_create",
    )
    note = credit_note("cn_1", "in_1", after=sum(lines.values()), lines=lines)
    assert left == credits_of(await grants_after(sold, noted(note), prices=(*PRICES, SETUP)))


async def test_a_refund_that_a_credit_note_lists_counts_once() -> None:
    """Stripe reports both; together they are $4.50."""
    note = credit_note("cn_1", "in_1", after=450, refunds={"re_1": 450})
    assert {"in_1@30": (50, 33)} == await grants_after(MONTH, noted(note), *refunded(refund("re_1", 450, "in_1")))


async def test_a_renewal_an_hour_late() -> None:
    """The old credits last until the payment, so that nobody is without."""
    hour = round(30 + 1 / 24, 4)
    renewal = invoice("in_2", line("il_2", 900, MONTHLY, days=(30, 60)), paid=30 + 1 / 24)
    assert {"in_1@30": (100, hour), "in_2@60": (100, 63)} == await grants_after(MONTH, renewal)


async def test_a_week_that_is_paid_on_its_eighth_day() -> None:
    """It lasts seven days from the payment; and so does the next one, that is paid eight days late as well."""
    first = invoice("in_1", line("il_1", 300, WEEKLY, days=(0, 7)), paid=8)
    assert {"in_1@7": (30, 15)} == await grants_after(first)
    second = invoice("in_2", line("il_2", 300, WEEKLY, days=(7, 14)), paid=15)
    assert {"in_1@7": (30, 15), "in_2@14": (30, 22)} == await grants_after(first, second)


async def test_an_invoice_of_net_30_that_is_paid_on_day_31() -> None:
    """Its credits last a month from then, whenever the next one is paid."""
    first = invoice("in_1", line("il_1", 900, MONTHLY, days=(0, 30)), paid=31, created=0)
    second = invoice("in_2", line("il_2", 900, MONTHLY, days=(30, 60)), paid=45, created=30)
    assert {"in_1@30": (100, 61)} == await grants_after(first)
    assert {"in_1@30": (100, 61), "in_2@60": (100, 75)} == await grants_after(first, second)


async def test_an_upgrade_in_mid_period_that_is_charged_at_once() -> None:
    """Half of the small plan's month, half of the large one's."""
    upgrade = invoice(
        "in_2",
        unused("ii_2", 450, MONTHLY, (15, 30)),
        rest("il_2", 2450, PRO, (15, 30)),
        paid=15,
        reason="subscription_update",
    )
    assert {"in_1@30": (50, 33), "in_2@30": (500, 33)} == await grants_after(MONTH, upgrade)


async def test_seats_from_one_to_three() -> None:
    """One seat for half of the month, three for the other half."""
    more = invoice(
        "in_2",
        unused("ii_2", 450, MONTHLY, (15, 30)),
        rest("il_2", 1350, MONTHLY, (15, 30), quantity=3),
        paid=15,
        reason="subscription_update",
    )
    assert {"in_1@30": (50, 33), "in_2@30": (150, 33)} == await grants_after(MONTH, more)


async def test_a_downgrade_at_half_time_that_is_billed_at_the_renewal() -> None:
    """Until the renewal nothing changes; then half of the large plan's month goes, and the small plan begins."""
    renewal = invoice(
        "in_2",
        unused("ii_2", 2450, PRO, (15, 30)),
        rest("il_2", 450, MONTHLY, (15, 30)),
        line("il_3", 900, MONTHLY, days=(30, 60)),
        paid=30,
    )
    assert {"in_1@30": (1000, 33)} == await grants_after(PRO_MONTH)
    assert {"in_1@30": (500, 30), "in_2@30": (50, 45), "in_2@60": (100, 63)} == await grants_after(PRO_MONTH, renewal)


async def test_what_was_spent_before_a_downgrade_is_owed() -> None:
    """All 1,000 credits: 500 are owed at the renewal, less the 150 that come with it."""
    renewal = invoice(
        "in_2",
        unused("ii_2", 2450, PRO, (15, 30)),
        rest("il_2", 450, MONTHLY, (15, 30)),
        line("il_3", 900, MONTHLY, days=(30, 60)),
        paid=30,
    )
    world = World()
    await world.pay(PRO_MONTH)
    await world.spend(1000)
    await world.pay(renewal)
    await world.check()
    assert -350 == await world.balance()


async def test_from_a_year_to_a_month() -> None:
    """On day 73, a fifth of the year, its other credits go; what the fifth brought lasts as it was sold."""
    switch = invoice(
        "in_2",
        unused("ii_2", 7200, ANNUAL, (73, 365)),
        line("il_2", 900, MONTHLY, days=(73, 103)),
        paid=73,
        reason="subscription_update",
    )
    assert {"in_1@365": (240, 368), "in_2@103": (100, 106)} == await grants_after(YEAR, switch)


async def test_a_subscription_older_than_credence() -> None:
    """What was never granted can't be taken: the upgrade brings what it brings."""
    upgrade = invoice(
        "in_2",
        unused("ii_2", 450, MONTHLY, (15, 30), of="0"),
        rest("il_2", 2450, PRO, (15, 30)),
        paid=15,
        reason="subscription_update",
    )
    assert {"in_2@30": (500, 33)} == await grants_after(upgrade)


async def test_ten_seats_of_a_month_and_a_year_of_the_same_amount() -> None:
    """The line's unit price and its interval tell them apart; $90.00 alone never decides."""
    seats = invoice("in_1", line("il_1", 9000, MONTHLY, days=(0, 30), quantity=10), paid=0)
    assert {"in_1@30": (1000, 33)} == await grants_after(seats)
    assert {"in_1@365": (1200, 368)} == await grants_after(YEAR)


async def test_other_things_on_the_invoice() -> None:
    """They neither bring credits nor change what the month brings; a refund of half of all takes half of each line."""
    sold = invoice(
        "in_1",
        line("il_1", 900, MONTHLY, days=(0, 30)),
        line("il_2", 2500, SETUP, days=(0, 0), fee=True),
        line("il_3", 1900, SUPPORT, days=(0, 30), item="si_2"),
        line("il_4", 700, USAGE, days=(-30, 0), item="si_3", quantity=700),
        paid=0,
    )
    prices = (*PRICES, SETUP, SUPPORT, USAGE)
    assert {"in_1@30": (100, 33)} == await grants_after(sold, prices=prices)
    assert {"in_1@30": (50, 33)} == await grants_after(sold, *refunded(refund("re_1", 3000, "in_1")), prices=prices)


async def test_a_coupon_of_half() -> None:
    """A month at $4.50 brings its 100 credits; half of that back takes half."""
    sold = invoice("in_1", line("il_1", 900, MONTHLY, days=(0, 30), discount=450), paid=0, discounted=True)
    assert {"in_1@30": (100, 33)} == await grants_after(sold)
    assert {"in_1@30": (50, 33)} == await grants_after(sold, *refunded(refund("re_1", 225, "in_1")))


async def test_a_coupon_of_everything() -> None:
    """A sale of nothing is a sale."""
    sold = invoice("in_1", line("il_1", 900, MONTHLY, days=(0, 30), discount=900), paid=0, discounted=True)
    assert {"in_1@30": (100, 33)} == await grants_after(sold)


@pytest.mark.parametrize("percent", [50, 100])
async def test_an_upgrade_under_a_coupon(percent: int) -> None:
    """Brings what it brings without."""
    share = percent / 100
    month = invoice(
        "in_1", line("il_1", 900, MONTHLY, days=(0, 30), discount=round(900 * share)), paid=0, discounted=True
    )
    upgrade = invoice(
        "in_2",
        unused("ii_2", 450, MONTHLY, (15, 30), discount=-round(450 * share)),
        rest("il_2", 2450, PRO, (15, 30), discount=round(2450 * share)),
        paid=15,
        discounted=True,
    )
    assert {"in_1@30": (50, 33), "in_2@30": (500, 33)} == await grants_after(month, upgrade)


@pytest.mark.parametrize("percent", [50, 100])
async def test_an_upgrade_that_is_shown_after_the_coupon_only(percent: int) -> None:
    """As in classic billing: then the part of the time counts."""
    share = 1 - percent / 100
    month = invoice(
        "in_1", line("il_1", 900, MONTHLY, days=(0, 30), discount=900 - round(900 * share)), paid=0, discounted=True
    )
    upgrade = invoice(
        "in_2",
        unused("ii_2", round(450 * share), MONTHLY, (15, 30)),
        rest("il_2", round(2450 * share), PRO, (15, 30)),
        paid=15,
        discounted=True,
    )
    assert {"in_1@30": (50, 33), "in_2@30": (500, 33)} == await grants_after(month, upgrade)


FREE = StripePrice(id="price_free", amount=0)


async def test_a_free_plan() -> None:
    """Each period brings its credits; a second subscription at the same time brings none."""
    plans = (*PLANS, plan("free", 20, 0, stripe_prices=("price_free",)))
    first = invoice("in_1", line("il_1", 0, FREE, days=(0, 30)), paid=0)
    assert {"in_1@30": (20, 33)} == await grants_after(first, plans=plans, prices=(*PRICES, FREE))
    second = invoice("in_2", line("il_2", 0, FREE, days=(30, 60)), paid=30)
    assert {"in_1@30": (20, 30), "in_2@60": (20, 63)} == await grants_after(
        first, second, plans=plans, prices=(*PRICES, FREE)
    )
    beside = invoice(
        "in_3",
        line("il_3", 0, FREE, days=(10, 40), item="si_2", subscription="sub_2"),
        paid=10,
        subscription="sub_2",
    )
    for shape in (_in_old_shape, _in_new_shape):
        events = [shape(paid(one)) for one in (first, beside)]
        ways = await delivered_in_every_way(events, plans=plans, prices=(*PRICES, FREE))
        assert {20} == {credits_of(grants) for grants in ways.values()}


async def test_a_trial() -> None:
    """It brings nothing, or the plan's trial credits, which expire with it; then the first month is paid."""
    names = {"userId": USER, "plan": "monthly"}
    trial = invoice(
        "in_1", line("il_1", 0, MONTHLY, days=(0, 14)), paid=0, metadata=names, reason="subscription_create"
    )
    month = invoice("in_2", line("il_2", 900, MONTHLY, days=(14, 44)), paid=14, metadata=names)
    assert {"in_2@44": (100, 47)} == await grants_after(trial, month)
    generous = (plan("monthly", 100, 900, trial_credits=20),)
    assert {"in_1@14": (20, 14), "in_2@44": (100, 47)} == await grants_after(trial, month, plans=generous)


async def test_a_dispute() -> None:
    """Takes all while the money is away, and gives it back with the money."""
    assert {} == await grants_after(MONTH, *disputed(dispute("dp_1", 900, "in_1")))
    lost = dispute("dp_1", 900, "in_1", status="lost", moves={"txn_1": (-900, "usd")})
    assert {} == await grants_after(MONTH, *disputed(lost))
    won = dispute("dp_1", 900, "in_1", status="won", moves={"txn_1": (-900, "usd"), "txn_2": (900, "usd")})
    assert {"in_1@30": (100, 33)} == await grants_after(MONTH, *disputed(won))


@pytest.mark.parametrize(
    "moves",
    [{"txn_1": (-900, "usd"), "txn_2": (450, "usd")}, {"txn_1": (-830, "eur"), "txn_2": (415, "eur")}],
    ids=["in its own currency", "settled in euros"],
)
async def test_a_dispute_that_is_partly_reinstated(moves: dict[str, tuple[int, str]]) -> None:
    """Half of the money is back, and so are half of the credits."""
    back = dispute("dp_1", 900, "in_1", status="under_review", moves=moves)
    assert {"in_1@30": (50, 33)} == await grants_after(MONTH, *disputed(back))


async def test_what_was_spent_before_a_dispute_is_owed() -> None:
    """60 of 100 credits were spent; the dispute takes 100."""
    world = World()
    await world.pay(MONTH)
    await world.spend(60)
    await world.deliver(*disputed(dispute("dp_1", 900, "in_1")))
    await world.check()
    assert -60 == await world.balance()


async def test_a_refund_of_an_invoice_that_the_balance_paid_in_part() -> None:
    """$6.00 came from the balance, $3.00 by card: the card's $3.00 back is a third of the invoice."""
    sold = invoice("in_1", line("il_1", 900, MONTHLY, days=(0, 30)), paid=0, amount_due=300, amount_paid=300)
    assert {"in_1@30": (66, 33)} == await grants_after(sold, *refunded(refund("re_1", 300, "in_1")))
    note = credit_note("cn_1", "in_1", after=600)
    assert {} == await grants_after(sold, *refunded(refund("re_1", 300, "in_1")), noted(note))


@pytest.mark.parametrize(("amount", "left"), [(300, 100), (750, 50)])
async def test_a_refund_of_an_overpayment(amount: int, left: int) -> None:
    """$12.00 came by bank transfer for an invoice of $9.00: the first $3.00 back are the customer's own."""
    sold = invoice("in_1", line("il_1", 900, MONTHLY, days=(0, 30)), paid=0, amount_paid=1200, amount_overpaid=300)
    assert {"in_1@30": (left, 33)} == await grants_after(sold, *refunded(refund("re_1", amount, "in_1")))


@pytest.mark.parametrize(
    ("cap", "left"), [(0, {"in_1@30": (100, None), "in_2@60": (100, None)}), (50, {"in_1@30": (50, 30)})]
)
async def test_rollover(cap: int, left: Grants) -> None:
    """Two months of which nothing was used: all of it stays, or at most the cap in all."""
    plans = (plan("monthly", 100, 900, rollover=True, rollover_cap=cap),)
    renewal = invoice("in_2", line("il_2", 900, MONTHLY, days=(30, 60)), paid=30)
    for events in _orders([paid(MONTH), paid(renewal)]):
        world = World(plans=plans)
        await world.deliver(*events)
        assert left == (await world.at(90)).grants


def _orders(events: list[StripeEvent]) -> Iterable[list[StripeEvent]]:
    return (events, events[::-1], [*events, *events])


async def test_more_grace() -> None:
    """A plan of 14 days, as bank debits take; a plan of none ends with its period."""
    for days, end in ((14, 44), (0, 30)):
        assert {"in_1@30": (100, end)} == await grants_after(MONTH, plans=(plan("monthly", 100, 900, grace_days=days),))


async def test_a_price_that_a_plan_lists() -> None:
    """Whatever it costs, in whatever currency, and whether it was cheaper once."""
    plans = (plan("monthly", 100, 900, stripe_prices=("price_once", "price_euro")), *PLANS[1:])
    once = StripePrice(id="price_once", amount=700)
    sold = invoice("in_1", line("il_1", 700, once, days=(0, 30)), paid=0)
    assert {"in_1@30": (100, 33)} == await grants_after(sold, plans=plans, prices=(*PRICES, once))
    euro = StripePrice(id="price_euro", amount=850)
    month = line("il_1", 850, euro, days=(0, 30))
    in_euros = invoice("in_1", {**month, "currency": "eur", "price": {**month["price"], "currency": "eur"}}, paid=0)
    assert {"in_1@30": (100, 33)} == await grants_after(
        {**in_euros, "currency": "eur"}, plans=plans, prices=(*PRICES, euro)
    )


async def test_a_price_whose_metadata_names_the_plan() -> None:
    """And the credits, where they are others than the plan's."""
    named = StripePrice(id="price_named", amount=700, metadata={"credence_plan": "monthly"})
    larger = attrs.evolve(named, metadata={"credence_plan": "monthly", "credence_credits": "120"})
    sold = invoice("in_1", line("il_1", 700, named, days=(0, 30)), paid=0)
    assert {"in_1@30": (100, 33)} == await grants_after(sold, prices=(*PRICES, named))
    sold = invoice("in_1", line("il_1", 700, larger, days=(0, 30)), paid=0)
    assert {"in_1@30": (120, 33)} == await grants_after(sold, prices=(*PRICES, larger))


@pytest.mark.parametrize("shape", [lambda one: one, in_new_shape], ids=["old", "new"])
async def test_what_fits_two_plans_or_none_is_parked_until_the_catalogue_says_more(shape: Any) -> None:
    """The reason names the price; once a plan lists it, the invoice is credited."""
    month = paid(shape(MONTH))
    twins = (plan("monthly", 100, 900), plan("twin", 200, 900))
    assert "plan_ambiguous: price_monthly" == (await World(plans=twins).deliver(month)).reason
    dearer = (plan("monthly", 100, 1000),)
    assert "price_disagrees: price_monthly" == (await World(plans=dearer).deliver(month)).reason
    for plans in (twins, dearer):
        listed = (attrs.evolve(plans[0], stripe_prices=("price_monthly",)), *plans[1:])
        world = World(plans=listed)
        assert "applied" == (await world.deliver(month)).status
        assert 100 == await world.balance()


@pytest.mark.parametrize("named", ["monthly", "twin"])
async def test_the_plan_that_the_metadata_names_is_tried_first(named: str) -> None:
    """Of two that have the line's price."""
    plans = (plan("monthly", 100, 900), plan("twin", 200, 900))
    month = {**MONTH, "subscription_details": {"metadata": {"userId": USER, "plan": named}}}
    assert {"monthly": 100, "twin": 200}[named] == credits_of(await grants_after(month, plans=plans))
