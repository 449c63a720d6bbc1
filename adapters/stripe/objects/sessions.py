"""Translates a Stripe Checkout session into a sale report, in any API version since 2017."""

from datetime import datetime

from adapters.stripe.objects import fields
from adapters.stripe.objects.fields import Object, UnreadableField
from domain.payments.purchases import Link, PaymentStatus, Purchase, PurchaseId
from domain.payments.reports import Irrelevant, ProviderReport, SaleReport, SubscriptionReport
from domain.payments.subscriptions import SubscriptionId
from domain.values.money import Money
from domain.values.plans import PlanMode

COMPLETED = "checkout.session.completed"
_STATUS_BY_EVENT = {
    "checkout.session.async_payment_succeeded": PaymentStatus.PAID,
    "checkout.session.async_payment_failed": PaymentStatus.FAILED,
    "checkout.session.expired": PaymentStatus.UNPAID,
}
_OVER = frozenset(event for event, status in _STATUS_BY_EVENT.items() if status is not PaymentStatus.PAID)
SALE_EVENTS = frozenset({COMPLETED, *_STATUS_BY_EVENT})
"""The event types whose object is a session."""

_BEGINS = frozenset({COMPLETED, "checkout.session.async_payment_succeeded"})
_PAID = frozenset({"paid", "no_payment_required"})


def read_session(
    session: Object, occurred_at: datetime | None, *, event_type: str | None = None, claimed: bool = False
) -> ProviderReport:
    """Return the report of a `checkout.session` object; `event_type` is None for one that was fetched.

    `occurred_at` is when the event was created or the object fetched. `claimed` is for a session that an operator
    declares to be ours.

    :raises UnreadableField: if its structure is unknown.
    """
    if session.get("mode") == "setup":
        return Irrelevant("a setup session sells nothing")
    metadata, reference = fields.metadata(session), fields.client_reference(session)
    if not claimed and not fields.is_ours(metadata) and reference is None:
        return Irrelevant("no metadata from Credence")
    if _mode(session) is PlanMode.SUBSCRIPTION:
        return _subscribed(session, occurred_at, event_type)
    session_id = fields.own_id(session)
    related = {key: fields.reference(session, key) for key in ("payment_intent", "invoice")}
    return SaleReport(
        purchase_id=PurchaseId(related["payment_intent"] or session_id),
        session_id=session_id,
        links=frozenset(Link(f"{kind}:{id_}") for kind, id_ in (("session", session_id), *related.items()) if id_),
        mode=PlanMode.PAYMENT,
        facts=_payment(session, occurred_at, event_type),
        subtotal=_subtotal(session),
        paid=fields.money(session, "amount_total"),
        attribution=fields.attribution(metadata, client_reference=reference),
        sold_at=fields.moment(session.get("created")),
        is_over=event_type in _OVER,
    )


def _subscribed(session: Object, occurred_at: datetime | None, event_type: str | None) -> ProviderReport:
    subscription_id = fields.reference(session, "subscription")
    if event_type is not None and (event_type not in _BEGINS or subscription_id is None):
        return Irrelevant("no subscription began")
    return SubscriptionReport(
        # An open session has none yet. It is reported all the same: the caller that retrieved it needs its owner.
        subscription_id=SubscriptionId(subscription_id or fields.own_id(session)),
        attribution=fields.attribution(fields.metadata(session), client_reference=fields.client_reference(session)),
        session_id=fields.own_id(session),
        occurred_at=fields.reported_at(occurred_at),
    )


def _mode(session: Object) -> PlanMode:
    for mode in PlanMode:
        if session.get("mode") == mode.value:
            return mode
    raise UnreadableField("mode is missing or unknown")


def _payment(session: Object, occurred_at: datetime | None, event_type: str | None) -> Purchase:
    """Return the payment's status and, if it succeeded, its time."""
    status = _status(session, event_type)
    intent = fields.expanded(session, "payment_intent")
    charged_at = fields.moment(fields.expanded(intent, "latest_charge").get("created"))
    paid_at = charged_at or (occurred_at if event_type is not None else None)
    return Purchase(payment=status, paid_at=paid_at if status is PaymentStatus.PAID else None)


def _status(session: Object, event_type: str | None) -> PaymentStatus:
    if event_type in _STATUS_BY_EVENT:
        return _STATUS_BY_EVENT[event_type]
    status = session.get("payment_status")
    if event_type is None and session.get("status") in ("open", "expired"):
        # A free order says `no_payment_required` even before, or without, the customer's confirming it.
        return PaymentStatus.UNPAID
    if event_type is not None and not isinstance(status, str):
        raise UnreadableField("payment_status is missing or not a string")
    return PaymentStatus.PAID if isinstance(status, str) and status in _PAID else PaymentStatus.UNPAID


def _subtotal(session: Object) -> Money:
    # Adaptive Pricing before API 2025-03-31: the session is in the buyer's currency, the price in here.
    conversion = session.get("currency_conversion")
    if conversion is None:
        return fields.money(session, "amount_subtotal")
    if not isinstance(conversion, dict):
        raise UnreadableField("currency_conversion is not an object")
    return fields.money(conversion, "amount_subtotal", "source_currency", within="currency_conversion.")
