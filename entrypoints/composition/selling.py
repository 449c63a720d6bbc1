"""Builds the use cases of selling: customers and the portal."""

from adapters.stripe.customers import StripeCustomers
from adapters.stripe.lookup import StripeLookup
from adapters.stripe.portal import StripePortal
from domain.usecases.selling.adopt_customers import CustomerAdopter
from domain.usecases.selling.customers import CustomerService
from domain.usecases.selling.examine_portal import PortalExaminer
from domain.usecases.selling.open_portal import PortalService
from domain.usecases.selling.push_portal import PortalPusher
from entrypoints.composition.parts import Parts
from entrypoints.telemetry.customers import CustomerLog


def customers(parts: Parts) -> CustomerService:
    """Return what knows the customer of each account."""
    return CustomerService(
        links=parts.ledger.customers,
        customers=StripeCustomers(parts.stripe.patient),
        accounts=parts.ledger.sql,
        watch=CustomerLog(),
    )


def adopter(parts: Parts) -> CustomerAdopter:
    """Return what adopts customers from before."""
    return CustomerAdopter(
        links=parts.ledger.customers, customers=StripeCustomers(parts.stripe.patient), audit=parts.ledger.audit
    )


def portal(parts: Parts) -> PortalService:
    """Return what opens the portal."""
    portal = StripePortal(parts.stripe.patient)
    return PortalService(
        pages=portal,
        configurations=portal,
        customers=customers(parts),
        accounts=parts.ledger.sql,
        return_url=parts.settings.portal_return_url,
    )


def portal_pusher(parts: Parts) -> PortalPusher:
    """Return what pushes the portal's configuration."""
    return PortalPusher(
        configurations=StripePortal(parts.stripe.patient),
        links=parts.ledger.customers,
        return_url=parts.settings.portal_return_url,
    )


def portal_examiner(parts: Parts) -> PortalExaminer:
    """Return what examines the portal's configuration."""
    return PortalExaminer(
        configurations=StripePortal(parts.stripe.patient),
        ledger=parts.ledger.commits,
        links=parts.ledger.customers,
        payments=StripeLookup(parts.stripe.patient),
        catalogue=parts.catalogue,
    )
