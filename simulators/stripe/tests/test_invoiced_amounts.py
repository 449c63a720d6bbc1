"""The stand-in's arithmetic against invoices worked out by hand.

The numbers follow docs.stripe.com/billing/subscriptions/prorations, docs.stripe.com/billing/customer/balance and
docs.stripe.com/invoicing/dashboard/credit-notes; a month has 30 days here.
"""

from typing import Any

import pytest

from simulators.stripe.account.account import StripeAccount
from simulators.stripe.account.coupons import new_coupon
from simulators.stripe.account.subscription_shapes import Terms

HOUR, DAY, NOW = 3600, 86400, 1_790_000_000
FLEXIBLE = Terms(billing_mode="flexible")
ITEMIZED = Terms(billing_mode="flexible", proration_discounts="itemized")
EVERY_SHAPE = pytest.mark.parametrize("terms", [Terms(), FLEXIBLE, ITEMIZED], ids=["classic", "included", "itemized"])


@pytest.fixture
def account() -> StripeAccount:
    return StripeAccount(seed=11, now=NOW)


def subscribed(account: StripeAccount, unit_amount: int, interval: str = "month", **fields: Any) -> str:
    price = account.billing.price(unit_amount, interval)
    _, subscription, _ = account.billing.subscribe(
        account.new_customer(), [(price, fields.pop("quantity", 1))], **fields
    )
    return str(subscription["id"])


def latest(account: StripeAccount, subscription: str) -> Any:
    kept = account.kept("subscription", subscription)
    return account.shown(account.kept("invoice", kept["latest_invoice"]))


def amounts(bill: Any) -> list[int]:
    return [line["amount"] for line in bill["lines"]["data"]]


@EVERY_SHAPE
def test_an_upgrade_at_half_of_the_month(account: StripeAccount, terms: Terms) -> None:
    """From $10 to $20: $5 are given back, and $10 are billed, which is $5."""
    subscription = subscribed(account, 1000, terms=terms)
    account.billing.advance(15 * DAY)
    account.billing.change(subscription, price=account.billing.price(2000), invoice_now=True)
    bill = latest(account, subscription)
    assert ([-500, 1000], 500, 500) == (amounts(bill), bill["total"], bill["amount_paid"])


@EVERY_SHAPE
def test_seats_are_added_when_a_third_of_the_month_is_left(account: StripeAccount, terms: Terms) -> None:
    """From one seat to three, $10 each: $3.33 are given back, and $10.00 billed."""
    subscription = subscribed(account, 1000, terms=terms)
    account.billing.advance(20 * DAY)
    account.billing.change(subscription, quantity=3, invoice_now=True)
    bill = latest(account, subscription)
    assert ([-333, 1000], 667, [1, 3]) == (
        amounts(bill),
        bill["total"],
        [line["quantity"] for line in bill["lines"]["data"]],
    )


@pytest.mark.parametrize(
    ("terms", "lines", "discounts", "subtotal"),
    [
        (Terms(), [-250, 500], [[], []], 250),
        (FLEXIBLE, [-250, 500], [[0], [0]], 250),
        (ITEMIZED, [-500, 1000], [[-250], [500]], 500),
    ],
    ids=["classic", "included", "itemized"],
)
def test_a_coupon_of_half_is_in_the_amounts_or_beside_them(
    account: StripeAccount, terms: Terms, lines: list[int], discounts: list[list[int]], subtotal: int
) -> None:
    """An upgrade from $10 to $20 at half of the month, at 50 % off, is $2.50 in every shape."""
    coupon = new_coupon(account, 50)["id"]
    subscription = subscribed(account, 1000, coupon=coupon, terms=terms)
    first = latest(account, subscription)
    assert ([1000], 1000, 500, 500) == (amounts(first), first["subtotal"], first["total"], first["amount_paid"])
    account.billing.advance(15 * DAY)
    account.billing.change(subscription, price=account.billing.price(2000), invoice_now=True)
    bill = latest(account, subscription)
    shown = [[one["amount"] for one in line["discount_amounts"]] for line in bill["lines"]["data"]]
    assert (lines, discounts) == (amounts(bill), shown)
    assert (subtotal, 250, 250) == (bill["subtotal"], bill["total"], bill["amount_paid"])


@EVERY_SHAPE
def test_a_year_becomes_a_month_after_a_fifth_of_it(account: StripeAccount, terms: Terms) -> None:
    """$292 of $365 are given back; what the month at $40 leaves of them goes to the balance."""
    subscription = subscribed(account, 36500, "year", terms=terms)
    account.billing.advance(73 * DAY)
    account.billing.change(subscription, price=account.billing.price(4000))
    bill = latest(account, subscription)
    assert ([-29200, 4000], -25200) == (amounts(bill), bill["total"])
    assert ("paid", 0, 0, 0, -25200) == (
        bill["status"],
        bill["amount_due"],
        bill["amount_paid"],
        bill["starting_balance"],
        bill["ending_balance"],
    )


@EVERY_SHAPE
def test_a_month_becomes_a_year_when_two_thirds_of_it_are_left(account: StripeAccount, terms: Terms) -> None:
    """$6.67 of $10 are given back, and the year at $100 begins."""
    subscription = subscribed(account, 1000, terms=terms)
    account.billing.advance(10 * DAY)
    account.billing.change(subscription, price=account.billing.price(10000, "year"))
    bill = latest(account, subscription)
    assert ([-667, 10000], 9333) == (amounts(bill), bill["amount_paid"])
    ends = [line["period"]["end"] for line in bill["lines"]["data"]]
    assert [NOW + 30 * DAY, NOW + 375 * DAY] == ends


@EVERY_SHAPE
def test_a_downgrade_is_billed_with_the_renewal(account: StripeAccount, terms: Terms) -> None:
    """From $20 to $10 at half of the month: the next month costs $5, and is paid an hour after it began."""
    subscription = subscribed(account, 2000, terms=terms)
    account.billing.advance(15 * DAY)
    events = account.billing.change(subscription, price=account.billing.price(1000))
    assert ["customer.subscription.updated"] == [event["type"] for event in events]
    paid = [event for event in account.billing.advance(16 * DAY) if event["type"] == "invoice.paid"]
    bill = latest(account, subscription)
    assert ([-1000, 500, 1000], 500) == (amounts(bill), bill["amount_paid"])
    assert [NOW + 30 * DAY + HOUR] == [event["created"] for event in paid]


@EVERY_SHAPE
def test_a_cancellation_gives_three_quarters_back(account: StripeAccount, terms: Terms) -> None:
    """$15 of $20 go to the balance; nothing is due."""
    subscription = subscribed(account, 2000, terms=terms)
    account.billing.advance(7 * DAY + 12 * HOUR)
    account.billing.cancel(subscription, prorate=True, invoice_now=True)
    bill = latest(account, subscription)
    assert ([-1500], -1500, 0) == (amounts(bill), bill["total"], bill["amount_due"])
    assert -1500 == account.balances.of(account.kept("subscription", subscription)["customer"])


def test_a_credit_note_before_payment_makes_less_due(account: StripeAccount) -> None:
    """Of $50 to be paid within 30 days, $12 are taken off, and $38 paid."""
    subscription = subscribed(account, 5000, terms=Terms(collection_method="send_invoice", days_until_due=30))
    account.billing.advance(HOUR)
    bill = latest(account, subscription)
    assert ("open", 5000, NOW + HOUR + 30 * DAY) == (bill["status"], bill["amount_due"], bill["due_date"])
    account.credit_notes.issue(bill["id"], 1200)
    account.collecting.pay(bill["id"])
    bill = latest(account, subscription)
    assert ("paid", 5000, 3800, 3800, 1200) == (
        bill["status"],
        bill["total"],
        bill["amount_due"],
        bill["amount_paid"],
        bill["pre_payment_credit_notes_amount"],
    )


def test_a_balance_pays_renewals_while_it_lasts(account: StripeAccount) -> None:
    """Of $15 to a customer's credit, $10 pay a month, and $5 half of the next one."""
    subscription = subscribed(account, 1000)
    account.balances.move(account.kept("subscription", subscription)["customer"], -1500, "usd")
    shown = []
    for _ in range(2):
        account.billing.advance(30 * DAY + HOUR)
        bill = latest(account, subscription)
        shown.append([bill[name] for name in ("starting_balance", "ending_balance", "amount_due", "amount_paid")])
    assert [[-1500, -500, 0, 0], [-500, 0, 500, 500]] == shown


def test_a_trial_is_a_line_of_nothing_and_a_period_follows(account: StripeAccount) -> None:
    """Seven days at $0, then a month at $9."""
    subscription = subscribed(account, 900, trial_days=7)
    bill = latest(account, subscription)
    (line,) = bill["lines"]["data"]
    assert ("paid", 0, "0") == (bill["status"], line["amount"], line["pricing"]["unit_amount_decimal"])
    assert {"start": NOW, "end": NOW + 7 * DAY} == line["period"]
    account.billing.advance(7 * DAY + HOUR)
    bill = latest(account, subscription)
    (line,) = bill["lines"]["data"]
    assert (900, {"start": NOW + 7 * DAY, "end": NOW + 37 * DAY}) == (bill["amount_paid"], line["period"])


@EVERY_SHAPE
def test_a_weekly_plan_is_changed_twice(account: StripeAccount, terms: Terms) -> None:
    """From $7 to $14 after three days, and back after five: $4 and $8, then $4 and $2, and the week at $7."""
    subscription = subscribed(account, 700, "week", terms=terms)
    for days, unit_amount in ((3, 1400), (2, 700)):
        account.billing.advance(days * DAY)
        account.billing.change(subscription, price=account.billing.price(unit_amount, "week"))
    account.billing.advance(2 * DAY + HOUR)
    bill = latest(account, subscription)
    assert ([-400, 800, -400, 200, 700], 900) == (amounts(bill), bill["amount_paid"])


def test_a_coupon_holds_once_for_some_months_or_forever(account: StripeAccount) -> None:
    """Four months at $10 with a quarter off."""
    coupons = {"once": None, "repeating": 2, "forever": None}
    paid = {}
    for duration, months in coupons.items():
        coupon = new_coupon(account, 25, duration=duration, months=months)["id"]
        subscription = subscribed(account, 1000, coupon=coupon)
        paid[duration] = [latest(account, subscription)["amount_paid"]]
        for _ in range(3):
            account.billing.advance(30 * DAY + HOUR)
            paid[duration].append(latest(account, subscription)["amount_paid"])
    assert {
        "once": [750, 1000, 1000, 1000],
        "repeating": [750, 750, 1000, 1000],
        "forever": [750, 750, 750, 750],
    } == paid


def test_several_items_are_lines_of_one_invoice(account: StripeAccount) -> None:
    """Two seats at $10 and a plan at $4, then a third item for half of the month, at $6, and a fee of $5."""
    seats, plan, extra = (account.billing.price(amount) for amount in (1000, 400, 600))
    _, made, first = account.billing.subscribe(account.new_customer(), [(seats, 2), (plan, 1)])
    assert ([2000, 400], 2400) == (amounts(account.shown(first)), first["amount_paid"])
    account.billing.advance(15 * DAY)
    account.billing.change(made["id"], add=[(extra, 1)])
    account.billing.change(made["id"], item=made["_items"][1]["id"], remove=True)
    account.collecting.charge_later(made["customer"], 500, description="Setup")
    account.billing.advance(15 * DAY + HOUR)
    bill = latest(account, made["id"])
    assert ([300, -200, 500, 2000, 600], 3200) == (amounts(bill), bill["amount_paid"])


def test_a_plan_for_nothing_is_an_invoice_of_nothing(account: StripeAccount) -> None:
    """It is paid at once, every month."""
    subscription = subscribed(account, 0)
    account.billing.advance(30 * DAY + HOUR)
    bill = latest(account, subscription)
    assert ("paid", [0], 0) == (bill["status"], amounts(bill), bill["amount_due"])
