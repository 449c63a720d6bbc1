"""Purchases in memory: which there are, whom their links lead to, and which proved to be one payment."""

from collections.abc import Iterable, Iterator

import attrs

from domain.accounts import UserId
from domain.commits import PurchaseRevision, RecordedPurchase
from domain.explanations import PurchaseRecord
from domain.ledger import EntryKind, Lapse, LedgerEntry, Posted
from domain.purchases import Link, PurchaseId


class MemoryPurchases:
    """The purchases of every account; each method is one indivisible step."""

    def __init__(self) -> None:
        self._rows: dict[PurchaseId, RecordedPurchase] = {}
        self._merged: dict[PurchaseId, PurchaseId] = {}
        self._owners: dict[Link, PurchaseId] = {}

    def reached(self, links: Iterable[Link]) -> tuple[RecordedPurchase, ...]:
        """The purchases that the links lead to, without what stands posted for them."""
        ids = sorted({self._owners[link] for link in links if link in self._owners})
        return tuple(self._rows[known] for known in ids)

    def revision(self, purchase_id: PurchaseId) -> int:
        """The purchase's revision; 0 for one that is not recorded yet."""
        known = self._rows.get(purchase_id)
        return known.revision if known else 0

    def leads_elsewhere(self, revision: PurchaseRevision) -> bool:
        """Whether a link of the purchase belongs to one that it does not absorb."""
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
        """The purchase and those that were merged into it."""
        own = () if purchase_id is None else (purchase_id,)
        return frozenset((*own, *(other for other, into in self._merged.items() if into == purchase_id)))

    def links_of(self, users: Iterable[UserId]) -> frozenset[Link]:
        """Every link of purchases that the users own."""
        owners = frozenset(users)
        owned = ((row.purchase.order, row.purchase.links) for row in self._rows.values())
        return frozenset(link for order, links in owned if order and order.user_id in owners for link in links)

    def records(self, user_id: UserId, entries: Iterable[LedgerEntry]) -> Iterator[PurchaseRecord]:
        """The purchases that the user owns, or that one of the entries is of."""
        behind = {
            self._goes_on(entry.posting.purchase_id) for entry in entries if entry.posting.purchase_id is not None
        }
        behind |= {
            self._goes_on(known.id)
            for known in self._rows.values()
            if known.purchase.order is not None and known.purchase.order.user_id == user_id
        }
        for known in self._rows:
            if known in behind:
                merged = tuple(sorted(self.one_payment(known) - {known}))
                yield PurchaseRecord(id=known, purchase=self._rows[known].purchase, merged=merged)

    def posted(self, purchase_id: PurchaseId, entries: Iterable[LedgerEntry]) -> Posted:
        """What the entries posted for the purchase and for those merged into it, and what expired of it."""
        posted: dict[UserId, int] = {}
        lapsed: dict[UserId, Lapse] = {}
        for entry in entries:
            posting = entry.posting
            if posting.purchase_id is None or self._goes_on(posting.purchase_id) != purchase_id:
                continue
            stands = posted.setdefault(posting.user_id, 0)
            if posting.kind is EntryKind.EXPIRY:
                gone = lapsed[posting.user_id].credits if posting.user_id in lapsed else 0
                lapsed[posting.user_id] = Lapse(credits=gone - posting.amount, stood=stands)
            else:
                posted[posting.user_id] = stands + posting.amount
        return Posted(posted, lapsed)

    def _goes_on(self, purchase_id: PurchaseId) -> PurchaseId:
        return self._merged.get(purchase_id, purchase_id)
