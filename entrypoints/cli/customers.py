"""`credence customers`: the accounts' customers at Stripe."""

from collections import Counter

import click
from rich.console import Console
from rich.progress import Progress as Bar
from rich.progress import SpinnerColumn, TextColumn

from domain.usecases.selling.adopt_customers import Candidate, Ground, Verdict
from entrypoints.cli.running import report_errors_plainly, run_with_services
from entrypoints.cli.tables import print_json, print_table
from entrypoints.services import Services


@click.group()
def customers() -> None:
    """Manage the accounts' customers at Stripe."""


@customers.command()
@click.option("--yes", "is_confirmed", is_flag=True, help="Link them; without it, nothing is written.")
@click.option(
    "--by-address",
    is_flag=True,
    help="Include customers whom only their address suggests. Anybody may have entered it: look at each one first.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@report_errors_plainly
def adopt(*, is_confirmed: bool, by_address: bool, as_json: bool) -> None:
    """Show which of Stripe's customers belong to accounts, and link them with --yes.

    A customer belongs to an account if its metadata (userId) says so, or a checkout or subscription of its own does.
    """

    async def work(services: Services) -> tuple[Candidate, ...]:
        columns = (SpinnerColumn(), TextColumn("{task.description}"))
        with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("Asking Stripe for its customers …")
            found = await services.adopter.propose(
                by_address=by_address, watch=lambda count: bar.update(task, description=f"{count} customers looked at")
            )
        return await services.adopter.adopt(found) if is_confirmed else found

    done = run_with_services(work)
    if as_json:
        print_json(done)
    else:
        _print(done, is_confirmed=is_confirmed)


def _print(done: tuple[Candidate, ...], *, is_confirmed: bool) -> None:
    if not done:
        click.echo("No customer at Stripe names a user.")
        return
    rows = [
        (
            one.customer_id,
            one.email,
            one.user_id,
            "address only" if one.ground is Ground.ADDRESS else one.ground,
            "yes" if one.is_subscribed else "",
            one.verdict,
        )
        for one in done
    ]
    columns = ("customer", "address at Stripe", "user", "named by", "subscribed", "result")
    print_table("Customers at Stripe", columns, rows)
    counts = Counter(one.verdict for one in done)
    if is_confirmed:
        click.echo(f"{counts[Verdict.LINKED]} of {len(done)} customers are linked to their accounts.")
    elif counts[Verdict.LINK]:
        click.echo(f"Nothing was written. Run it with --yes to link {counts[Verdict.LINK]} of these customers.")
    else:
        click.echo("Nothing is left to link.")
