"""Changes of subscriptions between renewals: another price or quantity, more or fewer items, another period."""

from collections.abc import Mapping, Sequence

from simulators.stripe.account.books import Books
from simulators.stripe.account.collecting import StripeCollecting
from simulators.stripe.account.prices import seconds_of
from simulators.stripe.account.prorations import rest_of_period, unused_time
from simulators.stripe.account.subscribing import draft_pending, draft_period, new_item, refuse_mixed
from simulators.stripe.objects import Object
from simulators.stripe.requests.refusals import missing


def switch(
    books: Books,
    collecting: StripeCollecting,
    found: Object,
    *,
    item: str | None,
    price: str | None,
    quantity: int | None,
    remove: bool,
    add: Sequence[tuple[str, int]],
    metadata: Mapping[str, str] | None,
    prorate: bool,
    invoice_now: bool,
    new_period: bool,
    prorated_at: int | None = None,
    renews: bool = False,
) -> list[Object]:
    """Change one item of a subscription, the first if none is named, and add others; returns the events.

    Prorations are those of a change at `prorated_at`, else of one now. With `renews` it no longer ends with its period.

    :raises Refusal: if there is no such item or price, or the items can't be of one subscription.
    """
    changes = remove or price is not None or quantity is not None
    old = [_item(found, item)] if changes else []
    added = [new_item(books, price_id, count) for price_id, count in add]
    after = {**old[0], **_changed(books, price, quantity)} if changes else {}
    kept = [after if one in old else one for one in found["_items"] if not (remove and one in old)]
    refuse_mixed([*kept, *added])
    length, is_trial = seconds_of((kept or added)[0]["_price"]), found["status"] == "trialing"
    # Another length of period can't fit into the present one: Stripe begins one anew.
    at = books.now() if prorated_at is None else prorated_at
    begins = new_period or length != seconds_of(found["_items"][0]["_price"])
    if prorate:
        found["_pending"] += unused_time(books, found, found["_items"] if begins else old, at=at)
    found["_items"] = [*kept, *added]
    found["metadata"] |= metadata or {}
    if renews:
        found |= {"cancel_at_period_end": False, "cancel_at": None}
    if begins:
        now = books.now()
        found |= {"billing_cycle_anchor": now, "_period": [now, now + length]}
        found["status"] = "active" if is_trial else found["status"]
    events = [books.report("customer.subscription.updated", found)]
    if begins:
        return events + collecting.collect(draft_period(books, collecting, found, "subscription_update"))
    if prorate and not is_trial:
        new = [one for one in found["_items"] if one in added or one is after]
        found["_pending"] += [rest_of_period(books, found, one, at=at) for one in new]
    if invoice_now and found["_pending"]:
        events += collecting.collect(draft_pending(books, collecting, found, "subscription_update"))
    return events


def _item(found: Object, wanted: str | None) -> Object:
    items: list[Object] = found["_items"]
    item = next((one for one in items if wanted in (None, one["id"])), None)
    if item is None:
        raise missing("subscription_item", str(wanted))
    return item


def _changed(books: Books, price: str | None, quantity: int | None) -> Object:
    fields: Object = {}
    if price is not None:
        fields["_price"] = books.kept("price", price)
    if quantity is not None:
        fields["quantity"] = quantity
    return fields
