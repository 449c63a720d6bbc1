"""Reads the webhook endpoints of the Stripe account."""

from typing import Any

from adapters.stripe.connection import PAGE, StripeConnection, plain, translated
from domain.upkeep.diagnosis import WebhookEndpoint


class StripeDeployment:
    """Implements the endpoints of the port Deployment."""

    def __init__(self, connection: StripeConnection) -> None:
        self._v1 = connection.client.v1

    async def endpoints(self) -> tuple[WebhookEndpoint, ...]:
        """Return all registered webhook endpoints.

        :raises PaymentsUnavailable: if Stripe cannot be reached.
        :raises PaymentsRefused: if the key lacks the permission.
        """
        with translated(refusals=True):
            answer = await self._v1.webhook_endpoints.list_async({"limit": PAGE})
            return tuple(_endpoint(plain(item)) for item in answer.data)


def _endpoint(item: dict[str, Any]) -> WebhookEndpoint:
    return WebhookEndpoint(
        url=str(item.get("url")),
        is_enabled=item.get("status") == "enabled",
        events=frozenset(map(str, item.get("enabled_events") or ())),
        api_version=item.get("api_version"),
        livemode=item.get("livemode") is True,
    )
