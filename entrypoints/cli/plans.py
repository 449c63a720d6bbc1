"""`credence plans push`: makes products and prices at Stripe match the catalogue."""

import os

import click

from domain.decisions.catalogue_push import (
    ArchivePrice,
    ChangeProduct,
    MakePrice,
    MakeProduct,
    OfferPrice,
    RecordPrice,
    SetDefaultPrice,
    Step,
)
from domain.usecases.selling.push_plans import PushStep
from domain.usecases.selling.push_portal import PortalPushed
from domain.values.portal import TrialsOnSwitch
from domain.values.prices import PlanPrice
from entrypoints.amounts import amount_in_words
from entrypoints.cli.portal import print_portal
from entrypoints.cli.running import report_errors_plainly, run_with_services
from entrypoints.cli.tables import print_table
from entrypoints.services import Services
from entrypoints.settings.reader import read_settings

COLUMNS = ("plan", "where", "what", "change")


@click.group()
def plans() -> None:
    """Sell the catalogue at Stripe."""


@plans.command()
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@click.option("--no-portal", is_flag=True, help="Leave the customer portal as it is.")
@click.option(
    "--downgrades",
    type=click.Choice(("at-period-end", "at-once")),
    default="at-period-end",
    show_default=True,
    help="When a downgrade in the portal takes effect.",
)
@click.option(
    "--trials",
    type=click.Choice([one.value for one in TrialsOnSwitch]),
    default=TrialsOnSwitch.CONTINUE.value,
    show_default=True,
    help="What becomes of a trial when its customer switches in the portal.",
)
@report_errors_plainly
def push(*, dry_run: bool, no_portal: bool, downgrades: str, trials: str) -> None:
    """Make products, prices and the portal at Stripe match the catalogue. Safe to repeat; exits 1 if it stops."""
    settings = read_settings(os.environ)
    if settings.livemode and settings.plans is None:
        raise click.ClickException("CREDENCE_PLANS is not set: the packaged example is not pushed with a live key.")
    steps: list[PushStep] = []

    async def work(services: Services) -> tuple[tuple[str, ...], PortalPushed | None]:
        async for step in services.pusher.push(dry_run=dry_run):
            steps.append(step)  # noqa: PERF401 - what was done is shown, too, if the next step fails
        left_over = await services.pusher.left_over()
        if no_portal:
            return left_over, None
        portal = await services.portal_pusher.push(
            await services.pusher.subscriptions(steps),
            downgrades_wait=downgrades == "at-period-end",
            trials=TrialsOnSwitch(trials),
            dry_run=dry_run,
        )
        return left_over, portal

    try:
        left_over, portal = run_with_services(work)
    except Exception:
        if steps and not dry_run:
            _show("Pushed before it failed", steps)
            click.echo("Run `credence plans push` again: it continues from here.", err=True)
        raise
    if steps:
        _show("Would be changed" if dry_run else "Changed", steps)
    else:
        click.echo("Nothing to change: products and prices at Stripe match the catalogue.")
    if portal is not None:
        print_portal(portal, dry_run=dry_run)
    if left_over:
        click.echo(
            f"Not in the catalogue, and left for sale at Stripe: {', '.join(left_over)}. To take a plan out of sale, "
            "keep it in the catalogue with `retired = true`."
        )


def _show(title: str, steps: list[PushStep]) -> None:
    print_table(title, COLUMNS, [(one.plan_id, *_words(one.step)) for one in steps])


def _words(step: Step) -> tuple[str, str, str]:  # noqa: PLR0911 - one return per kind of step
    """Return where a step changes something, what, and how."""
    match step:
        case MakeProduct():
            return "Stripe", step.product_id, _product(f"create product “{step.name}”", step.tax_code)
        case ChangeProduct():
            return "Stripe", step.product_id, _product_change(step)
        case MakePrice():
            return "Stripe", "new price", f"create, {_terms(step.sells)}, lookup key {step.sells.lookup_key}"
        case OfferPrice():
            return "Stripe", step.price_id, f"sell, {_terms(step.sells)}, lookup key {step.sells.lookup_key}"
        case RecordPrice(price=price):
            return (
                "ledger",
                price.id,
                f"{'for sale' if price.is_for_sale else 'no longer for sale'}, {_terms(price.sells)}",
            )
        case SetDefaultPrice():
            return "Stripe", step.product_id, f"default price {step.price_id}"
        case ArchivePrice():
            return "Stripe", step.price_id, "archive"


def _product_change(step: ChangeProduct) -> str:
    if step.is_active is False:
        return "archive product"
    renamed = "" if step.name is None else f"rename to “{step.name}”"
    return _product(", ".join(filter(None, (renamed, "sell again" if step.is_active else ""))), step.tax_code)


def _product(change: str, tax_code: str | None) -> str:
    return ", ".join(filter(None, (change, f"tax code {tax_code}" if tax_code else "")))


def _terms(sells: PlanPrice) -> str:
    every = "" if sells.interval is None else f" per {sells.interval}"
    if sells.interval_count != 1:
        every = f" per {sells.interval_count} {sells.interval}s"
    tax = "" if sells.tax_behavior is None else f", tax {sells.tax_behavior}"
    return f"{sells.credits:,} credits for {amount_in_words(sells.money.amount, sells.money.currency)}{every}{tax}"
