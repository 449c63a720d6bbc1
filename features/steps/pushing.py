"""The portal as an operator sets it up: products at the simulated Stripe, and the configuration that offers them."""

import asyncio
import contextlib

from adapters.postgres.customers import SqlCustomerLinks
from adapters.postgres.direct_rpc import PostgresRpc
from adapters.stripe.connection import StripeConnection
from adapters.stripe.portal import StripePortal
from domain.usecases.selling.push_portal import PortalPlan, PortalPushed, PortalPusher
from domain.values.plans import PlanId
from simulators.stripe.account.prices import new_price, new_product, recurring
from simulators.stripe.stand_in import StripeStandIn


def new_plan(stripe: StripeStandIn, plan_id: str, credits_: int, cents: int) -> PortalPlan:
    """Make a product at Stripe, whose monthly price says which plan it is of and how many credits it brings."""
    with stripe.account.lock:
        product = new_product(stripe.account, f"{credits_} credits a month")
        metadata = {"credence_plan": plan_id, "credence_credits": str(credits_)}
        price = new_price(
            stripe.account, cents, "usd", product=product["id"], recurring=recurring("month"), metadata=metadata
        )
    return PortalPlan(plan_id=PlanId(plan_id), product_id=product["id"], price_ids=frozenset({price["id"]}))


def push_portal(stripe: StripeStandIn, database_url: str, *plans: PortalPlan, return_url: str) -> PortalPushed:
    """Let customers of the ledger in the database switch between the plans."""

    async def push() -> PortalPushed:
        rpc = PostgresRpc(database_url)
        connection = StripeConnection(api_key="sk_test_of_the_operator", api_base=stripe.url)
        async with contextlib.aclosing(rpc), contextlib.aclosing(connection):
            pusher = PortalPusher(
                configurations=StripePortal(connection), links=SqlCustomerLinks(rpc), return_url=return_url
            )
            return await pusher.push(plans)

    return asyncio.run(push())
