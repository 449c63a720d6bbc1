"""What Stripe's API changes of a payment's later life: refunds, disputes, subscriptions."""

from collections.abc import Mapping
from typing import Any

from simulators.stripe_account import StripeAccount
from simulators.stripe_lists import integer
from simulators.stripe_objects import Object
from simulators.stripe_refusals import invalid


def change(  # noqa: PLR0911 - one for each route
    account: StripeAccount, method: str, path: list[str], parameters: Mapping[str, Any]
) -> Object | None:
    """Do what a request below `/v1/` asks for; gives the object as it is kept, None where there is no such route.

    :raises Refusal: if Stripe would refuse it.
    """
    match method, path:
        case "POST", ["refunds"]:
            return _refund(account, parameters)
        case "POST", ["refunds", refund_id, "cancel"]:
            account.reversals.cancel_refund(refund_id)
            return account.kept("refund", refund_id)
        case "POST", ["disputes", dispute_id]:
            account.reversals.respond(dispute_id)
            return account.kept("dispute", dispute_id)
        case "POST", ["disputes", dispute_id, "close"]:
            account.reversals.close_dispute(dispute_id, "lost")
            return account.kept("dispute", dispute_id)
        case "POST", ["subscriptions", subscription_id] if parameters.get("cancel_at_period_end") == "true":
            account.billing.cancel(subscription_id, at_period_end=True)
            return account.kept("subscription", subscription_id)
        case "DELETE", ["subscriptions", subscription_id]:
            account.billing.cancel(subscription_id)
            return account.kept("subscription", subscription_id)
        case _:
            return None


def _refund(account: StripeAccount, parameters: Mapping[str, Any]) -> Object:
    named = [name for name in ("charge", "payment_intent") if parameters.get(name)]
    if len(named) != 1:
        raise invalid("Name one of charge and payment_intent.", "charge", code="parameter_missing")
    told = parameters.get("amount")
    metadata = parameters.get("metadata") or {}
    events = account.reversals.refund(
        str(parameters[named[0]]), None if told is None else integer(told, "amount"), metadata=metadata
    )
    return account.kept("refund", events[0]["data"]["object"]["id"])
