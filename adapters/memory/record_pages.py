"""Pages of an account's record in memory, as `account_record()` returns them."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import attrs

from domain.credits.records import NEWEST, AccountRecord, GrantRecord, PurchaseRecord, RecordPlace

T = TypeVar("T")


def page_of(record: AccountRecord, place: RecordPlace, limit: int) -> AccountRecord:
    """Return the page of a whole record that begins at a place."""
    entries, more_entries = _before(record.entries, lambda entry: entry.version, place.entry, limit)
    holds, more_holds = _before(record.holds, lambda hold: hold.id, place.hold, limit)
    every = [known for known in record.purchases if (o := known.purchase.order) and o.user_id == record.user_id]
    owned, more_owned = _before(every, lambda known: known.id, place.purchase, limit)
    following = RecordPlace(
        entry=entries[0].version if entries else place.entry,
        hold=holds[0].id if holds else place.hold,
        purchase=owned[0].id if owned else place.purchase,
    )
    behind = {entry.posting.purchase_id for entry in entries}
    kept = [known for known in record.purchases if known in owned or behind & {known.id, *known.merged}]
    family = [known for known in record.purchases if known not in kept and _bears_on(known, kept)]
    shown = [known for known in record.purchases if known in kept or (known in family and not known.purchase.order)]
    return attrs.evolve(
        record,
        entries=tuple(entries),
        holds=tuple(holds),
        purchases=tuple(shown),
        family=tuple(known.purchase for known in family if known not in shown),
        grants=tuple(_grants(record, {entry.version for entry in entries}, limit if place == NEWEST else 0)),
        following=following if more_entries or more_holds or more_owned else None,
    )


def _before(items: Sequence[T], key: Callable[[T], object], place: object, limit: int) -> tuple[Sequence[T], bool]:
    """Return the newest of the items, which are oldest first, before a place, and whether there are older ones."""
    end = len(items) if place is None else next((at for at, one in enumerate(items) if key(one) == place), 0)
    return items[max(0, end - limit) : end], end > limit


def _bears_on(known: PurchaseRecord, kept: Sequence[PurchaseRecord]) -> bool:
    """Return whether it is an invoice of a kept one's subscription, for times that meet."""
    bill = known.purchase.bill
    if bill is None or bill.starts_at is None or bill.ends_at is None:
        return False
    return any(
        other.starts_at <= bill.ends_at and bill.starts_at <= other.ends_at
        for one in kept
        if (other := one.purchase.bill) and other.subscription_id == bill.subscription_id
        if other.starts_at is not None and other.ends_at is not None
    )


def _grants(record: AccountRecord, versions: set[int], most_live: int) -> list[GrantRecord]:
    entries = {entry.version: entry for entry in record.entries}
    purchases = {id_: known.purchase for known in record.purchases for id_ in (known.id, *known.merged)}
    live = [known for known in record.grants if known.grant.is_live]
    found = []
    for known in record.grants:
        puts = tuple(version for version in known.puts if version in versions)
        draws = tuple(draw for draw in known.draws if draw.version in versions)
        if puts or draws or known in live[max(0, len(live) - most_live) :]:
            bought = purchases.get(known.grant.purchase_id) if known.grant.purchase_id is not None else None
            order = bought.order if bought is not None else None
            found.append(
                GrantRecord(
                    grant=known.grant,
                    plan_id=order.plan_id if order is not None else None,
                    made_by=entries.get(known.puts[0]) if known.puts else None,
                    puts=puts,
                    draws=draws,
                )
            )
    return found
