"""Explanations: where every credit of an account came from and went, with Stripe's objects."""

from collections.abc import Iterator, Mapping
from datetime import datetime

import attrs

from domain.credits.grants import Grant
from domain.credits.holds import Hold
from domain.credits.ledger import LedgerEntry
from domain.credits.records import AccountRecord, PurchaseRecord, RecordPlace
from domain.payments.entitlements import LineBalance, entitlement, line_balances, pack_expiry
from domain.payments.invoices import UnusedTime
from domain.payments.periods import Periods, periods_of
from domain.payments.purchases import Purchase, PurchaseId
from domain.payments.unused_time import Returns, returns_of
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
    """Those on the page."""
    lines: tuple[LineBalance, ...] = ()
    """The balance of each line of a subscription's invoice."""
    unused: tuple[ReturnedTime, ...] = ()
    """The unused time that the invoice returns, of its own lines or those of earlier invoices."""


@attrs.frozen(kw_only=True)
class DrawExplanation:
    """Credits drawn from a grant, and the entry that drew them."""

    credits: int
    entry: LedgerEntry

    @property
    def pays_debt(self) -> bool:
        """Return whether they repaid debt that the account had when they were granted."""
        return self.entry.posting.amount > 0


@attrs.frozen(kw_only=True)
class GrantExplanation:
    """One grant: the credits added to it are those remaining plus those drawn."""

    grant: Grant
    plan_id: str | None
    """The plan, if it was bought."""
    reason: str | None
    """The operator's reason, if it was granted without a payment."""
    operator: str | None
    made_by: LedgerEntry | None
    puts: tuple[LedgerEntry, ...]
    """The entries of the page that added credits to it."""
    draws: tuple[DrawExplanation, ...]
    """What entries of the page took from it."""

    @property
    def drawn(self) -> int:
        """Return the total ever drawn from it."""
        return self.grant.credits - self.grant.remaining


@attrs.frozen(kw_only=True)
class AccountExplanation:
    """A page of an account: by purchase, by entries without a purchase, by grant and by hold."""

    user_id: UserId
    account: Account | None
    purchases: tuple[PurchaseExplanation, ...]
    others: tuple[LedgerEntry, ...]
    grants: tuple[GrantExplanation, ...]
    holds: tuple[Hold, ...]
    has_unread_invoices: bool
    """Whether a subscription has so many invoices for the same times that unused time of distant ones is left out."""
    following: RecordPlace | None


def explain(record: AccountRecord) -> AccountExplanation:
    """Return the explanation of a page of an account; each of its entries appears exactly once."""
    families = _families(record)
    explained: list[PurchaseExplanation] = []
    reported: set[int] = set()
    for known in record.purchases:
        ids = {known.id, *known.merged}
        entries = tuple(entry for entry in record.entries if entry.posting.purchase_id in ids)
        reported |= {entry.version for entry in entries}
        explained.append(_purchase(record.user_id, known, entries, families))
    return AccountExplanation(
        user_id=record.user_id,
        account=record.account,
        purchases=tuple(explained),
        others=tuple(entry for entry in record.entries if entry.version not in reported),
        grants=tuple(_grants(record)),
        holds=record.holds,
        has_unread_invoices=record.is_cut,
        following=record.following,
    )


def _grants(record: AccountRecord) -> Iterator[GrantExplanation]:
    entries = {entry.version: entry for entry in record.entries}
    for known in record.grants:
        given = known.made_by.posting if known.made_by is not None and known.grant.purchase_id is None else None
        yield GrantExplanation(
            grant=known.grant,
            plan_id=known.plan_id,
            reason=given.description if given is not None else None,
            operator=given.metadata.get("operator") if given is not None else None,
            made_by=known.made_by,
            puts=tuple(entries[version] for version in known.puts),
            draws=tuple(DrawExplanation(credits=draw.credits, entry=entries[draw.version]) for draw in known.draws),
        )


@attrs.frozen
class _Family:
    """The unused time that a subscription's invoices returned, and the periods that they sold."""

    returns: Returns = Returns({}, {})
    periods: Periods = Periods({}, {})


def _families(record: AccountRecord) -> Mapping[str, _Family]:
    """Return the page's families by subscription: each is matched once, however many of its invoices are shown."""
    invoices: dict[str, list[Purchase]] = {}
    for one in (*(known.purchase for known in record.purchases), *record.family):
        if one.bill is not None:
            invoices.setdefault(one.bill.subscription_id, []).append(one)
    return {id_: _Family(returns_of(found), periods_of(found)) for id_, found in invoices.items()}


def _purchase(
    user_id: UserId, known: PurchaseRecord, entries: tuple[LedgerEntry, ...], families: Mapping[str, _Family]
) -> PurchaseExplanation:
    purchase, bill = known.purchase, known.purchase.bill
    family = families[bill.subscription_id] if bill else _Family()
    parts = family.returns.parts
    is_owner = purchase.order is not None and purchase.order.user_id == user_id
    return PurchaseExplanation(
        id=known.id,
        purchase=purchase,
        worth=entitlement(purchase, unused=parts, periods=family.periods) if is_owner else 0,
        posted=known.posted,
        expires_at=pack_expiry(purchase) if bill is None else None,
        entries=entries,
        lines=line_balances(purchase, unused=parts, periods=family.periods),
        unused=tuple(_returned(unused, family.returns) for unused in bill.unused) if bill else (),
    )


def _returned(unused: UnusedTime, returns: Returns) -> ReturnedTime:
    credited = returns.credited.get(unused, ())
    invoices = sorted({invoice.partition(":")[2] for invoice, _ in credited})
    return ReturnedTime(
        unused=unused,
        invoice_id=unused.credited_invoice or (invoices[0] if invoices else None),
        line_ids=tuple(sorted(line.id for _, line in credited)),
    )
