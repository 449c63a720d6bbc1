"""Explanations: where every credit of an account came from and went, with Stripe's objects."""

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
    """Unused time that an invoice returns, and the lines that lose its credits."""

    unused: UnusedTime
    invoice_id: str | None
    """The invoice on which the time was sold, named by Stripe or by the recorded lines; None if unknown."""
    line_ids: tuple[str, ...]
    """The recorded lines that lose credits; empty if the time was not sold here."""


@attrs.frozen(kw_only=True)
class PurchaseExplanation:
    """The credits that one purchase granted, how many were taken back, and why."""

    id: PurchaseId
    purchase: Purchase
    worth: int
    """The credits that the purchase is worth now."""
    posted: int
    """The credits posted for it on this account."""
    expires_at: datetime | None
    entries: tuple[LedgerEntry, ...]
    lines: tuple[LineBalance, ...] = ()
    """The balance of each line of a subscription's invoice."""
    unused: tuple[ReturnedTime, ...] = ()
    """The unused time that the invoice returns, of its own lines or those of earlier invoices."""


@attrs.frozen(kw_only=True)
class DrawExplanation:
    """Credits drawn from a grant, and the entry that drew them; None if that is no longer known."""

    credits: int
    entry: LedgerEntry | None

    @property
    def pays_debt(self) -> bool:
        """Return whether they repaid debt that the account had when they were granted."""
        return self.entry is not None and self.entry.posting.amount > 0


@attrs.frozen(kw_only=True)
class GrantExplanation:
    """One grant: the credits added to it are those remaining plus those drawn."""

    grant: Grant
    plan_id: str | None
    """The plan, if it was bought."""
    reason: str | None
    """The operator's reason, if it was granted without a payment."""
    operator: str | None
    puts: tuple[LedgerEntry, ...]
    """The entries that added credits to it."""
    draws: tuple[DrawExplanation, ...]

    @property
    def drawn(self) -> int:
        """Return the total drawn from it."""
        return sum(draw.credits for draw in self.draws)


@attrs.frozen(kw_only=True)
class AccountExplanation:
    """An account by purchase, by entries without a purchase, by grant and by hold."""

    user_id: UserId
    account: Account | None
    purchases: tuple[PurchaseExplanation, ...]
    others: tuple[LedgerEntry, ...]
    grants: tuple[GrantExplanation, ...]
    holds: tuple[Hold, ...]


def explain(record: AccountRecord) -> AccountExplanation:
    """Return the account's explanation; every entry appears exactly once."""
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
    """Yield each grant with the entries that added credits to it.

    The entries of a purchase share a grant, except credits that are reinstated after it expired or that return to
    another grant; every other entry creates its own.
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
