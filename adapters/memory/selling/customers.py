"""The accounts' customers in memory, and a payment provider's customers in memory."""

from collections.abc import AsyncIterator, Collection
from datetime import UTC, datetime, timedelta

import attrs

from adapters.memory.accounts import MemoryAccounts
from adapters.memory.outbox import MemoryOutbox
from domain.changes.outbox import CUSTOMER_ADDRESS, OutboxMessage
from domain.ports.customers import Customer, CustomerLink, CustomerMissing, CustomerOwner, CustomerUse
from domain.ports.payment_provider import PaymentsRefused, PaymentsUnavailable
from domain.values.accounts import UserId
from domain.values.customers import CustomerId

LEDGER_ID = "00000000-0000-0000-0000-0000000001ed"


class MemoryCustomerLinks:
    """Implements the port CustomerLinks in memory; each method is one indivisible step."""

    def __init__(self, accounts: MemoryAccounts, outbox: MemoryOutbox) -> None:
        self._accounts = accounts
        self._outbox = outbox
        self._links: dict[UserId, CustomerLink] = {}
        self._changes = 0

    async def ledger_id(self) -> str:
        """Return an id that is always the same."""
        return LEDGER_ID

    async def customer_of(self, user_id: UserId) -> CustomerLink | None:
        """Return the account's customer, or None if it has none yet."""
        return self._links.get(user_id)

    async def link(
        self, user_id: UserId, customer_id: CustomerId, *, email: str | None, in_place_of: CustomerId | None = None
    ) -> CustomerLink | None:
        """Let the customer be the account's, where nothing speaks against it."""
        has = self._links.get(user_id)
        is_taken = any(link.customer_id == customer_id for link in self._links.values())
        if not is_taken and (has is None or has.customer_id == in_place_of):
            self._links[user_id] = CustomerLink(customer_id=customer_id)
            account = self._accounts.find(user_id)
            if account is not None and account.email not in (None, email):
                self._queue_address(user_id)
        return self._links.get(user_id)

    async def linked(
        self, customer_ids: Collection[CustomerId], user_ids: Collection[UserId]
    ) -> dict[UserId, CustomerId]:
        """Return the accounts that have one of the customers, and those of the accounts that have any."""
        return {
            user_id: link.customer_id
            for user_id, link in self._links.items()
            if user_id in user_ids or link.customer_id in customer_ids
        }

    async def note_deleted(self, customer_id: CustomerId) -> bool:
        """Note that the provider has the customer no longer."""
        had = [
            user_id for user_id, link in self._links.items() if link.customer_id == customer_id and not link.is_deleted
        ]
        for user_id in had:
            self._links[user_id] = CustomerLink(customer_id=customer_id, is_deleted=True)
        return bool(had)

    def change_address(self, user_id: UserId, email: str | None) -> None:
        """Let a user have another address; their customer's follows."""
        account = self._accounts.get(user_id)
        self._accounts.keep(attrs.evolve(account, email=email))
        link = self._links.get(user_id)
        if email not in (None, account.email) and link is not None and not link.is_deleted:
            self._queue_address(user_id)

    def _queue_address(self, user_id: UserId) -> None:
        self._changes += 1
        key = f"{CUSTOMER_ADDRESS}:{user_id}:{self._changes}"
        self._outbox.put((OutboxMessage(topic=CUSTOMER_ADDRESS, key=key, payload={"user_id": user_id}),))


class MemoryCustomers:
    """Implements the port Customers in memory; `is_away` makes it unavailable, `refuses` keeps it from all."""

    def __init__(self) -> None:
        self.is_away = self.refuses = False
        self.kept: dict[CustomerId, Customer] = {}
        self.sales: list[CustomerUse] = []
        self._made: dict[tuple[str, UserId, CustomerId | None], CustomerId] = {}

    def delete(self, customer_id: CustomerId) -> None:
        """Let a customer be deleted."""
        del self.kept[customer_id]

    def forget_keys(self) -> None:
        """Let a day pass, after which idempotency keys are forgotten."""
        self._made.clear()

    async def find(self, owner: CustomerOwner, *, gone: CustomerId | None = None) -> Customer | None:
        """Return the oldest customer whose metadata names the ledger and the user."""
        self._answer()
        wanted = (owner.ledger_id, owner.user_id)
        return next(
            (one for one in self.kept.values() if (one.ledger_id, one.user_reference) == wanted and one.id != gone),
            None,
        )

    async def make(self, owner: CustomerOwner, *, in_place_of: CustomerId | None = None) -> Customer:
        """Make the account's customer; repeated, it returns the same one."""
        self._answer()
        key = (owner.ledger_id, owner.user_id, in_place_of)
        if key not in self._made:
            self._made[key] = CustomerId(f"cus_{len(self._made) + len(self.kept) + 1}")
            self.add(
                Customer(id=self._made[key], user_reference=owner.user_id, ledger_id=owner.ledger_id, email=owner.email)
            )
        return self.kept.get(self._made[key], Customer(id=self._made[key], email=owner.email))

    def add(self, customer: Customer) -> None:
        """Let a customer exist, made a second after the one before."""
        created = datetime(2026, 5, 1, tzinfo=UTC) + timedelta(seconds=len(self.kept))
        self.kept[customer.id] = attrs.evolve(customer, created=customer.created or created)

    async def write_address(self, customer_id: CustomerId, email: str) -> None:
        """Write a customer's address."""
        self.kept[customer_id] = attrs.evolve(self._kept(customer_id), email=email)

    async def write_owner(self, customer_id: CustomerId, owner: CustomerOwner) -> None:
        """Write whose customer it is."""
        kept = attrs.evolve(self._kept(customer_id), user_reference=owner.user_id, ledger_id=owner.ledger_id)
        self.kept[customer_id] = kept

    async def every_customer(self) -> AsyncIterator[Customer]:
        """Yield every customer, newest first."""
        self._answer()
        for customer in reversed([*self.kept.values()]):
            yield customer

    async def uses(self) -> AsyncIterator[CustomerUse]:
        """Yield every sale of ours."""
        self._answer()
        for sale in self.sales:
            yield sale

    def _kept(self, customer_id: CustomerId) -> Customer:
        self._answer()
        if customer_id not in self.kept:
            raise CustomerMissing(customer_id)
        return self.kept[customer_id]

    def _answer(self) -> None:
        if self.is_away:
            raise PaymentsUnavailable("away")
        if self.refuses:
            raise PaymentsRefused("no permission")
