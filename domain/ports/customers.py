"""Customers: those that the payment provider has, and the ledger's record of which account each one is."""

from collections.abc import AsyncIterator, Collection
from datetime import datetime
from typing import Protocol

import attrs

from domain.values.accounts import UserId
from domain.values.customers import CustomerId


@attrs.frozen
class CustomerMissing(Exception):
    """The payment provider has no such customer: it was deleted, or belongs to another account or mode."""

    customer_id: CustomerId


@attrs.frozen(kw_only=True)
class CustomerOwner:
    """The account that a customer is for; the ledger's id tells deployments apart that share a provider's account."""

    ledger_id: str
    user_id: UserId
    email: str | None = None


@attrs.frozen(kw_only=True)
class Customer:
    """A customer as the provider has it."""

    id: CustomerId
    email: str | None = None
    user_reference: str | None = None
    """The user whom its metadata names."""
    ledger_id: str | None = None
    """The ledger whose deployment made or adopted it."""
    created: datetime | None = None


@attrs.frozen(kw_only=True)
class CustomerUse:
    """A sale of ours that a customer of the provider made: a checkout or a subscription whose metadata names a user."""

    customer_id: CustomerId
    user_reference: str
    is_subscribed: bool = False
    """Whether it is a subscription that goes on."""


class Customers(Protocol):
    """The provider's customers.

    Every method raises :class:`PaymentsUnavailable`, and :class:`PaymentsRefused` if the key lacks a permission.
    """

    async def find(self, owner: CustomerOwner, *, gone: CustomerId | None = None) -> Customer | None:
        """Return the oldest customer whose metadata names the ledger and the user; `gone` is passed over.

        One whose address has changed since it was made less than a minute ago may be missed.
        """
        ...

    async def make(self, owner: CustomerOwner, *, in_place_of: CustomerId | None = None) -> Customer:
        """Make the account's customer with its address; repeated within a day, it returns the same one.

        An address that the provider refuses is left out. `in_place_of` is the customer that the provider has no longer.
        """
        ...

    async def write_address(self, customer_id: CustomerId, email: str) -> None:
        """Write a customer's address; repeating it has no further effect.

        :raises CustomerMissing: if there is no such customer.
        """
        ...

    async def write_owner(self, customer_id: CustomerId, owner: CustomerOwner) -> None:
        """Write into a customer's metadata whose it is.

        :raises CustomerMissing: if there is no such customer.
        """
        ...

    def every_customer(self) -> AsyncIterator[Customer]:
        """Yield every customer, newest first."""
        ...

    def uses(self) -> AsyncIterator[CustomerUse]:
        """Yield every subscription and finished checkout that has a customer and names a user."""
        ...


@attrs.frozen(kw_only=True)
class CustomerLink:
    """The customer that an account has."""

    customer_id: CustomerId
    is_deleted: bool = False
    """Whether the provider has reported that it was deleted."""


class CustomerLinks(Protocol):
    """The ledger's record of the accounts' customers. Every method raises :class:`LedgerUnavailable`."""

    async def ledger_id(self) -> str:
        """Return the ledger's own id."""
        ...

    async def customer_of(self, user_id: UserId) -> CustomerLink | None:
        """Return the account's customer, or None if it has none yet."""
        ...

    async def link(
        self, user_id: UserId, customer_id: CustomerId, *, email: str | None, in_place_of: CustomerId | None = None
    ) -> CustomerLink | None:
        """Let the customer be the account's, unless it has another or the customer is another account's.

        `email` is the address that the customer has at the provider; if the account's is another, a message follows.

        :returns: the account's customer as it is then; None if it has none.
        """
        ...

    async def linked(
        self, customer_ids: Collection[CustomerId], user_ids: Collection[UserId]
    ) -> dict[UserId, CustomerId]:
        """Return the accounts that have one of the customers, and those of the accounts that have any."""
        ...

    async def note_deleted(self, customer_id: CustomerId) -> bool:
        """Note that the provider has the customer no longer; return whether an account had it."""
        ...


class CustomerWatch(Protocol):
    """Is told what an operator should know of customers."""

    def replaced(self, user_id: UserId, gone: CustomerId, made: CustomerId) -> None:
        """Hear that an account has another customer, because the provider had the first one no longer."""
        ...

    def left_out(self, user_id: UserId, cause: str) -> None:
        """Hear that a checkout went on without the account's customer, and why."""
        ...
