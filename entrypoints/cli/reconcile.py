"""`credence reconcile`: Stripe's events and objects, compared with the ledger."""

import sys
from datetime import UTC, datetime

import click
from rich.console import Console
from rich.progress import Progress as Bar
from rich.progress import SpinnerColumn, TextColumn

from domain.changes.inbox import EventStatus
from domain.usecases.reconcile import Progress, Reconciliation
from entrypoints.cli.running import report_errors_plainly, run_with_services
from entrypoints.cli.tables import print_json, print_table
from entrypoints.services import Services
from entrypoints.times import EXAMPLE, InvalidTime, time_since


class SinceParameter(click.ParamType[datetime]):
    """A duration before now (`90m`, `12h`, `3d`, `2w`), a date, or a time with its offset from UTC."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the time in UTC, now or earlier."""
        if isinstance(value, datetime):
            return value
        text, now = str(value).strip(), datetime.now(UTC)
        try:
            since = time_since(text, now)
        except InvalidTime:
            self.fail(f"{text!r} is neither like 90m, 12h, 3d or 2w, nor like 2026-05-01 or {EXAMPLE}", param, ctx)
        if since > now:
            self.fail(f"{text!r} is in the future", param, ctx)
        return since


@click.command()
@click.option(
    "--since", required=True, type=SinceParameter(), help="How far back: 90m, 12h, 3d, 2w, or a date like 2026-05-01."
)
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@report_errors_plainly
def reconcile(since: datetime, *, dry_run: bool, as_json: bool) -> None:
    """Find and apply missed events. Compares Stripe's events, then its objects, with the ledger."""

    async def work(services: Services) -> Reconciliation:
        columns = (SpinnerColumn(), TextColumn("{task.description}"))
        with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("Asking Stripe for its events …")
            return await services.reconciler.run(
                since, dry_run=dry_run, watch=lambda progress: bar.update(task, description=_summary(progress))
            )

    done = run_with_services(work)
    if as_json:
        print_json(done)
    else:
        _print(done)
    if any(one.status is EventStatus.FAILED for one in done.found):
        sys.exit(1)


def _summary(progress: Progress) -> str:
    return f"{progress.events} events, {progress.objects} objects compared, {progress.found} found missing"


def _print(done: Reconciliation) -> None:
    since = done.since.isoformat(timespec="minutes")
    click.echo(f"Compared {done.events} events and {done.objects} objects since {since}.")
    if not done.found:
        click.echo("Nothing is missing.")
        return
    missing = "Missing (dry run, nothing written)" if done.dry_run else "Missing, now applied"
    rows = [
        (one.source, one.id, one.kind, one.status, one.reason, one.user_id, f"{one.credits:+}" if one.credits else "")
        for one in done.found
    ]
    print_table(missing, ("found in", "id", "kind", "status", "reason", "user", "credits"), rows)
