"""The public keys of a Supabase project, fetched when they are needed and kept for a while."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import attrs
import httpx
import jwt

KEEP_SECONDS = 600
"""How long fetched keys are used; Supabase serves them with the same lifetime."""

RETRY_SECONDS = 30
"""How soon they are fetched again for a key that is not among them, and where they could not be fetched."""

ANSWER_SECONDS = 5


@attrs.frozen
class AuthUnavailable(Exception):
    """The keys that access tokens are checked with could not be fetched."""

    cause: str


class Jwks:
    """A JSON Web Key Set behind an address."""

    def __init__(
        self,
        url: str,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep keys by a clock: `seconds` tells how much time goes by, from any beginning."""
        self._url = url
        self._transport = transport
        self._seconds = seconds
        self._keys: dict[str | None, Any] = {}
        self._fetched_at = self._tried_at = float("-inf")
        self._fetching = asyncio.Lock()

    async def key_for(self, token: str) -> Any:
        """Return the key that the token names.

        :raises AuthUnavailable: if the keys can't be fetched.
        :raises jwt.PyJWTError: if there is no such key.
        """
        name = jwt.get_unverified_header(token).get("kid")
        if self._wants_fetching(name):
            async with self._fetching:
                if self._wants_fetching(name):
                    await self._fetch()
        if name not in self._keys:
            raise jwt.InvalidKeyError("no such key")
        return self._keys[name]

    def _wants_fetching(self, name: str | None) -> bool:
        now = self._seconds()
        is_wanted = now - self._fetched_at > (KEEP_SECONDS if name in self._keys else RETRY_SECONDS)
        # Keys that are known do while new ones can't be had; whoever asks for them meanwhile is not kept waiting.
        return is_wanted and (not self._keys or now - self._tried_at > RETRY_SECONDS)

    async def _fetch(self) -> None:
        self._tried_at = self._seconds()
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
        self._fetched_at = self._seconds()
