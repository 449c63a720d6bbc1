"""Signatures, held against the libraries that verify them in earnest."""

import time

import jwt
import pytest
import stripe

from simulators.stripe.signatures import mint_token, sign_webhook

BODY = '{"id": "evt_1", "object": "event", "name": "Zoë"}'


def verifies(header: str, secret: str, body: str = BODY) -> bool:
    try:
        return stripe.WebhookSignature.verify_header(body, header, secret, tolerance=300)
    except stripe.SignatureVerificationError:
        return False


def test_stripes_library_accepts_the_signature_and_no_other() -> None:
    """Good for its body, secret and time; not for another."""
    now = int(time.time())
    header = sign_webhook(BODY.encode(), "whsec_a", now)
    assert verifies(header, "whsec_a")
    assert not verifies(header, "whsec_b")
    assert not verifies(header, "whsec_a", BODY + " ")
    assert not verifies(sign_webhook(BODY.encode(), "whsec_a", now - 301), "whsec_a")


def test_a_rolled_secret_signs_beside_the_old_one() -> None:
    """Either secret verifies the one header."""
    header = sign_webhook(BODY.encode(), "whsec_old", int(time.time()), "whsec_new")
    assert [True, True, False] == [verifies(header, secret) for secret in ("whsec_old", "whsec_new", "whsec_no")]


def test_a_minted_token_is_a_jwt() -> None:
    """Its claims come back with the secret, and not with another."""
    secret = "a-secret-of-forty-characters-for-tokens!"
    claims = {"role": "service_role", "sub": "ü"}
    token = mint_token(secret, claims)
    assert claims == jwt.decode(token, secret, algorithms=["HS256"])
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, secret[::-1], algorithms=["HS256"])
