"""Promotion codes: words that customers enter on the checkout page, each of which stands for a coupon."""

from collections.abc import Mapping
from typing import Any

from simulators.stripe.account.account import StripeAccount
from simulators.stripe.objects import Object
from simulators.stripe.requests.parameters import boolean, count, mapping, metadata, refuse_unknown, require, text
from simulators.stripe.requests.refusals import invalid

_PARAMETERS = ("active", "code", "coupon", "max_redemptions", "metadata", "promotion")


def change(account: StripeAccount, method: str, path: list[str], parameters: Mapping[str, Any]) -> Object | None:
    """Make a promotion code, or let it no longer count; None where there is no such route.

    :raises Refusal: if Stripe would refuse it.
    """
    match method, path:
        case "POST", ["promotion_codes"]:
            return _new_code(account, parameters)
        case "POST", ["promotion_codes", wanted]:
            refuse_unknown(parameters, ("active", "metadata"))
            kept = account.kept("promotion_code", wanted)
            is_active = boolean(parameters, "active")
            kept["active"] = kept["active"] if is_active is None else is_active
            account.report("promotion_code.updated", kept)
            return kept
        case _:
            return None


def _new_code(account: StripeAccount, parameters: Mapping[str, Any]) -> Object:
    refuse_unknown(parameters, _PARAMETERS)
    # Versions before 2025-09-30 name the coupon by itself.
    coupon = text(mapping(parameters, "promotion"), "coupon", "promotion") or text(parameters, "coupon")
    if coupon is None:
        raise invalid("Missing required param: promotion.", "promotion", code="parameter_missing")
    require(parameters, "code")
    code = str(parameters["code"])
    if any(one["code"].casefold() == code.casefold() and one["active"] for one in account.all_kept("promotion_code")):
        raise invalid(f"An active promotion code with `code: {code}` already exists.", "code")
    most = parameters.get("max_redemptions")
    made: Object = {
        "id": account.new_id("promo_"),
        "object": "promotion_code",
        "active": boolean(parameters, "active") is not False,
        "code": code,
        "created": account.now(),
        "customer": None,
        "expires_at": None,
        "livemode": False,
        "max_redemptions": None if most is None else count(most, "max_redemptions"),
        "metadata": metadata(parameters),
        "promotion": {"coupon": account.kept("coupon", coupon)["id"], "type": "coupon"},
        "restrictions": {"first_time_transaction": False, "minimum_amount": None, "minimum_amount_currency": None},
        "times_redeemed": 0,
    }
    account.keep(made)
    account.report("promotion_code.created", made)
    return made
