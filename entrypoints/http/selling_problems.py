"""Maps each refusal of what sells to a status, a stable name and what to do."""

from collections.abc import Mapping
from http import HTTPStatus

from domain.decisions.quotes import AmountIsFixed, AmountRefused, CurrencyRefused, QuantityRefused
from domain.ports.portal import PortalNotSetUp
from domain.ports.subscription_changes import ChangeDeclined, ChangeRefused
from domain.usecases.selling.change_subscription import ChangeKeyExpired, ChangeKeyReused
from domain.usecases.selling.charge import NoPack
from domain.usecases.selling.foresight import Unforeseeable
from domain.usecases.selling.plan_changes import (
    AlreadyOnPlan,
    CostsMore,
    CurrencyDiffers,
    NotASubscription,
    NotAtPeriodEnd,
    PreviewExpired,
    PriceChanged,
    SeveralItems,
)
from domain.usecases.selling.present_period import PriceNotBilled
from domain.usecases.selling.read_subscriptions import (
    NoSubscription,
    PaymentDue,
    SeveralSubscriptions,
    UnknownSubscription,
)
from domain.usecases.selling.sellable_plans import AlreadySubscribed, HasSubscription, UnknownPlan

SELLING_REFUSALS: Mapping[type[Exception], tuple[HTTPStatus, str, str]] = {
    UnknownPlan: (HTTPStatus.NOT_FOUND, "unknown-plan", "No such plan is for sale; GET /plans lists them."),
    QuantityRefused: (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "invalid-quantity",
        "The quantity of this plan must be between {0.least} and {0.most}.",
    ),
    AmountRefused: (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "invalid-amount",
        "The buyer chooses the amount of this plan: it must be between {0.least} and {0.most} minor units of "
        "{0.currency}.",
    ),
    AmountIsFixed: (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "invalid-amount",
        "This plan has a fixed price; leave the amount out.",
    ),
    CurrencyRefused: (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "invalid-currency",
        "This plan is not sold in that currency; it is in {0.listed}. GET /plans lists its prices.",
    ),
    NoPack: (
        HTTPStatus.CONFLICT,
        "not-a-pack",
        "A saved card can be charged for one pack of a fixed price, without automatic tax. Start a checkout instead.",
    ),
    PortalNotSetUp: (HTTPStatus.CONFLICT, "portal-not-set-up", "The operator has not set up the portal at Stripe."),
    AlreadySubscribed: (HTTPStatus.CONFLICT, "already-subscribed", "The account already has this free plan."),
    HasSubscription: (
        HTTPStatus.CONFLICT,
        "subscription-exists",
        "The account has subscription {0.subscription_id}. POST /subscription/change changes its plan.",
    ),
    NoSubscription: (
        HTTPStatus.CONFLICT,
        "no-subscription",
        "The account has no live subscription; POST /checkout/sessions starts one.",
    ),
    UnknownSubscription: (
        HTTPStatus.NOT_FOUND,
        "unknown-subscription",
        "The account has no such live subscription; GET /subscription lists them.",
    ),
    SeveralSubscriptions: (
        HTTPStatus.CONFLICT,
        "several-subscriptions",
        "The account has several subscriptions; name one of them in `subscription`. GET /subscription lists them.",
    ),
    NotASubscription: (
        HTTPStatus.CONFLICT,
        "not-a-subscription",
        "The plan is a one-time pack; POST /checkout/sessions sells it.",
    ),
    AlreadyOnPlan: (HTTPStatus.CONFLICT, "already-on-plan", "The subscription is on this plan already."),
    NotAtPeriodEnd: (
        HTTPStatus.CONFLICT,
        "not-at-period-end",
        "A period of the plan lasts a {0.interval}, another time than the present one, so it begins with the change. "
        "Change now, or cancel at the period's end and subscribe again.",
    ),
    CostsMore: (
        HTTPStatus.CONFLICT,
        "not-at-period-end",
        "The plan costs more than the present period did, so it begins with the change. Change now.",
    ),
    CurrencyDiffers: (
        HTTPStatus.CONFLICT,
        "currency-differs",
        "The subscription is billed in {0.currency}, and the plan is not sold in it. Cancel, and subscribe again.",
    ),
    SeveralItems: (
        HTTPStatus.CONFLICT,
        "several-items",
        "The subscription has several items that may be of plans; change it in Stripe's Dashboard.",
    ),
    PaymentDue: (
        HTTPStatus.CONFLICT,
        "payment-due",
        "An invoice of the subscription is not paid, so its unused time cannot be given back. Pay it first; a renewal "
        "is charged about an hour after it began.",
    ),
    PreviewExpired: (
        HTTPStatus.CONFLICT,
        "preview-expired",
        "proration_date must be that of a change now which was previewed at most 15 minutes ago, and after the "
        "subscription's latest invoice; preview it again.",
    ),
    PriceChanged: (
        HTTPStatus.CONFLICT,
        "preview-expired",
        "The price is not the one that was previewed; preview the change again.",
    ),
    PriceNotBilled: (
        HTTPStatus.CONFLICT,
        "change-pending",
        "The subscription changes its price with the next period, so unused time cannot be given back now. Change "
        "back to the plan that was paid, at the period's end, or wait for that period.",
    ),
    Unforeseeable: (
        HTTPStatus.CONFLICT,
        "credits-unknown",
        "The invoice of this change would be parked ({0.reason}), so its credits are not known before.",
    ),
    ChangeDeclined: (
        HTTPStatus.PAYMENT_REQUIRED,
        "payment-declined",
        "The payment was declined ({0.code}): {0.effect}. Use another card and a new Idempotency-Key.",
    ),
    ChangeRefused: (
        HTTPStatus.CONFLICT,
        "change-refused",
        "Stripe refuses this change, so {0.effect}: {0.reason}",
    ),
    ChangeKeyReused: (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "key-reused",
        "The Idempotency-Key was already used for a different request. Use a new key.",
    ),
    ChangeKeyExpired: (
        HTTPStatus.CONFLICT,
        "key-expired",
        "The change of this Idempotency-Key does not stand, and the subscription was changed or billed since, or a "
        "day has passed. Use a new key.",
    ),
}
"""The status, the stable name and the detail of each refusal; the detail is formatted with the exception's fields."""
