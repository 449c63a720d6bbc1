"""Why an invoice is worth what it is worth, told line by line."""

from typing import Any

import pytest

from domain.credits.explanation import AccountExplanation, explain
from entrypoints.cli.tables import plain
from entrypoints.http.routes.explanation import explanation_of
from features.billing.payloads import ANNUAL, MONTHLY, PRO, Payload, in_new_shape, invoice, line
from features.billing.reversals import credit_note, dispute, refund
from features.billing.world import ADA, PLANS, StripeEvent, World, paid, plan

FIRST = invoice("in_1", line("il_1", 900, MONTHLY, days=(0, 30)), paid=0, reason="subscription_create")
UPGRADE = invoice(
    "in_2",
    line("il_2", -450, MONTHLY, days=(15, 30), proration=True, gives_back=("in_1", "il_1")),
    line("il_3", 2450, PRO, days=(15, 30), proration=True),
    paid=15,
    reason="subscription_update",
)


async def explained(world: World) -> AccountExplanation:
    record = await world.ledger.audit.record_of(ADA)
    assert record is not None
    return explain(record)


async def explained_after(*events: StripeEvent | Payload, plans: Any = PLANS) -> dict[str, dict[str, Any]]:
    """Return the explanation's purchases by id, as JSON has them, after events."""
    world = World(plans=plans)
    await world.deliver(*(one if isinstance(one, StripeEvent) else paid(one) for one in events))
    await world.check()
    document = plain(explanation_of(await explained(world)))
    return {one["id"]: one for one in document["purchases"]}


def line_of(purchase: dict[str, Any], line_id: str) -> dict[str, Any]:
    (found,) = [one for one in purchase["lines"] if one["id"] == line_id]
    return dict(found)


@pytest.mark.parametrize("shape", [lambda one: one, in_new_shape], ids=["old", "new"])
async def test_an_upgrade_is_reported_with_what_it_gives_back(shape: Any) -> None:
    """Half of the month went back to the customer, and half of the larger plan's month came."""
    found = await explained_after(shape(FIRST), shape(UPGRADE))
    first, second = line_of(found["in_1"], "il_1"), line_of(found["in_2"], "il_3")
    assert ("period", 1.0, 900, 900, 100.0, "100 credits") == tuple(
        first[key] for key in ("kind", "quantity", "amount", "amount_after_discounts", "brought", "why")
    )
    assert (0.5, 0.0, 0.0, 50.0) == tuple(
        first[key] for key in ("unused_part", "refunded_part", "disputed_part", "worth")
    )
    assert ("rest_of_period", "pro", 500.0, "1,000 credits x 24.50 of 49.00 USD", 500.0) == tuple(
        second[key] for key in ("kind", "plan", "brought", "why", "worth")
    )
    (returned,) = found["in_2"]["unused_time"]
    assert (450, "in_1", ["il_1"]) == (returned["amount"], returned["of_invoice"], returned["of_lines"])
    assert [50, 500] == [found[id_]["worth"] for id_ in ("in_1", "in_2")]
    assert "2026-01-16T12:00:00+00:00" == found["in_2"]["paid_at"]


async def test_the_credited_invoice_is_reported_where_stripe_does_not_name_it() -> None:
    """It is the one of the newest line of the same item; of a subscription older than Credence there is none."""
    unnamed = invoice(
        "in_2",
        line("il_2", -450, MONTHLY, days=(15, 30), proration=True),
        line("il_3", 2450, PRO, days=(15, 30), proration=True),
        paid=15,
    )
    (returned,) = (await explained_after(FIRST, unnamed))["in_2"]["unused_time"]
    assert ("in_1", ["il_1"]) == (returned["of_invoice"], returned["of_lines"])
    (unknown,) = (await explained_after(unnamed))["in_2"]["unused_time"]
    assert (None, []) == (unknown["of_invoice"], unknown["of_lines"])


async def test_an_invoice_that_only_gives_back_is_among_them() -> None:
    """Though nobody ordered anything by it: without it the other's worth would not be explained."""
    ended = invoice(
        "in_2", line("il_2", -450, MONTHLY, days=(15, 30), proration=True, gives_back=("in_1", "il_1")), paid=15
    )
    found = await explained_after(FIRST, ended)
    assert 0.5 == line_of(found["in_1"], "il_1")["unused_part"]
    assert (None, 0, [], 1) == (
        found["in_2"]["plan"],
        found["in_2"]["worth"],
        found["in_2"]["lines"],
        len(found["in_2"]["unused_time"]),
    )


async def test_reversals_are_reported_by_part() -> None:
    """A refund, a credit note before the payment, and a dispute of a third each."""
    found = (
        await explained_after(
            FIRST,
            StripeEvent(type="credit_note.created", about=credit_note("cn_1", "in_1", before=300), days=0),
            StripeEvent(type="refund.created", about=refund("re_1", 300, "in_1"), days=1),
            StripeEvent(type="charge.dispute.created", about=dispute("dp_1", 300, "in_1"), days=2),
        )
    )["in_1"]
    parts = line_of(found, "il_1")
    assert (0.666667, 0.333333, 0.0) == (parts["refunded_part"], parts["disputed_part"], parts["worth"])
    assert ["cn_1"] == [note["id"] for note in found["credit_notes"]]
    assert (300, 0) == (found["credit_notes"][0]["pre_payment"], found["credit_notes"][0]["post_payment"])


@pytest.mark.parametrize(
    ("sold", "brought", "why"),
    [
        (line("il_1", 2700, MONTHLY, days=(0, 30), quantity=3), 300.0, "3 x 100 credits"),
        (line("il_1", 2700, MONTHLY, days=(0, 90)), 300.0, "100 credits x 3 periods"),
        (line("il_1", 0, MONTHLY, days=(0, 14)), 20.0, "a trial's 20 credits"),
        (line("il_1", 0, ANNUAL, days=(0, 14)), 0.0, "a trial without credits"),
        (line("il_1", 300, MONTHLY, days=(20, 30), proration=True), 33.3333, "100 credits x 3.00 of 9.00 USD"),
    ],
    ids=["seats", "several periods", "trial", "trial of nothing", "rest"],
)
async def test_why_a_line_brought_so_many(sold: Payload, brought: float, why: str) -> None:
    """In a sentence that a person can check with a pocket calculator."""
    plans = (plan("monthly", 100, 900, trial_credits=20), plan("annual", 1200, 9000, "year"))
    named = {"userId": str(ADA), "plan": "annual" if sold["price"]["id"] == "price_annual" else "monthly"}
    found = line_of((await explained_after(invoice("in_1", sold, paid=0, metadata=named), plans=plans))["in_1"], "il_1")
    assert (brought, why) == (found["brought"], found["why"])


@pytest.mark.parametrize(("days", "part"), [((15, 30), "half"), ((20, 30), "10 of 30 days"), ((0, 30), "all")])
async def test_under_a_discount_the_time_is_reported(days: tuple[float, float], part: str) -> None:
    """Where Stripe shows the amount after the discount only, the part of the period's time counts."""
    rest = line("il_2", 100, PRO, days=days, proration=True)
    found = await explained_after(FIRST, invoice("in_2", rest, paid=days[0], discounted=True))
    assert f"1,000 credits x {part} of the period's time" == line_of(found["in_2"], "il_2")["why"]
