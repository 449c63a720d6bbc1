"""Whether a sale may become an order: the checks between what Stripe tells and what the ledger believes.

A sale that fails a check is parked with its reason, never dropped: money may stand behind it.
"""

import enum

import attrs

from domain.accounts import Account, InvalidUserId, UserId, parse_user_id
from domain.events import InboxEvent, Sale
from domain.plans import Catalogue, Plan, Terms
from domain.purchases import Order


class ParkReason(enum.StrEnum):
    """Why an event can't be applied yet."""

    LIVEMODE_DISAGREES = "livemode_disagrees"
    CONNECTED_ACCOUNT = "connected_account"
    NO_USER_NAMED = "no_user_named"
    USER_NOT_A_UUID = "user_not_a_uuid"
    UNKNOWN_USER = "unknown_user"
    EMAIL_DISAGREES = "email_disagrees"
    REFERENCE_UNCONFIRMED = "reference_unconfirmed"
    UNKNOWN_PLAN = "unknown_plan"
    MODE_DISAGREES = "mode_disagrees"
    CURRENCY_DISAGREES = "currency_disagrees"
    PRICE_DISAGREES = "price_disagrees"
    SEVERAL_PURCHASES = "several_purchases"
    UNREADABLE = "unreadable"


@attrs.frozen
class Refused:
    """A sale that may not become an order, for now."""

    reason: ParkReason


def foreign(event: InboxEvent, *, livemode: bool) -> ParkReason | None:
    """Why the event is not of our own account in the mode of our key, or None if it is."""
    if event.livemode is not livemode:
        return ParkReason.LIVEMODE_DISAGREES
    if event.account is not None:
        return ParkReason.CONNECTED_ACCOUNT
    return None


def owner_named(sale: Sale) -> UserId | ParkReason:
    """The user whom the sale's own metadata names, or why there is none."""
    if sale.user_reference is None:
        return ParkReason.NO_USER_NAMED if sale.client_reference is None else ParkReason.REFERENCE_UNCONFIRMED
    try:
        return parse_user_id(sale.user_reference)
    except InvalidUserId:
        return ParkReason.USER_NOT_A_UUID


def admit(sale: Sale, catalogue: Catalogue, account: Account | None) -> Order | Refused:
    """The order that the sale makes for the account that it names.

    Credits and price are those recorded when we created the session, else those of the catalogue.
    """
    owner = owner_named(sale)
    if isinstance(owner, ParkReason):
        return Refused(owner)
    if account is None or account.user_id != owner:
        return Refused(ParkReason.UNKNOWN_USER)
    if sale.email and account.email and sale.email.casefold() != account.email.casefold():
        return Refused(ParkReason.EMAIL_DISAGREES)
    plan = catalogue.find(sale.plan_id) if sale.plan_id is not None else None
    if plan is None:
        return Refused(ParkReason.UNKNOWN_PLAN)
    terms = sale.terms or plan.terms
    mismatch = _mismatch(sale, plan, terms)
    if mismatch is not None:
        return Refused(mismatch)
    return Order(
        user_id=owner,
        plan_id=plan.id,
        credits=terms.credits,
        amount=sale.paid.amount,
        currency=sale.paid.currency,
    )


def _mismatch(sale: Sale, plan: Plan, terms: Terms) -> ParkReason | None:
    if sale.mode is not plan.mode:
        return ParkReason.MODE_DISAGREES
    if sale.subtotal.currency != terms.price.currency:
        return ParkReason.CURRENCY_DISAGREES
    if sale.subtotal.amount != terms.price.amount:
        return ParkReason.PRICE_DISAGREES
    return None
