"""The parameters of a request to Stripe's API: their kinds and limits, and how Stripe refuses what does not fit."""

from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

from simulators.stripe.requests.refusals import invalid

_CURRENCIES = """
aed ars aud bgn bhd brl cad chf clp cny cop crc czk dkk egp eur gbp hkd huf idr ils inr isk jod jpy kes
krw kwd mad mxn myr ngn nok nzd omr pen php pkr pln qar ron rsd sar sek sgd thb tnd try twd uah usd uyu
vnd zar
"""
CURRENCIES = frozenset(_CURRENCIES.split())
MAX_AMOUNT = 99_999_999
MAX_METADATA = {"keys": 50, "key": 40, "value": 500}


def refuse_unknown(parameters: Mapping[str, Any], known: Collection[str]) -> None:
    """Check that every parameter is one of these.

    :raises Refusal: if one is not.
    """
    for name in parameters:
        if name not in known and name != "expand":
            raise invalid(f"Received unknown parameter: {name}", name, code="parameter_unknown")


def require(parameters: Mapping[str, Any], *names: str) -> None:
    """Check that each of these is given.

    :raises Refusal: if one is not.
    """
    for name in names:
        if not parameters.get(name):
            raise invalid(f"Missing required param: {name}.", name, code="parameter_missing")


def place_of(name: str, within: str) -> str:
    """Return the name of a parameter inside of another one."""
    return f"{within}[{name}]" if within else name


def mapping(parameters: Mapping[str, Any], name: str, within: str = "") -> Mapping[str, Any]:
    """Return an object, empty if there is none.

    :raises Refusal: if it is a value.
    """
    found = parameters.get(name) or {}
    if not isinstance(found, Mapping):
        raise invalid("Invalid object", place_of(name, within))
    return found


def text(parameters: Mapping[str, Any], name: str, within: str = "") -> str | None:
    """Return a value, None if it is empty.

    :raises Refusal: if it is an object.
    """
    found = parameters.get(name)
    if isinstance(found, Mapping):
        raise invalid("Invalid string", place_of(name, within))
    return str(found) if found else None


def texts(parameters: Mapping[str, Any], name: str) -> list[str]:
    """Return a list of values, empty if there is none.

    :raises Refusal: if it is a value.
    """
    return [str(one) for one in mapping(parameters, name).values()]


def boolean(parameters: Mapping[str, Any], name: str, within: str = "") -> bool | None:
    """Return true or false, None if nothing is said.

    :raises Refusal: if it is something else.
    """
    found = text(parameters, name, within)
    if found not in (None, "true", "false"):
        raise invalid(f"Invalid boolean: {found}", place_of(name, within))
    return None if found is None else found == "true"


def count(given: object, place: str) -> int:
    """Return a number, or an amount in minor units, from 0 to MAX_AMOUNT.

    :raises Refusal: if it is none, or too large.
    """
    text = str(given)
    if not (text.isascii() and text.isdecimal()):
        raise invalid(f"Invalid non-negative integer: {text[:40]}", place, code="parameter_invalid_integer")
    if len(text) > len(str(MAX_AMOUNT)):
        raise invalid(f"Must be no greater than {MAX_AMOUNT}", place)
    return int(text)


def currency(parameters: Mapping[str, Any], within: str = "") -> str:
    """Return a currency, in lower case.

    :raises Refusal: if there is none such.
    """
    found = str(parameters.get("currency", "")).lower()
    if found not in CURRENCIES:
        raise invalid(f"Invalid currency: {found[:40]}.", place_of("currency", within))
    return found


def address(parameters: Mapping[str, Any], name: str) -> str | None:
    """Return an address of the web, None if there is none.

    :raises Refusal: if it is no address.
    """
    given = text(parameters, name)
    if given is None:
        return None
    try:
        parts = urlsplit(given)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.netloc or not given.isprintable() or " " in given:
        raise invalid("Not a valid URL", name, code="url_invalid")
    return given


def metadata(parameters: Mapping[str, Any], name: str = "metadata", within: str = "") -> dict[str, str]:
    """Return metadata of a new object.

    :raises Refusal: if Stripe would not keep it.
    """
    # Stripe takes an empty value for "no such key".
    fields = {key: value for key, value in _checked(parameters, name, within).items() if value != ""}
    if len(fields) > MAX_METADATA["keys"]:
        raise invalid(f"You can specify up to {MAX_METADATA['keys']} keys", place_of(name, within))
    return fields


def merged_metadata(kept: Mapping[str, str], parameters: Mapping[str, Any]) -> dict[str, str]:
    """Return metadata of an object after a change: keys are added and replaced, and those without a value removed.

    :raises Refusal: if Stripe would not keep it.
    """
    if parameters.get("metadata") == "":
        return {}
    return metadata({"metadata": {**kept, **_checked(parameters, "metadata", "")}})


def _checked(parameters: Mapping[str, Any], name: str, within: str) -> dict[str, str]:
    place, given = place_of(name, within), dict(mapping(parameters, name, within))
    for key, value in given.items():
        if not isinstance(value, str):
            raise invalid("Metadata values must be strings", f"{place}[{key}]")
        if len(key) > MAX_METADATA["key"] or len(value) > MAX_METADATA["value"]:
            raise invalid("Metadata keys can have up to 40 characters, and values up to 500", f"{place}[{key[:40]}]")
    return given
