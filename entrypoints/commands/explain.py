"""`credence explain`: an account by purchase and by grant, so that a person can add its credits up."""

import click

from domain.accounts import UserId
from domain.explanations import AccountExplanation, DrawExplanation, GrantExplanation, PurchaseExplanation
from domain.holds import Hold
from domain.ledger import LedgerEntry
from entrypoints.commands.running import UserIdParameter, run_with_services, told_plainly
from entrypoints.commands.tables import print_json, print_table


@click.command()
@click.argument("user", type=UserIdParameter())
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@told_plainly
def explain(user: UserId, *, as_json: bool) -> None:
    """Tell where every credit of a USER came from, and what was spent, expired or taken back, with Stripe's ids."""
    explanation = run_with_services(lambda services: services.reader.explanation(user))
    if as_json:
        print_json(explanation)
        return
    account = explanation.account
    stands = f"balance {account.balance}, held {account.held}" if account else "the user was deleted"
    click.echo(f"Account {explanation.user_id}: {stands}.")
    for purchase in explanation.purchases:
        _print_purchase(purchase)
    _print_entries("Entries without a purchase", explanation.others)
    for grant in explanation.grants:
        _print_grant(grant)
    _print_holds(explanation.holds)
    click.echo(_sum_up(explanation))


def _print_purchase(purchase: PurchaseExplanation) -> None:
    paid = f"{purchase.amount / 100:.2f} {(purchase.currency or '').upper()}"
    if purchase.currency in {"jpy", "krw", "vnd", "clp"}:
        paid = f"{purchase.amount} {purchase.currency.upper()}"
    click.echo()
    click.echo(f"{purchase.id}: {purchase.plan_id or 'order not known yet'}, {purchase.status}, {paid}")
    click.echo(f"  bought {purchase.ordered_credits} credits, now worth {purchase.worth}, posted {purchase.posted}")
    if purchase.expires_at:
        click.echo(f"  its credits end at {purchase.expires_at.isoformat()}")
    for refund in purchase.refunds:
        click.echo(f"  refund {refund.id}: {refund.amount} minor units, {refund.status}")
    if purchase.refunded_total:
        click.echo(f"  refunded in all, as the charge told: {purchase.refunded_total} minor units")
    for dispute in purchase.disputes:
        click.echo(f"  dispute {dispute.id}: {dispute.amount} minor units, {dispute.status}")
    click.echo(f"  Stripe: {', '.join(purchase.links)}")
    _print_entries("Its entries", purchase.entries)


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
        print_table(title, ("version", "kind", "credits", "balance", "what for", "event", "written"), rows)


def _print_grant(explained: GrantExplanation) -> None:
    grant = explained.grant
    until = f", until {grant.expires_at.isoformat(timespec='minutes')}" if grant.expires_at else ""
    click.echo()
    click.echo(f"Grant {grant.id}, {_why(explained)}{until}")
    rows: list[tuple[object, ...]] = [
        (entry.version, f"put by {entry.posting.kind}", f"{entry.posting.amount:+}", entry.posting.description)
        for entry in explained.puts
    ]
    rows += [_draw_row(draw) for draw in explained.draws]
    remains = f"{grant.remaining} remain" + (f", {grant.held} on hold" if grant.held else "")
    print_table(
        f"{grant.credits} put in - {explained.drawn} taken = {remains}",
        ("version", "what", "credits", "what for"),
        rows,
    )


def _draw_row(draw: DrawExplanation) -> tuple[object, ...]:
    if draw.entry is None:
        return ("", "taken before draws were recorded", f"-{draw.credits}", "")
    what = "paid what was owed" if draw.pays_debt else f"taken by {draw.entry.posting.kind}"
    return (draw.entry.version, what, f"-{draw.credits}", draw.entry.posting.description)


def _why(explained: GrantExplanation) -> str:
    grant = explained.grant
    if grant.purchase_id is not None:
        return f"{grant.kind} of {explained.plan_id or 'a plan not known'} by {grant.purchase_id}"
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
        print_table("Holds", ("hold", "status", "credits", "captured", "of grants", "until", "what for"), rows)


def _sum_up(explanation: AccountExplanation) -> str:
    bought = sum(purchase.posted for purchase in explanation.purchases)
    others = sum(entry.posting.amount for entry in explanation.others)
    remaining = sum(explained.grant.remaining for explained in explanation.grants)
    debt = max(0, -(bought + others))
    return (
        f"\n{bought} credits by purchases, {others} by other entries: {bought + others} in all."
        f"\n{remaining} remain in grants, {debt} are owed."
    )
