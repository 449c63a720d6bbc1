"""Reads fields of Stripe's objects strictly: ids or expanded objects, metadata in any form, integers."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import attrs

from domain.payments.reports import Attribution
from domain.values.accounts import InvalidUserId, parse_user_id
from domain.values.money import MAX_AMOUNT, Money
from domain.values.plans import Terms

Object = Mapping[str, object]

USER_ID_KEY = "userId"
EMAIL_KEY = "userEmail"
PLAN_KEY = "plan"
TERMS_KEY = "credence_terms"
"""`credits/price/currency`, such as `50/500/usd`: written only where we create the session ourselves."""

LEDGER_KEY = "credence_ledger"  # of customers and portals: the ledger whose deployment made or adopted them
SESSION_KEY = "credence_session"
"""Set to `yes` on the payment intent and the invoice of a session that we create: they only pay what it orders."""

_IDENTIFIER = re.compile(r"[!-~]{1,255}")
# Postgres keeps no NUL and no lone surrogate; 500 characters is Stripe's own limit on a metadata value.
_TEXT = re.compile(r"[^\x00\ud800-\udfff]{1,500}")
_TERMS = re.compile(r"([0-9]{1,13})/([0-9]{1,13})/([a-z]{3})")
_CURRENCY = re.compile(r"[A-Za-z]{3}")
_YEAR_10000 = 253_402_300_800

DECIMAL = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,12})?")
"""A decimal number as Stripe writes it: at most 12 places after the point."""


@attrs.frozen
class UnreadableField(Exception):
    """A field whose structure is unknown."""

    reason: str


def identifier(value: object) -> str | None:
    """Return the value if it can be an id or a type of Stripe's: 1 to 255 printable ASCII characters, no space."""
    return value if isinstance(value, str) and _IDENTIFIER.fullmatch(value) else None


def own_id(holder: Object) -> str:
    """Return the id of the object itself.

    :raises UnreadableField: if it has none, or one that is no id.
    """
    if (found := identifier(holder.get("id"))) is None:
        raise UnreadableField("id is missing or not an id")
    return found


def reference(holder: Object, key: str) -> str | None:
    """Return the id of another object, named or expanded; None where there is none.

    :raises UnreadableField: if it is neither an id nor an object with one.
    """
    if not is_present(value := holder.get(key)):
        return None
    found = identifier(value.get("id") if isinstance(value, Mapping) else value)
    if found is None:
        raise UnreadableField(f"{key} is neither an id nor an object with one")
    return found


def expanded(holder: Object, key: str) -> Object:
    """Return another object that is expanded here; empty where it is only named, or missing."""
    value = holder.get(key)
    return value if isinstance(value, Mapping) else {}


def items(holder: Object, key: str) -> Iterator[Object]:
    """Yield the objects of a list, as an API list or as a bare array; nothing where it is missing.

    :raises UnreadableField: if it is not a list, or contains something that is not an object.
    """
    value = holder.get(key)
    data = value.get("data") if isinstance(value, Mapping) else value
    if data is None:
        return
    if not isinstance(data, list):
        raise UnreadableField(f"{key} is not a list")
    for item in data:
        if not isinstance(item, Mapping):
            raise UnreadableField(f"{key} contains something that is not an object")
        yield item


def text(holder: Object, key: str) -> str | None:
    """Return a word of Stripe's; None where there is none.

    :raises UnreadableField: if it is not a string.
    """
    value = holder.get(key)
    if not is_present(value):
        return None
    if not isinstance(value, str):
        raise UnreadableField(f"{key} is not a string")
    return value


def has_more(holder: Object, key: str) -> bool:
    """Return whether an API list is only the beginning of one."""
    value = holder.get(key)
    return isinstance(value, Mapping) and value.get("has_more") is True


def amount(holder: Object, key: str, *, signed: bool = False, within: str = "") -> int:
    """Return a whole number of minor units.

    :raises UnreadableField: if it is missing, not an integer, or out of range.
    """
    value = holder.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        raise UnreadableField(f"{within}{key} is missing or not an integer")
    if not (-MAX_AMOUNT if signed else 0) <= value <= MAX_AMOUNT:
        raise UnreadableField(f"{within}{key} is not a valid amount")
    return value


def amount_or_zero(holder: Object, key: str) -> int:
    """Return a whole number of minor units; 0 where there is none."""
    return amount(holder, key) if holder.get(key) is not None else 0


def currency(holder: Object, key: str = "currency", *, within: str = "") -> str:
    """Return a currency's code in lower case.

    :raises UnreadableField: if it is missing, or not three letters.
    """
    value = holder.get(key)
    if not isinstance(value, str):
        raise UnreadableField(f"{within}{key} is missing or not a string")
    if not _CURRENCY.fullmatch(value):
        raise UnreadableField(f"{within}{key} is not a currency")
    return value.lower()


def money(holder: Object, amount_key: str, currency_key: str = "currency", *, within: str = "") -> Money:
    """Return an amount and its currency."""
    return Money(
        amount=amount(holder, amount_key, within=within), currency=currency(holder, currency_key, within=within)
    )


def moment(seconds: object) -> datetime | None:
    """Return a time from Stripe's seconds since 1970; None if it is not one."""
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not 0 <= seconds < _YEAR_10000:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def reported_at(moment: datetime | None) -> datetime:
    """Return the event's creation time.

    :raises UnreadableField: if it is missing or no time.
    """
    if moment is None:
        raise UnreadableField("created is missing or no time")
    return moment


def metadata(holder: Object, key: str = "metadata") -> Object:
    """Return metadata; empty where it is missing, null, or `[]`, which is how some languages write an empty object.

    :raises UnreadableField: if it is not an object.
    """
    value = holder.get(key)
    if value is None or value == []:
        return {}
    if not isinstance(value, Mapping):
        raise UnreadableField(f"{key} is not an object")
    return value


def is_ours(given: Object) -> bool:
    """Return whether metadata contains one of our keys."""
    return any(is_present(given.get(key)) for key in (USER_ID_KEY, PLAN_KEY, TERMS_KEY))


def is_of_session(given: Object) -> bool:
    """Return whether metadata says that one of our checkouts created its object."""
    return given.get(SESSION_KEY) == "yes"


def attribution(given: Object, *, client_reference: str | None = None) -> Attribution:
    """Return the attribution in metadata."""
    return Attribution(
        user_reference=metadata_text(given, USER_ID_KEY),
        email=metadata_text(given, EMAIL_KEY),
        plan_id=metadata_text(given, PLAN_KEY),
        terms=_terms(given),
        client_reference=client_reference,
    )


def client_reference(session: Object) -> str | None:
    """Return a session's reference, where it is a user id."""
    value = session.get("client_reference_id")
    if not isinstance(value, str):
        return None
    try:
        parse_user_id(value)
    except InvalidUserId:
        return None
    return value


def terms_text(terms: Terms) -> str:
    """Return the terms, as they are recorded in metadata."""
    return f"{terms.credits}/{terms.price.amount}/{terms.price.currency}"


def is_present(value: object) -> bool:
    """Return whether there is something: neither null nor blank."""
    return value is not None and not (isinstance(value, str) and not value.strip())


def _terms(given: Object) -> Terms | None:
    text = metadata_text(given, TERMS_KEY)
    if text is None:
        return None
    matched = _TERMS.fullmatch(text)
    if matched is None:
        raise UnreadableField(f"metadata.{TERMS_KEY} is malformed")
    credits_, price, code = matched.groups()
    try:
        return Terms(credits=int(credits_), price=Money(amount=int(price), currency=code))
    except ValueError:
        raise UnreadableField(f"metadata.{TERMS_KEY} is out of range") from None


def metadata_text(given: Object, key: str) -> str | None:
    """Return a value of metadata without the blanks that forms and copying leave; None where there is nothing else.

    :raises UnreadableField: if it is not a string that can be stored.
    """
    value = given.get(key)
    if not is_present(value):
        return None
    if not isinstance(value, str) or not _TEXT.fullmatch(trimmed := value.strip()):
        raise UnreadableField(f"metadata.{key} is not a string that can be stored")
    return trimmed
