"""Writes a checkout's parameters. Its metadata says who buys what, so that webhooks need no state on our side."""

from typing import TYPE_CHECKING, Any, cast

from adapters.stripe.objects.fields import EMAIL_KEY, PLAN_KEY, SESSION_KEY, TERMS_KEY, USER_ID_KEY, terms_text
from domain.ports.payment_provider import CheckoutRequest
from domain.values.plans import PlanMode

if TYPE_CHECKING:
    from stripe.params.checkout import SessionCreateParams


def parameters_of(request: CheckoutRequest) -> "SessionCreateParams":
    """Return the parameters of the request's session."""
    plan = request.plan
    metadata = {USER_ID_KEY: request.user_id, PLAN_KEY: plan.id, TERMS_KEY: terms_text(plan.terms)}
    if request.email:
        metadata[EMAIL_KEY] = request.email
    price: dict[str, Any] = {
        "currency": plan.terms.price.currency,
        "unit_amount": plan.terms.price.amount,
        "product_data": {"name": plan.name},
    }
    parameters: dict[str, Any] = {
        "mode": plan.mode.value,
        "line_items": [{"quantity": 1, "price_data": price}],
        "success_url": request.pages.success_url,
        "cancel_url": request.pages.cancel_url,
        "client_reference_id": request.user_id,
        "metadata": metadata,
    }
    if request.email:
        parameters["customer_email"] = request.email
    if plan.mode is PlanMode.PAYMENT:
        made = {**metadata, SESSION_KEY: "yes"}
        parameters["payment_intent_data"] = {"metadata": made}
        parameters["invoice_creation"] = {"enabled": True, "invoice_data": {"metadata": made}}
    else:
        price["recurring"] = {"interval": plan.interval}
        parameters["subscription_data"] = {"metadata": metadata}
    return cast("SessionCreateParams", parameters)
