"""`credence parked`, `claim`, `replay`, `outbox`: what is parked or failed, and what an operator does about it."""

import sys
from collections.abc import Iterable

import click

from domain.changes.inbox import EventStatus, InboxRecord
from domain.changes.outbox import FailedMessage
from domain.payments.admission import Confirmation
from domain.usecases.recorded import Recorded
from domain.usecases.retry_inbox import WAITING, Retried
from domain.values.accounts import UserId
from domain.values.plans import PlanId
from entrypoints.cli.running import UserIdParameter, report_errors_plainly, run_change, run_with_services
from entrypoints.cli.tables import plain, print_json, print_table
from entrypoints.hints import hint_for
from entrypoints.services import Services

MAX_LISTED = 1000


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--retry", is_flag=True, help="Retry all parked events first.")
@report_errors_plainly
def parked(*, as_json: bool, retry: bool) -> None:
    """List the parked events with their reasons, newest first."""

    async def work(services: Services) -> tuple[tuple[Retried, ...], tuple[InboxRecord, ...], int]:
        handled = await services.inbox_retrier.retry_all() if retry else ()
        page = await services.inbox.page(statuses=WAITING, after=None, limit=MAX_LISTED)
        backlog = await services.monitor.backlog()
        return handled, page.events, max(len(page.events), sum(backlog.events.values()))

    handled, events, total = run_with_services(work)
    if as_json:
        shown = [{**plain(event), "hint": hint_for(event.id, event.reason)} for event in events]
        for event in shown:
            del event["body"]
        print_json({"parked": shown, "total": total, "retried": len(handled)})
        return
    settled = sum(one.recorded.status.is_final for one in handled)
    if handled:
        click.echo(f"Retried {len(handled)}: {settled} resolved.")
    if not events:
        click.echo("Nothing is parked.")
        return
    rows = [
        (one.id, one.type, one.status, one.reason, one.attempts, one.received_at, hint_for(one.id, one.reason))
        for one in events
    ]
    print_table(
        f"Parked events: {total}" if total == len(events) else f"Parked events: showing {len(events)} of {total}",
        ("event", "type", "status", "reason", "attempts", "received", "what to do"),
        rows,
    )


@click.command()
@click.argument("event")
@click.option("--user", required=True, type=UserIdParameter(), help="The UUID of the user who gets the credits.")
@click.option("--plan", help="The plan, if the event names none or an unknown one.")
@click.option("--accept-price", is_flag=True, help="Grant the plan's credits although the price paid differs.")
@report_errors_plainly
def claim(event: str, user: UserId, plan: str | None, *, accept_price: bool) -> None:
    """Assign the payment of a parked EVENT to a user. First make sure that they paid it.

    For a payment that named no user and was ignored, give the Stripe id of its checkout session (cs_...), payment
    intent (pi_...) or invoice (in_...), or of one of its events.
    """
    confirmation = Confirmation(user_id=user, plan_id=PlanId(plan) if plan else None, accepts_price=accept_price)
    recorded = run_change(lambda services: services.inbox_retrier.claim(event, confirmation))
    _say(event, recorded)


@click.command()
@click.argument("event")
@report_errors_plainly
def replay(event: str) -> None:
    """Process EVENT again. If it never arrived, it is fetched from Stripe. Safe to repeat."""
    _say(event, run_change(lambda services: services.inbox_retrier.replay(event)))


@click.command()
@click.option("--retry", type=int, metavar="MESSAGE", help="Queue this message for delivery again.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@report_errors_plainly
def outbox(retry: int | None, *, as_json: bool) -> None:
    """List the messages whose delivery failed, and why."""

    if retry is not None and not run_change(lambda services: services.outbox.retry(retry)):
        raise click.ClickException(f"No failed message has the id {retry}.")
    failures = run_with_services(lambda services: services.outbox.failures(MAX_LISTED))
    if as_json:
        print_json({"failures": failures})
    elif not failures:
        click.echo("No delivery failed.")
    else:
        _print_failures(failures)


def _say(event: str, recorded: Recorded) -> None:
    credits_ = f", {recorded.credits:+} credits for user {recorded.user_id}" if recorded.credits else ""
    why = f" ({recorded.reason})" if recorded.reason else ""
    click.echo(f"{event}: {recorded.status}{why}{credits_}")
    if recorded.status in {EventStatus.PARKED, EventStatus.FAILED}:
        click.echo(f"What to do: {hint_for(event, recorded.reason)}")
        sys.exit(1)


def _print_failures(failures: Iterable[FailedMessage]) -> None:
    rows = [
        (one.id, one.topic, ", ".join(one.payload.values()), one.attempts, one.error, one.failed_at) for one in failures
    ]
    print_table("Failed deliveries", ("message", "topic", "about", "attempts", "error", "since"), rows)
