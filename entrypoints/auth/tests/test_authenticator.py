"""Who is recognised, beyond what the features show over HTTP: asymmetric tokens, keys, headers."""

import base64
import hmac
import json
from typing import Any

import attrs
import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from entrypoints.auth.authenticator import (
    Authenticator,
    Forbidden,
    MalformedHeader,
    Operator,
    Service,
    SignedInUser,
    Unauthenticated,
)
from entrypoints.auth.jwks import AuthUnavailable, Jwks

ADA = "00000000-0000-0000-0000-00000000000a"
ISSUER = "https://project.supabase.co/auth/v1"
KEY = ec.generate_private_key(ec.SECP256R1())
STRANGER = ec.generate_private_key(ec.SECP256R1())
PAIRS: dict[str, tuple[Any, Any]] = {
    "ES256": (KEY, jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256)),
    "RS256": (rsa.generate_private_key(65537, 2048), jwt.algorithms.RSAAlgorithm(jwt.algorithms.RSAAlgorithm.SHA256)),
    "EdDSA": (ed25519.Ed25519PrivateKey.generate(), jwt.algorithms.OKPAlgorithm()),
}
ALL_KINDS = {
    "keys": [
        {**json.loads(algorithm.to_jwk(pair.public_key())), "kid": name, "alg": name, "use": "sig"}
        for name, (pair, algorithm) in PAIRS.items()
    ]
}
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
        "service_keys": ("service-key-of-twenty-chars",),
        "operator_keys": ("operator-key-of-twenty-chars",),
        "gateway_secrets": (),
        "trust_user_headers": False,
        "jwt_secret": None,
        "jwks": Jwks("https://project.supabase.co/jwks", transport=httpx.MockTransport(server)),
        "issuer": ISSUER,
        **changes,
    }
    return Authenticator(**given)


def token(key: ec.EllipticCurvePrivateKey = KEY, name: str = "one", **changes: Any) -> str:
    return jwt.encode({**CLAIMS, "exp": 4_102_444_800, **changes}, key, algorithm="ES256", headers={"kid": name})


async def caller(who: Authenticator, **headers: str) -> object:
    return await who.authenticate({name.replace("_", "-"): value for name, value in headers.items()})


async def test_an_asymmetric_token_is_a_user() -> None:
    """A token by one of the project's keys names its user."""
    assert SignedInUser(ADA, "ada@example.com") == await caller(authenticator(), authorization=f"Bearer {token()}")


@pytest.mark.parametrize("algorithm", PAIRS)
async def test_every_kind_of_key_pair_is_taken(algorithm: str) -> None:
    """A project may sign with an elliptic curve, with RSA or with Ed25519."""
    shown = jwt.encode(
        {**CLAIMS, "exp": 4_102_444_800}, PAIRS[algorithm][0], algorithm=algorithm, headers={"kid": algorithm}
    )
    assert SignedInUser(ADA, "ada@example.com") == await caller(
        authenticator(KeyServer(ALL_KINDS)), authorization=f"Bearer {shown}"
    )


def forged(header: dict[str, Any], *, signed_with: bytes | None = None) -> str:
    """A token that anyone can write, with a header of their choice, and a signature by what is public."""
    content = ".".join(encoded(json.dumps(part).encode()) for part in (header, {**CLAIMS, "exp": 4_102_444_800}))
    signature = b"x" * 64 if signed_with is None else hmac.digest(signed_with, content.encode(), "sha256")
    return f"{content}.{encoded(signature)}"


def encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("algorithm", [*PAIRS, "HS256", "none", ["ES256"], {}, None])
async def test_a_key_checks_only_its_own_algorithm(algorithm: object, name: str) -> None:
    """Whatever algorithm a stranger writes beside whichever of the project's keys, the token is refused as bad."""
    with pytest.raises(Unauthenticated):
        await caller(
            authenticator(KeyServer(ALL_KINDS)),
            authorization=f"Bearer {forged({'alg': algorithm, 'kid': name, 'typ': 'JWT'})}",
        )


async def test_a_shared_secret_and_key_pairs_stand_side_by_side() -> None:
    """A project that moves from one to the other has both; a public key is never taken for the secret."""
    secret = "s" * 40
    who = authenticator(KeyServer(ALL_KINDS), jwt_secret=secret)
    shared = jwt.encode({**CLAIMS, "exp": 4_102_444_800}, secret, algorithm="HS256")
    assert SignedInUser(ADA, "ada@example.com") == await caller(who, authorization=f"Bearer {shared}")
    for name, (pair, _) in PAIRS.items():
        public = pair.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        confused = forged({"alg": "HS256", "kid": name, "typ": "JWT"}, signed_with=public)
        with pytest.raises(Unauthenticated):
            await caller(who, authorization=f"Bearer {confused}")
    by_hand = forged({"alg": "HS256", "typ": "JWT"}, signed_with=secret.encode())
    assert SignedInUser(ADA, "ada@example.com") == await caller(who, authorization=f"Bearer {by_hand}")


@pytest.mark.parametrize("claim", ["exp", "sub", "aud", "role", "iss"])
async def test_a_token_without_a_claim_is_refused(claim: str) -> None:
    """Every claim that is checked must be there."""
    claims = {name: value for name, value in {**CLAIMS, "exp": 4_102_444_800}.items() if name != claim}
    shown = jwt.encode(claims, KEY, algorithm="ES256", headers={"kid": "one"})
    with pytest.raises(Unauthenticated):
        await caller(authenticator(), authorization=f"Bearer {shown}")


async def test_a_kind_of_tokens_that_nothing_is_set_for_is_reported_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The algorithm and what is missing, never the token; of what Supabase signs nothing with there is no word."""
    bare = authenticator(jwks=None)
    shared = jwt.encode({**CLAIMS, "exp": 4_102_444_800}, "s" * 40, algorithm="HS256")
    for who, shown in ((authenticator(), shared), (bare, shared), (bare, token()), (bare, forged({"alg": "none"}))):
        with pytest.raises(Unauthenticated):
            await caller(who, authorization=f"Bearer {shown}")
    refused = "Refused an access token signed with {}: {}"
    assert [
        refused.format("HS256", "SUPABASE_JWT_SECRET is not set"),
        refused.format("HS256", "SUPABASE_JWT_SECRET is not set"),
        refused.format("ES256", "neither SUPABASE_JWKS_URL nor SUPABASE_URL is set"),
    ] == caplog.messages
    assert {"WARNING"} == {record.levelname for record in caplog.records}


async def test_keys_are_their_owners() -> None:
    """The two keys are a service and an operator, and nothing near them is."""
    assert Service() == await caller(authenticator(), authorization="Bearer service-key-of-twenty-chars")
    assert Operator() == await caller(authenticator(), authorization="Bearer operator-key-of-twenty-chars")
    with pytest.raises(Unauthenticated):
        await caller(authenticator(), authorization="Bearer service-key-of-twenty-char")


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
async def test_other_tokens_are_nobody(shown: str) -> None:
    """Another key, project, audience or role is refused; so is a shared secret where only key pairs are used."""
    with pytest.raises(Unauthenticated):
        await caller(authenticator(), authorization=f"Bearer {shown}")


@pytest.mark.parametrize("shown", ["", "Bearer", "Bearer ", "Basic abc", "Bearer a.b.c", "Bearer \xe9"])
async def test_an_authorization_that_is_none_is_refused(shown: str) -> None:
    """Whatever is no token is nobody."""
    with pytest.raises(Unauthenticated):
        await caller(authenticator(), authorization=shown)


async def test_keys_that_are_away_are_distinguished_from_bad_tokens() -> None:
    """Without the project's keys nobody is refused for good: the answer is to come again."""
    with pytest.raises(AuthUnavailable):
        await caller(authenticator(KeyServer(None)), authorization=f"Bearer {token()}")


async def test_headers_need_the_gateways_secret() -> None:
    """With the secret the headers name a user, without it nobody."""
    who = authenticator(gateway_secrets=("secret-of-the-gateway",))
    named = {"x_user_id": ADA.upper(), "x_user_email": "ada@example.com"}
    assert SignedInUser(ADA, "ada@example.com") == await caller(who, **named, x_gateway_secret="secret-of-the-gateway")
    for secret in ("", "secret-of-the-gatewa", "secret-of-the-gateway2"):
        with pytest.raises(Unauthenticated):
            await caller(who, **named, x_gateway_secret=secret)
    with pytest.raises(Unauthenticated):
        await caller(authenticator(), **named, x_gateway_secret="")


@pytest.mark.parametrize("place", [0, 1])
async def test_keys_may_be_rotated(place: int) -> None:
    """While there are two of a kind each is good, and neither both at once nor an empty one is."""
    kinds = {
        kind: (f"{kind}-of-last-month", f"{kind}-of-this-month")
        for kind in ("service_keys", "operator_keys", "gateway_secrets")
    }
    who = authenticator(**kinds)
    shown = {kind: keys[place] for kind, keys in kinds.items()}
    assert Service() == await caller(who, authorization=f"Bearer {shown['service_keys']}")
    assert Operator() == await caller(who, authorization=f"Bearer {shown['operator_keys']}")
    assert SignedInUser(ADA, None) == await caller(who, x_user_id=ADA, x_gateway_secret=shown["gateway_secrets"])
    for keys in kinds.values():
        with pytest.raises(Unauthenticated):
            await caller(who, authorization=f"Bearer {','.join(keys)}")
    for secret in ("", ",".join(kinds["gateway_secrets"])):
        with pytest.raises(Unauthenticated):
            await caller(who, x_user_id=ADA, x_gateway_secret=secret)


async def test_headers_must_agree_with_the_token() -> None:
    """A header that names another user than the token is refused, trusted or not."""
    who = authenticator(trust_user_headers=True)
    shown = f"Bearer {token()}"
    assert SignedInUser(ADA, "ada@example.com") == await caller(who, authorization=shown, x_user_id=ADA)
    with pytest.raises(Forbidden):
        await caller(who, authorization=shown, x_user_id=ADA.replace("a", "b"))
    with pytest.raises(Forbidden):
        await caller(who, authorization=shown, x_user_id=ADA, x_user_email="eve@example.com")


async def test_an_email_header_alone_must_agree_with_the_token() -> None:
    """A gateway that sends only the email is held to it as well; case does not matter."""
    shown = f"Bearer {token()}"
    assert SignedInUser(ADA, "ada@example.com") == await caller(
        authenticator(), authorization=shown, x_user_email="Ada@Example.com"
    )
    with pytest.raises(Forbidden):
        await caller(authenticator(), authorization=shown, x_user_email="eve@example.com")


@pytest.mark.parametrize("email", ["e\x00ve@example.com", "e" * 321])
@pytest.mark.parametrize("user_id", [{}, {"x_user_id": ADA}])
async def test_a_malformed_email_is_named(user_id: dict[str, str], email: str) -> None:
    """An email that can't be one is reported by the header's name, beside a user id or without."""
    with pytest.raises(MalformedHeader) as raised:
        await caller(authenticator(trust_user_headers=True), **user_id, x_user_email=email)
    assert "x-user-email" == raised.value.name


async def test_an_email_alone_is_nobody() -> None:
    """Who is not named by an id is not signed in, trusted headers or not."""
    with pytest.raises(Unauthenticated):
        await caller(authenticator(trust_user_headers=True), x_user_email="ada@example.com")


@pytest.mark.parametrize("user_id", ["", "ada", f"{ADA}, {ADA}", f"{{{ADA}}}", ADA.replace("-", "")])
async def test_a_malformed_header_is_named(user_id: str) -> None:
    """A user id that is no uuid, or two of them, is reported by the header's name."""
    with pytest.raises(MalformedHeader) as raised:
        await caller(authenticator(trust_user_headers=True), x_user_id=user_id)
    assert "x-user-id" == raised.value.name
