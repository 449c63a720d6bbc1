"""The lines of an invoice, kept in one shape and shown in that of an API version.

A line knows its price, the subscription's item that it bills, and, where it gives back unused time, the line that it
credits.
"""

from typing import Any

from simulators.stripe.objects import Object
from simulators.stripe.ordering.totals import is_within

LINES_CHANGE = "2025-03-31"
"""Versions from here on show a line's parent and pricing: docs.stripe.com/changelog/basil."""


def line(line_id: str, amount: int, *, start: int, end: int, **fields: Any) -> Object:
    """Return a line of a period or of a moment; its amount is in minor units."""
    return {
        "id": line_id,
        "object": "line_item",
        "amount": amount,
        "currency": "usd",
        "description": None,
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "metadata": {},
        "period": {"start": start, "end": end},
        "quantity": 1,
        "_credits": None,
        "_invoice_item": None,
        "_is_flexible": False,
        "_item": None,
        "_price": None,
        "_proration": False,
        "_subscription": None,
        "_tax": None,
        "_unit_amount": None,
        **fields,
    }


def net(kept: Object) -> int:
    """Return what a line costs after its discounts."""
    return int(kept["amount"] - sum(one["amount"] for one in kept["discount_amounts"]))


def gross(kept: Object) -> int:
    """Return what a line costs after its discounts, with a tax that is not within its price."""
    return net(kept) + (0 if is_within(kept["_price"]) else kept["_tax"] or 0)


def line_of(kept: Object, of: Object, date: str) -> Object:
    """Return a line of an invoice as a version of the API shows it."""
    fields = {name: value for name, value in kept.items() if not name.startswith("_")}
    fields["invoice"] = of["id"]
    if kept["_subscription"]:
        fields["metadata"] = dict(of["_subscription_metadata"])
    return fields | (_old(kept) if date < LINES_CHANGE else _new(kept))


def _old(kept: Object) -> Object:
    subscription, is_proration = kept["_subscription"], kept["_proration"]
    return {
        "price": _shown_price(kept),
        "proration": is_proration,
        "proration_details": {"credited_items": _credited(kept)},
        "subscription": subscription,
        "subscription_item": kept["_item"],
        "tax_amounts": _taxes(kept, is_old=True),
        "type": "invoiceitem" if is_proration or not subscription else "subscription",
    }


def _new(kept: Object) -> Object:
    return {
        "parent": _parent(kept),
        "pricing": _pricing(kept),
        "quantity_decimal": str(kept["quantity"]),
        "subtotal": kept["amount"],
        "taxes": _taxes(kept, is_old=False),
    }


def _taxes(kept: Object, *, is_old: bool) -> list[Object]:
    if kept["_tax"] is None:
        return []
    inclusive, amount = is_within(kept["_price"]), kept["_tax"]
    taxable = net(kept) - (amount if inclusive else 0)
    if is_old:
        return [{"amount": amount, "inclusive": inclusive, "tax_rate": "txr_simulated", "taxable_amount": taxable}]
    return [
        {
            "amount": amount,
            "tax_behavior": "inclusive" if inclusive else "exclusive",
            "tax_rate_details": {"tax_rate": "txr_simulated"},
            "taxability_reason": "standard_rated",
            "taxable_amount": taxable,
            "type": "tax_rate_details",
        }
    ]


def _parent(kept: Object) -> Object:
    item = kept["_invoice_item"]
    details: Object = {
        "invoice_item": item["id"] if item else None,
        "proration": kept["_proration"],
        "proration_details": {"credited_items": _credited(kept)},
        "subscription": kept["_subscription"],
    }
    # Classic billing makes an invoice item of each proration, too, which knows no subscription item.
    if not kept["_subscription"] or (kept["_proration"] and not kept["_is_flexible"]):
        details["invoice_item"] = details["invoice_item"] or kept["id"].replace("il_", "ii_")
        return {
            "invoice_item_details": details,
            "subscription_item_details": None,
            "type": "invoice_item_details",
        }
    details["subscription_item"] = kept["_item"]
    return {
        "invoice_item_details": None,
        "subscription_item_details": details,
        "type": "subscription_item_details",
    }


def _pricing(kept: Object) -> Object | None:
    price = kept["_price"]
    if price is None:
        return None
    return {
        "price_details": {"price": price["id"], "product": price["product"]},
        "type": "price_details",
        "unit_amount_decimal": kept["_unit_amount"] or price["unit_amount_decimal"],
    }


def _shown_price(kept: Object) -> Object | None:
    return dict(kept["_price"]) if kept["_price"] else None


def _credited(kept: Object) -> Object | None:
    credited = kept["_credits"]
    return {"invoice": credited["invoice"], "invoice_line_items": [credited["id"]]} if credited else None
