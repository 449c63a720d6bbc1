"""The portal's part of `credence plans push`."""

from collections.abc import Sequence

import click

from domain.usecases.selling.push_portal import PortalPlan, PortalPushed
from domain.values.portal import MAX_PRODUCTS, TrialsOnSwitch
from entrypoints.cli.tables import print_table
from entrypoints.services import Services


async def push_portal(
    services: Services, plans: Sequence[PortalPlan], *, downgrades_wait: bool, trials: TrialsOnSwitch, dry_run: bool
) -> PortalPushed:
    """Let customers switch between the plans in the portal; a dry run only finds out what would change."""
    return await services.portal_pusher.push(plans, downgrades_wait=downgrades_wait, trials=trials, dry_run=dry_run)


def print_portal(pushed: PortalPushed, *, dry_run: bool) -> None:
    """Print what a push changed of the portal, or would change."""
    if pushed.changes:
        title = "Customer portal (dry run, nothing written)" if dry_run else "Customer portal"
        rows = [(one.what, one.before, one.after) for one in pushed.changes]
        print_table(title, ("setting", "before", "after"), rows)
    else:
        click.echo("The customer portal is up to date.")
    if pushed.left_out:
        click.echo(
            f"The portal offers at most {MAX_PRODUCTS} products, so customers cannot switch to: "
            f"{', '.join(pushed.left_out)}. The first plans of the catalogue are offered."
        )
