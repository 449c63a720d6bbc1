"""`credence explain`: an account by purchase and by grant, so that a person can check the sums."""

import click

from domain.credits.explanation import AccountExplanation, DrawExplanation, GrantExplanation, PurchaseExplanation
from domain.credits.holds import Hold
from domain.credits.ledger import LedgerEntry
from domain.credits.records import MAX_RECORDS, AccountSums
from domain.payments.invoices import CreditNote
from domain.usecases.read_account import AccountReader
from domain.values.accounts import UserId
from entrypoints.amounts import amount_in_words
from entrypoints.cli.running import UserIdParameter, report_errors_plainly, run_with_services
from entrypoints.cli.tables import print_json, print_table
from entrypoints.explained_lines import ExplainedLine, lines_of, number_in_words, returns_of


@click.command()
@click.argument("user", type=UserIdParameter())
@click.option(
    "--last",
    type=click.IntRange(1, MAX_RECORDS),
    default=MAX_RECORDS,
    show_default=True,
    help="Show this many of the newest entries, and of the newest purchases and holds.",
)
@click.option("--all", "everything", is_flag=True, help="Show everything, page after page, the newest page first.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print each page in JSON, as GET /accounts/{user_id}/explanation."
)
@report_errors_plainly
def explain(user: UserId, *, last: int, everything: bool, as_json: bool) -> None:
    """Show where every credit of USER came from. Also what was spent, expired or taken back, with Stripe's ids."""
    run_with_services(lambda services: _explain(services.reader, user, last, everything=everything, as_json=as_json))


async def _explain(reader: AccountReader, user: UserId, last: int, *, everything: bool, as_json: bool) -> None:
    page = await reader.explanation(user, limit=last)
    if not as_json:
        account = page.account
        stands = f"balance {account.balance}, held {account.held}" if account else "the user was deleted"
        click.echo(f"Account {page.user_id}: {stands}.")
    while True:
        if as_json:
            _print_json(page)
        else:
            _print_page(page)
        if page.following is None or not everything:
            break
        page = await reader.explanation(user, place=page.following, limit=last)
    if not as_json:
        click.echo(_sum_up(await reader.sums(user)))
        if page.following is not None:
            click.echo("Older entries follow; --all shows them.")


def _print_json(explanation: AccountExplanation) -> None:
    from entrypoints.http.routes.explanation import explanation_of

    print_json(explanation_of(explanation))


def _print_page(explanation: AccountExplanation) -> None:
    for purchase in explanation.purchases:
        _print_purchase(purchase)
    _print_entries("Entries without a purchase", explanation.others)
    for grant in explanation.grants:
        _print_grant(grant)
    _print_holds(explanation.holds)
    if explanation.has_unread_invoices:
        click.echo()
        click.echo("A subscription has very many invoices for the same times: only the nearest to these were read, so")
        click.echo("that unused time which others return is not in the credits due. The credits posted are exact.")


def _print_purchase(explained: PurchaseExplanation) -> None:
    purchase, order = explained.purchase, explained.purchase.order
    plan, ordered, amount = (order.plan_id, order.credits, order.amount) if order else (None, 0, 0)
    currency = order.currency if order else None
    when = f" at {purchase.paid_at.isoformat(timespec='minutes')}" if purchase.paid_at else ""
    returns = returns_of(explained)
    what = plan or ("returns unused time" if returns else "no order known yet")
    click.echo()
    click.echo(f"{explained.id}: {what}, {purchase.payment}{when}, {amount_in_words(amount, currency)}")
    click.echo(f"  credits: {ordered} bought, {explained.worth} due now, {explained.posted} posted")
    if explained.expires_at:
        click.echo(f"  its credits expire at {explained.expires_at.isoformat()}")
    if purchase.never_paid:
        click.echo(f"  never paid: {amount_in_words(purchase.never_paid, currency)}")
    for note in purchase.credit_notes:
        click.echo(f"  {_summary(note, currency)}")
    for refund in purchase.refunds:
        click.echo(f"  refund {refund.id}: {amount_in_words(refund.amount, currency)}, {refund.status}")
    if purchase.refunded_total:
        click.echo(f"  total refunded, according to the charge: {amount_in_words(purchase.refunded_total, currency)}")
    for dispute in purchase.disputes:
        click.echo(f"  dispute {dispute.id}: {amount_in_words(dispute.amount, currency)}, {dispute.status}")
    for time in returns:
        of = f"of {time.of_invoice}" if time.of_invoice else "of an unknown invoice"
        takes = (
            f"deducted from {', '.join(time.of_lines)}"
            if time.of_lines
            else "deducts nothing: no credits were granted for it"
        )
        click.echo(f"  unused time {time.id}: {amount_in_words(time.amount, currency)} {of}; {takes}")
    click.echo(f"  Stripe: {', '.join(sorted(purchase.links))}")
    for line in lines_of(explained):
        _print_line(line, currency)
    _print_entries("Ledger entries", explained.entries)


def _summary(note: CreditNote, currency: str | None) -> str:
    parts = [f"{amount_in_words(note.pre_payment, currency)} before the payment"] if note.pre_payment else []
    parts += [f"{amount_in_words(note.post_payment, currency)} after it"] if note.post_payment else []
    of = f" for {', '.join(line.line_id or 'the whole invoice' for line in note.lines)}" if note.lines else ""
    return f"credit note {note.id}: {' and '.join(parts) or 'nothing'}{of}, {note.status}"


def _print_line(line: ExplainedLine, currency: str | None) -> None:
    period = f"{line.starts_at.isoformat(timespec='minutes')} to {line.ends_at.isoformat(timespec='minutes')}"
    amount = amount_in_words(line.amount, currency)
    if line.amount_after_discounts != line.amount:
        amount += f", {amount_in_words(line.amount_after_discounts, currency)} after discounts"
    kind, quantity = line.kind.replace("_", " "), number_in_words(line.quantity)
    click.echo(f"  line {line.id}: {line.plan}, {kind}, {period}, quantity {quantity}, {amount}")
    gone = _gone(line)
    click.echo(
        f"    granted {number_in_words(line.brought)} ({line.why})"
        + (f", taken back: {gone}" if gone else "")
        + f", {number_in_words(line.worth)} due now"
    )


def _gone(line: ExplainedLine) -> str:
    parts = {"unused time": line.unused_part, "refunded": line.refunded_part, "disputed": line.disputed_part}
    return ", ".join(f"{what} {part:.2%}" for what, part in parts.items() if part)


def _print_entries(title: str, entries: tuple[LedgerEntry, ...]) -> None:
    rows = [
        (
            entry.version,
            entry.posting.kind,
            f"{entry.posting.amount:+}",
            entry.balance_after,
            entry.posting.description,
            entry.posting.stripe_event_id,
            entry.created_at.isoformat(timespec="seconds"),
        )
        for entry in entries
    ]
    if rows:
        print_table(title, ("version", "kind", "credits", "balance", "description", "event", "written"), rows)


def _print_grant(explained: GrantExplanation) -> None:
    grant = explained.grant
    until = f", until {grant.expires_at.isoformat(timespec='minutes')}" if grant.expires_at else ""
    if grant.rollover_cap is not None:
        until += f", when up to {grant.rollover_cap} roll over"
    click.echo()
    click.echo(f"Grant {grant.id}, {_why(explained)}{until}")
    rows: list[tuple[object, ...]] = [
        (entry.version, f"added by {entry.posting.kind}", f"{entry.posting.amount:+}", entry.posting.description)
        for entry in explained.puts
    ]
    rows += [_draw_row(draw) for draw in explained.draws]
    remains = f"{grant.remaining} remaining" + (f", {grant.held} on hold" if grant.held else "")
    print_table(
        f"{grant.credits} added - {explained.drawn} drawn = {remains}",
        ("version", "what", "credits", "description"),
        rows,
    )


def _draw_row(draw: DrawExplanation) -> tuple[object, ...]:
    what = "repaid debt" if draw.pays_debt else f"drawn by {draw.entry.posting.kind}"
    return (draw.entry.version, what, f"-{draw.credits}", draw.entry.posting.description)


def _why(explained: GrantExplanation) -> str:
    grant = explained.grant
    if grant.purchase_id is not None:
        return f"{grant.kind} of {explained.plan_id or 'an unknown plan'} by {grant.purchase_id}"
    by = f" by {explained.operator}" if explained.operator else ""
    return f"{grant.kind}{by}" + (f": {explained.reason}" if explained.reason else "")


def _print_holds(holds: tuple[Hold, ...]) -> None:
    rows = [
        (
            hold.id,
            hold.status,
            hold.credits,
            hold.captured,
            ", ".join(f"{draw.credits} of {draw.grant_id}" for draw in hold.draws),
            hold.expires_at.isoformat(timespec="seconds"),
            hold.description,
        )
        for hold in holds
    ]
    if rows:
        click.echo()
        print_table("Holds", ("hold", "status", "credits", "captured", "from grants", "until", "description"), rows)


def _sum_up(sums: AccountSums) -> str:
    balance = sums.by_purchases + sums.by_others
    return (
        f"\n{sums.by_purchases} credits from purchases + {sums.by_others} from other entries = {balance} in total."
        f"\n{sums.remaining} remaining in grants, {max(0, -balance)} owed."
    )
