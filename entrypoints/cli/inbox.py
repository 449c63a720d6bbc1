"""`credence parked`, `claim`, `replay`, `outbox`: what waits, and what an operator does about it."""

import sys
from collections.abc import Iterable

import click

from domain.changes.changes import EventStatus, FailedMessage, InboxRecord
from domain.payments.admission import Confirmation
from domain.usecases.record_payment import Recorded
from domain.usecases.retry_inbox import WAITING, Retried
from domain.values.accounts import UserId
from domain.values.plans import PlanId
from entrypoints.cli.running import UserIdParameter, report_errors_plainly, run_with_services
from entrypoints.cli.tables import plain, print_json, print_table
from entrypoints.hints import hint_for
from entrypoints.services import Services

MAX_LISTED = 1000


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--retry", is_flag=True, help="Decide again about all of them first.")
@report_errors_plainly
def parked(*, as_json: bool, retry: bool) -> None:
    """List the events that wait, newest first, and why."""

    async def work(services: Services) -> tuple[tuple[Retried, ...], tuple[InboxRecord, ...]]:
        handled = await services.inbox_retrier.retry_all() if retry else ()
        return handled, await services.inbox.page(statuses=WAITING, before=None, limit=MAX_LISTED)

    handled, events = run_with_services(work)
    if as_json:
        shown = [{**plain(event), "hint": hint_for(event.id, event.reason)} for event in events]
        for event in shown:
            del event["body"]
        print_json({"parked": shown, "retried": len(handled)})
        return
    settled = sum(one.recorded.status.is_final for one in handled)
    if handled:
        click.echo(f"Tried {len(handled)} again: {settled} are settled.")
    if not events:
        click.echo("Nothing waits.")
        return
    rows = [
        (one.id, one.type, one.status, one.reason, one.attempts, one.received_at, hint_for(one.id, one.reason))
        for one in events
    ]
    print_table(
        f"{len(events)} events wait", ("event", "type", "status", "reason", "tries", "received", "what helps"), rows
    )


@click.command()
@click.argument("event")
@click.option("--user", required=True, type=UserIdParameter(), help="Who gets the credits: the user's uuid.")
@click.option("--plan", help="Which plan it was, where the event names none or an unknown one.")
@click.option("--accept-price", is_flag=True, help="Give the plan's credits although another price was paid.")
@report_errors_plainly
def claim(event: str, user: UserId, plan: str | None, *, accept_price: bool) -> None:
    """Give the payment of a parked EVENT to a user, having made sure that it is theirs.

    A payment that named nobody, and so was ignored, is given by the Stripe id of its checkout session (cs_...), payment
    intent (pi_...) or invoice (in_...), or of an event that tells of one.
    """
    confirmation = Confirmation(user_id=user, plan_id=PlanId(plan) if plan else None, accepts_price=accept_price)
    recorded = run_with_services(lambda services: services.inbox_retrier.claim(event, confirmation))
    _say(event, recorded)


@click.command()
@click.argument("event")
@report_errors_plainly
def replay(event: str) -> None:
    """Decide about an EVENT once more; one that never arrived is fetched from Stripe. Harmless at any time."""
    _say(event, run_with_services(lambda services: services.inbox_retrier.replay(event)))


@click.command()
@click.option("--retry", type=int, metavar="MESSAGE", help="Let this message be delivered after all.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@report_errors_plainly
def outbox(retry: int | None, *, as_json: bool) -> None:
    """List the messages whose delivery was given up, and why."""

    async def work(services: Services) -> tuple[bool, tuple[FailedMessage, ...]]:
        found = retry is None or await services.outbox.retry(retry)
        return found, await services.outbox.failures(MAX_LISTED)

    found, failures = run_with_services(work)
    if not found:
        raise click.ClickException(f"There is no message {retry} that was given up.")
    if as_json:
        print_json({"failures": failures})
    elif not failures:
        click.echo("No message was given up.")
    else:
        _print_failures(failures)


def _say(event: str, recorded: Recorded) -> None:
    credits_ = f", {recorded.credits:+} credits for user {recorded.user_id}" if recorded.credits else ""
    why = f" ({recorded.reason})" if recorded.reason else ""
    click.echo(f"{event}: {recorded.status}{why}{credits_}")
    if recorded.status in {EventStatus.PARKED, EventStatus.FAILED}:
        click.echo(f"What helps: {hint_for(event, recorded.reason)}")
        sys.exit(1)


def _print_failures(failures: Iterable[FailedMessage]) -> None:
    rows = [
        (one.id, one.topic, ", ".join(one.payload.values()), one.attempts, one.error, one.failed_at) for one in failures
    ]
    print_table("Messages that were given up", ("message", "topic", "about", "tries", "why", "since"), rows)
