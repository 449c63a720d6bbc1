"""Which Stripe account is our own, asked of Stripe once."""

import asyncio
import time

from adapters.stripe.connection import StripeConnection, plain, translated
from adapters.stripe.objects.fields import identifier
from domain.ports.payment_provider import PaymentsUnavailable

ANSWER_SECONDS = 5
PAUSE_SECONDS = 300
"""How long after a refusal, or no answer, Stripe is not asked again."""


class StripeIdentity:
    """Implements the port Identity; `configured` is the account where the key may not ask, as most restricted keys."""

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
        """Our own account's id, or None where neither Stripe nor the settings say it."""
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
