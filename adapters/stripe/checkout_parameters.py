"""Writes a checkout's parameters. Its metadata says who buys what, so that webhooks need no state on our side."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from adapters.stripe.objects.fields import EMAIL_KEY, PLAN_KEY, SESSION_KEY, TERMS_KEY, USER_ID_KEY, terms_text
from adapters.stripe.price_parameters import terms_of
from domain.ports.payment_provider import CheckoutRequest
from domain.values.checkout_options import TaxIds, Ui
from domain.values.plans import PlanMode
from domain.values.prices import PlanPrice

if TYPE_CHECKING:
    from stripe.params.checkout import SessionCreateParams


def parameters_of(request: CheckoutRequest) -> "SessionCreateParams":
    """Return the parameters of the request's session."""
    metadata = {USER_ID_KEY: request.user_id, PLAN_KEY: request.plan.id, TERMS_KEY: terms_text(request.terms)}
    if request.email:
        metadata[EMAIL_KEY] = request.email
    parameters: dict[str, Any] = {
        "mode": request.plan.mode.value,
        "line_items": [_line_item(request)],
        "client_reference_id": request.user_id,
        "metadata": metadata,
        **_pages(request),
        **_buyer(request),
        **_collected(request),
        **_paid_so(request, metadata),
    }
    return cast("SessionCreateParams", parameters)


def _line_item(request: CheckoutRequest) -> dict[str, Any]:
    """Return the plan as the one item: by the id of a pushed price, or with the terms written out."""
    item: dict[str, Any] = {"quantity": request.quantity}
    if request.price_id is not None:
        item["price"] = request.price_id
    else:
        item["price_data"] = _price_data(request)
    limits = request.plan.quantity
    if limits is not None and limits.adjustable:
        item["adjustable_quantity"] = {"enabled": True, "minimum": limits.least, "maximum": limits.most}
    return item


def _price_data(request: CheckoutRequest) -> dict[str, Any]:
    plan, options = request.plan, request.plan.checkout
    product = {"name": plan.name}
    if plan.amounts:
        product["description"] = f"{request.terms.credits:,} credits"
    if options.tax_code is not None:
        product["tax_code"] = options.tax_code
    sells = PlanPrice(
        plan_id=plan.id,
        credits=request.terms.credits,
        money=request.terms.price,
        interval=plan.interval,
        interval_count=plan.interval_count,
        tax_behavior=options.tax_behavior,
    )
    return {**terms_of(sells), "product_data": product}


def _pages(request: CheckoutRequest) -> dict[str, Any]:
    """Return where the buyer pays and goes afterwards."""
    if request.plan.checkout.ui is Ui.EMBEDDED:
        return {"ui_mode": "embedded_page", "return_url": request.pages.success_url}
    return {"success_url": request.pages.success_url, "cancel_url": request.pages.cancel_url}


def _buyer(request: CheckoutRequest) -> dict[str, Any]:
    if request.customer_id is None:
        return {"customer_email": request.email} if request.email else {}
    known: dict[str, Any] = {"customer": request.customer_id}
    if request.plan.checkout.managed_payments:
        return known  # then Stripe keeps what buyers enter, and their cards
    # Addresses and names that buyers enter are kept for renewals and invoices; tax needs them there.
    known["customer_update"] = {"address": "auto", "name": "auto"}
    # A subscription always keeps the card, and so does a pack whose cards may be charged later.
    if request.plan.mode is PlanMode.PAYMENT and not request.plan.saves_card:
        known["saved_payment_method_options"] = {"payment_method_save": "enabled"}
    return known


def _collected(request: CheckoutRequest) -> dict[str, Any]:
    """Return what the page asks of the buyer and offers them."""
    options = request.plan.checkout
    # Explicit, since an account may manage payments by default and would then refuse whatever has no tax code.
    asked: dict[str, Any] = {"managed_payments": {"enabled": options.managed_payments}}
    if options.promotion_codes:
        asked["allow_promotion_codes"] = True
    if options.automatic_tax:
        asked["automatic_tax"] = {"enabled": True}
    if options.billing_address:
        asked["billing_address_collection"] = "required"
    if options.tax_ids is not TaxIds.NEVER:
        required = "if_supported" if options.tax_ids is TaxIds.REQUIRED else "never"
        asked["tax_id_collection"] = {"enabled": True, "required": required}
    if options.terms_of_service:
        asked["consent_collection"] = {"terms_of_service": "required"}
    if options.locale is not None:
        asked["locale"] = options.locale
    return asked


def _paid_so(request: CheckoutRequest, metadata: Mapping[str, str]) -> dict[str, Any]:
    """Return what the sale makes: a payment and its invoice, or a subscription."""
    if request.plan.mode is PlanMode.SUBSCRIPTION:
        made: dict[str, Any] = {"metadata": metadata}
        if request.trial_days:
            made["trial_period_days"] = request.trial_days
        return {"subscription_data": made}
    own = {**metadata, SESSION_KEY: "yes"}
    sale: dict[str, Any] = {"payment_intent_data": {"metadata": own}}
    if request.plan.saves_card and request.customer_id is not None:
        sale["payment_intent_data"]["setup_future_usage"] = "off_session"
    if request.plan.checkout.makes_invoice:
        sale["invoice_creation"] = {"enabled": True, "invoice_data": {"metadata": own}}
    return sale
