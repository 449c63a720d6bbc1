"""Previews of invoices: what a subscription would be billed after a change, made on a sketch of the account."""

import copy
from collections.abc import Callable, Iterable

from simulators.stripe.account.account import StripeAccount
from simulators.stripe.account.invoice_items import pending_items
from simulators.stripe.objects import Object
from simulators.stripe.requests.refusals import refusal

Change = Callable[[StripeAccount], object]
"""Changes a subscription of an account."""


def sketch(account: StripeAccount, subscription_id: str, prices: Iterable[str]) -> StripeAccount:
    """Return an account of copies, at the same moment: a subscription, all that it is billed by, and those prices.

    :raises Refusal: if there is no such subscription or price.
    """
    found = account.kept("subscription", subscription_id)
    drawn = StripeAccount(now=account.now(), api_version=account.api_version)
    for price in [*(item["_price"] for item in found["_items"]), *(account.kept("price", one) for one in prices)]:
        drawn.keep(price)
        drawn.keep(account.kept("product", price["product"]))
    drawn.keep(copy.deepcopy(account.kept("customer", found["customer"])))
    for item in pending_items(account, found["customer"]):
        drawn.keep(copy.deepcopy(item))
    if found["schedule"]:
        drawn.keep(copy.deepcopy(account.kept("subscription_schedule", found["schedule"])))
        drawn.keep(found["_next_price"])
        drawn.keep(account.kept("product", found["_next_price"]["product"]))
    drawn.keep(copy.deepcopy(found))
    return drawn


def is_declined(account: StripeAccount, subscription_id: str, prices: Iterable[str], change: Change) -> bool:
    """Return whether the bank would decline what a change charges at once.

    :raises Refusal: if the change would be refused.
    """
    drawn = sketch(account, subscription_id, prices)
    change(drawn)
    bills = drawn.all_kept("invoice")
    return any(one["status"] == "open" and one["collection_method"] == "charge_automatically" for one in bills)


def preview(
    account: StripeAccount, subscription_id: str, prices: Iterable[str], change: Change, *, prorated_at: int | None
) -> Object:
    """Return the invoice that a change makes at once, or else the next one after it; nothing is kept of it.

    :raises Refusal: if the change would be refused, or no invoice would follow.
    """
    drawn = sketch(account, subscription_id, prices)
    change(drawn)
    found = drawn.kept("subscription", subscription_id)
    at_once = drawn.all_kept("invoice")
    if not at_once and found["status"] != "canceled" and not found["cancel_at_period_end"]:
        drawn.billing.advance(found["_period"][1] - drawn.now())
    bills = drawn.all_kept("invoice")
    if not bills:
        message = f"No upcoming invoices for customer: '{found['customer']}'"
        raise refusal(404, message, code="invoice_upcoming_none")
    bill = bills[-1]
    if bill["status"] == "draft":
        drawn.collecting.finalize(bill)
    return _as_previewed(bill, account, prorated_at)


def _as_previewed(bill: Object, account: StripeAccount, prorated_at: int | None) -> Object:
    is_prorated = any(line["_proration"] for line in bill["_lines"])
    return bill | {
        "id": account.new_id("upcoming_in_"),
        "amount_paid": 0,
        "amount_remaining": bill["amount_due"],
        "attempt_count": 0,
        "attempted": False,
        "billing_reason": "upcoming",
        "number": None,
        "status": "draft",
        "status_transitions": dict.fromkeys(bill["status_transitions"]),
        "_charge": None,
        "_payment_intent": None,
        "_prorated_at": (prorated_at or account.now()) if is_prorated else None,
    }
