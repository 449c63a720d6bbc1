"""A payment provider's portal in memory."""

import attrs

from domain.ports.customers import CustomerMissing
from domain.ports.payment_provider import PaymentsRefused, PaymentsUnavailable
from domain.ports.portal import PortalNotSetUp
from domain.values.customers import CustomerId
from domain.values.portal import PortalConfiguration, PortalSettings


class MemoryPortal:
    """Implements the ports PortalPages and PortalConfigurations in memory; `is_away` makes it unavailable."""

    def __init__(self) -> None:
        self.is_away = self.hides_configurations = False
        self.configurations: dict[str, PortalConfiguration] = {}
        self.gone: set[CustomerId] = set()
        self.opened: list[tuple[CustomerId, str | None, str]] = []
        """The customer, the configuration and the return address of each portal."""

    async def open_for(self, customer_id: CustomerId, *, configuration_id: str | None, return_url: str) -> str:
        """Return the address of a new portal."""
        self._answer()
        if customer_id in self.gone:
            raise CustomerMissing(customer_id)
        if configuration_id is None and not any(one.is_default for one in self.configurations.values()):
            raise PortalNotSetUp
        self.opened.append((customer_id, configuration_id, return_url))
        return f"https://portal.example.com/{len(self.opened)}"

    async def active(self) -> tuple[PortalConfiguration, ...]:
        """Return the configurations, oldest first."""
        self._answer()
        if self.hides_configurations:
            raise PaymentsRefused("no permission")
        return tuple(self.configurations.values())

    async def create(self, settings: PortalSettings, *, ledger_id: str) -> str:
        """Make a configuration that names the ledger; the same settings make one."""
        self._answer()
        same = (
            one.id for one in self.configurations.values() if (one.settings, one.ledger_id) == (settings, ledger_id)
        )
        made = next(same, f"bpc_{len(self.configurations) + 1}")
        self.configurations[made] = PortalConfiguration(id=made, settings=_kept(settings), ledger_id=ledger_id)
        return made

    async def update(self, configuration_id: str, settings: PortalSettings) -> None:
        """Let a configuration be as the settings say."""
        self._answer()
        kept = self.configurations[configuration_id]
        self.configurations[configuration_id] = attrs.evolve(kept, settings=_kept(settings), is_standard=True)

    def _answer(self) -> None:
        if self.is_away:
            raise PaymentsUnavailable("away")


def _kept(settings: PortalSettings) -> PortalSettings:
    """Return what is kept of settings: where nobody can switch, nothing is said of how."""
    return settings if settings.products else PortalSettings(return_url=settings.return_url)
