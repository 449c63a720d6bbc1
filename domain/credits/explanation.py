"""Explanations: what became of every credit of an account, and which of Stripe's objects it came from."""

from collections.abc import Iterable, Iterator
from datetime import datetime

import attrs

from domain.credits.clawbacks import OWN_GRANT
from domain.credits.grants import Grant
from domain.credits.holds import Hold
from domain.credits.ledger import EntryKind, LedgerEntry, period_of, returned_to
from domain.credits.records import AccountRecord, PurchaseRecord
from domain.payments.entitlements import LineBalance, entitlement, line_balances, pack_expiry
from domain.payments.invoices import UnusedTime
from domain.payments.purchases import Purchase, PurchaseId
from domain.payments.unused_time import credited_lines
from domain.values.accounts import Account, UserId


@attrs.frozen(kw_only=True)
class ReturnedTime:
    """Unused time that an invoice gives back, and what it takes from."""

    unused: UnusedTime
    invoice_id: str | None
    """The invoice on which the time was sold, by Stripe's word or by the recorded lines; None where neither tells."""
    line_ids: tuple[str, ...]
    """The recorded lines that it takes from; none where the time was never sold here."""


@attrs.frozen(kw_only=True)
class PurchaseExplanation:
    """What one purchase gave, what of it was taken back, and why."""

    id: PurchaseId
    purchase: Purchase
    worth: int
    """Credits that the purchase is worth now."""
    posted: int
    """Credits that stand posted for it on this account."""
    expires_at: datetime | None
    entries: tuple[LedgerEntry, ...]
    lines: tuple[LineBalance, ...] = ()
    """What each line of a subscription's invoice brought, and what became of it."""
    unused: tuple[ReturnedTime, ...] = ()
    """The unused time that the invoice gives back, of the lines of this or earlier invoices."""


@attrs.frozen(kw_only=True)
class DrawExplanation:
    """Credits that were taken from a grant, and by which entry; None where that is no longer known."""

    credits: int
    entry: LedgerEntry | None

    @property
    def pays_debt(self) -> bool:
        """Return whether they paid what the account owed when they came."""
        return self.entry is not None and self.entry.posting.amount > 0


@attrs.frozen(kw_only=True)
class GrantExplanation:
    """The life of one grant: its credits are those that were put into it, and what remains with what was drawn."""

    grant: Grant
    plan_id: str | None
    """What was bought, where it was."""
    reason: str | None
    """Why it was given, in the operator's words, where nobody paid for it."""
    operator: str | None
    puts: tuple[LedgerEntry, ...]
    """The entries that put credits into it."""
    draws: tuple[DrawExplanation, ...]

    @property
    def drawn(self) -> int:
        """Return all that was taken from it."""
        return sum(draw.credits for draw in self.draws)


@attrs.frozen(kw_only=True)
class AccountExplanation:
    """An account: purchase by purchase with the entries that none is behind, and grant by grant with its holds."""

    user_id: UserId
    account: Account | None
    purchases: tuple[PurchaseExplanation, ...]
    others: tuple[LedgerEntry, ...]
    grants: tuple[GrantExplanation, ...]
    holds: tuple[Hold, ...]


def explain(record: AccountRecord) -> AccountExplanation:
    """Return the account, explained: every entry stands at exactly one place."""
    explained: list[PurchaseExplanation] = []
    reported: set[int] = set()
    for known in record.purchases:
        ids = {known.id, *known.merged}
        entries = tuple(entry for entry in record.entries if entry.posting.purchase_id in ids)
        reported |= {entry.version for entry in entries}
        explained.append(_purchase(record.user_id, known, entries, _relatives(known, record.purchases)))
    return AccountExplanation(
        user_id=record.user_id,
        account=record.account,
        purchases=tuple(explained),
        others=tuple(entry for entry in record.entries if entry.version not in reported),
        grants=tuple(_grants(record)),
        holds=record.holds,
    )


def _grants(record: AccountRecord) -> Iterator[GrantExplanation]:
    entries = {entry.version: entry for entry in record.entries}
    plans = {
        id_: known.purchase.order.plan_id
        for known in record.purchases
        if known.purchase.order is not None
        for id_ in (known.id, *known.merged)
    }
    for known, puts in zip(record.grants, _puts(record), strict=True):
        grant = known.grant
        was_given = grant.purchase_id is None and bool(puts)
        yield GrantExplanation(
            grant=grant,
            plan_id=plans.get(grant.purchase_id) if grant.purchase_id is not None else None,
            reason=puts[0].posting.description if was_given else None,
            operator=puts[0].posting.metadata.get("operator") if was_given else None,
            puts=puts,
            draws=tuple(DrawExplanation(credits=draw.credits, entry=entries.get(draw.version)) for draw in known.draws),
        )


def _puts(record: AccountRecord) -> Iterator[tuple[LedgerEntry, ...]]:
    """Yield for each grant the entries that put credits into it.

    Those of a purchase share one, but for what is reinstated after its end, each time, and for what returns to another
    grant; any other entry makes one of its own.
    """
    puts = [entry for entry in record.entries if entry.posting.amount > 0]
    returned = [entry for entry in puts if returned_to(entry.posting) not in {None, OWN_GRANT}]
    positive = [entry for entry in puts if entry not in returned]
    single = iter([entry for entry in positive if entry.posting.purchase_id is None])
    for known in record.grants:
        grant = known.grant
        back = [entry for entry in returned if returned_to(entry.posting) == str(grant.id)]
        if grant.purchase_id is None:
            yield tuple(entry for entry in (next(single, None), *back) if entry is not None)
            continue
        name = grant.purchase_id, grant.period_ends_at
        of_purchase = [one for one in positive if (one.posting.purchase_id, period_of(one.posting)) == name]
        siblings = [one.grant for one in record.grants if (one.grant.purchase_id, one.grant.period_ends_at) == name]
        late = [entry for entry in of_purchase if _came_late(entry, siblings[0])]
        place = siblings.index(grant)
        first = [entry for entry in of_purchase if entry not in late]
        yield (*(late[place - 1 : place] if place else first), *back)


def _came_late(entry: LedgerEntry, first: Grant) -> bool:
    is_new = entry.posting.kind is EntryKind.REINSTATEMENT and returned_to(entry.posting) is None
    return is_new and first.has_expired(entry.created_at)


def _relatives(known: PurchaseRecord, records: Iterable[PurchaseRecord]) -> tuple[Purchase, ...]:
    """Return the other invoices of the purchase's subscription."""
    bill = known.purchase.bill
    if bill is None:
        return ()
    return tuple(
        other.purchase
        for other in records
        if other is not known and other.purchase.bill and other.purchase.bill.subscription_id == bill.subscription_id
    )


def _purchase(
    user_id: UserId, known: PurchaseRecord, entries: tuple[LedgerEntry, ...], relatives: tuple[Purchase, ...]
) -> PurchaseExplanation:
    purchase, bill = known.purchase, known.purchase.bill
    is_owner = purchase.order is not None and purchase.order.user_id == user_id
    return PurchaseExplanation(
        id=known.id,
        purchase=purchase,
        worth=entitlement(purchase, relatives) if is_owner else 0,
        posted=sum(entry.posting.amount for entry in entries),
        expires_at=pack_expiry(purchase) if bill is None else None,
        entries=entries,
        lines=line_balances(purchase, relatives),
        unused=tuple(_returned(unused, purchase, (purchase, *relatives)) for unused in bill.unused) if bill else (),
    )


def _returned(unused: UnusedTime, giver: Purchase, family: tuple[Purchase, ...]) -> ReturnedTime:
    credited = credited_lines(unused, giver, family)
    invoices = sorted({invoice.partition(":")[2] for invoice, _ in credited})
    return ReturnedTime(
        unused=unused,
        invoice_id=unused.credited_invoice or (invoices[0] if invoices else None),
        line_ids=tuple(sorted(line.id for _, line in credited)),
    )
