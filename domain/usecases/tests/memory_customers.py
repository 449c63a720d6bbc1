"""Customers in memory, for tests of what uses them."""

import attrs

from adapters.memory.ledger import MemoryLedger
from adapters.memory.selling.customers import MemoryCustomers
from domain.usecases.selling.customers import CustomerService
from domain.values.accounts import UserId
from domain.values.customers import CustomerId


@attrs.define
class NotedCustomers:
    """What an operator would hear of customers."""

    replacements: list[tuple[CustomerId, CustomerId]] = attrs.field(factory=list)
    causes: list[str] = attrs.field(factory=list)

    def replaced(self, user_id: UserId, gone: CustomerId, made: CustomerId) -> None:
        self.replacements.append((gone, made))

    def left_out(self, user_id: UserId, cause: str) -> None:
        self.causes.append(cause)


def customers_of(ledger: MemoryLedger, customers: MemoryCustomers | None = None) -> CustomerService:
    """Return the accounts' customers in memory."""
    return CustomerService(
        links=ledger.customers, customers=customers or MemoryCustomers(), accounts=ledger, watch=NotedCustomers()
    )
