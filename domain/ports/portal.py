"""The portal: a page of the payment provider's where customers manage their subscriptions, cards and invoices."""

from typing import Protocol

import attrs

from domain.values.customers import CustomerId
from domain.values.portal import PortalConfiguration, PortalSettings


@attrs.frozen
class PortalNotSetUp(Exception):
    """The provider opens no portal, because there is no configuration of it."""


class PortalPages(Protocol):
    """Opens the portal."""

    async def open_for(self, customer_id: CustomerId, *, configuration_id: str | None, return_url: str) -> str:
        """Return the address at which the customer is signed in for a few minutes; it is a secret of theirs.

        Without a configuration's id, the provider's default one is used.

        :raises CustomerMissing: if the provider has no such customer any more.
        :raises PortalNotSetUp: if there is no default configuration.
        :raises PaymentsUnavailable: if the provider could not be reached.
        :raises PaymentsRefused: if the key may not open it.
        """
        ...


class PortalConfigurations(Protocol):
    """The portal's configurations at the provider.

    Every method raises :class:`PaymentsUnavailable`, and :class:`PaymentsRefused` if the provider refuses, for example
    because the key lacks the permission.
    """

    async def active(self) -> tuple[PortalConfiguration, ...]:
        """Return the configurations that are in use, oldest first."""
        ...

    async def create(self, settings: PortalSettings, *, ledger_id: str) -> str:
        """Make a configuration that names the ledger; return its id. The same settings make one a day."""
        ...

    async def update(self, configuration_id: str, settings: PortalSettings) -> None:
        """Let a configuration be as the settings say; repeating it has no further effect."""
        ...
