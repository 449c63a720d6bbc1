"""Movements of customers' balances, as requests ask for them."""

from collections.abc import Mapping
from typing import Any

from simulators.stripe.account.account import StripeAccount
from simulators.stripe.objects import Object
from simulators.stripe.requests.parameters import count, currency, refuse_unknown, require


def change(account: StripeAccount, method: str, path: list[str], parameters: Mapping[str, Any]) -> Object | None:
    """Move a customer's balance; None where there is no such route.

    :raises Refusal: if Stripe would refuse it.
    """
    match method, path:
        case "POST", ["customers", wanted, "balance_transactions"]:
            refuse_unknown(parameters, ("amount", "currency"))
            require(parameters, "amount")
            text = str(parameters["amount"])
            amount = count(text.removeprefix("-"), "amount")
            return account.balances.move(wanted, -amount if text.startswith("-") else amount, currency(parameters))
        case _:
            return None
