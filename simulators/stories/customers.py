"""Customers, what is for sale to them, and what they paid."""

import uuid

import attrs


@attrs.frozen(kw_only=True)
class Plan:
    """A plan for sale, as `GET /plans` shows it."""

    id: str
    credits: int
    price: int
    currency: str
    mode: str = "payment"
    interval: str | None = None


@attrs.frozen
class Customer:
    """A user of the service."""

    user_id: str
    email: str


@attrs.frozen(kw_only=True)
class Payment:
    """A payment: by its payment intent, its session where no money moves, its invoice where it is for a period."""

    id: str
    amount: int
    intent: str | None
    session: str | None = None


def customers(count: int, *, domain: str = "example.test") -> tuple[Customer, ...]:
    """Return customers who are the same ones in every run."""
    space = uuid.uuid5(uuid.NAMESPACE_DNS, domain)
    return tuple(
        Customer(str(uuid.uuid5(space, str(number))), f"customer-{number}@{domain}") for number in range(1, count + 1)
    )
