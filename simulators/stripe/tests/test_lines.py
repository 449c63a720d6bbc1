"""What the lines of the stand-in's invoices show, in every shape of billing and of the API."""

from typing import Any

import pytest

from simulators.stripe.account.account import StripeAccount
from simulators.stripe.account.coupons import new_coupon
from simulators.stripe.account.subscription_shapes import Terms

DAY, NOW = 86400, 1_790_000_000
OLD, NEW = "2024-06-20", "2026-10-28.endive"
FLEXIBLE = Terms(billing_mode="flexible")


def switched(terms: Terms | None = None, *, coupon: bool = False) -> tuple[StripeAccount, dict[str, Any], Any, Any]:
    """An account where two seats at $10 became three at $20; the subscription, and both invoices as they are kept."""
    account = StripeAccount(seed=5, now=NOW)
    old, new = account.billing.price(1000, metadata={"plan": "old"}), account.billing.price(2000)
    fields: dict[str, Any] = {"coupon": new_coupon(account, 50)["id"]} if coupon else {}
    customer = account.new_customer()
    _, made, first = account.billing.subscribe(customer, [(old, 2)], metadata={"a": "b"}, terms=terms, **fields)
    account.billing.advance(15 * DAY)
    account.billing.change(made["id"], price=new, quantity=3, invoice_now=True)
    return account, made, first, account.kept("invoice", made["latest_invoice"])


def lines(account: StripeAccount, bill: Any, version: str) -> Any:
    return account.shown(bill, version)["lines"]["data"]


def test_old_versions_show_the_price_and_the_kind() -> None:
    """A period's line is of the subscription, a proration is an invoice item; both name item and price."""
    account, made, first, second = switched()
    (period,), (unused, rest) = lines(account, first, OLD), lines(account, second, OLD)
    assert ["subscription", "invoiceitem", "invoiceitem"] == [one["type"] for one in (period, unused, rest)]
    assert [False, True, True] == [one["proration"] for one in (period, unused, rest)]
    assert {made["id"]} == {one["subscription"] for one in (period, unused, rest)}
    assert {made["_items"][0]["id"]} == {one["subscription_item"] for one in (period, unused, rest)}
    assert [(2, 1000), (2, 1000), (3, 2000)] == [
        (one["quantity"], one["price"]["unit_amount"]) for one in (period, unused, rest)
    ]
    assert {"interval": "month", "interval_count": 1, "usage_type": "licensed"}.items() <= period["price"][
        "recurring"
    ].items()
    assert {"plan": "old"} == period["price"]["metadata"]
    assert {"invoice": first["id"], "invoice_line_items": [period["id"]]} == unused["proration_details"][
        "credited_items"
    ]
    assert rest["proration_details"]["credited_items"] is None


@pytest.mark.parametrize(
    ("terms", "parent", "names_item"),
    [(Terms(), "invoice_item_details", False), (FLEXIBLE, "subscription_item_details", True)],
    ids=["classic", "flexible"],
)
def test_new_versions_show_parent_and_pricing(terms: Terms, parent: str, *, names_item: bool) -> None:
    """A proration's unit amount is its own; the price is named by its id, and can be read."""
    account, made, first, second = switched(terms)
    (period,), (unused, rest) = lines(account, first, NEW), lines(account, second, NEW)
    assert "subscription_item_details" == period["parent"]["type"]
    assert {parent} == {one["parent"]["type"] for one in (unused, rest)}
    details = unused["parent"][parent]
    assert (made["id"], True) == (details["subscription"], details["proration"])
    assert names_item is (made["_items"][0]["id"] == details.get("subscription_item"))
    assert {"invoice": first["id"], "invoice_line_items": [period["id"]]} == details["proration_details"][
        "credited_items"
    ]
    assert ["1000", "-1000", "3000"] == [one["pricing"]["unit_amount_decimal"] for one in (period, unused, rest)]
    assert ["2", "2", "3"] == [one["quantity_decimal"] for one in (period, unused, rest)]
    for one in (period, unused, rest):
        assert "price_details" == one["pricing"]["type"]
        price = account.kept("price", one["pricing"]["price_details"]["price"])
        assert price["product"] == one["pricing"]["price_details"]["product"]
        assert (one["amount"], []) == (one["subtotal"], one["taxes"])


@pytest.mark.parametrize("version", [OLD, NEW])
def test_classic_billing_may_not_name_what_it_credits(version: str) -> None:
    """As before 2026-09-30."""
    account, _, _, second = switched(Terms(names_credited=False))
    unused = lines(account, second, version)[0]
    of = unused if version == OLD else unused["parent"]["invoice_item_details"]
    assert of["proration_details"]["credited_items"] is None


@pytest.mark.parametrize("version", [OLD, NEW])
def test_an_invoice_names_the_discount_in_force(version: str) -> None:
    """Also where its prorations show none."""
    account, _, _, second = switched(coupon=True)
    bill = account.shown(second, version)
    (discount,) = bill["discounts"]
    assert [[], []] == [one["discount_amounts"] for one in bill["lines"]["data"]]
    if version == OLD:
        assert (discount, 50) == (bill["discount"]["id"], bill["discount"]["coupon"]["percent_off"])


def test_flexible_billing_gives_back_what_was_billed_and_classic_what_it_costs_now() -> None:
    """A coupon for the first month alone is over when half of the second one is given back, or in force since then."""
    given = {}
    for terms in (Terms(), FLEXIBLE):
        account = StripeAccount(seed=5, now=NOW)
        price, customer = account.billing.price(1000), account.new_customer()
        _, made, _ = account.billing.subscribe(customer, [(price, 1)], terms=terms)
        account.billing.discount(made["id"], new_coupon(account, 50)["id"])
        account.billing.advance(15 * DAY)
        account.billing.cancel(made["id"], prorate=True, invoice_now=True)
        given[terms.billing_mode] = account.kept("invoice", made["latest_invoice"])["total"]
    assert {"classic": -250, "flexible": -500} == given


def test_a_change_that_is_not_prorated_makes_no_lines() -> None:
    """The next period has the new price; flexible billing gives nothing back of an item that was never billed."""
    account = StripeAccount(seed=5, now=NOW)
    price, customer = account.billing.price(1000), account.new_customer()
    _, made, _ = account.billing.subscribe(customer, [(price, 1)], terms=FLEXIBLE)
    account.billing.advance(15 * DAY)
    events = account.billing.change(made["id"], quantity=2, add=[(price, 5)], prorate=False, invoice_now=True)
    assert ["customer.subscription.updated"] == [event["type"] for event in events]
    account.billing.cancel(made["id"], prorate=True, invoice_now=True)
    assert [-500] == [one["amount"] for one in account.kept("invoice", made["latest_invoice"])["_lines"]]


@pytest.mark.parametrize(
    ("version", "mode"), [("2025-03-31.basil", None), (NEW, {"flexible": None, "type": "classic"})]
)
def test_a_subscription_shows_its_items_and_its_billing(version: str, mode: dict[str, Any] | None) -> None:
    """The periods are the items' own since 2025-03-31, and the billing mode is reported since 2025-06-30."""
    account, made, _, _ = switched()
    shown = account.shown(made, version)
    (item,) = shown["items"]["data"]
    assert (3, 2000, NOW + 30 * DAY) == (item["quantity"], item["price"]["unit_amount"], item["current_period_end"])
    assert mode == shown.get("billing_mode")
    assert NOW + 30 * DAY == account.shown(made, OLD)["current_period_end"]
