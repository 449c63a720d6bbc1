"""The stand-in's credit notes: before and after payment, to where the money goes, and what is void again."""

from typing import Any

import pytest

from simulators.stripe.account.account import StripeAccount
from simulators.stripe.account.coupons import new_coupon
from simulators.stripe.account.credit_notes import CreditedLine
from simulators.stripe.account.subscription_shapes import Terms
from simulators.stripe.requests.refusals import Refusal

HOUR, NOW = 3600, 1_790_000_000
OLD, NEW = "2024-06-20", "2026-10-28.endive"


@pytest.fixture
def account() -> StripeAccount:
    return StripeAccount(seed=4, now=NOW)


def billed(account: StripeAccount, **fields: Any) -> Any:
    """The invoice of two items, $30 and $20: paid, or open for a month where it is sent."""
    items = [(account.billing.price(amount), 1) for amount in (3000, 2000)]
    bill = account.billing.subscribe(account.new_customer(), items, **fields)[2]
    account.billing.advance(HOUR)
    return bill


def open_one(account: StripeAccount) -> Any:
    return billed(account, terms=Terms(collection_method="send_invoice", days_until_due=30))


def kinds(events: list[Any]) -> list[str]:
    return [event["type"] for event in events]


def note_of(account: StripeAccount, events: list[Any], version: str = NEW) -> Any:
    (made,) = [event["data"]["object"]["id"] for event in events if event["type"] == "credit_note.created"]
    return account.shown(account.kept("credit_note", made), version)


def test_a_note_before_payment_may_be_voided(account: StripeAccount) -> None:
    """While the invoice is open: as much is due again."""
    bill = open_one(account)
    events = account.credit_notes.issue(bill["id"], 1200)
    note = note_of(account, events)
    assert ("pre_payment", 1200, 0, []) == tuple(
        note[name] for name in ("type", "pre_payment_amount", "post_payment_amount", "refunds")
    )
    assert (3800, 3800, 1200) == (bill["amount_due"], bill["amount_remaining"], bill["pre_payment_credit_notes_amount"])
    (voided,) = account.credit_notes.void(note["id"])
    assert ("credit_note.voided", "void") == (voided["type"], voided["data"]["object"]["status"])
    assert (5000, 0) == (bill["amount_due"], bill["pre_payment_credit_notes_amount"])
    account.collecting.pay(bill["id"])
    with pytest.raises(Refusal):
        account.credit_notes.void(note["id"])


def test_a_note_of_everything_settles_an_open_invoice(account: StripeAccount) -> None:
    """Nothing is left to be paid."""
    bill = open_one(account)
    events = account.credit_notes.issue(bill["id"], 5000)
    assert ["credit_note.created", "invoice.paid", "invoice.payment_succeeded"] == kinds(events)
    assert ("paid", 0, 0) == (bill["status"], bill["amount_due"], bill["amount_paid"])


def test_a_note_after_payment_goes_where_it_is_said(account: StripeAccount) -> None:
    """To the balance, outside of Stripe, and to the card by a new refund; the three are its amount."""
    bill = billed(account)
    with pytest.raises(Refusal):
        account.credit_notes.issue(bill["id"], 1000)
    events = account.credit_notes.issue(bill["id"], 1000, credit=300, out_of_band=200, refund=500)
    assert ["refund.created", "charge.refunded", "charge.refund.updated", "credit_note.created"] == kinds(events)
    note, refund = note_of(account, events), events[0]["data"]["object"]
    assert ("post_payment", 0, 1000, 200) == tuple(
        note[name] for name in ("type", "pre_payment_amount", "post_payment_amount", "out_of_band_amount")
    )
    (linked,) = note["refunds"]
    assert (refund["id"], 500, "refund") == (linked["refund"], linked["amount_refunded"], linked["type"])
    assert -300 == account.balances.of(bill["customer"])
    move = account.kept("customer_balance_transaction", note["customer_balance_transaction"])
    assert ("credit_note", -300, note["id"]) == (move["type"], move["amount"], move["credit_note"])
    assert (5000, 1000) == (bill["amount_paid"], bill["post_payment_credit_notes_amount"])
    assert refund["id"] == note_of(account, events, OLD)["refund"]
    assert "refunds" not in note_of(account, events, OLD)


def test_a_refund_that_was_made_before_is_linked(account: StripeAccount) -> None:
    """The note reports it; nothing moves again."""
    bill = billed(account)
    refund = account.reversals.refund(bill["_payment_intent"], 700)[0]["data"]["object"]
    events = account.credit_notes.issue(bill["id"], 700, refunds=[refund["id"]])
    assert ["credit_note.created"] == kinds(events)
    assert [refund["id"]] == [one["refund"] for one in note_of(account, events)["refunds"]]
    assert 700 == account.all_kept("charge")[0]["amount_refunded"]


def test_a_note_of_a_part_paid_invoice_is_mixed(account: StripeAccount) -> None:
    """It takes off what remains, and the rest of it goes to the balance; older versions know no such kind."""
    bill = open_one(account)
    account.collecting.pay(bill["id"], 4500)
    events = account.credit_notes.issue(bill["id"], 800, credit=300)
    note = note_of(account, events)
    assert ("mixed", 500, 300) == (note["type"], note["pre_payment_amount"], note["post_payment_amount"])
    assert ("paid", 4500) == (bill["status"], bill["amount_paid"])
    assert "pre_payment_amount" not in note_of(account, events, OLD)


def test_lines_of_a_note_share_in_the_discounts(account: StripeAccount) -> None:
    """Of a line of $30 at half price, $10 are $5; a line of its own names no other."""
    bill = billed(account, coupon=new_coupon(account, 50)["id"])
    lines = [CreditedLine(1000, bill["_lines"][0]["id"]), CreditedLine(100)]
    note = note_of(account, account.credit_notes.issue(bill["id"], lines=lines, credit=600))
    assert (600, 1100, 500) == (note["amount"], note["subtotal"], note["discount_amount"])
    shown = [(one["type"], one["invoice_line_item"], one["amount"]) for one in note["lines"]["data"]]
    assert [("invoice_line_item", bill["_lines"][0]["id"], 1000), ("custom_line_item", None, 100)] == shown


def test_a_note_is_changed(account: StripeAccount) -> None:
    """Its metadata, which is reported."""
    events = account.credit_notes.issue(billed(account)["id"], 100, out_of_band=100)
    (updated,) = account.credit_notes.update(note_of(account, events)["id"], {"by": "support"})
    assert ("credit_note.updated", {"by": "support"}) == (updated["type"], updated["data"]["object"]["metadata"])


@pytest.mark.parametrize(
    ("amount", "fields"),
    [(5001, {"credit": 5001}), (0, {}), (100, {"credit": 99}), (100, {"refund": 101})],
)
def test_a_note_must_add_up(account: StripeAccount, amount: int, fields: dict[str, int]) -> None:
    """No more than the invoice, and all of it goes somewhere; nothing is left behind by a refusal."""
    bill = billed(account)
    before = len(account.events)
    with pytest.raises(Refusal):
        account.credit_notes.issue(bill["id"], amount, **fields)
    assert (before, []) == (len(account.events), account.all_kept("credit_note"))
