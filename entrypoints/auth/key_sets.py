"""Reads the keys that a project publishes. Only public keys for signatures are accepted."""

from collections.abc import Iterator, Mapping

import attrs
import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

MAX_BYTES = 64 * 1024
"""More than a hundred keys need; a project has two or three."""

KINDS: Mapping[str, type] = {"ES256": EllipticCurvePublicKey, "RS256": RSAPublicKey, "EdDSA": Ed25519PublicKey}
"""The algorithms of key pairs, each with the kind of key that it takes."""


@attrs.frozen
class NoKeys(Exception):
    """An answer that has no keys."""

    reason: str


class _Document(msgspec.Struct):
    keys: list[msgspec.Raw]


class _Published(msgspec.Struct, omit_defaults=True):
    """The public members of a JSON Web Key (RFC 7517, RFC 7518)."""

    kty: str
    kid: str | None = None
    use: str | None = None
    key_ops: list[str] | None = None
    alg: str | None = None
    crv: str | None = None
    x: str | None = None
    y: str | None = None
    n: str | None = None
    e: str | None = None


def read_keys(body: bytes) -> dict[str | None, jwt.PyJWK]:
    """Return the keys that may check a token, by their names; those of other uses and algorithms are left out.

    :raises NoKeys: if it is no key set.
    """
    try:
        document = msgspec.json.decode(body, type=_Document)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise NoKeys("the response is not a JSON Web Key Set") from error
    return {key.key_id: key for key in _usable(document.keys)}


def _usable(published: list[msgspec.Raw]) -> Iterator[jwt.PyJWK]:
    for one in published:
        try:
            fields = msgspec.json.decode(one, type=_Published)
            if not _is_for_signatures(fields):
                continue
            key = jwt.PyJWK(msgspec.to_builtins(fields))
        except (msgspec.MsgspecError, jwt.PyJWTError, ValueError, RecursionError):
            continue
        if isinstance(key.key, KINDS.get(key.algorithm_name, ())):
            yield key


def _is_for_signatures(fields: _Published) -> bool:
    return (
        fields.kty in {"EC", "RSA", "OKP"}
        and fields.alg in {None, *KINDS}
        and fields.use in {None, "sig"}
        and (fields.key_ops is None or "verify" in fields.key_ops)
    )
