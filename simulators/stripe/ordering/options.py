"""Reads the options of a checkout session, and refuses those that do not go together, as Stripe does."""

from collections.abc import Mapping
from typing import Any

import attrs

from simulators.stripe.objects import Object
from simulators.stripe.ordering.managed_payments import refuse_with_managed_payments
from simulators.stripe.requests.parameters import address, boolean, mapping, text
from simulators.stripe.requests.refusals import invalid

PARAMETERS = frozenset(
    {
        "automatic_tax",
        "billing_address_collection",
        "consent_collection",
        "locale",
        "managed_payments",
        "return_url",
        "tax_id_collection",
        "ui_mode",
    }
)
UI_MODES = ("elements", "embedded_page", "form", "hosted_page")
_LOCALES = """
auto bg cs da de el en en-GB es es-419 et fi fil fr fr-CA hi-IN hr hu id it ja ko lt lv ms mt nb nl pl pt pt-BR ro ru sk
sl sv th tr vi zh zh-HK zh-TW
"""
LOCALES = frozenset(_LOCALES.split())
_ONLY_IN = {"invoice_creation": "payment", "payment_intent_data": "payment", "subscription_data": "subscription"}


@attrs.frozen(kw_only=True)
class Options:
    """The options of a session: `shown` is how it shows them."""

    return_url: str | None = None
    is_embedded: bool = False
    is_taxed: bool = False
    needs_consent: bool = False
    """Whether the buyer must agree to the merchant's terms."""
    shown: Object = attrs.field(factory=dict)


def options(parameters: Mapping[str, Any]) -> Options:
    """Return the options in decoded parameters of `POST /v1/checkout/sessions`.

    :raises Refusal: if Stripe would refuse them.
    """
    for name, mode in _ONLY_IN.items():
        if name in parameters and parameters.get("mode") != mode:
            raise invalid(f"You can not pass `{name}` in `{parameters.get('mode')}` mode.", name)
    ui = _one_of(parameters, "ui_mode", UI_MODES) or "hosted_page"
    return_url = _return_url(parameters, ui)
    tax = boolean(mapping(parameters, "automatic_tax"), "enabled", "automatic_tax") or False
    managed = boolean(mapping(parameters, "managed_payments"), "enabled", "managed_payments") or False
    if managed:
        if ui not in ("hosted_page", "embedded_page"):
            raise invalid(f"Invalid ui_mode: {ui}. Managed Payments supports hosted_page and embedded_page.", "ui_mode")
        refuse_with_managed_payments(parameters)
    consent = _consent(parameters)
    shown: Object = {
        "automatic_tax": {
            "enabled": tax or managed,
            "liability": {"type": "self"} if tax else None,
            "provider": "stripe" if tax or managed else None,
            "status": "complete" if tax or managed else None,
        },
        "billing_address_collection": _one_of(parameters, "billing_address_collection", ("auto", "required")),
        "consent_collection": consent,
        "locale": _one_of(parameters, "locale", LOCALES),
        "managed_payments": {"enabled": managed},
        "return_url": return_url,
        "ui_mode": ui,
    }
    if tax_ids := _tax_ids(parameters):
        shown["tax_id_collection"] = tax_ids
    return Options(
        return_url=return_url,
        is_embedded=ui != "hosted_page",
        is_taxed=tax or managed,
        needs_consent=bool(consent and consent["terms_of_service"] == "required"),
        shown=shown,
    )


def _return_url(parameters: Mapping[str, Any], ui: str) -> str | None:
    return_url = address(parameters, "return_url")
    if ui == "hosted_page":
        if return_url is not None:
            raise invalid("`return_url` is not supported when `ui_mode` is `hosted_page`.", "return_url")
        if text(parameters, "success_url") is None:
            raise invalid("Missing required param: success_url.", "success_url", code="parameter_missing")
        return None
    for name in ("success_url", "cancel_url"):
        if name in parameters:
            raise invalid(f"`{name}` is not supported when `ui_mode` is `{ui}`. Use `return_url` instead.", name)
    if return_url is None:
        raise invalid("Missing required param: return_url.", "return_url", code="parameter_missing")
    return return_url


def _consent(parameters: Mapping[str, Any]) -> Object | None:
    given = mapping(parameters, "consent_collection")
    if not given:
        return None
    terms = _one_of(given, "terms_of_service", ("none", "required"), "consent_collection")
    return {"payment_method_reuse_agreement": None, "promotions": None, "terms_of_service": terms}


def _tax_ids(parameters: Mapping[str, Any]) -> Object | None:
    given = mapping(parameters, "tax_id_collection")
    if not given:
        return None
    is_enabled = boolean(given, "enabled", "tax_id_collection") or False
    required = _one_of(given, "required", ("if_supported", "never"), "tax_id_collection")
    return {"enabled": is_enabled, "required": required or "never"}


def _one_of(
    parameters: Mapping[str, Any], name: str, allowed: frozenset[str] | tuple[str, ...], within: str = ""
) -> str | None:
    found = text(parameters, name, within)
    if found is not None and found not in allowed:
        place = f"{within}[{name}]" if within else name
        raise invalid(f"Invalid {place}: must be one of {', '.join(sorted(allowed))}", place)
    return found
