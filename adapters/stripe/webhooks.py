"""Verifies Stripe's webhook deliveries, and translates their events.

Whatever the bytes, only :class:`InvalidSignature` and :class:`InvalidBody` are raised.
"""

import re

import attrs
import stripe

from adapters.stripe.envelope import delivery_of
from domain.payments.reports import Delivery
from domain.ports.coordination import Clock
from domain.ports.payment_provider import InvalidBody, InvalidSignature

TOLERANCE_SECONDS = 300
"""The tolerance in seconds of a delivery's timestamp, in the past and in the future: the default of Stripe's
libraries (https://docs.stripe.com/webhooks/signature)."""

_TIMESTAMP = re.compile(r"[0-9]{1,12}")


def _check_secrets(instance: object, attribute: object, secrets: tuple[str, ...]) -> None:
    if not secrets or not all(secret.strip() for secret in secrets):
        raise ValueError("at least one webhook secret is needed, and none may be empty")


@attrs.frozen
class StripeWebhooks:
    """Verifies and translates deliveries; implements the port Deliveries.

    :raises ValueError: if there is no secret, or an empty one.
    """

    secrets: tuple[str, ...] = attrs.field(repr=False, validator=_check_secrets)
    """Any of them may have signed: there are two during a rotation."""
    clock: Clock

    def verify(self, body: bytes, signature: str | None) -> Delivery:
        """Verify a delivery, by its body as received and its `Stripe-Signature` header, and return its event.

        :raises InvalidSignature: if it is not signed with one of our secrets, or not within 300 s of now.
        :raises InvalidBody: if the signed body is not an event.
        """
        sent_at = _timestamp(signature)
        text = _decoded(body)
        if not any(_is_signed(text, signature, secret) for secret in self.secrets):
            raise InvalidSignature("no signature matches one of our secrets")
        age = self.clock.now().timestamp() - sent_at
        if age > TOLERANCE_SECONDS:
            raise InvalidSignature("stale")
        if age < -TOLERANCE_SECONDS:
            raise InvalidSignature("from the future")
        return delivery_of(text)

    def read(self, body: str) -> Delivery:
        """Return the event in a body that was verified before.

        :raises InvalidBody: if it is not an event.
        """
        return delivery_of(body)


def _timestamp(header: str | None) -> int:
    """Return the timestamp in seconds since 1970; stricter than the library, which accepts the first of many."""
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
