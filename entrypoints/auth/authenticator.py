"""Identifies the caller: a user by a Supabase access token, a service or an operator by its own key."""

import hashlib
import hmac
import logging
from collections.abc import Mapping
from typing import Any, Self

import attrs
import jwt

from domain.values.accounts import InvalidUserId, UserId, parse_user_id
from entrypoints.auth.jwks import Jwks
from entrypoints.auth.key_sets import KINDS
from entrypoints.settings.settings import Settings

LEEWAY_SECONDS = 30
"""How far the clocks of those who issue tokens may be from ours."""

AUDIENCE = ROLE = "authenticated"

CREDENTIALS = ("authorization", "x-user-id", "x-user-email", "x-gateway-secret")
"""The headers by which a caller is identified; no others are read."""

log = logging.getLogger("credence.auth")


@attrs.frozen
class SignedInUser:
    """A user of the product."""

    user_id: UserId
    email: str | None


@attrs.frozen
class Service:
    """The product's own backend, and the digest of its key, by which its requests are counted."""

    key_digest: str = attrs.field(default="", eq=False, repr=False)


@attrs.frozen
class Operator:
    """A person who runs the deployment."""


Caller = SignedInUser | Service | Operator


@attrs.frozen
class Unauthenticated(Exception):
    """The request carries no valid credentials."""

    reason: str


@attrs.frozen
class Forbidden(Exception):
    """The caller is authenticated but may not do this."""

    reason: str


@attrs.frozen
class MalformedHeader(Exception):
    """A malformed header, and the format that it must have."""

    name: str
    wanted: str


@attrs.frozen(kw_only=True)
class Authenticator:
    """Identifies callers by their headers."""

    service_keys: tuple[str, ...] = attrs.field(repr=False)
    operator_keys: tuple[str, ...] = attrs.field(repr=False)
    gateway_secrets: tuple[str, ...] = attrs.field(repr=False)
    trust_user_headers: bool
    jwt_secret: str | None = attrs.field(repr=False)
    jwks: Jwks | None
    issuer: str | None

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return the authenticator of a deployment."""
        auth_url = f"{settings.supabase_url}/auth/v1" if settings.supabase_url else None
        jwks_url = settings.supabase_jwks_url or (f"{auth_url}/.well-known/jwks.json" if auth_url else None)
        return cls(
            service_keys=settings.service_keys,
            operator_keys=settings.operator_keys,
            gateway_secrets=settings.gateway_secrets,
            trust_user_headers=settings.trust_user_headers,
            jwt_secret=settings.supabase_jwt_secret,
            jwks=Jwks(jwks_url, may_be_empty=settings.supabase_jwt_secret is not None) if jwks_url else None,
            issuer=auth_url,
        )

    async def authenticate(self, headers: Mapping[str, str]) -> Caller:
        """Return the caller. Header names are lower-case.

        :raises Unauthenticated: if no header identifies the caller.
        :raises Forbidden: if the `x-user-*` headers contradict the access token.
        :raises MalformedHeader: if an `x-user-*` header is malformed.
        :raises AuthUnavailable: if the keys that verify tokens cannot be fetched.
        """
        claimed_id, claimed_email = _claimed(headers)
        authorization = headers.get("authorization")
        if authorization is None:
            return self._by_headers(headers, claimed_id, claimed_email)
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated("Send the token as: Authorization: Bearer <token>.")
        token = token.strip()
        if _is_one_of(token, self.operator_keys):
            return Operator()
        if _is_one_of(token, self.service_keys):
            return Service(hashlib.sha256(token.encode()).hexdigest()[:16])
        user = await self._by_token(token)
        if claimed_id is not None and claimed_id != user.user_id:
            raise Forbidden("x-user-id names another user than the access token.")
        if claimed_email and user.email and claimed_email.lower() != user.email.lower():
            raise Forbidden("x-user-email differs from the access token's email.")
        return user

    def _by_headers(self, headers: Mapping[str, str], user_id: UserId | None, email: str | None) -> SignedInUser:
        if user_id is None:
            raise Unauthenticated("Sign in: send a Supabase access token as Authorization: Bearer <token>.")
        if self.trust_user_headers or _is_one_of(headers.get("x-gateway-secret", ""), self.gateway_secrets):
            return SignedInUser(user_id, email)
        raise Unauthenticated("x-user-id alone is not trusted: send an access token too.")

    async def _by_token(self, token: str) -> SignedInUser:
        try:
            algorithm = jwt.get_unverified_header(token).get("alg")
            if algorithm == "HS256" and self.jwt_secret is not None:
                claims = self._decode(token, self.jwt_secret, ["HS256"])
            elif isinstance(algorithm, str) and algorithm in KINDS and self.jwks is not None:
                key = await self.jwks.key_for(token)
                if key.algorithm_name != algorithm:
                    raise jwt.InvalidKeyError("the key's type does not match the algorithm")
                claims = self._decode(token, key.key, [algorithm])
            else:
                _log_what_is_missing(algorithm)
                raise Unauthenticated("This kind of access token is not accepted.")
            if claims.get("role") != ROLE:
                raise Unauthenticated("The access token does not belong to a signed-in user.")
            email = claims.get("email")
            return SignedInUser(parse_user_id(str(claims["sub"])), email if isinstance(email, str) and email else None)
        except jwt.ExpiredSignatureError:
            raise Unauthenticated("The access token has expired; sign in again.") from None
        except jwt.ImmatureSignatureError:
            log.warning("Rejected an access token issued in the future; check this machine's clock")
            raise Unauthenticated(
                f"The access token was issued in the future: the service's clock is more than {LEEWAY_SECONDS} seconds "
                "behind the issuer's."
            ) from None
        except (jwt.PyJWTError, InvalidUserId):
            raise Unauthenticated("Unknown key or invalid access token.") from None

    def _decode(self, token: str, key: Any, algorithms: list[str]) -> dict[str, Any]:
        return jwt.decode(
            token,
            key,
            algorithms=algorithms,
            audience=AUDIENCE,
            issuer=self.issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "sub", "aud"], "verify_iss": self.issuer is not None},
        )


def _log_what_is_missing(algorithm: object) -> None:
    """Log which setting a token's algorithm needs: the caller only sees a refusal."""
    if algorithm == "HS256":
        missing = "SUPABASE_JWT_SECRET is not set"
    elif isinstance(algorithm, str) and algorithm in KINDS:
        missing = "neither SUPABASE_JWKS_URL nor SUPABASE_URL is set"
    else:
        return
    log.warning("Refused an access token signed with %s: %s", algorithm, missing, extra={"algorithm": algorithm})


def _claimed(headers: Mapping[str, str]) -> tuple[UserId | None, str | None]:
    user_id, email = headers.get("x-user-id"), headers.get("x-user-email", "").strip()
    if len(email) > 320 or not email.isprintable():
        raise MalformedHeader("x-user-email", "printable text of at most 320 characters")
    try:
        return (parse_user_id(user_id.strip()) if user_id is not None else None), email or None
    except InvalidUserId:
        raise MalformedHeader("x-user-id", "a UUID") from None


def _is_one_of(shown: str, expected: tuple[str, ...]) -> bool:
    # Compare with every key, so that the timing does not reveal which one matched.
    return sum(hmac.compare_digest(shown.encode(), one.encode()) for one in expected) > 0
