"""The public keys of a Supabase project, fetched when they are needed and kept for a while."""

import asyncio
import time
from typing import Any

import attrs
import httpx
import jwt

KEEP_SECONDS = 600
"""How long fetched keys are used; Supabase serves them with the same lifetime."""

RETRY_SECONDS = 30
"""How soon they are fetched again for a key that is not among them."""

ANSWER_SECONDS = 5


@attrs.frozen
class AuthUnavailable(Exception):
    """The keys that access tokens are checked with could not be fetched."""

    cause: str


class Jwks:
    """A JSON Web Key Set behind an address."""

    def __init__(self, url: str, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._url = url
        self._transport = transport
        self._keys: dict[str | None, Any] = {}
        self._fetched_at = float("-inf")
        self._fetching = asyncio.Lock()

    async def key_for(self, token: str) -> Any:
        """The key that the token names.

        :raises AuthUnavailable: if the keys can't be fetched.
        :raises jwt.PyJWTError: if there is no such key.
        """
        name = jwt.get_unverified_header(token).get("kid")
        age = time.monotonic() - self._fetched_at
        if age > KEEP_SECONDS or (name not in self._keys and age > RETRY_SECONDS):
            async with self._fetching:
                if time.monotonic() - self._fetched_at > RETRY_SECONDS:
                    await self._fetch()
        if name not in self._keys:
            raise jwt.InvalidKeyError("no such key")
        return self._keys[name]

    async def _fetch(self) -> None:
        try:
            async with httpx.AsyncClient(transport=self._transport, timeout=ANSWER_SECONDS) as client:
                answer = await client.get(self._url)
                answer.raise_for_status()
                found = jwt.PyJWKSet.from_dict(answer.json())
        except jwt.PyJWKSetError:
            # A project that still signs with a shared secret has an empty set.
            self._keys = {}
        except (httpx.HTTPError, ValueError) as error:
            if self._keys:
                return
            raise AuthUnavailable(type(error).__name__) from error
        else:
            self._keys = {key.key_id: key.key for key in found.keys}
        self._fetched_at = time.monotonic()
