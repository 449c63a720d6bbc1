"""Give each account one customer at the payment provider, find it again, and let its address follow the account's.

The ledger's row decides which customer an account has. The provider is asked before the row is written, so a process
may die in between: for a day the provider's idempotency key, which is made of the ledger and the account, gives the
same customer again, and after that its metadata does.
"""

import attrs

from domain.ports.customers import (
    Customer,
    CustomerLink,
    CustomerLinks,
    CustomerMissing,
    CustomerOwner,
    Customers,
    CustomerWatch,
)
from domain.ports.ledger import Accounts, LedgerUnavailable
from domain.ports.payment_provider import PaymentsRefused, PaymentsUnavailable
from domain.values.accounts import UserId
from domain.values.customers import CustomerId

MAX_ADDRESS_CHANGES = 5
"""The number of times that an address may change while it is written, before the message is delivered again later."""


@attrs.frozen(kw_only=True)
class CustomerService:
    """Knows the account's customer, and makes it where there is none."""

    links: CustomerLinks
    customers: Customers
    accounts: Accounts
    watch: CustomerWatch

    async def customer_of(self, user_id: UserId, email: str | None) -> CustomerId:
        """Return the account's customer; one that does not exist yet, or was deleted, is made.

        A ledger that takes no writes prevents nothing: the same customer is found again later.

        :raises LedgerUnavailable: if the ledger could not be read.
        :raises PaymentsUnavailable: if the provider was needed and could not be reached.
        :raises PaymentsRefused: if the key may not read or make customers.
        """
        link = await self.links.customer_of(user_id)
        if link is not None and not link.is_deleted:
            return link.customer_id
        return await self._made(user_id, email, gone=link.customer_id if link is not None else None)

    async def for_checkout(
        self, user_id: UserId, email: str | None, *, gone: CustomerId | None = None
    ) -> CustomerId | None:
        """Return the account's customer as :meth:`customer_of` does; None if a checkout should do without.

        `gone` is a customer that the provider has just shown to have no longer.

        :raises PaymentsUnavailable: if the provider was needed and could not be reached.
        """
        try:
            if gone is not None:
                return await self.in_place_of(gone, user_id, email)
            return await self.customer_of(user_id, email)
        except (LedgerUnavailable, PaymentsRefused) as prevented:
            self.watch.left_out(user_id, prevented.cause)
            return None

    async def in_place_of(self, gone: CustomerId, user_id: UserId, email: str | None) -> CustomerId:
        """Return the account's customer now that the provider has shown to have `gone` no longer.

        :raises LedgerUnavailable: if the ledger could not be read.
        :raises PaymentsUnavailable: if the provider could not be reached.
        :raises PaymentsRefused: if the key may not read or make customers.
        """
        link = await self.links.customer_of(user_id)
        if link is None or link.customer_id == gone:
            return await self._made(user_id, email, gone=gone)
        return await self.customer_of(user_id, email)

    async def follow_address(self, user_id: UserId) -> None:
        """Write the account's address to its customer; nothing happens where there is no address or no customer.

        It is read again afterwards, because another process may have written an older one meanwhile.

        :raises LedgerUnavailable: if the ledger could not be read.
        :raises PaymentsUnavailable: if the provider could not be reached, or the address keeps changing.
        :raises PaymentsRefused: if the provider refuses the address, or the key lacks the permission.
        """
        written: str | None = None
        for _ in range(MAX_ADDRESS_CHANGES):
            link, account = await self.links.customer_of(user_id), await self.accounts.account(user_id)
            if link is None or link.is_deleted or account is None or account.email in (None, written):
                return
            try:
                await self.customers.write_address(link.customer_id, str(account.email))
            except CustomerMissing:
                await self.links.note_deleted(link.customer_id)
                return
            written = account.email
        raise PaymentsUnavailable("the address changed each time that it was written")

    async def note_deleted(self, customer_id: CustomerId) -> None:
        """Note that the provider has the customer no longer; the next use makes another.

        :raises LedgerUnavailable: if it could not be noted.
        """
        await self.links.note_deleted(customer_id)

    async def _made(self, user_id: UserId, email: str | None, *, gone: CustomerId | None) -> CustomerId:
        owner = CustomerOwner(ledger_id=await self.links.ledger_id(), user_id=user_id, email=email)
        found = await self.customers.find(owner, gone=gone)
        link = await self._linked(user_id, found, gone) if found is not None else None
        if link is None:
            made = await self.customers.make(owner, in_place_of=gone)
            link = await self._linked(user_id, made, gone)
            if link is None:
                raise PaymentsRefused(f"customer {made.id} is linked to another account")
        if gone is not None and link.customer_id != gone:
            self.watch.replaced(user_id, gone, link.customer_id)
        return link.customer_id

    async def _linked(self, user_id: UserId, customer: Customer, gone: CustomerId | None) -> CustomerLink | None:
        try:
            return await self.links.link(user_id, customer.id, email=customer.email, in_place_of=gone)
        except LedgerUnavailable:
            return CustomerLink(customer_id=customer.id)
