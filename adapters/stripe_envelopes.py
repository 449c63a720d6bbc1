"""The envelope of a Stripe event: what is kept of it, and what its object tells."""

import json
from typing import NoReturn

from adapters.stripe_events import told_by
from adapters.stripe_fields import identifier, moment
from domain.events import Delivery, InboxEvent
from domain.ports import InvalidBody

RECONCILED = "credence_reconciled"
"""Marks the envelope of an event that Stripe never made: its object was retrieved."""


def delivery_of(text: str) -> Delivery:
    """The event that a body holds, and what it tells.

    :raises InvalidBody: if it is no snapshot event.
    """
    envelope = _parsed(text)
    if envelope.get("object") == "v2.core.event":
        raise InvalidBody("a thin event")
    if envelope.get("object") != "event":
        raise InvalidBody("not an event")
    event_id, event_type = identifier(envelope.get("id")), identifier(envelope.get("type"))
    if event_id is None:
        raise InvalidBody("id is missing or no id")
    if event_type is None:
        raise InvalidBody("type is missing or no type")
    livemode = envelope.get("livemode")
    if not isinstance(livemode, bool):
        raise InvalidBody("livemode is missing or no boolean")
    account = identifier(envelope.get("account"))
    if account is None and envelope.get("account") is not None:
        raise InvalidBody("account is no id")
    about = _object_of(envelope)
    event = InboxEvent(
        id=event_id,
        type=event_type,
        body=text,
        livemode=livemode,
        account=account,
        api_version=identifier(envelope.get("api_version")),
        created=moment(envelope.get("created")),
        session_id=identifier(about.get("id")) if event_type.startswith("checkout.session.") else None,
        object_id=identifier(about.get("id")),
    )
    return Delivery(event, told_by(event_type, about, event.created, retrieved=envelope.get(RECONCILED) is True))


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
        raise InvalidBody("data.object is missing or no object")
    return about
