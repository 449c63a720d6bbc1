"""`credence check`, `sync`, `doctor`: find inconsistencies and repair them."""

import sys

import click
from rich.progress import Progress

from domain.upkeep.diagnosis import Verdict
from domain.values.accounts import Account, UserId
from entrypoints.cli.running import UserIdParameter, report_errors_plainly, run_change, run_with_services
from entrypoints.cli.tables import print_json, print_table
from entrypoints.services import Services


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@report_errors_plainly
def check(*, as_json: bool) -> None:
    """Check the ledger and its copy in Redis. Lists every discrepancy and exits 1 if there is one, 2 without Redis."""
    report = run_with_services(lambda services: services.auditor.report_what_is_reached())
    wrong, stale = report.ledger, report.cache
    if as_json:
        shown = {"consistent": report.consistent, "ledger": wrong, "cache": stale}
        print_json({**shown, "cache_unavailable": report.cache_unavailable})
    elif not wrong:
        click.echo("The ledger is consistent." + ("" if stale or report.cache_unavailable else "\nRedis matches it."))
    if not as_json and wrong:
        print_table(
            "The ledger is inconsistent",
            ("account", "problem", "entry", "version", "expected", "actual"),
            [(row.user_id, row.problem, row.entry_id, row.version, row.expected, row.actual) for row in wrong],
        )
    if not as_json and stale:
        print_table(
            "Redis differs from the ledger",
            ("account", "problem", "ledger", "Redis"),
            [(row.user_id, row.problem, _short(row.account), _short(row.copy)) for row in stale],
        )
        click.echo("To repair Redis, run `credence sync USER` or `credence sync --all`.")
    if report.cache_unavailable is not None:
        click.echo(f"Redis was not compared: {report.cache_unavailable}", err=True)
    if not report.consistent or report.cache_unavailable is not None:
        sys.exit(2 if report.consistent else 1)


@click.command()
@click.argument("user", required=False, type=UserIdParameter())
@click.option("--all", "everyone", is_flag=True, help="Repair every account and every cache entry.")
@report_errors_plainly
def sync(user: UserId | None, *, everyone: bool) -> None:
    """Repair the balance of USER. It is recomputed from the ledger's entries and written to Redis."""
    if everyone is (user is not None):
        raise click.UsageError("Give a USER or --all.")
    if user is not None:
        account = run_change(lambda services: services.auditor.sync(user))
        if account is None:
            raise click.ClickException(f"User {user} is not in public.users; their cache entry, if any, was removed.")
        click.echo(f"{user}: balance {account.balance}, held {account.held}, version {account.version}.")
        return

    async def work(services: Services) -> int:
        with Progress(transient=True) as progress:
            task = progress.add_task("Accounts", total=None)
            return await services.auditor.sync_all(lambda done: progress.update(task, completed=done))

    click.echo(f"{run_with_services(work)} accounts repaired.")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@report_errors_plainly
def doctor(*, as_json: bool) -> None:
    """Examine the deployment. Checks keys, webhook endpoint, schema, privileges and Redis; exits 1 if any is bad."""
    found = run_with_services(lambda services: services.doctor.examine())
    if as_json:
        print_json({"diagnoses": found})
    else:
        marks = {Verdict.GOOD: "✓", Verdict.DOUBTFUL: "!", Verdict.BAD: "✗"}
        rows = [(marks[one.verdict], one.subject, one.seen, one.remedy) for one in found]
        print_table("The deployment", ("", "what", "seen", "what to do"), rows)
    if any(one.verdict is Verdict.BAD for one in found):
        sys.exit(1)


def _short(account: Account | None) -> str:
    if account is None:
        return "no such user"
    return f"balance {account.balance}, held {account.held}, version {account.version}"
