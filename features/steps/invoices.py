"""Steps: how customers, merchants and Stripe's billing change, bill and credit subscriptions."""

from typing import Any

from pytest_bdd import given, parsers, then, when

from features.harness.service import eventually
from features.steps.story import Story
from features.steps.stripe_events import DAY, HOUR, account, cents, deliver_all, mine
from simulators.stripe.account.coupons import new_coupon
from simulators.stripe.account.credit_notes import CreditedLine


def subscription_of(story: Story) -> str:
    return str(account(story).session(story.customers["Ada"].sessions[-1])["subscription"])


def kept(story: Story) -> Any:
    return account(story).kept("subscription", subscription_of(story))


def since(story: Story, before: int) -> None:
    """Let Stripe report everything of Ada's since there were so many events."""
    story.events = mine(story, account(story).events[before:])
    if story.events:
        deliver_all(story, story.events)


def price_of(story: Story, credits: int, price: str, interval: str) -> str:  # noqa: A002 - Gherkin's word
    """A price that the merchant made, and marked as of the monthly plan, for so many credits; always the same one."""
    name = f"{credits}/{price}/{interval}"
    if name not in story.remembered:
        marks = {"credence_plan": "monthly", "credence_credits": str(credits)}
        story.remembered[name] = account(story).billing.price(cents(price), interval, metadata=marks)
    return str(story.remembered[name])


OFFER = r"(?P<credits>[\d,]+) credits a (?P<interval>month|year) for (?P<price>\$[\d.]+)"


def changes(story: Story, *, at_once: bool, **how: Any) -> None:
    before = len(account(story).events)
    account(story).billing.change(subscription_of(story), invoice_now=at_once, **how)
    since(story, before)


def changes_price(story: Story, credits: str, interval: str, price: str, *, at_once: bool) -> None:  # noqa: A002
    new = price_of(story, int(credits.replace(",", "")), price, interval)
    story.remembered.setdefault("first price", kept(story)["_items"][0]["_price"]["id"])
    changes(story, at_once=at_once, price=new)


@given(parsers.re(f"Ada has changed to {OFFER}, charged at once"))
@when(parsers.re(f"Ada changes to {OFFER}, charged at once"))
def changes_at_once(story: Story, credits: str, interval: str, price: str) -> None:  # noqa: A002 - Gherkin's word
    changes_price(story, credits, interval, price, at_once=True)


@given(parsers.re(f"Ada has changed to {OFFER}, charged with the renewal"))
@when(parsers.re(f"Ada changes to {OFFER}, charged with the renewal"))
def changes_later(story: Story, credits: str, interval: str, price: str) -> None:  # noqa: A002 - Gherkin's word
    changes_price(story, credits, interval, price, at_once=False)


@given("Ada has changed back, charged at once")
@when("Ada changes back, charged at once")
def changes_back(story: Story) -> None:
    changes(story, at_once=True, price=story.remembered["first price"])


@when("Ada changes back, charged with the renewal")
def changes_back_later(story: Story) -> None:
    changes(story, at_once=False, price=story.remembered["first price"])


@given(parsers.parse("Ada has taken {seats:d} seats, charged at once"))
@when(parsers.parse("Ada takes {seats:d} seats, charged at once"))
def takes_seats(story: Story, seats: int) -> None:
    changes(story, at_once=True, quantity=seats)


@when(parsers.parse("Ada takes {seats:d} seats, charged with the renewal"))
def takes_seats_later(story: Story, seats: int) -> None:
    changes(story, at_once=False, quantity=seats)


@given(parsers.parse("{days:d} days have passed"))
@when(parsers.parse("{days:d} days pass"))
def days_pass(story: Story, days: int) -> None:
    before = len(account(story).events)
    account(story).billing.advance(days * DAY)
    since(story, before)


@given("the subscription has renewed")
@when("the subscription renews")
def renews(story: Story) -> None:
    before, stripe = len(account(story).events), account(story)
    stripe.billing.advance(kept(story)["_period"][1] + HOUR - stripe.now())
    since(story, before)


@given("Ada's bank declines the renewal")
def bank_declines(story: Story) -> None:
    account(story).billing.decline(subscription_of(story))
    renews(story)


@given("Ada has paid for the renewal")
@when("Ada pays for the renewal")
def pays_for_renewal(story: Story) -> None:
    account(story).billing.decline(subscription_of(story), declines=False)
    before = len(account(story).events)
    account(story).collecting.pay(kept(story)["latest_invoice"])
    since(story, before)


@when("Ada cancels at once, and unused time is credited")
def cancels_with_proration(story: Story) -> None:
    before = len(account(story).events)
    account(story).billing.cancel(subscription_of(story), prorate=True, invoice_now=True)
    since(story, before)


WAYS = {"to Ada's balance": "credit", "outside of Stripe": "out_of_band", "to Ada's card": "refund"}


@given(parsers.re(r"(?P<amount>\$[\d.]+) of the last invoice has been credited (?P<way>.+)"))
@when(parsers.re(r"(?P<amount>\$[\d.]+) of the last invoice is credited (?P<way>.+)"))
def is_credited(story: Story, amount: str, way: str) -> None:
    before = len(account(story).events)
    how: dict[str, int] = {} if way == "before Ada pays it" else {WAYS[way]: cents(amount)}
    account(story).credit_notes.issue(kept(story)["latest_invoice"], cents(amount), **how)
    credited(story, before)


@when(parsers.re(r"(?P<amount>\$[\d.]+) of the setup fee is credited to Ada's balance"))
def fee_is_credited(story: Story, amount: str) -> None:
    before, bill = len(account(story).events), account(story).kept("invoice", kept(story)["latest_invoice"])
    fee = next(line for line in bill["_lines"] if line["_item"] is None)
    line = CreditedLine(cents(amount), fee["id"])
    account(story).credit_notes.issue(bill["id"], lines=[line], credit=cents(amount))
    credited(story, before)


def credited(story: Story, before: int) -> None:
    """Let Stripe report a credit note, and what it refunded."""
    story.events = account(story).events[before:]
    deliver_all(story, story.events)


@given(parsers.parse("Ada's next invoice has a setup fee of {amount}"))
def has_fee(story: Story, amount: str) -> None:
    stripe = account(story)
    stripe.collecting.charge_later(kept(story)["customer"], cents(amount), description="Setup")


@given(parsers.parse("Ada's subscription bills {amount} a month for support, too"))
def bills_support(story: Story, amount: str) -> None:
    support = account(story).billing.price(cents(amount), "month")
    changes(story, at_once=False, add=[(support, 1)])


@when("all that was charged in the last invoice is refunded")
def invoice_is_refunded(story: Story) -> None:
    intent = account(story).kept("invoice", kept(story)["latest_invoice"])["_payment_intent"]
    deliver_all(story, account(story).reversals.refund(intent))


@when(parsers.re(r"(?P<amount>\$[\d.]+) of the last invoice is refunded"))
def part_is_refunded(story: Story, amount: str) -> None:
    intent = account(story).kept("invoice", kept(story)["latest_invoice"])["_payment_intent"]
    deliver_all(story, account(story).reversals.refund(intent, cents(amount)))


@given(parsers.re(r"Ada has a coupon of (?P<percent>\d+) % for (?P<time>one month|ever)"))
@when(parsers.re(r"Ada gets a coupon of (?P<percent>\d+) % for (?P<time>one month|ever)"))
def has_coupon(story: Story, percent: str, time: str) -> None:
    made = new_coupon(account(story), int(percent), duration="once" if time == "one month" else "forever")
    before = len(account(story).events)
    account(story).billing.discount(subscription_of(story), made["id"])
    since(story, before)


@then(parsers.re(r"Ada's credits of the last period last (?P<days>\d+) days (?P<after>after its end|from the payment)"))
def credits_last(story: Story, days: str, after: str) -> None:
    bill = account(story).kept("invoice", kept(story)["latest_invoice"])
    begins = kept(story)["_period"][1] if after == "after its end" else bill["status_transitions"]["paid_at"]
    expected = [begins + int(days) * DAY]
    query = (
        "select extract(epoch from expires_at)::bigint as ends from public.credit_grants"
        " where user_id = $1::uuid and purchase_id = $2"
    )
    ada = story.customers["Ada"].user_id
    ends = lambda: [row["ends"] for row in story.rows(query, ada, bill["id"])]  # noqa: E731 - asked again
    assert expected == eventually(ends, expected)


@then(parsers.re(r"the credits of Ada's first period expired (?P<hours>\d+) hours? after it"))
def first_ended(story: Story, hours: str) -> None:
    query = (
        "select round(extract(epoch from expires_at - period_ends_at) / 60)::bigint * 60 as late"
        " from public.credit_grants"
        " where user_id = $1::uuid and period_ends_at is not null order by period_ends_at limit 1"
    )
    late = lambda: story.rows(query, story.customers["Ada"].user_id)[0]["late"]  # noqa: E731 - asked again
    expected = int(hours) * HOUR
    assert expected == eventually(late, expected)
