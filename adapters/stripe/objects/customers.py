"""Translates what happened to a Stripe customer."""

from adapters.stripe.objects import fields
from adapters.stripe.objects.fields import USER_ID_KEY, Object
from domain.payments.reports import CustomerDeleted, Irrelevant, ProviderReport
from domain.values.customers import CustomerId

CUSTOMER_EVENTS = frozenset({"customer.deleted"})


def read_customer(customer: Object) -> ProviderReport:
    """Return the report of a `customer` object that was deleted.

    :raises UnreadableField: if its structure is unknown.
    """
    if not fields.is_present(fields.metadata(customer).get(USER_ID_KEY)):
        return Irrelevant("no metadata from Credence")
    return CustomerDeleted(CustomerId(fields.own_id(customer)))
