"""Stripe's webhook deliveries: whether they are Stripe's, which event they bring, and what it tells.

Everything that turns the bytes of a delivery into a value of the domain's stands here or in `stripe_sales`;
whatever the bytes, nothing but :class:`InvalidSignature` and :class:`InvalidBody` is raised.
"""

import json
import re
from datetime import UTC, datetime
from typing import NoReturn

import attrs
import stripe

from adapters.stripe_sales import SALE_EVENTS, identifier, told_by_session
from domain.events import Delivery, InboxEvent, Irrelevant, Told
from domain.ports import Clock, InvalidBody, InvalidSignature

TOLERANCE_SECONDS = 300
"""How far a delivery's timestamp may be from now, in the past and in the future."""

_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_YEAR_10000 = 253_402_300_800


def _check_secrets(instance: object, attribute: object, secrets: tuple[str, ...]) -> None:
    if not secrets or not all(secret.strip() for secret in secrets):
        raise ValueError("at least one webhook secret is needed, and none may be empty")


@attrs.frozen
class StripeWebhooks:
    """Verifies and translates deliveries; implements the port Deliveries.

    :raises ValueError: if there is no secret, or an empty one.
    """

    secrets: tuple[str, ...] = attrs.field(repr=False, validator=_check_secrets)
    """Any of them may have signed: there are two while one is being rotated."""
    clock: Clock

    def verify(self, body: bytes, signature: str | None) -> Delivery:
        """The event behind a delivery, by its body as received and its `Stripe-Signature` header.

        :raises InvalidSignature: if it is not signed with one of our secrets, or not within 300 s of now.
        :raises InvalidBody: if what was signed is no snapshot event.
        """
        sent_at = _timestamp(signature)
        text = _decoded(body)
        if not any(_is_signed(text, signature, secret) for secret in self.secrets):
            raise InvalidSignature("no signature is by a secret of ours")
        age = self.clock.now().timestamp() - sent_at
        if age > TOLERANCE_SECONDS:
            raise InvalidSignature("stale")
        if age < -TOLERANCE_SECONDS:
            raise InvalidSignature("from the future")
        return _delivery(text)


def _timestamp(header: str | None) -> int:
    """Seconds since 1970, read more strictly than the library does, which takes the first of many."""
    if header is None or not header.strip():
        raise InvalidSignature("missing")
    if not header.isascii():  # the library's comparison takes nothing else
        raise InvalidSignature("malformed")
    pairs = [item.partition("=") for item in header.split(",")]
    timestamps = [value for key, _, value in pairs if key == "t"]
    if len(timestamps) != 1 or not _TIMESTAMP.fullmatch(timestamps[0]):
        raise InvalidSignature("malformed timestamp")
    return int(timestamps[0])


def _decoded(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidBody("not UTF-8") from None


def _is_signed(text: str, header: str | None, secret: str) -> bool:
    try:
        # Without a tolerance: the library knows only the machine's clock, and no future.
        return bool(stripe.WebhookSignature.verify_header(text, header, secret, tolerance=None))
    except stripe.SignatureVerificationError:
        return False


def _delivery(text: str) -> Delivery:
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
        created=_moment(envelope.get("created")),
        session_id=identifier(about.get("id")) if event_type.startswith("checkout.session.") else None,
    )
    return Delivery(event, _told(event_type, about))


def _told(event_type: str, about: dict[str, object]) -> Told:
    if event_type in SALE_EVENTS:
        return told_by_session(about, event_type=event_type)
    return Irrelevant(f"event type {event_type} is not used")


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


def _moment(seconds: object) -> datetime | None:
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not 0 <= seconds < _YEAR_10000:
        return None
    return datetime.fromtimestamp(seconds, UTC)
