"""Finds our own Stripe account's id, asking Stripe once."""

import asyncio
import time

from adapters.stripe.connection import StripeConnection, plain, translated
from adapters.stripe.objects.fields import identifier
from domain.ports.payment_provider import PaymentsUnavailable

ANSWER_SECONDS = 5
PAUSE_SECONDS = 300
"""How long to wait after a failure before asking Stripe again."""


class StripeIdentity:
    """Implements the port Identity; `configured` is the account's id for keys that may not read it."""

    def __init__(
        self,
        connection: StripeConnection,
        *,
        configured: str | None = None,
        seconds: float = ANSWER_SECONDS,
        pause: float = PAUSE_SECONDS,
    ) -> None:
        self._v1 = connection.client.v1
        self._configured = configured
        self._seconds, self._pause = seconds, pause
        self._found: str | None = None
        self._quiet_until = 0.0
        self._turn = asyncio.Lock()

    async def account_id(self) -> str | None:
        """Return our own account's id, or None if neither Stripe nor the settings provide it."""
        async with self._turn:
            if self._found is None and time.monotonic() >= self._quiet_until:
                self._found = await self._asked()
                self._quiet_until = time.monotonic() + self._pause
        return self._found or self._configured

    async def _asked(self) -> str | None:
        try:
            async with asyncio.timeout(self._seconds):
                with translated():
                    return identifier(plain(await self._v1.accounts.retrieve_current_async()).get("id"))
        except (PaymentsUnavailable, TimeoutError):
            return None
