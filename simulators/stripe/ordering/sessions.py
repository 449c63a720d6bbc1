"""New checkout sessions, as orders ask for them."""

from simulators.stripe.objects import Object, checkout_session, customer_details
from simulators.stripe.ordering.carts import Cart
from simulators.stripe.ordering.orders import Order


def new_session(order: Order, session_id: str, page: str, created: int, buyer: Object | None = None) -> Object:
    """Return the session of an order, for a known customer if there is one; an embedded one has no page of its own."""
    return checkout_session(
        session_id,
        created=created,
        client_secret=f"{session_id}_secret_simulated" if order.options.is_embedded else None,
        url=None if order.options.is_embedded else page,
        mode=order.mode,
        currency=order.currency,
        success_url=order.success_url or None,
        cancel_url=order.cancel_url,
        client_reference_id=order.client_reference_id,
        customer=order.customer,
        customer_creation="if_required" if order.mode == "payment" and buyer is None else None,
        customer_details=customer_details(buyer["email"]) if buyer is not None else None,
        customer_email=order.customer_email,
        saved_payment_method_options=order.saved_methods,
        allow_promotion_codes=order.allow_promotion_codes,
        invoice_creation={"enabled": order.creates_invoice} if order.mode == "payment" else None,
        metadata=dict(order.metadata),
        payment_method_types=list(order.method_types),
        **order.options.shown,
    )


def new_cart(order: Order, items: list[tuple[Object, int]]) -> Cart:
    """Return what the session of an order sells, at these prices, each so many times."""
    limits = order.items[0].limits if order.items else None
    return Cart(items=items, limits=limits, is_taxed=order.options.is_taxed)
