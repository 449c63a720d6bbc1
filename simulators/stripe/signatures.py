"""Signatures as Stripe and Supabase make them."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping


def sign_webhook(body: bytes, secret: str, timestamp: int, *more_secrets: str) -> str:
    """Return the `Stripe-Signature` header of a body; `timestamp` is in seconds since the epoch.

    While a secret is being rolled Stripe signs with the old and the new one: a signature for each is in the header.
    """
    signed = f"{timestamp}.".encode() + body
    signatures = [hmac.new(key.encode(), signed, hashlib.sha256).hexdigest() for key in (secret, *more_secrets)]
    return ",".join([f"t={timestamp}", *(f"v1={signature}" for signature in signatures)])


def mint_token(secret: str, claims: Mapping[str, object]) -> str:
    """Return an access token with these claims, signed with HS256."""
    head = _encode(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    body = _encode(json.dumps(dict(claims)).encode())
    signature = hmac.new(secret.encode(), f"{head}.{body}".encode(), hashlib.sha256).digest()
    return f"{head}.{body}.{_encode(signature)}"


def _encode(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()
