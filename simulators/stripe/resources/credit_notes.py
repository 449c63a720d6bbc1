"""Credit notes, as requests ask for them."""

from collections.abc import Mapping
from typing import Any

from simulators.stripe.account.account import StripeAccount
from simulators.stripe.account.credit_notes import CreditedLine
from simulators.stripe.objects import Object
from simulators.stripe.requests.parameters import count, mapping, metadata, refuse_unknown, require, text

_AMOUNTS = ("amount", "credit_amount", "out_of_band_amount", "refund_amount")


def change(account: StripeAccount, method: str, path: list[str], parameters: Mapping[str, Any]) -> Object | None:
    """Issue, change or void a credit note; None where there is no such route.

    :raises Refusal: if Stripe would refuse it.
    """
    match method, path:
        case "POST", ["credit_notes"]:
            return _issued(account, parameters)
        case "POST", ["credit_notes", wanted]:
            refuse_unknown(parameters, ("metadata",))
            account.credit_notes.update(wanted, metadata(parameters))
        case "POST", ["credit_notes", wanted, "void"]:
            account.credit_notes.void(wanted)
        case _:
            return None
    return account.kept("credit_note", wanted)


def _issued(account: StripeAccount, parameters: Mapping[str, Any]) -> Object:
    refuse_unknown(parameters, (*_AMOUNTS, "invoice", "lines", "metadata", "reason", "refunds"))
    require(parameters, "invoice")
    amounts = {name: count(parameters.get(name, "0"), name) for name in _AMOUNTS}
    refunds = [str(text(one, "refund", "refunds")) for one in mapping(parameters, "refunds").values()]
    events = account.credit_notes.issue(
        str(parameters["invoice"]),
        amounts["amount"],
        lines=[_credited_line(one, index) for index, one in mapping(parameters, "lines").items()],
        credit=amounts["credit_amount"],
        out_of_band=amounts["out_of_band_amount"],
        refund=amounts["refund_amount"],
        refunds=refunds,
        reason=text(parameters, "reason"),
        metadata=metadata(parameters),
    )
    made = next(event["data"]["object"] for event in events if event["type"] == "credit_note.created")
    return account.kept("credit_note", made["id"])


def _credited_line(fields: Mapping[str, Any], index: str) -> CreditedLine:
    place = f"lines[{index}]"
    if text(fields, "type", place) == "invoice_line_item":
        return CreditedLine(
            count(fields.get("amount", ""), f"{place}[amount]"), text(fields, "invoice_line_item", place)
        )
    unit_amount = count(fields.get("unit_amount", ""), f"{place}[unit_amount]")
    return CreditedLine(unit_amount * count(fields.get("quantity", "1"), f"{place}[quantity]"))
