"""Reads the envelope of a Stripe event, and its object's report."""

import json
from datetime import datetime
from typing import NoReturn

from adapters.stripe.events import read_event
from adapters.stripe.objects.fields import Object, identifier, moment
from domain.payments.reports import Delivery, InboxEvent, Irrelevant
from domain.ports.payment_provider import InvalidBody

RECONCILED = "credence_reconciled"
"""Marks the envelope of an event that Stripe never created: its object was fetched."""

THIN = "a thin event, which only names its object; set the event destination to send snapshots"
"""Why a thin event is ignored. If it were refused, Stripe would deliver it again for days."""


def wrapped(item: Object, event_type: str, created: datetime, *, livemode: bool) -> Delivery | None:
    """Return an object, as it was fetched, in place of the event that reports it; None if it has no id.

    The id is always the same, so that the inbox stores the object once.
    """
    envelope = {
        "id": f"reconciled_{item.get('id')}",
        "object": "event",
        "type": event_type,
        "created": int(created.timestamp()),
        "livemode": livemode,
        "data": {"object": item},
        RECONCILED: True,
    }
    try:
        return delivery_of(json.dumps(envelope, default=str))
    except InvalidBody:
        return None


def delivery_of(text: str) -> Delivery:
    """Return the event in a body, with its report.

    :raises InvalidBody: if it is not an event.
    """
    envelope = _parsed(text)
    match envelope.get("object"):
        case "event":
            return _snapshot(envelope, text)
        case "v2.core.event":
            return _thin(envelope, text)
        case _:
            raise InvalidBody("not an event")


def _snapshot(envelope: dict[str, object], text: str) -> Delivery:
    about = _object_of(envelope)
    event_type = _required(envelope, "type")
    event = InboxEvent(
        id=_required(envelope, "id"),
        type=event_type,
        body=text,
        livemode=_livemode(envelope),
        account=_account(envelope),
        created=moment(envelope.get("created")),
        session_id=identifier(about.get("id")) if event_type.startswith("checkout.session.") else None,
        object_id=identifier(about.get("id")),
    )
    return Delivery(event, read_event(event_type, about, event.created, retrieved=envelope.get(RECONCILED) is True))


def _thin(envelope: dict[str, object], text: str) -> Delivery:
    """Return a thin event. One without a mode is in test mode, as in the `stripe` package."""
    about = envelope.get("related_object")
    event = InboxEvent(
        id=_required(envelope, "id"),
        type=_required(envelope, "type"),
        body=text,
        livemode=_livemode(envelope) if envelope.get("livemode") is not None else False,
        account=_account(envelope),
        created=_instant(envelope.get("created")),
        object_id=identifier(about.get("id")) if isinstance(about, dict) else None,
    )
    return Delivery(event, Irrelevant(THIN))


def _required(envelope: dict[str, object], key: str) -> str:
    found = identifier(envelope.get(key))
    if found is None:
        raise InvalidBody(f"{key} is missing or not a valid {key}")
    return found


def _livemode(envelope: dict[str, object]) -> bool:
    livemode = envelope.get("livemode")
    if not isinstance(livemode, bool):
        raise InvalidBody("livemode is missing or not a boolean")
    return livemode


def _account(envelope: dict[str, object]) -> str | None:
    """Return the account that the event names, if any.

    `account` belongs to Connect. `context` is also for organizations: the path from the destination's owner to the
    account, such as `acct_platform/acct_connected`. Connect events have both, and `context` may not end in `account`.
    """
    named, context = envelope.get("account"), envelope.get("context")
    if named is not None:
        account = identifier(named)
        if account is None:
            raise InvalidBody("account is not an id")
        return account
    if context is None or context == "":
        return None
    account = identifier(context.rpartition("/")[2]) if isinstance(context, str) else None
    if account is None:
        raise InvalidBody("context does not end in an id")
    return account


def _instant(text: object) -> datetime | None:
    """Return a time in ISO 8601, cut to whole seconds, the format of thin events; None if it is malformed."""
    try:
        report = datetime.fromisoformat(text) if isinstance(text, str) else None
        return moment(int(report.timestamp())) if report is not None and report.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _parsed(text: str) -> dict[str, object]:
    if not text:
        raise InvalidBody("empty")
    try:
        parsed = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise InvalidBody("nested too deeply") from None
    except ValueError:
        raise InvalidBody("not JSON") from None
    if not isinstance(parsed, dict):
        raise InvalidBody("not a JSON object")
    return parsed


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _object_of(envelope: dict[str, object]) -> dict[str, object]:
    data = envelope.get("data")
    about = data.get("object") if isinstance(data, dict) else None
    if not isinstance(about, dict):
        raise InvalidBody("data.object is missing or not an object")
    return about
