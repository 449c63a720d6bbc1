"""The simulators' reading of a subscription's invoices and their credit notes, in the shapes of any version."""

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from simulators.stories.invoices import PERIOD, REST, Bill, Note, SoldTime, TimeBack
from simulators.stories.kept_bills import PLAN_KEY, credits_of
from simulators.stripe.objects import Object


@attrs.frozen(kw_only=True)
class SaleTerms:
    """The credits that each plan for sale brings, and Stripe's prices."""

    credits_by_plan: Mapping[str, int]
    prices: Sequence[Mapping[str, Any]] = ()

    def price(self, wanted: str) -> Mapping[str, Any] | None:
        """Return the price of that id."""
        return next((price for price in self.prices if price["id"] == wanted), None)


def read_bill(invoice: Object, sale: SaleTerms) -> Bill | None:
    """Return what a paid invoice says; None where it is of no subscription."""
    parent = invoice.get("parent") or {}
    details = parent.get("subscription_details") or invoice.get("subscription_details") or {}
    subscription = details.get("subscription") or invoice.get("subscription")
    if not subscription or not invoice["billing_reason"].startswith("subscription"):
        return None
    metadata, lines = details["metadata"], invoice["lines"]["data"]
    return Bill(
        invoice=invoice["id"],
        subscription=subscription,
        customer=metadata["userId"],
        created=invoice["created"],
        paid=invoice["status_transitions"]["paid_at"],
        total=sum(_net(line) for line in lines if line["amount"] > 0),
        never_paid=invoice["pre_payment_credit_notes_amount"],
        sold=tuple(sold for line in lines if (sold := _sold(line, invoice, metadata, sale)) is not None),
        back=tuple(_back(line) for line in lines if _gives_back(line)),
    )


def read_note(note: Object) -> Note:
    """Return what a credit note says: before its parts were reported, it was of one kind."""
    before, after = (note["amount"], 0) if note["type"] == "pre_payment" else (0, note["amount"])
    if "pre_payment_amount" in note:
        before, after = note["pre_payment_amount"], note["post_payment_amount"]
    refunds = [(one["refund"], one["amount_refunded"]) for one in note.get("refunds") or ()]
    if note.get("refund"):
        refunds = [(note["refund"], after - (note["out_of_band_amount"] or 0))]
    return Note(
        note=note["id"],
        before=before,
        after=after,
        refunds=tuple(refunds),
        lines=tuple((line["invoice_line_item"], line["amount"]) for line in note["lines"]["data"]),
    )


def _sold(line: Object, invoice: Object, metadata: Object, sale: SaleTerms) -> SoldTime | None:
    price_id = _price(line)
    if _gives_back(line) or price_id is None or not _item_or_proration(line):
        return None
    price, plan = sale.price(price_id), metadata["plan"]
    if sale.prices:
        plan = price["metadata"].get(PLAN_KEY) if price else None
    if plan is None:
        return None
    is_discounted = bool(invoice["discounts"] or line["discounts"] or line["discount_amounts"])
    off, is_rest = _off(line), _details(line)["proration"]
    unit = price["unit_amount"] if price else line["amount"] // (line["quantity"] or 1)
    return SoldTime(
        line=line["id"],
        kind=REST if is_rest else PERIOD,
        plan=plan,
        interval=price["recurring"]["interval"] if price else "month",
        credits=credits_of(price, sale.credits_by_plan) if sale.prices and price else sale.credits_by_plan[plan],
        unit=unit,
        quantity=line["quantity"],
        amount=line["amount"],
        net=_net(line),
        by_time=is_rest and (line["amount"] == 0 or (is_discounted and not off)),
        start=line["period"]["start"],
        end=line["period"]["end"],
        item=_details(line).get("subscription_item"),
        price=price_id,
    )


def _back(line: Object) -> TimeBack:
    credited = _credited(line)
    return TimeBack(
        line=line["id"],
        amount=max(-_net(line), 0),
        start=line["period"]["start"],
        end=line["period"]["end"],
        item=_details(line).get("subscription_item"),
        price=_price(line) or "",
        of_invoice=credited["invoice"] if credited else None,
        of_line=credited["invoice_line_items"][0] if credited else None,
    )


def _gives_back(line: Object) -> bool:
    return bool(_details(line)["proration"]) and (line["amount"] < 0 or _credited(line) is not None)


def _item_or_proration(line: Object) -> bool:
    return bool(_details(line).get("subscription_item") or _details(line)["proration"])


def _credited(line: Object) -> Object | None:
    fields: Object | None = _details(line)["proration_details"]["credited_items"]
    return fields


def _details(line: Object) -> Object:
    """Return what a line says of its item: itself in old versions, its parent in newer ones."""
    parent = line.get("parent")
    details: Object = parent[parent["type"]] if parent else line
    return details


def _price(line: Object) -> str | None:
    if "pricing" in line:
        return str(line["pricing"]["price_details"]["price"]) if line["pricing"] else None
    return str(line["price"]["id"]) if line["price"] else None


def _off(line: Object) -> int:
    return int(sum(one["amount"] for one in line["discount_amounts"]))


def _net(line: Object) -> int:
    return int(line["amount"]) - _off(line)
