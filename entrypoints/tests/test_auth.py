"""Who is recognised, beyond what the features show over HTTP: asymmetric tokens, keys, headers."""

import asyncio
import json
from typing import Any

import attrs
import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from entrypoints.auth import (
    Authenticator,
    AuthUnavailable,
    Forbidden,
    MalformedHeader,
    Operator,
    Service,
    SignedInUser,
    Unauthenticated,
)
from entrypoints.jwks import Jwks

ADA = "00000000-0000-0000-0000-00000000000a"
ISSUER = "https://project.supabase.co/auth/v1"
KEY = ec.generate_private_key(ec.SECP256R1())
STRANGER = ec.generate_private_key(ec.SECP256R1())
CLAIMS = {"sub": ADA, "email": "ada@example.com", "aud": "authenticated", "role": "authenticated", "iss": ISSUER}


def published(**keys: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
    algorithm = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256)
    shown = {name: json.loads(algorithm.to_jwk(key.public_key())) for name, key in keys.items()}
    return {"keys": [{**key, "kid": name, "alg": "ES256", "use": "sig"} for name, key in shown.items()]}


@attrs.define
class KeyServer:
    """A project's key set, which may change or be away."""

    answer: dict[str, Any] | None
    asked: int = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        return httpx.Response(503) if self.answer is None else httpx.Response(200, json=self.answer)


def authenticator(server: KeyServer | None = None, **changes: Any) -> Authenticator:
    server = server or KeyServer(published(one=KEY))
    given = {
        "service_key": "service-key-of-twenty-chars",
        "operator_key": "operator-key-of-twenty-chars",
        "gateway_secret": None,
        "trust_user_headers": False,
        "jwt_secret": None,
        "jwks": Jwks("https://project.supabase.co/jwks", transport=httpx.MockTransport(server)),
        "issuer": ISSUER,
        **changes,
    }
    return Authenticator(**given)


def token(key: ec.EllipticCurvePrivateKey = KEY, name: str = "one", **changes: Any) -> str:
    return jwt.encode({**CLAIMS, "exp": 4_102_444_800, **changes}, key, algorithm="ES256", headers={"kid": name})


def caller(who: Authenticator, **headers: str) -> object:
    return asyncio.run(who.authenticate({name.replace("_", "-"): value for name, value in headers.items()}))


def test_an_asymmetric_token_is_a_user() -> None:
    """A token by one of the project's keys names its user."""
    assert SignedInUser(ADA, "ada@example.com") == caller(authenticator(), authorization=f"Bearer {token()}")


def test_keys_are_their_owners() -> None:
    """The two keys are a service and an operator, and nothing near them is."""
    assert Service() == caller(authenticator(), authorization="Bearer service-key-of-twenty-chars")
    assert Operator() == caller(authenticator(), authorization="Bearer operator-key-of-twenty-chars")
    with pytest.raises(Unauthenticated):
        caller(authenticator(), authorization="Bearer service-key-of-twenty-char")


@pytest.mark.parametrize(
    "shown",
    [
        token(STRANGER),
        token(name="two"),
        token(exp=1),
        token(iss="https://other.supabase.co/auth/v1"),
        token(aud="other"),
        token(role="service_role"),
        jwt.encode({**CLAIMS, "exp": 4_102_444_800}, "x" * 40, algorithm="HS256", headers={"kid": "one"}),
    ],
)
def test_other_tokens_are_nobody(shown: str) -> None:
    """Another key, project, audience or role is refused; so is a shared secret where only key pairs are used."""
    with pytest.raises(Unauthenticated):
        caller(authenticator(), authorization=f"Bearer {shown}")


@pytest.mark.parametrize("shown", ["", "Bearer", "Bearer ", "Basic abc", "Bearer a.b.c", "Bearer \xe9"])
def test_an_authorization_that_is_none_is_refused(shown: str) -> None:
    """Whatever is no token is nobody."""
    with pytest.raises(Unauthenticated):
        caller(authenticator(), authorization=shown)


def test_keys_that_are_away_are_told_apart_from_bad_tokens() -> None:
    """Without the project's keys nobody is refused for good: the answer is to come again."""
    with pytest.raises(AuthUnavailable):
        caller(authenticator(KeyServer(None)), authorization=f"Bearer {token()}")


def test_keys_are_fetched_once() -> None:
    """Many tokens, one request; an unknown key asks no more than once in a while."""
    server = KeyServer(published(one=KEY))
    who = authenticator(server)

    async def many() -> None:
        for _ in range(5):
            await who.authenticate({"authorization": f"Bearer {token()}"})
        for _ in range(5):
            with pytest.raises(Unauthenticated):
                await who.authenticate({"authorization": f"Bearer {token(name='unknown')}"})

    asyncio.run(many())
    assert 1 == server.asked


def test_headers_need_the_gateways_secret() -> None:
    """With the secret the headers name a user, without it nobody."""
    who = authenticator(gateway_secret="secret-of-the-gateway")
    named = {"x_user_id": ADA.upper(), "x_user_email": "ada@example.com"}
    assert SignedInUser(ADA, "ada@example.com") == caller(who, **named, x_gateway_secret="secret-of-the-gateway")
    for secret in ("", "secret-of-the-gatewa", "secret-of-the-gateway2"):
        with pytest.raises(Unauthenticated):
            caller(who, **named, x_gateway_secret=secret)
    with pytest.raises(Unauthenticated):
        caller(authenticator(), **named, x_gateway_secret="")


def test_headers_must_agree_with_the_token() -> None:
    """A header that names another user than the token is refused, trusted or not."""
    who = authenticator(trust_user_headers=True)
    shown = f"Bearer {token()}"
    assert SignedInUser(ADA, "ada@example.com") == caller(who, authorization=shown, x_user_id=ADA)
    with pytest.raises(Forbidden):
        caller(who, authorization=shown, x_user_id=ADA.replace("a", "b"))
    with pytest.raises(Forbidden):
        caller(who, authorization=shown, x_user_id=ADA, x_user_email="eve@example.com")


@pytest.mark.parametrize("user_id", ["", "ada", f"{ADA}, {ADA}", f"{{{ADA}}}", ADA.replace("-", "")])
def test_a_malformed_header_is_named(user_id: str) -> None:
    """A user id that is no uuid, or two of them, is told by the header's name."""
    with pytest.raises(MalformedHeader) as raised:
        caller(authenticator(trust_user_headers=True), x_user_id=user_id)
    assert "x-user-id" == raised.value.name
