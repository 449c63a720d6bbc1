"""Stripe's customers: found by address or metadata, made once, and kept up to date."""

import re
from collections.abc import AsyncIterator
from typing import Any

import stripe

from adapters.stripe.connection import StripeConnection, is_missing, pages, plain, translated
from adapters.stripe.objects import fields
from adapters.stripe.objects.fields import LEDGER_KEY, USER_ID_KEY, UnreadableField
from domain.payments.subscriptions import ENDED
from domain.ports.customers import Customer, CustomerMissing, CustomerOwner, CustomerUse
from domain.ports.payment_provider import PaymentsRefused, PaymentsUnavailable
from domain.values.customers import CustomerId

MAX_KEYS = 3
"""The number of keys that are tried if Stripe repeats a stored error of its own, which it does for a day."""

_NO_QUOTES = re.compile(r"[0-9a-f-]+")


class StripeCustomers:
    """Implements the port Customers."""

    def __init__(self, connection: StripeConnection) -> None:
        self._v1 = connection.client.v1

    async def find(self, owner: CustomerOwner, *, gone: CustomerId | None = None) -> Customer | None:
        """Return the oldest customer whose metadata names the ledger and the user; `gone` is passed over.

        First those of the address are looked through, since that list is never behind. The search by metadata, which
        takes up to a minute to know what was made, finds those whose address has changed. Stripe does not offer it
        everywhere, and answers fewer searches than other requests (https://docs.stripe.com/search), so that its refusal
        is no error.

        :raises PaymentsUnavailable: if Stripe cannot be reached.
        :raises PaymentsRefused: if the key may not read customers.
        """
        found = [one async for one in self._of_address(owner.email)] if owner.email else []
        found = found if _own(found, owner, gone) else await self._searched(owner)
        return min(_own(found, owner, gone), key=lambda one: (str(one.created), one.id), default=None)

    async def make(self, owner: CustomerOwner, *, in_place_of: CustomerId | None = None) -> Customer:
        """Make the account's customer with its address; repeated within a day, it returns the same one.

        The address is written by a request of its own: under one key all parameters must be the same, and the
        address may change before a repetition.

        :raises PaymentsUnavailable: if Stripe cannot be reached.
        :raises PaymentsRefused: if the key may not make customers.
        """
        key = f"credence-customer-{owner.ledger_id}-{owner.user_id}" + (f"-after-{in_place_of}" if in_place_of else "")
        customer = _customer(await self._created(owner, key))
        try:
            if owner.email is not None:
                await self.write_address(customer.id, owner.email)
                return Customer(id=customer.id, email=owner.email, created=customer.created)
        except (PaymentsRefused, CustomerMissing):
            pass  # an address that Stripe refuses; a customer that is gone again is found out when it is used
        return customer

    async def write_address(self, customer_id: CustomerId, email: str) -> None:
        """Write a customer's address; repeating it has no further effect.

        :raises CustomerMissing: if there is no such customer.
        :raises PaymentsUnavailable: if Stripe cannot be reached.
        :raises PaymentsRefused: if Stripe refuses the address, or the key lacks the permission.
        """
        await self._updated(customer_id, {"email": email})

    async def write_owner(self, customer_id: CustomerId, owner: CustomerOwner) -> None:
        """Write into a customer's metadata whose it is; raises as `write_address`."""
        await self._updated(customer_id, {"metadata": _metadata(owner)})

    async def every_customer(self) -> AsyncIterator[Customer]:
        """Yield every customer, newest first.

        :raises PaymentsUnavailable: if Stripe cannot be reached.
        """
        async for found in pages(self._v1.customers.list_async, {}):
            yield _customer(found)

    async def uses(self) -> AsyncIterator[CustomerUse]:
        """Yield every subscription and finished checkout that has a customer and names a user.

        :raises PaymentsUnavailable: if Stripe cannot be reached.
        """
        async for found in pages(self._v1.subscriptions.list_async, {"status": "all"}):
            if (use := _use(found, is_subscribed=found.get("status") not in set(ENDED))) is not None:
                yield use
        async for found in pages(self._v1.checkout.sessions.list_async, {"status": "complete"}):
            if (use := _use(found)) is not None:
                yield use

    async def _of_address(self, email: str) -> AsyncIterator[Customer]:
        with translated(refusals=True):
            answer = await self._v1.customers.list_async({"email": email, "limit": 100})
            for found in answer.data:
                yield _customer(plain(found))

    async def _searched(self, owner: CustomerOwner) -> list[Customer]:
        wanted = _metadata(owner)
        if not all(map(_NO_QUOTES.fullmatch, wanted.values())):
            return []
        query = " AND ".join(f"metadata['{key}']:'{value}'" for key, value in wanted.items())
        with translated():
            try:
                answer = await self._v1.customers.search_async({"query": query, "limit": 100})
            except (stripe.InvalidRequestError, stripe.PermissionError, stripe.RateLimitError):
                return []
            return [_customer(plain(found)) for found in answer.data]

    async def _created(self, owner: CustomerOwner, key: str) -> dict[str, Any]:
        for number in range(MAX_KEYS):
            tried = f"{key}-{number + 1}" if number else key
            with translated(refusals=True):
                try:
                    given: Any = {"metadata": _metadata(owner)}
                    return plain(await self._v1.customers.create_async(given, {"idempotency_key": tried}))
                except stripe.APIError as error:
                    if not _is_repeated(error) or number + 1 == MAX_KEYS:
                        raise
        raise PaymentsUnavailable("Stripe repeats an error")

    async def _updated(self, customer_id: CustomerId, parameters: Any) -> None:
        with translated(refusals=True):
            try:
                await self._v1.customers.update_async(customer_id, parameters)
            except stripe.InvalidRequestError as error:
                if is_missing(error):
                    raise CustomerMissing(customer_id) from error
                raise


def _metadata(owner: CustomerOwner) -> dict[str, str]:
    return {USER_ID_KEY: owner.user_id, LEDGER_KEY: owner.ledger_id}


def _own(found: list[Customer], owner: CustomerOwner, gone: CustomerId | None) -> list[Customer]:
    wanted = (owner.ledger_id, owner.user_id)
    return [one for one in found if (one.ledger_id, one.user_reference) == wanted and one.id != gone]


def _customer(found: dict[str, Any]) -> Customer:
    try:
        metadata = fields.metadata(found)
        return Customer(
            id=CustomerId(fields.own_id(found)),
            email=fields.text(found, "email"),
            user_reference=fields.metadata_text(metadata, USER_ID_KEY),
            ledger_id=fields.metadata_text(metadata, LEDGER_KEY),
            created=fields.moment(found.get("created")),
        )
    except UnreadableField as unreadable:
        raise PaymentsUnavailable(f"the response is not a customer: {unreadable.reason}") from unreadable


def _use(found: dict[str, Any], *, is_subscribed: bool = False) -> CustomerUse | None:
    try:
        customer_id = fields.reference(found, "customer")
        user_reference = fields.metadata_text(fields.metadata(found), USER_ID_KEY)
    except UnreadableField:
        return None
    if customer_id is None or user_reference is None:
        return None
    return CustomerUse(customer_id=CustomerId(customer_id), user_reference=user_reference, is_subscribed=is_subscribed)


def _is_repeated(error: stripe.APIError) -> bool:
    """Return whether Stripe answers with an error that it stored under the key."""
    headers = {str(name).lower(): value for name, value in (error.headers or {}).items()}
    return str(headers.get("idempotent-replayed")).lower() == "true"
