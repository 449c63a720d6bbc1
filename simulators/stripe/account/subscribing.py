"""New subscriptions and their items, and the drafts of what they are billed."""

from collections.abc import Mapping, Sequence

from simulators.stripe.account.books import Books
from simulators.stripe.account.collecting import StripeCollecting
from simulators.stripe.account.coupons import new_discount
from simulators.stripe.account.invoice_items import item_line, pending_items
from simulators.stripe.account.prices import DAY, seconds_of
from simulators.stripe.account.prorations import discount_in_force, period_line
from simulators.stripe.account.subscription_shapes import Terms, subscription, subscription_item
from simulators.stripe.objects import Object
from simulators.stripe.requests.refusals import invalid


def new_subscription(
    books: Books,
    customer: str,
    items: Sequence[tuple[str, int]],
    *,
    metadata: Mapping[str, str] | None = None,
    trial_days: int = 0,
    coupon: str | None = None,
    terms: Terms | None = None,
) -> Object:
    """Return a subscription to prices, each so many times, that is neither reported nor charged yet.

    :raises Refusal: if there is no such price or coupon, or the prices can't be of one subscription.
    """
    made, now = [new_item(books, price_id, quantity) for price_id, quantity in items], books.now()
    refuse_mixed(made)
    price = made[0]["_price"]
    trial_ends = now + trial_days * DAY if trial_days else None
    found = subscription(
        books.new_id("sub_"),
        created=now,
        terms=terms or Terms(),
        trial_ends=trial_ends,
        currency=price["currency"],
        customer=customer,
        metadata=dict(metadata or {}),
        _items=made,
        _period=[now, trial_ends or now + seconds_of(price)],
    )
    set_discount(books, found, coupon)
    books.keep(found)
    return found


def new_item(books: Books, price_id: str, quantity: int) -> Object:
    """Return an item that a subscription may have.

    :raises Refusal: if there is no such price.
    """
    price = books.kept("price", price_id)
    return subscription_item(books.new_id("si_"), price, quantity, created=books.now())


def refuse_mixed(items: Sequence[Object]) -> None:
    """Check that items can be of one subscription.

    :raises Refusal: if there is none, a price is of one sale, or prices recur differently.
    """
    if not items:
        raise invalid("Missing required param: items.", "items", code="parameter_missing")
    for index, item in enumerate(items):
        if not item["_price"]["recurring"]:
            raise invalid("The price specified is set to `type=one_time`.", f"items[{index}][price]")
    if len({(item["_price"]["currency"], seconds_of(item["_price"])) for item in items}) > 1:
        raise invalid("The prices of a subscription must have the same currency and recur alike.", "items")


def set_discount(books: Books, found: Object, coupon: str | None) -> None:
    """Let a coupon be in force on a subscription from now on, or none.

    :raises Refusal: if there is no such coupon.
    """
    kept = books.kept("coupon", coupon) if coupon else None
    made = new_discount(books, kept, customer=found["customer"], subscription=found["id"]) if kept else None
    found["_discount"] = made


def draft_period(
    books: Books, collecting: StripeCollecting, found: Object, reason: str, *, is_reported: bool = False
) -> Object:
    """Return the draft of a subscription's present period, and of what is still to be prorated."""
    lines = [period_line(books, found, item) for item in found["_items"]]
    return _draft(books, collecting, found, reason, lines, is_reported=is_reported)


def draft_pending(books: Books, collecting: StripeCollecting, found: Object, reason: str) -> Object:
    """Return the draft of what is still to be prorated alone."""
    return _draft(books, collecting, found, reason, [], is_reported=False)


def _draft(
    books: Books, collecting: StripeCollecting, found: Object, reason: str, lines: list[Object], *, is_reported: bool
) -> Object:
    pending, found["_pending"] = found["_pending"], []
    discount = discount_in_force(books, found)
    items = [one for one in pending_items(books, found["customer"]) if one["currency"] == found["currency"]]
    bill = collecting.draft(
        [*pending, *(item_line(books, one, discount) for one in items), *lines],
        found["currency"],
        reason=reason,
        is_reported=is_reported,
        is_taxed=found["_is_taxed"],
        collection_method=found["collection_method"],
        customer=found["customer"],
        discounts=[discount["id"]] if discount else [],
        _days_until_due=found["days_until_due"],
        _discount=discount,
        _subscription=found["id"],
        _subscription_metadata=dict(found["metadata"]),
    )
    found["latest_invoice"] = bill["id"]
    is_charged = any(one["amount"] > 0 for one in lines)
    # A coupon for once is used up by the first period that it takes something off.
    if discount is not None and is_charged and discount["_coupon"]["duration"] == "once":
        found["_discount"] = None
    return bill
