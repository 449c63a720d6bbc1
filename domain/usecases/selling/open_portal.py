"""Open the portal for a user: the payment provider's page for their subscriptions, cards and invoices."""

import attrs

from domain.ports.customers import CustomerMissing
from domain.ports.ledger import Accounts
from domain.ports.payment_provider import PaymentsRefused
from domain.ports.portal import PortalConfigurations, PortalPages
from domain.usecases.read_account import UnknownUser
from domain.usecases.selling.customers import CustomerService
from domain.values.accounts import UserId


@attrs.frozen(kw_only=True)
class PortalService:
    """Opens the portal with the deployment's own configuration, or the provider's default one."""

    pages: PortalPages
    configurations: PortalConfigurations
    customers: CustomerService
    accounts: Accounts
    return_url: str

    async def open(self, user_id: UserId, *, email: str | None) -> str:
        """Return the address of the user's portal, which is theirs alone.

        :raises UnknownUser: if the ledger knows no such user.
        :raises PortalNotSetUp: if neither Credence nor a person has configured it.
        :raises PaymentsUnavailable: if the provider could not be reached.
        :raises PaymentsRefused: if the key may not open it.
        :raises LedgerUnavailable: if the ledger could not be read.
        """
        account = await self.accounts.account(user_id)
        if account is None:
            raise UnknownUser(user_id)
        address = account.email or email
        customer_id = await self.customers.customer_of(user_id, address)
        configuration_id = await self._own_configuration()
        try:
            return await self.pages.open_for(customer_id, configuration_id=configuration_id, return_url=self.return_url)
        except CustomerMissing as missing:
            made = await self.customers.in_place_of(missing.customer_id, user_id, address)
            return await self.pages.open_for(made, configuration_id=configuration_id, return_url=self.return_url)

    async def _own_configuration(self) -> str | None:
        try:
            found = await self.configurations.active()
        except PaymentsRefused:
            return None  # the key may open the portal and not read how it is configured
        ledger_id = await self.customers.links.ledger_id()
        return next((one.id for one in found if one.ledger_id == ledger_id), None)
