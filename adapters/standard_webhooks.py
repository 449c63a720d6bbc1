"""Sends notices to the operator's own system over HTTPS, signed according to the Standard Webhooks specification.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import asyncio
import json
from collections.abc import Sequence
from http import HTTPStatus

import httpx
from standardwebhooks import Webhook

from domain.decisions.low_balance import Notice, Undelivered
from domain.ports.coordination import Clock

ANSWER_SECONDS = 15.0
"""The timeout in seconds for all notices that are sent together; the specification recommends it for one."""

MAX_AT_ONCE = 10


class StandardWebhooksNotifications:
    """Implements the port Notifications.

    Redirects are not followed, response bodies are not read, and neither URL nor secrets appear in errors.
    """

    def __init__(self, url: str, secrets: Sequence[str], clock: Clock, *, seconds: float = ANSWER_SECONDS) -> None:
        self._url = url
        # Sign with every secret: a receiver needs to know one, so secrets can be rotated.
        self._signers = tuple(Webhook(secret) for secret in secrets)
        self._clock = clock
        self._seconds = seconds
        self._client = httpx.AsyncClient(
            timeout=seconds,
            follow_redirects=False,
            limits=httpx.Limits(max_connections=MAX_AT_ONCE, max_keepalive_connections=0),
            headers={"User-Agent": "Credence", "Content-Type": "application/json"},
        )

    async def send(self, notices: Sequence[Notice]) -> tuple[Undelivered | None, ...]:
        """Send the notices; return for each, in their order, None or why it was not accepted."""
        return tuple(await asyncio.gather(*map(self._send, notices)))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _send(self, notice: Notice) -> Undelivered | None:
        body = _body(notice)
        try:
            # The client's own timeout is per step: a response that trickles in would never time out.
            async with (
                asyncio.timeout(self._seconds),
                self._client.stream("POST", self._url, content=body, headers=self._headers(notice.id, body)) as answer,
            ):
                return _outcome(answer)
        except TimeoutError:
            return Undelivered(cause=f"no answer within {self._seconds:g} seconds")
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            return Undelivered(cause=f"no answer: {type(error).__name__}")

    def _headers(self, notice_id: str, body: str) -> dict[str, str]:
        now = self._clock.now()
        return {
            "webhook-id": notice_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signer.sign(notice_id, now, body) for signer in self._signers),
        }


def _body(notice: Notice) -> str:
    fields = {"type": notice.type, "timestamp": notice.occurred_at.isoformat(), "data": dict(notice.content)}
    return json.dumps(fields, separators=(",", ":"))


def _outcome(answer: httpx.Response) -> Undelivered | None:
    if answer.is_success:
        return None
    if answer.status_code == HTTPStatus.GONE:
        return Undelivered(cause="410: the receiver wants no more notices", is_final=True)
    return Undelivered(cause=f"answered {answer.status_code}", wants_pause_seconds=_pause(answer))


def _pause(answer: httpx.Response) -> int:
    wanted = answer.headers.get("retry-after", "")
    return int(wanted[:9]) if wanted.isascii() and wanted.isdecimal() else 0
