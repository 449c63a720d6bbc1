"""`credence reconcile`: what Stripe remembers, held against the ledger."""

import re
import sys
from datetime import UTC, datetime, timedelta

import click
from rich.console import Console
from rich.progress import Progress as Bar
from rich.progress import SpinnerColumn, TextColumn

from domain.changes.changes import EventStatus
from domain.usecases.reconcile import Progress, Reconciliation
from entrypoints.cli.running import report_errors_plainly, run_with_services
from entrypoints.cli.tables import print_json, print_table
from entrypoints.services import Services

_DURATION = re.compile(r"([0-9]{1,5})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class SinceParameter(click.ParamType[datetime]):
    """So long ago (`90m`, `12h`, `3d`, `2w`), or a date or time in ISO 8601 (UTC unless it says otherwise)."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The moment, aware."""
        if isinstance(value, datetime):
            return value
        text = str(value).strip()
        now = datetime.now(UTC)
        matched = _DURATION.fullmatch(text)
        try:
            if matched:
                return now - timedelta(**{_UNITS[matched[2]]: int(matched[1])})
            moment = datetime.fromisoformat(text)
        except (ValueError, OverflowError):
            self.fail(f"{text!r} is neither like 90m, 12h, 3d or 2w, nor a date like 2026-05-01", param, ctx)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if moment > now:
            self.fail(f"{text!r} is in the future", param, ctx)
        return moment


@click.command()
@click.option(
    "--since", required=True, type=SinceParameter(), help="How far back: 90m, 12h, 3d, 2w, or a date like 2026-05-01."
)
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@report_errors_plainly
def reconcile(since: datetime, *, dry_run: bool, as_json: bool) -> None:
    """Find what never arrived, by Stripe's events and then by its objects, and apply it as a webhook would be."""

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
    missing = "Missing; nothing is written" if done.dry_run else "What had not arrived"
    rows = [
        (one.source, one.id, one.kind, one.status, one.reason, one.user_id, f"{one.credits:+}" if one.credits else "")
        for one in done.found
    ]
    print_table(missing, ("found in", "id", "kind", "status", "reason", "user", "credits"), rows)
