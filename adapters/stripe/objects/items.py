"""The items of a Stripe Checkout session, as its line items show them."""

from collections.abc import Iterable
from fractions import Fraction

from adapters.stripe.objects import fields
from adapters.stripe.objects.fields import Object, UnreadableField
from adapters.stripe.objects.prices import decimal, read_price
from domain.payments.reports import Price, SaleItem


def read_items(items: Iterable[Object]) -> tuple[SaleItem, ...]:
    """Return the items that were sold.

    :raises UnreadableField: if an item's structure is unknown.
    """
    return tuple(map(_item, items))


def _item(item: Object) -> SaleItem:
    price, quantity = fields.expanded(item, "price"), decimal(item, "quantity")
    if quantity is not None and quantity < 0:
        raise UnreadableField("quantity is negative")
    return SaleItem(
        id=fields.own_id(item),
        price=read_price(price) if price else Price(id=fields.reference(item, "price")),
        quantity=Fraction(1) if quantity is None else quantity,
        amount=fields.amount(item, "amount_subtotal"),
        currency=fields.currency(item),
    )
