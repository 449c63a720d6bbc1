"""Reads a subscription's invoices and credit notes from the stand-in's own books, not from Stripe's shapes."""

from collections.abc import Mapping
from typing import Any

from simulators.stories.invoices import PERIOD, REST, Bill, Note, SoldTime, TimeBack
from simulators.stripe.account.lines import LINES_CHANGE, net
from simulators.stripe.objects import Object

PLAN_KEY = "credence_plan"
"""Metadata of a price that says which plan it is of."""

CREDITS_KEY = "credence_credits"
"""Metadata of a price that was pushed: the credits of one of its periods, whatever the plan brings now."""


def credits_of(price: Mapping[str, Any], credits_by_plan: Mapping[str, int]) -> int:
    """Return the credits that one period at a plan's price brings."""
    given = price["metadata"].get(CREDITS_KEY)
    return int(given) if given else credits_by_plan[price["metadata"][PLAN_KEY]]


def bill_of(kept: Object, customer: str, credits_by_plan: Mapping[str, int], version: str) -> Bill:
    """Return a paid invoice; `version` is the API version in which it is reported."""
    sold = [one for one in kept["_lines"] if _is_of_plan(one) and not _gives_back(one)]
    back = [one for one in kept["_lines"] if _gives_back(one)]
    return Bill(
        invoice=kept["id"],
        subscription=kept["_subscription"],
        customer=customer,
        created=kept["created"],
        paid=kept["status_transitions"]["paid_at"],
        total=sum(net(one) for one in kept["_lines"] if one["amount"] > 0),
        never_paid=kept["pre_payment_credit_notes_amount"],
        sold=tuple(_sold(one, kept, credits_by_plan, version) for one in sold),
        back=tuple(_back(one, version) for one in back),
    )


def note_of(kept: Object) -> Note:
    """Return a credit note."""
    return Note(
        note=kept["id"],
        before=kept["_before_payment"],
        after=kept["_after_payment"],
        refunds=tuple((one["refund"], one["amount_refunded"]) for one in kept["_refunds"]),
        lines=tuple((one["invoice_line_item"], one["amount"]) for one in kept["_lines"]),
    )


def _sold(line: Object, of: Object, credits_by_plan: Mapping[str, int], version: str) -> SoldTime:
    price, off = line["_price"], line["amount"] - net(line)
    is_discounted = bool(of["discounts"] or line["discounts"] or line["discount_amounts"])
    return SoldTime(
        line=line["id"],
        kind=REST if line["_proration"] else PERIOD,
        plan=price["metadata"][PLAN_KEY],
        interval=price["recurring"]["interval"],
        credits=credits_of(price, credits_by_plan),
        unit=price["unit_amount"],
        quantity=line["quantity"],
        amount=line["amount"],
        net=net(line),
        by_time=line["_proration"] and (line["amount"] == 0 or (is_discounted and not off)),
        start=line["period"]["start"],
        end=line["period"]["end"],
        item=_shown_item(line, version),
        price=price["id"],
    )


def _back(line: Object, version: str) -> TimeBack:
    credited = line["_credits"]
    return TimeBack(
        line=line["id"],
        amount=max(-net(line), 0),
        start=line["period"]["start"],
        end=line["period"]["end"],
        item=_shown_item(line, version),
        price=line["_price"]["id"],
        of_invoice=credited["invoice"] if credited else None,
        of_line=credited["id"] if credited else None,
    )


def _is_of_plan(line: Object) -> bool:
    price = line["_price"]
    return bool(line["_item"] and price and price["metadata"].get(PLAN_KEY))


def _gives_back(line: Object) -> bool:
    return bool(line["_proration"] and (line["amount"] < 0 or line["_credits"]))


def _shown_item(line: Object, version: str) -> str | None:
    # Classic billing makes an invoice item of a proration, which names no subscription item in newer versions.
    hides = line["_proration"] and not line["_is_flexible"] and version[:10] >= LINES_CHANGE
    return None if hides else str(line["_item"])
