"""A Stripe Checkout session, in the shape of any API version since 2017, read as the sale it tells of."""

import re
from collections.abc import Mapping

import attrs

from domain.accounts import InvalidUserId, parse_user_id
from domain.events import Irrelevant, Sale, Told, Unreadable
from domain.money import Money
from domain.plans import PlanMode, Terms
from domain.purchases import Link, PaymentReported, PaymentStatus, PurchaseId

USER_ID_KEY = "userId"
EMAIL_KEY = "userEmail"
PLAN_KEY = "plan"
TERMS_KEY = "credence_terms"
"""`credits/price/currency`, such as `50/500/usd`: written only where we create the session ourselves."""

COMPLETED = "checkout.session.completed"
_STATUS_BY_EVENT = {
    "checkout.session.async_payment_succeeded": PaymentStatus.PAID,
    "checkout.session.async_payment_failed": PaymentStatus.FAILED,
    "checkout.session.expired": PaymentStatus.UNPAID,
}
SALE_EVENTS = frozenset({COMPLETED, *_STATUS_BY_EVENT})
"""The event types whose object is a session that tells of a sale."""

_PAID = frozenset({"paid", "no_payment_required"})
_IDENTIFIER = re.compile(r"[!-~]{1,255}")
# Postgres keeps no NUL and no lone surrogate; 500 characters is Stripe's own limit on a metadata value.
_TEXT = re.compile(r"[^\x00\ud800-\udfff]{1,500}")
_TERMS = re.compile(r"([0-9]{1,13})/([0-9]{1,13})/([a-z]{3})")


@attrs.frozen
class _UnreadableField(Exception):
    reason: str


def told_by_session(session: Mapping[str, object], *, event_type: str | None = None) -> Told:
    """What a `checkout.session` object tells; `event_type` is None for one that was retrieved by the API."""
    if session.get("mode") == "setup":
        return Irrelevant("a setup session sells nothing")
    try:
        metadata = _metadata(session)
        ours = any(_is_present(metadata.get(key)) for key in (USER_ID_KEY, PLAN_KEY, TERMS_KEY))
        if not ours and _client_reference(session) is None:
            return Irrelevant("no metadata of ours")
        return _sale(session, metadata, event_type)
    except _UnreadableField as unreadable:
        return Unreadable(unreadable.reason)


def terms_text(terms: Terms) -> str:
    """The terms, as they are recorded in a session's metadata."""
    return f"{terms.credits}/{terms.price.amount}/{terms.price.currency}"


def identifier(value: object) -> str | None:
    """The value if it can be an id or a type of Stripe's: 1 to 255 printable ASCII characters, no space."""
    return value if isinstance(value, str) and _IDENTIFIER.fullmatch(value) else None


def _sale(session: Mapping[str, object], metadata: Mapping[str, object], event_type: str | None) -> Sale:
    session_id = identifier(session.get("id"))
    if session_id is None:
        raise _UnreadableField("id is missing or no id")
    mode = _mode(session)
    related = {key: _reference(session, key) for key in ("payment_intent", "subscription", "invoice")}
    # A subscription's invoices are its payments; its session is only the order for them.
    is_payment = mode is PlanMode.PAYMENT
    return Sale(
        purchase_id=PurchaseId(related["payment_intent" if is_payment else "subscription"] or session_id),
        session_id=session_id,
        links=frozenset(Link(f"{kind}:{id_}") for kind, id_ in (("session", session_id), *related.items()) if id_),
        mode=mode,
        facts=(PaymentReported(_status(session, event_type)),) if is_payment else (),
        subtotal=_subtotal(session),
        paid=_money(session, "amount_total", "currency"),
        user_reference=_text(metadata, USER_ID_KEY),
        email=_text(metadata, EMAIL_KEY),
        plan_id=_text(metadata, PLAN_KEY),
        terms=_terms(metadata),
        client_reference=_client_reference(session),
    )


def _mode(session: Mapping[str, object]) -> PlanMode:
    for mode in PlanMode:
        if session.get("mode") == mode.value:
            return mode
    raise _UnreadableField("mode is missing or unknown")


def _status(session: Mapping[str, object], event_type: str | None) -> PaymentStatus:
    if event_type in _STATUS_BY_EVENT:
        return _STATUS_BY_EVENT[event_type]
    status = session.get("payment_status")
    if event_type is None and session.get("status") in ("open", "expired"):
        # A free order says `no_payment_required` even before, or without, the customer's confirming it.
        return PaymentStatus.UNPAID
    if event_type is not None and not isinstance(status, str):
        raise _UnreadableField("payment_status is missing or no text")
    return PaymentStatus.PAID if isinstance(status, str) and status in _PAID else PaymentStatus.UNPAID


def _subtotal(session: Mapping[str, object]) -> Money:
    # Adaptive Pricing before API 2025-03-31: the session is in the buyer's currency, the price in here.
    conversion = session.get("currency_conversion")
    if conversion is None:
        return _money(session, "amount_subtotal", "currency")
    if not isinstance(conversion, Mapping):
        raise _UnreadableField("currency_conversion is no object")
    return _money(conversion, "amount_subtotal", "source_currency", within="currency_conversion.")


def _money(holder: Mapping[str, object], amount_key: str, currency_key: str, *, within: str = "") -> Money:
    amount, currency = holder.get(amount_key), holder.get(currency_key)
    if not isinstance(amount, int) or isinstance(amount, bool):
        raise _UnreadableField(f"{within}{amount_key} is missing or no integer")
    if not isinstance(currency, str):
        raise _UnreadableField(f"{within}{currency_key} is missing or no text")
    try:
        return Money(amount=amount, currency=currency.lower())
    except ValueError:
        raise _UnreadableField(f"{within}{amount_key} in {currency_key} is no amount of money") from None


def _terms(metadata: Mapping[str, object]) -> Terms | None:
    text = _text(metadata, TERMS_KEY)
    if text is None:
        return None
    matched = _TERMS.fullmatch(text)
    if matched is None:
        raise _UnreadableField(f"metadata.{TERMS_KEY} is malformed")
    credits_, amount, currency = matched.groups()
    try:
        return Terms(credits=int(credits_), price=Money(amount=int(amount), currency=currency))
    except ValueError:
        raise _UnreadableField(f"metadata.{TERMS_KEY} is out of range") from None


def _reference(session: Mapping[str, object], key: str) -> str | None:
    value = session.get(key)
    if not _is_present(value):
        return None
    found = identifier(value.get("id") if isinstance(value, Mapping) else value)
    if found is None:
        raise _UnreadableField(f"{key} is neither an id nor an object with one")
    return found


def _client_reference(session: Mapping[str, object]) -> str | None:
    reference = session.get("client_reference_id")
    if not isinstance(reference, str):
        return None
    try:
        parse_user_id(reference)
    except InvalidUserId:
        return None
    return reference


def _metadata(session: Mapping[str, object]) -> Mapping[str, object]:
    metadata = session.get("metadata")
    if metadata is None or metadata == []:  # `[]` is how some languages write an empty object
        return {}
    if not isinstance(metadata, Mapping):
        raise _UnreadableField("metadata is no object")
    return metadata


def _text(metadata: Mapping[str, object], key: str) -> str | None:
    value = metadata.get(key)
    if not _is_present(value):
        return None
    if not isinstance(value, str) or not _TEXT.fullmatch(value):
        raise _UnreadableField(f"metadata.{key} is no text that can be kept")
    return value


def _is_present(value: object) -> bool:
    return value is not None and not (isinstance(value, str) and not value.strip())
