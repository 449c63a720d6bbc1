"""Names of keys in Redis: each begins with the ledger's id, so that several deployments may share one Redis.

Its first eight characters are enough: what follows, the id of a user or a session, is random itself, and two ledgers
share a key only where both are equal. The id is asked of the ledger once. Until it is known nothing can be asked of
Redis.
"""

import asyncio
from collections.abc import Awaitable, Callable

from domain.ports.cache import CacheUnavailable
from domain.ports.ledger import LedgerUnavailable

CHARACTERS = 8
"""Of the ledger's id: 32 random bits."""


class LedgerKeys:
    """The prefix of one ledger's keys, `{ledger id}:`."""

    def __init__(self, identity: Callable[[], Awaitable[str]]) -> None:
        """`identity` asks the ledger for its id, and may raise :class:`LedgerUnavailable`."""
        self._identity = identity
        self._prefix: str | None = None
        self._asking: asyncio.Task[None] | None = None
        self._away: str | None = None
        """Why the ledger did not tell its id when it was asked last."""

    async def prefix(self) -> str:
        """Return what the keys begin with; once the ledger did not tell, nobody waits for it again.

        :raises CacheUnavailable: if that is not known.
        """
        if self._prefix is None:
            if self._asking is None or self._asking.done():
                self._asking = asyncio.get_running_loop().create_task(self._ask())
            if self._away is None:
                await asyncio.wait((self._asking,))
            if self._prefix is None:
                raise CacheUnavailable(f"the keys are not known before the ledger's id is: {self._away}")
        return self._prefix

    async def aclose(self) -> None:
        """Stop asking."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait((self._asking,))

    async def _ask(self) -> None:
        try:
            self._prefix = f"{(await self._identity())[:CHARACTERS]}:"
        except LedgerUnavailable as unavailable:
            self._away = unavailable.cause
