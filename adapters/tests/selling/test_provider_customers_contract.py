"""A payment provider's customers: memory, and Stripe's own library against the stand-in, keep the same rules."""

import contextlib
from collections.abc import AsyncIterator, Callable

import attrs
import pytest

from adapters.memory.selling.customers import MemoryCustomers
from adapters.stripe.connection import StripeConnection
from adapters.stripe.customers import StripeCustomers
from domain.ports.customers import Customer, CustomerMissing, CustomerOwner
from domain.tests.examples import ADA, BOB
from domain.values.customers import CustomerId
from simulators.stripe.stand_in import StripeStandIn

LEDGER = "11111111-0000-0000-0000-000000000000"
OWNER = CustomerOwner(ledger_id=LEDGER, user_id=ADA, email="ada@example.com")
DAY = 24 * 3600


@attrs.frozen
class Provider:
    """A provider under test, and what happens to it."""

    customers: MemoryCustomers | StripeCustomers
    delete: Callable[[CustomerId], object]
    let_a_day_pass: Callable[[], object]
    """After which idempotency keys are forgotten, and searches know everything."""


@contextlib.asynccontextmanager
async def in_memory() -> AsyncIterator[Provider]:
    customers = MemoryCustomers()
    yield Provider(customers, customers.delete, customers.forget_keys)


@contextlib.asynccontextmanager
async def of_stripe() -> AsyncIterator[Provider]:
    with StripeStandIn(seed=5) as stripe:
        connection = StripeConnection(api_key="sk_test_123456789012", api_base=stripe.url)
        async with contextlib.aclosing(connection):
            yield Provider(
                StripeCustomers(connection),
                connection.client.v1.customers.delete_async,
                lambda: stripe.account.set_clock(stripe.account.now() + DAY),
            )


@pytest.fixture(params=[in_memory, of_stripe])
async def provider(request: pytest.FixtureRequest) -> AsyncIterator[Provider]:
    async with request.param() as opened:
        yield opened


async def done(work: object) -> None:
    if hasattr(work, "__await__"):
        await work


def ids(*found: Customer | None) -> list[str | None]:
    return [one.id if one is not None else None for one in found]


async def test_a_customer_is_made_once_under_its_key(provider: Provider) -> None:
    """Also for an address that changed in between: the first answer was lost, and this is the same customer."""
    made = await provider.customers.make(OWNER)
    again = await provider.customers.make(attrs.evolve(OWNER, email="ada@new.example.com"))
    assert made.id == again.id
    assert "ada@example.com" == made.email
    assert [made.id] == [one.id async for one in provider.customers.every_customer()]


async def test_a_customer_is_found_by_metadata_alone(provider: Provider) -> None:
    """Never by its address, which anybody may have entered on a page of the provider's."""
    made = await provider.customers.make(OWNER)
    await done(provider.let_a_day_pass())
    others = [attrs.evolve(OWNER, user_id=BOB), attrs.evolve(OWNER, ledger_id="22222222-0000-0000-0000-000000000000")]
    assert [None, None] == ids(*[await provider.customers.find(other) for other in others])
    moved = attrs.evolve(OWNER, email="ada@moved.example.com")
    nameless = attrs.evolve(OWNER, email=None)
    found = [await provider.customers.find(owner) for owner in (OWNER, moved, nameless)]
    assert [made.id, made.id, made.id] == ids(*found)
    assert made == attrs.evolve(found[0], user_reference=made.user_reference, ledger_id=made.ledger_id)


async def test_the_oldest_is_found_and_what_is_gone_is_passed_over(provider: Provider) -> None:
    """Two processes that look decide alike."""
    first = await provider.customers.make(OWNER)
    await done(provider.let_a_day_pass())
    second = await provider.customers.make(OWNER)
    await done(provider.let_a_day_pass())
    assert first.id != second.id
    assert [first.id] == ids(await provider.customers.find(OWNER))
    assert [second.id] == ids(await provider.customers.find(OWNER, gone=first.id))
    await done(provider.delete(first.id))
    assert [second.id] == ids(await provider.customers.find(OWNER))


async def test_another_is_made_in_place_of_one_that_is_gone(provider: Provider) -> None:
    """Although the provider still remembers the answer to the first request."""
    first = await provider.customers.make(OWNER)
    await done(provider.delete(first.id))
    second = await provider.customers.make(OWNER, in_place_of=first.id)
    assert first.id != second.id == (await provider.customers.make(OWNER, in_place_of=first.id)).id


async def test_what_is_gone_can_not_be_written(provider: Provider) -> None:
    """That is an answer, not an outage."""
    made = await provider.customers.make(OWNER)
    await provider.customers.write_address(made.id, "ada@new.example.com")
    await provider.customers.write_owner(made.id, attrs.evolve(OWNER, user_id=BOB))
    (kept,) = [one async for one in provider.customers.every_customer()]
    assert (BOB, LEDGER, "ada@new.example.com") == (kept.user_reference, kept.ledger_id, kept.email)
    await done(provider.delete(made.id))
    with pytest.raises(CustomerMissing):
        await provider.customers.write_address(made.id, "ada@example.com")
    with pytest.raises(CustomerMissing):
        await provider.customers.write_owner(made.id, OWNER)
