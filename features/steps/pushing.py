"""Plans and the portal at the simulated Stripe: pushed by command, or as somebody else sets them up."""

import asyncio
import contextlib
import re
from pathlib import Path

from adapters.postgres.customers import SqlCustomerLinks
from adapters.postgres.direct_rpc import PostgresRpc
from adapters.stripe.connection import StripeConnection
from adapters.stripe.portal import StripePortal
from domain.usecases.selling.push_portal import PortalPlan, PortalPushed, PortalPusher
from domain.values.plans import PlanId
from features.real_parts import ROOT
from features.steps.story import Story
from simulators.stripe.account.prices import new_price, new_product, recurring
from simulators.stripe.stand_in import StripeStandIn

SOLD = ROOT / "entrypoints" / "plans.toml"


def push(story: Story, plans: Path = SOLD, *, portal: bool = False) -> None:
    how = () if portal else ("--no-portal",)
    done = story.service.command("plans", "push", *how, CREDENCE_PLANS=str(plans))
    assert 0 == done.returncode, done.stdout + done.stderr


def retire(file: Path, sold: Path = SOLD) -> Path:
    """Write the catalogue with every plan retired."""
    file.write_text(re.sub(r"^(currency = .*)$", r"\1\nretired = true", sold.read_text(), flags=re.MULTILINE))
    return file


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
