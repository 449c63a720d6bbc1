"""Purchases in memory, with their links, and with those that were merged because they are one payment."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

import attrs

from domain.changes.changes import PurchaseRevision, RecordedPurchase, RecordedSubscription
from domain.credits.ledger import EntryKind, ExpiredCredits, LedgerEntry, Posted, period_of
from domain.credits.records import PurchaseRecord
from domain.payments.invoices import LineKind
from domain.payments.line_terms import Claimed
from domain.payments.purchases import Link, PurchaseId
from domain.payments.subscriptions import HeldSubscription, SubscriptionId
from domain.values.accounts import UserId


class MemoryPurchases:
    """The purchases of every account; each method is one indivisible step."""

    def __init__(self) -> None:
        self._rows: dict[PurchaseId, RecordedPurchase] = {}
        self._merged: dict[PurchaseId, PurchaseId] = {}
        self._owners: dict[Link, PurchaseId] = {}

    def reached(self, links: Iterable[Link]) -> tuple[RecordedPurchase, ...]:
        """Return the purchases that the links lead to, without what stands posted for them."""
        ids = sorted({self._owners[link] for link in links if link in self._owners})
        return tuple(self._rows[known] for known in ids)

    def revision(self, purchase_id: PurchaseId) -> int:
        """Return the purchase's revision; 0 for one that is not recorded yet."""
        known = self._rows.get(purchase_id)
        return known.revision if known else 0

    def leads_elsewhere(self, revision: PurchaseRevision) -> bool:
        """Return whether a link of the purchase belongs to one that it does not absorb."""
        own = {revision.id, *(other.id for other in revision.absorbed)}
        return any(self._owners.get(link, revision.id) not in own for link in revision.purchase.links)

    def keep(self, revision: PurchaseRevision) -> None:
        """Keep a purchase's next state; what it absorbs leads to it from now on."""
        self._rows[revision.id] = RecordedPurchase(
            id=revision.id, revision=revision.expected_revision + 1, purchase=revision.purchase
        )
        absorbed = {other.id for other in revision.absorbed}
        for other in absorbed:
            row = self._rows[other]
            self._rows[other] = attrs.evolve(row, revision=row.revision + 1)
        for other, into in [*self._merged.items(), *((other, other) for other in absorbed)]:
            if into in absorbed:
                self._merged[other] = revision.id
        for link, owner in self._owners.items():
            if owner in absorbed:
                self._owners[link] = revision.id
        self._owners.update(dict.fromkeys(revision.purchase.links, revision.id))

    def one_payment(self, purchase_id: PurchaseId | None) -> frozenset[PurchaseId]:
        """Return the purchase and those that were merged into it."""
        own = () if purchase_id is None else (purchase_id,)
        return frozenset((*own, *(other for other, into in self._merged.items() if into == purchase_id)))

    def links_of_users(self, users: Iterable[UserId]) -> frozenset[Link]:
        """Return every link of purchases that the users own."""
        owners = frozenset(users)
        owned = ((row.purchase.order, row.purchase.links) for row in self._rows.values())
        return frozenset(link for order, links in owned if order and order.user_id in owners for link in links)

    def records(self, user_id: UserId, entries: Sequence[LedgerEntry]) -> Iterator[PurchaseRecord]:
        """Yield the purchases that the user owns or that an entry is of, and what else gives back their time."""
        behind = {
            self._goes_on(entry.posting.purchase_id) for entry in entries if entry.posting.purchase_id is not None
        }
        behind |= {
            self._goes_on(known.id)
            for known in self._rows.values()
            if known.purchase.order is not None and known.purchase.order.user_id == user_id
        }
        subscriptions = {bill.subscription_id for id_ in behind if (bill := self._rows[id_].purchase.bill) is not None}
        behind |= {
            id_
            for id_, row in self._rows.items()
            if row.purchase.order is None and row.purchase.bill and row.purchase.bill.subscription_id in subscriptions
        }
        for known in self._rows:
            if known in behind and known not in self._merged:
                merged = tuple(sorted(self.one_payment(known) - {known}))
                posted = sum(entry.posting.amount for entry in entries if entry.posting.purchase_id in {known, *merged})
                yield PurchaseRecord(id=known, purchase=self._rows[known].purchase, merged=merged, posted=posted)

    def family(self, subscription_id: str | None, since: datetime | None) -> tuple[RecordedPurchase, ...]:
        """Return the invoices of the subscription whose periods end then or later."""
        if subscription_id is None or since is None:
            return ()
        return tuple(
            row
            for id_, row in sorted(self._rows.items())
            if id_ not in self._merged and _is_of_family(row, subscription_id, since)
        )

    def claimed(self, user_id: UserId) -> tuple[Claimed, ...]:
        """Return the trials and free periods that the user's invoices are for."""
        owned = [
            row.purchase
            for id_, row in sorted(self._rows.items())
            if id_ not in self._merged and row.purchase.order is not None and row.purchase.order.user_id == user_id
        ]
        return tuple(
            Claimed(
                plan_id=line.plan_id,
                kind=line.kind,
                subscription_id=purchase.bill.subscription_id,
                starts_at=line.starts_at,
                ends_at=line.ends_at,
            )
            for purchase in owned
            if purchase.bill is not None
            for line in purchase.bill.lines
            if line.credits > 0 and (line.kind is LineKind.TRIAL or line.is_free)
        )

    def newest_plan(self, subscription_id: str) -> str | None:
        """Return the plan of the subscription's newest paid invoice; None if there is none."""
        orders = [
            (row.purchase.bill.ends_at, row.purchase.bill.starts_at, id_, row.purchase.order.plan_id)
            for id_, row in self._rows.items()
            if id_ not in self._merged and row.purchase.order is not None
            if row.purchase.bill is not None and row.purchase.bill.subscription_id == subscription_id
        ]
        return max(orders)[-1] if orders else None

    def subscribed(self, user_id: UserId) -> frozenset[str]:
        """Return the subscriptions of the invoices that the user owns."""
        owned = (row.purchase for row in self._rows.values() if row.purchase.order)
        return frozenset(
            one.bill.subscription_id for one in owned if one.bill and one.order and one.order.user_id == user_id
        )

    def posted(self, purchase_id: PurchaseId, entries: Iterable[LedgerEntry]) -> dict[datetime | None, Posted]:
        """Return what entries posted for each grant of the purchase, and of those merged into it, and what expired."""
        posted: dict[datetime | None, dict[UserId, int]] = {}
        expired: dict[datetime | None, dict[UserId, ExpiredCredits]] = {}
        for entry in entries:
            posting, period = entry.posting, period_of(entry.posting)
            if posting.purchase_id is None or self._goes_on(posting.purchase_id) != purchase_id:
                continue
            stands = posted.setdefault(period, {}).setdefault(posting.user_id, 0)
            gone = expired.setdefault(period, {})
            if posting.kind is EntryKind.EXPIRY:
                before = gone[posting.user_id].amount if posting.user_id in gone else 0
                gone[posting.user_id] = ExpiredCredits(amount=before - posting.amount, posted_before=stands)
            else:
                posted[period][posting.user_id] = stands + posting.amount
        return {period: Posted(by_user, expired[period]) for period, by_user in posted.items()}

    def _goes_on(self, purchase_id: PurchaseId) -> PurchaseId:
        return self._merged.get(purchase_id, purchase_id)


def held_subscriptions(
    user_id: UserId, known: Iterable[RecordedSubscription], purchases: MemoryPurchases
) -> tuple[HeldSubscription, ...]:
    """Return a user's subscriptions, newest first: those that name them, and those of their invoices without a name."""
    own, found = purchases.subscribed(user_id), []
    for row in known:
        subscriber = row.subscription.subscriber
        if (row.id in own) if subscriber is None else subscriber.user_id == user_id:
            plan_id = purchases.newest_plan(row.id) or (subscriber.plan_id if subscriber else None)
            found.append(HeldSubscription(id=row.id, plan_id=plan_id, state=row.subscription.state))
    return tuple(reversed(found))


def subscription_of(rows: Iterable[RecordedPurchase]) -> SubscriptionId | None:
    """Return the subscription whose invoices the purchases are; None where they are of none."""
    known = sorted({row.purchase.bill.subscription_id for row in rows if row.purchase.bill is not None})
    return SubscriptionId(known[0]) if known else None


def earliest_time(since: datetime | None, rows: Iterable[RecordedPurchase]) -> datetime | None:
    """Return the earliest of the time given and those at which the purchases' lines begin."""
    starts = [row.purchase.bill.starts_at for row in rows if row.purchase.bill is not None]
    return min((one for one in (since, *starts) if one is not None), default=None)


def _is_of_family(row: RecordedPurchase, subscription_id: str, since: datetime) -> bool:
    bill = row.purchase.bill
    if bill is None or bill.subscription_id != subscription_id or bill.ends_at is None:
        return False
    return bill.ends_at >= since
