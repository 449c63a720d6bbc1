"""Stripe's billing portal: its sessions, and its configurations."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import stripe

from adapters.stripe.connection import PAGE, StripeConnection, is_missing, plain, translated
from adapters.stripe.objects import fields
from adapters.stripe.objects.fields import LEDGER_KEY, UnreadableField
from domain.ports.customers import CustomerMissing
from domain.ports.payment_provider import PaymentsUnavailable
from domain.ports.portal import PortalNotSetUp
from domain.values.customers import CustomerId
from domain.values.portal import PortalConfiguration, PortalProduct, PortalSettings, TrialsOnSwitch

_PRODUCTS = "features.subscription_update.products"
"""Included in an answer only if it is asked for."""

_STANDARD: Mapping[str, Mapping[str, Any]] = {
    # Not the email address, which follows the account's.
    "customer_update": {"enabled": True, "allowed_updates": ["address", "name", "tax_id"]},
    "invoice_history": {"enabled": True},
    "payment_method_update": {"enabled": True},
    "subscription_cancel": {"enabled": True, "mode": "at_period_end"},
}
_DOWNGRADES = ("decreasing_item_amount", "shortening_interval")
_TRIALS = {TrialsOnSwitch.CONTINUE: "continue_trial", TrialsOnSwitch.END: "end_trial"}


class StripePortal:
    """Implements the ports PortalPages and PortalConfigurations."""

    def __init__(self, connection: StripeConnection) -> None:
        self._v1 = connection.client.v1.billing_portal

    async def open_for(self, customer_id: CustomerId, *, configuration_id: str | None, return_url: str) -> str:
        """Return the address at which the customer is signed in for a few minutes.

        :raises CustomerMissing: if Stripe has no such customer any more.
        :raises PortalNotSetUp: if nobody has saved a default configuration.
        :raises PaymentsUnavailable: if Stripe cannot be reached.
        :raises PaymentsRefused: if the key may not open it.
        """
        asked: Any = {"customer": customer_id, "return_url": return_url}
        if configuration_id is not None:
            asked["configuration"] = configuration_id
        with translated(refusals=True):
            try:
                session = plain(await self._v1.sessions.create_async(asked))
            except stripe.InvalidRequestError as error:
                if is_missing(error) and error.param == "customer":
                    raise CustomerMissing(customer_id) from error
                if configuration_id is None and _lacks_configuration(error):
                    raise PortalNotSetUp from error
                raise
        url = session.get("url")
        if not isinstance(url, str):
            raise PaymentsUnavailable("the response is not a portal session")
        return url

    async def active(self) -> tuple[PortalConfiguration, ...]:
        """Return the configurations that are in use, oldest first.

        :raises PaymentsUnavailable: if Stripe cannot be reached.
        :raises PaymentsRefused: if the key may not read them.
        """
        with translated(refusals=True):
            asked: Any = {"active": True, "limit": PAGE, "expand": [f"data.{_PRODUCTS}"]}
            answer = await self._v1.configurations.list_async(asked)
            found = [plain(item) for item in answer.data]
        return tuple(map(_configuration, sorted(found, key=lambda one: (str(one.get("created")), str(one.get("id"))))))

    async def create(self, settings: PortalSettings, *, ledger_id: str) -> str:
        """Make a configuration that names the ledger; return its id. The same settings make one a day.

        :raises PaymentsUnavailable: if Stripe cannot be reached.
        :raises PaymentsRefused: if Stripe refuses.
        """
        asked = _parameters(settings, is_new=True) | {"metadata": {LEDGER_KEY: ledger_id}, "name": "Credence"}
        digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
        with translated(refusals=True):
            made = await self._v1.configurations.create_async(asked, {"idempotency_key": f"credence-portal-{digest}"})
            return str(plain(made).get("id"))

    async def update(self, configuration_id: str, settings: PortalSettings) -> None:
        """Let a configuration be as the settings say; repeating it has no further effect.

        :raises PaymentsUnavailable: if Stripe cannot be reached.
        :raises PaymentsRefused: if Stripe refuses.
        """
        with translated(refusals=True):
            await self._v1.configurations.update_async(configuration_id, _parameters(settings, is_new=False))


def _lacks_configuration(error: stripe.InvalidRequestError) -> bool:
    """Return whether Stripe asks for a configuration; it has no code for that."""
    said = str(error.user_message).lower()
    return error.code is None and ("default configuration" in said or "portal settings" in said)


def _parameters(settings: PortalSettings, *, is_new: bool) -> Any:
    switching: dict[str, Any] = {"enabled": bool(settings.products)}
    if settings.products:
        products = sorted(settings.products, key=lambda one: one.product_id)
        conditions = [{"type": kind} for kind in _DOWNGRADES] if settings.downgrades_wait else ""
        switching |= {
            "default_allowed_updates": ["price"],
            "products": [{"product": one.product_id, "prices": sorted(one.price_ids)} for one in products],
            # An upgrade is paid at once, so that its credits come at once.
            "proration_behavior": "always_invoice",
            "trial_update_behavior": _TRIALS[settings.trials],
        }
        if conditions or not is_new:
            switching["schedule_at_period_end"] = {"conditions": conditions}
    parameters: dict[str, Any] = {"features": {**_STANDARD, "subscription_update": switching}}
    if settings.return_url or not is_new:
        parameters["default_return_url"] = settings.return_url or ""
    return parameters


def _configuration(found: dict[str, Any]) -> PortalConfiguration:
    try:
        features = fields.expanded(found, "features")
        return PortalConfiguration(
            id=fields.own_id(found),
            settings=_settings(
                fields.expanded(features, "subscription_update"), fields.text(found, "default_return_url")
            ),
            ledger_id=fields.metadata_text(fields.metadata(found), LEDGER_KEY),
            is_default=found.get("is_default") is True,
            has_login_page=fields.expanded(found, "login_page").get("enabled") is True,
            is_standard=all(_has(features.get(name), wanted) for name, wanted in _STANDARD.items()),
        )
    except UnreadableField as unreadable:
        raise PaymentsUnavailable(f"the response is not a portal configuration: {unreadable.reason}") from unreadable


def _settings(switching: fields.Object, return_url: str | None) -> PortalSettings:
    updates = switching.get("default_allowed_updates")
    can_switch = switching.get("enabled") is True and isinstance(updates, list) and "price" in updates
    if not can_switch:
        return PortalSettings(return_url=return_url)
    conditions = fields.items(fields.expanded(switching, "schedule_at_period_end"), "conditions")
    return PortalSettings(
        products=frozenset(map(_product, fields.items(switching, "products"))),
        downgrades_wait=set(_DOWNGRADES) <= {str(one.get("type")) for one in conditions},
        trials=TrialsOnSwitch.CONTINUE
        if switching.get("trial_update_behavior") == _TRIALS[TrialsOnSwitch.CONTINUE]
        else TrialsOnSwitch.END,
        return_url=return_url,
    )


def _product(found: fields.Object) -> PortalProduct:
    prices = found.get("prices")
    return PortalProduct(
        product_id=fields.reference(found, "product") or "",
        price_ids=frozenset(map(str, prices if isinstance(prices, list) else ())),
    )


def _has(found: object, wanted: Mapping[str, Any]) -> bool:
    if not isinstance(found, Mapping):
        return False
    return all(_comparable(found.get(name)) == _comparable(value) for name, value in wanted.items())


def _comparable(value: object) -> object:
    return sorted(map(str, value)) if isinstance(value, list) else value
