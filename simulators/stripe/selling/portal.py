"""The billing portal's configurations and sessions, as requests make, change and read them."""

from collections.abc import Collection, Mapping
from typing import Any

from simulators.stripe.account.account import StripeAccount
from simulators.stripe.objects import Object
from simulators.stripe.requests.lists import page
from simulators.stripe.requests.parameters import (
    address,
    boolean,
    mapping,
    merged_metadata,
    refuse_unknown,
    require,
    text,
    texts,
)
from simulators.stripe.requests.refusals import invalid, missing
from simulators.stripe.selling.portal_features import FEATURES, NEW, feature

CONFIGURATION, SESSION = "billing_portal.configuration", "billing_portal.session"

_PARAMETERS = ("active", "business_profile", "default_return_url", "features", "login_page", "metadata", "name")
_NO_DEFAULT = (
    "No configuration provided and your test mode default configuration has not been created. Provide a configuration "
    "or create your default by saving your customer portal settings in test mode at "
    "https://dashboard.stripe.com/test/settings/billing/portal."
)


def change(account: StripeAccount, method: str, path: list[str], parameters: Mapping[str, Any]) -> Object | None:
    """Make or change a configuration; None where there is no such route.

    :raises Refusal: if Stripe would refuse it.
    """
    match method, path:
        case "POST", ["billing_portal", "configurations"]:
            require(parameters, "features")
            return _shown(_kept(account, _configuration(account), parameters), _expanded(parameters))
        case "POST", ["billing_portal", "configurations", wanted]:
            return _shown(_kept(account, account.kept(CONFIGURATION, wanted), parameters), _expanded(parameters))
        case _:
            return None


def show(account: StripeAccount, path: list[str], parameters: Mapping[str, Any]) -> Object | None:
    """Return configurations; None where there is no such route. Products are shown only where they are expanded.

    :raises Refusal: if Stripe would refuse it.
    """
    match path:
        case ["billing_portal", "configurations"]:
            every = account.all_kept(CONFIGURATION)
            for name in ("active", "is_default"):
                wanted = boolean(parameters, name)
                every = [one for one in every if wanted in (None, one[name])]
            others = {name: value for name, value in parameters.items() if name not in ("active", "is_default")}
            found = page(every, "/v1/billing_portal/configurations", others)
            within = {name.removeprefix("data.") for name in _expanded(parameters)}
            return found | {"data": [_shown(one, within) for one in found["data"]]}
        case ["billing_portal", "configurations", wanted]:
            return _shown(account.kept(CONFIGURATION, wanted), _expanded(parameters))
        case _:
            return None


def portal_session(account: StripeAccount, parameters: Mapping[str, Any], page_url: str) -> Object:
    """Open the portal for a customer; its page is below the address `page_url`.

    :raises Refusal: if Stripe would refuse it.
    """
    refuse_unknown(parameters, ("configuration", "customer", "locale", "return_url"))
    require(parameters, "customer")
    with account.lock:
        buyer = account.buyer(text(parameters, "customer"))
        configuration = _chosen(account, text(parameters, "configuration"))
        made: Object = {
            "id": account.new_id("bps_"),
            "object": SESSION,
            "configuration": configuration["id"],
            "created": account.now(),
            "customer": buyer["id"] if buyer is not None else None,
            "customer_account": None,
            "flow": None,
            "livemode": False,
            "locale": text(parameters, "locale"),
            "on_behalf_of": None,
            "return_url": address(parameters, "return_url") or configuration["default_return_url"],
            "url": f"{page_url}/p/session/{account.new_id('test_')}",
        }
        account.keep(made)
        return made


def save_in_dashboard(account: StripeAccount, features: Mapping[str, Any], *, login_page: bool = False) -> Object:
    """Let a person save the default configuration in the Dashboard; returns it.

    :raises Refusal: if Stripe would refuse it.
    """
    with account.lock:
        parameters = {"features": features, "login_page": {"enabled": "true" if login_page else "false"}}
        return _kept(account, _configuration(account, is_default=True), parameters)


def _expanded(parameters: Mapping[str, Any]) -> set[str]:
    return set(texts(parameters, "expand"))


def _shown(kept: Object, expanded: Collection[str]) -> Object:
    if "features.subscription_update.products" in expanded:
        return kept
    switching = {name: value for name, value in kept["features"]["subscription_update"].items() if name != "products"}
    return kept | {"features": kept["features"] | {"subscription_update": switching}}


def _configuration(account: StripeAccount, *, is_default: bool = False) -> Object:
    return {
        "id": account.new_id("bpc_"),
        "object": CONFIGURATION,
        "active": True,
        "application": None,
        "business_profile": {"headline": None, "privacy_policy_url": None, "terms_of_service_url": None},
        "created": account.now(),
        "default_return_url": None,
        "features": {name: dict(fields) for name, fields in NEW.items()},
        "is_default": is_default,
        "livemode": False,
        "login_page": {"enabled": False, "url": None},
        "metadata": {},
        "name": None,
        "updated": account.now(),
    }


def _kept(account: StripeAccount, before: Object, parameters: Mapping[str, Any]) -> Object:
    """Keep a configuration as the parameters say; those that are not given stay as they were."""
    refuse_unknown(parameters, _PARAMETERS)
    given = mapping(parameters, "features")
    refuse_unknown(given, tuple(FEATURES))
    features = {
        name: feature(account, name, before["features"][name], mapping(given, name, "features"))
        for name in before["features"]
    }
    login = mapping(parameters, "login_page")
    after = before | {"features": features, "updated": account.now()}
    if "default_return_url" in parameters:
        after["default_return_url"] = address(parameters, "default_return_url")
    if login:
        has_login = boolean(login, "enabled", "login_page") or False
        url = f"https://billing.stripe.com/p/login/{before['id']}" if has_login else None
        after["login_page"] = {"enabled": has_login, "url": url}
    if "name" in parameters:
        after["name"] = text(parameters, "name")
    if "active" in parameters:
        after["active"] = boolean(parameters, "active")
    if "metadata" in parameters:
        after["metadata"] = merged_metadata(before["metadata"], parameters)
    account.keep(after)
    return after


def _chosen(account: StripeAccount, wanted: str | None) -> Object:
    every = account.all_kept(CONFIGURATION)
    if wanted is None:
        default = next((one for one in every if one["is_default"]), None)
        if default is None:
            raise invalid(_NO_DEFAULT, "configuration")
        return default
    found = next((one for one in every if one["id"] == wanted), None)
    if found is None:
        raise missing("billing_portal.configuration", wanted, param="configuration", status=400)
    if not found["active"]:
        raise invalid(f"The configuration {wanted} is not active.", "configuration")
    return found
