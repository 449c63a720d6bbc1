"""Cards that customers saved: how they are listed, and whose they are."""

from collections.abc import Mapping
from typing import Any

from simulators.stripe.account.books import Books
from simulators.stripe.objects import Object
from simulators.stripe.requests.lists import page
from simulators.stripe.requests.parameters import text
from simulators.stripe.requests.refusals import invalid


def methods_of(books: Books, customer_id: str, parameters: Mapping[str, Any], version: str) -> Object:
    """Return a page of the payment methods that are attached to a customer, newest first.

    :raises Refusal: if there is no such customer.
    """
    customer = books.kept("customer", customer_id)
    attached = [one for one in books.all_kept("payment_method") if one["customer"] == customer["id"]]
    url = f"/v1/customers/{customer_id}/payment_methods"
    found = page(attached, url, parameters, filters=("allow_redisplay", "type"))
    return found | {"data": [books.shown(one, version) for one in found["data"]]}


def refuse_others(method: Object, customer_id: str | None) -> None:
    """Check that a payment method is nobody's, or that customer's.

    :raises Refusal: if it is another's.
    """
    if method["customer"] not in (None, customer_id):
        message = (
            f"The customer does not have a payment method with the ID {method['id']}. The payment method must belong to"
            " the customer."
        )
        raise invalid(message, "payment_method")


def is_off_session(parameters: Mapping[str, Any], *, confirms: bool) -> bool:
    """Return whether the customer is away from a payment.

    :raises Refusal: if it is not confirmed at once.
    """
    given = text(parameters, "off_session")
    if given not in (None, "true", "false", "one_off", "recurring"):
        raise invalid(f"Invalid off_session: {given[:40] if given else given}", "off_session")
    if given in (None, "false"):
        return False
    if not confirms:
        raise invalid("You cannot set `off_session` unless `confirm` is `true`.", "off_session")
    return True
