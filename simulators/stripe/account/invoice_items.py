"""Invoice items of a simulated Stripe account: what waits for a customer's next invoice, a setup fee, say."""

from collections.abc import Mapping

from simulators.stripe.account.books import Books
from simulators.stripe.account.coupons import taken_off
from simulators.stripe.account.lines import line
from simulators.stripe.account.prices import new_price, new_product
from simulators.stripe.objects import Object


def add_item(
    books: Books,
    customer_id: str,
    amount: int,
    currency: str = "usd",
    *,
    description: str | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Object:
    """Return an item for a customer's next invoice, with its event.

    :raises Refusal: if there is no such customer.
    """
    now = books.now()
    made: Object = {
        "id": books.new_id("ii_"),
        "object": "invoiceitem",
        "amount": amount,
        "currency": currency,
        "customer": books.kept("customer", customer_id)["id"],
        "date": now,
        "created": now,
        "description": description,
        "discountable": True,
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "metadata": dict(metadata or {}),
        "parent": None,
        "period": {"start": now, "end": now},
        "proration": False,
        "quantity": 1,
    }
    books.keep(made)
    books.report("invoiceitem.created", made)
    return made


def pending_items(books: Books, customer_id: str) -> list[Object]:
    """Return the items that wait for a customer's next invoice."""
    items = books.all_kept("invoiceitem")
    return [one for one in items if one["customer"] == customer_id and one["invoice"] is None]


def item_line(books: Books, item: Object, discount: Object | None = None) -> Object:
    """Return the line of an item, at a price of its own."""
    product = new_product(books, item["description"])
    price = new_price(books, item["amount"], item["currency"], product=product["id"], recurring=None)
    made = line(
        books.new_id("il_"),
        item["amount"],
        start=books.now(),
        end=books.now(),
        description=item["description"],
        metadata=dict(item["metadata"]),
        _invoice_item=item,
        _price=price,
    )
    if discount is not None:
        off = taken_off(item["amount"], discount)
        made["discount_amounts"] = [{"amount": off, "discount": discount["id"]}]
    return made
