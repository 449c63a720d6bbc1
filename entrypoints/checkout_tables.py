"""Reads `checkout` tables of the catalogue: a deployment's defaults, and what a plan has instead.

Stripe's rules: docs.stripe.com/api/checkout/sessions/create and docs.stripe.com/payments/managed-payments. Options that
it refuses together are refused here, before anybody wants to pay.
"""

import enum
import re
from collections.abc import Mapping
from typing import Any

from domain.values.checkout_options import CheckoutOptions, TaxBehavior, TaxIds, Ui
from domain.values.plans import PlanMode

_LOCALES = """
auto bg cs da de el en en-GB es es-419 et fi fil fr fr-CA hi-IN hr hu id it ja ko lt lv ms mt nb nl pl pt pt-BR ro ru sk
sl sv th tr vi zh zh-HK zh-TW
"""
LOCALES = frozenset(_LOCALES.split())
"""The languages of Stripe's page; with `auto`, the browser's."""

_TYPES: Mapping[str, type] = {
    "promotion_codes": bool,
    "automatic_tax": bool,
    "tax_behavior": str,
    "tax_code": str,
    "billing_address": str,
    "tax_ids": str,
    "terms_of_service": bool,
    "invoice": bool,
    "locale": str,
    "ui": str,
    "managed_payments": bool,
}
_TYPE_NAMES = {bool: "true or false", str: "text"}
_WORDS: Mapping[str, type[enum.StrEnum]] = {"tax_behavior": TaxBehavior, "tax_ids": TaxIds, "ui": Ui}
_CHOICES = {**{key: tuple(words) for key, words in _WORDS.items()}, "billing_address": ("auto", "required")}
_TAX_CODE = re.compile(r"txcd_[0-9]{8}")
_DIGITAL = re.compile(r"txcd_(10[0-9]{6}|20060[0-3]58|37071001)")
"""The families of tax codes that managed payments may sell: docs.stripe.com/payments/managed-payments/eligibility."""


def option_problems(table: object) -> list[str]:
    """Return what is wrong with each key of a `checkout` table."""
    if not isinstance(table, Mapping):
        return ["checkout must be a table"]
    problems = [f"checkout.{key} is not a known key" for key in table if key not in _TYPES]
    problems += [
        f"checkout.{key} must be {_TYPE_NAMES[_TYPES[key]]}"
        for key, value in table.items()
        if key in _TYPES and type(value) is not _TYPES[key]
    ]
    problems += [
        f"checkout.{key} must be one of {', '.join(choices)}"
        for key, choices in _CHOICES.items()
        if isinstance(table.get(key), str) and table[key] not in choices
    ]
    if isinstance(code := table.get("tax_code"), str) and not _TAX_CODE.fullmatch(code):
        problems.append("checkout.tax_code must be one of Stripe's product tax codes, such as txcd_10103001")
    if isinstance(table.get("locale"), str) and table["locale"] not in LOCALES:
        problems.append("checkout.locale must be a language of Stripe Checkout's, such as auto, de or pt-BR")
    return problems


def conflicts(own: Mapping[str, Any], defaults: Mapping[str, Any], mode: str, *, saves_card: bool) -> list[str]:
    """Return, in words, what Stripe refuses of a plan's options together; each table is valid by itself."""
    problems = []
    if mode == PlanMode.SUBSCRIPTION and "invoice" in own:
        problems.append("checkout.invoice is only for plans with mode payment; a subscription always has invoices")
    options = options_of(own, defaults)
    if not options.managed_payments:
        return problems
    excluded = {
        "automatic_tax": (options.automatic_tax, "Stripe, as the seller, calculates and pays the tax"),
        "tax_ids": (options.tax_ids is not TaxIds.NEVER, "Stripe asks for tax ids itself"),
        "billing_address": (options.billing_address, "Stripe asks for the address that the tax needs"),
        "terms_of_service": (options.terms_of_service, "the buyer agrees to the terms of Stripe, the seller"),
        "invoice": (bool(options.invoice) and mode == PlanMode.PAYMENT, "Stripe sends a receipt of its own"),
    }
    problems += [
        f"checkout.{key} cannot be used with checkout.managed_payments: {why}"
        for key, (is_used, why) in excluded.items()
        if is_used
    ]
    if saves_card:
        problems.append(
            "save_card cannot be used with checkout.managed_payments: only Stripe can sell for the card then"
        )
    if options.tax_code is None:
        problems.append("checkout.managed_payments needs a checkout.tax_code that is eligible for it")
    elif not _DIGITAL.fullmatch(options.tax_code):
        problems.append(
            f"checkout.managed_payments is for digital products: the tax code {options.tax_code} is not eligible for it"
        )
    return problems


def options_of(own: Mapping[str, Any], defaults: Mapping[str, Any]) -> CheckoutOptions:
    """Return the options of a plan, from its own valid table and the deployment's."""
    given = {**defaults, **own}
    fields = {key: words(given[key]) for key, words in _WORDS.items() if key in given}
    if "billing_address" in given:
        fields["billing_address"] = given["billing_address"] == "required"
    return CheckoutOptions(**{**given, **fields})
