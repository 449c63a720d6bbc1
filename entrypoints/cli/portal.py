"""Print what a push changes of the portal."""

import click

from domain.usecases.selling.push_portal import PortalPushed
from domain.values.portal import MAX_PRODUCTS
from entrypoints.cli.tables import print_table


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
