"""Previews of invoices that are asked for by Stripe's API; they change nothing."""

from collections.abc import Mapping
from typing import Any

from simulators.stripe.account.account import StripeAccount
from simulators.stripe.objects import Object
from simulators.stripe.requests.parameters import boolean, mapping, refuse_unknown, require
from simulators.stripe.requests.refusals import invalid
from simulators.stripe.resources.subscriptions import named_prices, proration_behavior, proration_date, switch
from simulators.stripe.selling.previews import preview
from simulators.stripe.selling.schedules import release

_PARAMETERS = ("customer", "subscription", "subscription_details")
_DETAILS = ("cancel_at_period_end", "cancel_now", "items", "metadata", "proration_behavior", "proration_date")


def change(account: StripeAccount, method: str, path: list[str], parameters: Mapping[str, Any]) -> Object | None:
    """Preview the next invoice of a subscription, after a change where one is described; None for another route.

    :raises Refusal: if Stripe would refuse it.
    """
    if (method, path) != ("POST", ["invoices", "create_preview"]):
        return None
    refuse_unknown(parameters, _PARAMETERS)
    require(parameters, "subscription")
    details, wanted = mapping(parameters, "subscription_details"), str(parameters["subscription"])
    refuse_unknown(details, _DETAILS)
    found = account.kept("subscription", wanted)
    if parameters.get("customer") not in (None, found["customer"]):
        raise invalid("The subscription belongs to another customer.", "customer")
    behavior = proration_behavior(details)
    moment = proration_date(account, wanted, details)
    if moment is not None and "items" not in details:
        raise invalid("A proration date needs items that change.", "subscription_details[proration_date]")

    def done(drawn: StripeAccount) -> None:
        if boolean(details, "cancel_now"):
            drawn.billing.cancel(wanted, prorate=behavior != "none", invoice_now=True)
        elif boolean(details, "cancel_at_period_end"):
            drawn.billing.cancel(wanted, at_period_end=True)
        elif "items" in details:
            if found["schedule"]:
                release(drawn, found["schedule"])
            switch(drawn, wanted, details)
        elif boolean(details, "cancel_at_period_end") is False:
            drawn.kept("subscription", wanted)["cancel_at_period_end"] = False

    return preview(account, wanted, named_prices(details), done, prorated_at=moment)
