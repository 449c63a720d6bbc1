"""The public keys of a Supabase project, fetched when they are needed and kept until there are better ones."""

import asyncio
import logging
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import attrs
import httpx
import jwt

from entrypoints.auth.key_sets import MAX_BYTES, NoKeys, read_keys

KEEP_SECONDS = 600
"""How old keys may grow before they are fetched again; Supabase serves them with the same lifetime."""

RETRY_SECONDS = 5
"""How soon they are fetched again after a fetch that failed, or that did not bring the key of a token."""

ANSWER_SECONDS = 5
"""How long a fetch may take from its beginning to its end."""

log = logging.getLogger("credence.auth")


@attrs.frozen
class AuthUnavailable(Exception):
    """The keys that access tokens are checked with could not be fetched."""

    cause: str


class Jwks:
    """A JSON Web Key Set behind an address.

    There is one fetch at a time, and all who need it wait for it. A token by a known key never waits.
    """

    def __init__(
        self,
        url: str,
        *,
        may_be_empty: bool = False,
        transport: httpx.AsyncBaseTransport | None = None,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep keys by a clock: `seconds` returns the seconds since any beginning.

        `may_be_empty` says that the project signs with a shared secret too, so that it need not publish a key.
        """
        self.address = _without_secrets(url)
        self._url = url
        self._may_be_empty = may_be_empty
        self._transport = transport
        self._seconds = seconds
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._trouble: str | None = None
        self._was_tried = False
        self._old_at = self._retry_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def key_for(self, token: str) -> jwt.PyJWK:
        """Return the key that the token names.

        :raises AuthUnavailable: if it is not known, and the keys could not be fetched.
        :raises jwt.PyJWTError: if there is no such key.
        """
        name = jwt.get_unverified_header(token).get("kid")
        if name in self._keys:
            self._renew()
            return self._keys[name]
        if self._is_fetching or self._seconds() >= self._retry_at:
            await self._fetched()
            if name in self._keys:
                return self._keys[name]
            # Anyone can make up names: they make no more fetches than this.
            self._retry_at = self._seconds() + RETRY_SECONDS
        if self._trouble is not None:
            raise AuthUnavailable(self._trouble)
        raise jwt.InvalidKeyError("no such key")

    async def trouble(self) -> str | None:
        """Return why the keys could not be fetched when that was last tried, None where they could; wait only once."""
        if self._was_tried:
            self._renew()
        else:
            await self._fetched()
        return self._trouble

    @property
    def _is_fetching(self) -> bool:
        return self._fetching is not None and not self._fetching.done()

    def _renew(self) -> None:
        """Begin to fetch what is old, and leave nobody waiting for it."""
        if self._seconds() >= self._old_at and not self._is_fetching:
            self._fetching = asyncio.create_task(self._fetch())

    async def _fetched(self) -> None:
        """Wait for the fetch that is under way, or for one that begins now; whoever gives up does not end it."""
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.create_task(self._fetch())
        await asyncio.shield(self._fetching)

    async def _fetch(self) -> None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                body = await self._body()
            if found := read_keys(body):
                self._keys = found
            elif self._keys or not self._may_be_empty:
                raise NoKeys("the answer has no key for signatures")
        except TimeoutError:
            self._failed(f"no whole answer within {ANSWER_SECONDS} seconds")
        except httpx.HTTPStatusError as error:
            self._failed(f"it answers {error.response.status_code}")
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            self._failed(type(error).__name__)
        except NoKeys as error:
            self._failed(error.reason)
        else:
            if self._trouble is not None:
                log.info("The keys of access tokens could be fetched again from %s", self.address)
            self._trouble = None
            self._old_at, self._retry_at = self._seconds() + KEEP_SECONDS, float("-inf")
        finally:
            self._was_tried = True

    async def _body(self) -> bytes:
        async with (
            # The limit is on the whole: one for each read would let an answer that trickles last for ever.
            httpx.AsyncClient(transport=self._transport, timeout=None) as client,  # noqa: S113 - as said
            client.stream("GET", self._url, headers={"Accept-Encoding": "identity"}) as answer,
        ):
            answer.raise_for_status()
            if "Content-Encoding" in answer.headers:
                raise NoKeys("the answer is packed, so that it could have any size")
            body = bytearray()
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > MAX_BYTES:
                    raise NoKeys(f"the answer has more than {MAX_BYTES // 1024} KiB")
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
        self._old_at = self._retry_at = self._seconds() + RETRY_SECONDS


def _without_secrets(url: str) -> str:
    """Return an address without the user, the password and the query that may be in it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
