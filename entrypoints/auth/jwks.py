"""The public keys of a Supabase project, fetched when they are needed and kept until there are better ones."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import attrs
import httpx
import jwt

from entrypoints.auth.key_sets import MAX_BYTES, NoKeys, read_keys

KEEP_SECONDS = 600
"""How old keys may grow before they are fetched again; Supabase serves them with the same lifetime."""

APART_SECONDS = 1
"""How much time there is from the beginning of a fetch to that of the next: anyone can make up names of keys."""

RETRY_SECONDS = 5
"""How soon they are fetched again after a fetch that failed."""

ANSWER_SECONDS = 5
"""How long a fetch may take from its beginning to its end."""

MAX_WAITING = 1000
"""How many tokens may wait at a time for a fetch that may bring their keys; each keeps a connection."""

log = logging.getLogger("credence.auth")


@attrs.frozen
class AuthUnavailable(Exception):
    """The keys that access tokens are checked with could not be fetched."""

    cause: str


class Jwks:
    """A JSON Web Key Set behind an address.

    There is one fetch at a time, and all who need it wait for it. A token by an unknown key is only refused by a fetch
    that began after it came, and a token by a known key never waits.
    """

    def __init__(
        self,
        url: str,
        *,
        may_be_empty: bool = False,
        transport: httpx.AsyncBaseTransport | None = None,
        seconds: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Keep keys by a clock: `seconds` returns the seconds since any beginning, `sleep` waits for so many of them.

        `may_be_empty` says that the project signs with a shared secret too, so that it need not publish a key.
        """
        self.address = _without_secrets(url)
        self._url = url
        self._may_be_empty = may_be_empty
        self._transport = transport
        self._seconds = seconds
        self._sleep = sleep
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._trouble: str | None = None
        self._was_tried = False
        self._old_at = self._next_at = float("-inf")
        self._under_way: asyncio.Task[None] | None = None
        self._coming: asyncio.Task[None] | None = None
        self._waiting = 0

    async def key_for(self, token: str) -> jwt.PyJWK:
        """Return the key that the token names.

        :raises AuthUnavailable: if it is not known, and the keys could not be fetched, or too many wait for them.
        :raises jwt.PyJWTError: if there is no such key.
        """
        name = jwt.get_unverified_header(token).get("kid")
        if name in self._keys:
            self._renew()
        else:
            await self._wait_for(name)
        if name in self._keys:
            return self._keys[name]
        if self._trouble is not None:
            raise AuthUnavailable(self._trouble)
        raise jwt.InvalidKeyError("no such key")

    async def trouble(self) -> str | None:
        """Return why the keys could not be fetched when that was last tried, None where they could; wait only once."""
        if self._was_tried:
            self._renew()
        else:
            await asyncio.shield(self._fetch_task())
        return self._trouble

    def _renew(self) -> None:
        """Begin to fetch what is old, and leave nobody waiting for it."""
        if self._seconds() >= self._old_at:
            self._fetch_task()

    async def _wait_for(self, name: str | None) -> None:
        """Wait for a fetch that brings the key, that fails, or that began after this was called."""
        if self._under_way is None and self._trouble is not None and self._seconds() < self._next_at:
            return
        if self._waiting >= MAX_WAITING:
            raise AuthUnavailable("too many tokens with unknown keys")
        self._waiting += 1
        try:
            if self._under_way is not None:
                await asyncio.shield(self._under_way)
                if name in self._keys or self._trouble is not None:
                    return
            await asyncio.shield(self._fetch_task())
        finally:
            self._waiting -= 1

    def _fetch_task(self) -> asyncio.Task[None]:
        """Return the fetch that is under way, or the next one. A caller that stops waiting does not end it."""
        if self._under_way is not None:
            return self._under_way
        if self._coming is None:
            self._coming = asyncio.create_task(self._fetch_in_turn())
        return self._coming

    async def _fetch_in_turn(self) -> None:
        """Fetch the keys, and not too soon."""
        while (seconds := self._next_at - self._seconds()) > 0:
            await self._sleep(seconds)
        self._under_way, self._coming = self._coming, None
        self._next_at = self._seconds() + APART_SECONDS
        try:
            await self._fetch()
        finally:
            self._under_way = None

    async def _fetch(self) -> None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                body = await self._body()
            if found := read_keys(body):
                self._keys = found
            elif self._keys or not self._may_be_empty:
                raise NoKeys("the response has no key for signatures")
        except TimeoutError:
            self._failed(f"no complete response within {ANSWER_SECONDS} seconds")
        except httpx.HTTPStatusError as error:
            self._failed(f"it answered {error.response.status_code}")
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            self._failed(type(error).__name__)
        except NoKeys as error:
            self._failed(error.reason)
        else:
            if self._trouble is not None:
                log.info("The keys of access tokens could be fetched again from %s", self.address)
            self._trouble = None
            self._old_at = self._seconds() + KEEP_SECONDS
        finally:
            self._was_tried = True

    async def _body(self) -> bytes:
        async with (
            # The time limit is on the whole: with one for each read, a slow trickle could go on for ever.
            httpx.AsyncClient(transport=self._transport, timeout=None) as client,  # noqa: S113 - as said
            client.stream("GET", self._url, headers={"Accept-Encoding": "identity"}) as answer,
        ):
            answer.raise_for_status()
            if "Content-Encoding" in answer.headers:
                raise NoKeys("the response is compressed, so its size cannot be limited")
            body = bytearray()
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > MAX_BYTES:
                    raise NoKeys(f"the response has more than {MAX_BYTES // 1024} KiB")
            return bytes(body)

    def _failed(self, trouble: str) -> None:
        """Keep what is known, and say so once: the log is not filled by an outage that lasts."""
        if trouble != self._trouble:
            kept = f"the {len(self._keys)} known ones are kept" if self._keys else "until then no user can sign in"
            log.warning(
                "The keys of access tokens could not be fetched from %s: %s; %s",
                self.address,
                trouble,
                kept,
                extra={"cause": trouble},
            )
        self._trouble = trouble
        self._old_at = self._next_at = self._seconds() + RETRY_SECONDS


def _without_secrets(url: str) -> str:
    """Return an address without the user, the password and the query that may be in it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
