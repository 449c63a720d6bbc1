"""Builds the use cases of selling: the catalogue at Stripe, customers, the portal, subscriptions and saved cards."""

from adapters.postgres.charges import SqlCharges
from adapters.postgres.price_book import SqlPriceBook
from adapters.stripe.customers import StripeCustomers
from adapters.stripe.lookup import StripeLookup
from adapters.stripe.portal import StripePortal
from adapters.stripe.products import StripeProducts
from adapters.stripe.saved_cards import StripeSavedCards
from adapters.stripe.subscription_changes import StripeSubscriptionChanges
from domain.usecases.record_payment import PaymentRecorder
from domain.usecases.selling.adopt_customers import CustomerAdopter
from domain.usecases.selling.cancel_subscription import SubscriptionCanceler
from domain.usecases.selling.change_subscription import SubscriptionChanger
from domain.usecases.selling.charge import ChargeService
from domain.usecases.selling.charge_attempts import ChargeAttempts
from domain.usecases.selling.customers import CustomerService
from domain.usecases.selling.examine_portal import PortalExaminer
from domain.usecases.selling.foresight import CreditsForeseer
from domain.usecases.selling.open_portal import PortalService
from domain.usecases.selling.plan_changes import PlanChanger
from domain.usecases.selling.push_plans import PlanPusher
from domain.usecases.selling.push_portal import PortalPusher
from domain.usecases.selling.read_subscriptions import SubscriptionReader
from entrypoints.composition.parts import Parts
from entrypoints.services import SubscriptionServices
from entrypoints.telemetry.customers import CustomerLog


def price_book(parts: Parts) -> SqlPriceBook:
    """Return the ledger's record of pushed prices."""
    return SqlPriceBook(parts.ledger.rpc)


def pusher(parts: Parts) -> PlanPusher:
    """Return what pushes the catalogue."""
    products = StripeProducts(parts.stripe.patient)
    return PlanPusher(catalogue=parts.catalogue, provider=products, prices=price_book(parts))


def subscription_reader(parts: Parts) -> SubscriptionReader:
    """Return what reads the subscriptions of accounts."""
    provider = StripeSubscriptionChanges(parts.stripe.patient)
    return SubscriptionReader(accounts=parts.ledger.sql, subscriptions=parts.ledger.sql, provider=provider)


def subscriptions(parts: Parts, recorder: PaymentRecorder) -> SubscriptionServices:
    """Return the use cases of what accounts subscribe to."""
    reader, ledger = subscription_reader(parts), parts.ledger.commits
    provider, foreseer = reader.provider, CreditsForeseer(accounts=parts.ledger.sql, recorder=recorder)
    return SubscriptionServices(
        reader=reader,
        changer=SubscriptionChanger(
            plan_changer=_plan_changer(parts, reader),
            provider=provider,
            ledger=ledger,
            requests=parts.ledger.sql,
            foreseer=foreseer,
        ),
        canceler=SubscriptionCanceler(reader=reader, provider=provider, foreseer=foreseer),
    )


def _plan_changer(parts: Parts, reader: SubscriptionReader) -> PlanChanger:
    return PlanChanger(
        reader=reader,
        provider=reader.provider,
        ledger=parts.ledger.commits,
        catalogue=parts.catalogue,
        prices=price_book(parts),
    )


def charges(parts: Parts, recorder: PaymentRecorder) -> ChargeService:
    """Return what charges saved cards."""
    return ChargeService(
        records=SqlCharges(parts.ledger.rpc, parts.clock),
        attempts=charge_attempts(parts, recorder),
        accounts=parts.ledger.sql,
        catalogue=parts.catalogue,
    )


def charge_attempts(parts: Parts, recorder: PaymentRecorder) -> ChargeAttempts:
    """Return what takes charges to their end."""
    return ChargeAttempts(
        records=SqlCharges(parts.ledger.rpc, parts.clock),
        cards=StripeSavedCards(parts.stripe.patient, parts.clock),
        customers=customers(parts),
        accounts=parts.ledger.sql,
        recorder=recorder,
    )


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
