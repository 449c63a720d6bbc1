"""The accounts' customers: memory and SQL keep the same rules."""

import asyncio

import pytest

from adapters.tests.conftest import Opener, World
from domain.changes.outbox import CUSTOMER_ADDRESS
from domain.ports.customers import CustomerLink
from domain.values.accounts import UserId
from domain.values.customers import CustomerId

ONE, TWO, THREE = CustomerId("cus_one"), CustomerId("cus_two"), CustomerId("cus_three")


async def addresses_due(world: World) -> list[str]:
    """Return whose customers' addresses are to be compared, and take the messages away."""
    messages = await world.outbox.claim(CUSTOMER_ADDRESS, 100, lease_seconds=60)
    return [message.payload["user_id"] for message in messages]


def linked(customer_id: CustomerId) -> CustomerLink:
    return CustomerLink(customer_id=customer_id)


async def test_an_account_has_no_customer_until_one_is_linked(open_world: Opener) -> None:
    """Then it has that one, also when another comes."""
    async with open_world() as world:
        ada = await world.sign_up("ada@example.com")
        assert await world.customers.customer_of(ada) is None
        assert linked(ONE) == await world.customers.link(ada, ONE, email="ada@example.com")
        assert linked(ONE) == await world.customers.link(ada, TWO, email="ada@example.com")
        assert linked(ONE) == await world.customers.customer_of(ada)


async def test_a_customer_is_one_accounts_alone(open_world: Opener) -> None:
    """Whoever comes second gets none of it."""
    async with open_world() as world:
        ada, bob = await world.sign_up(None), await world.sign_up(None)
        await world.customers.link(ada, ONE, email=None)
        assert await world.customers.link(bob, ONE, email=None) is None
        await world.customers.link(bob, TWO, email=None)
        assert linked(TWO) == await world.customers.link(bob, ONE, email=None, in_place_of=TWO)
        assert {ada: ONE, bob: TWO} == await world.customers.linked([ONE], [bob])


async def test_a_customer_takes_only_the_place_of_the_one_that_is_named(open_world: Opener) -> None:
    """Of two processes that replace the same customer the second changes nothing."""
    async with open_world() as world:
        ada = await world.sign_up(None)
        await world.customers.link(ada, ONE, email=None)
        assert linked(TWO) == await world.customers.link(ada, TWO, email=None, in_place_of=ONE)
        assert linked(TWO) == await world.customers.link(ada, THREE, email=None, in_place_of=ONE)


async def test_a_deleted_customer_is_known_as_such_until_another_takes_its_place(open_world: Opener) -> None:
    """A deletion that is reported late does not concern the one that came after."""
    async with open_world() as world:
        ada = await world.sign_up(None)
        await world.customers.link(ada, ONE, email=None)
        assert await world.customers.note_deleted(ONE)
        assert not await world.customers.note_deleted(ONE)
        assert CustomerLink(customer_id=ONE, is_deleted=True) == await world.customers.customer_of(ada)
        assert linked(TWO) == await world.customers.link(ada, TWO, email=None, in_place_of=ONE)
        assert not await world.customers.note_deleted(ONE)
        assert not await world.customers.note_deleted(THREE)
        assert linked(TWO) == await world.customers.customer_of(ada)


async def test_the_customer_follows_a_new_address(open_world: Opener) -> None:
    """Each change makes a message, as long as there is a customer; no address is nothing to follow."""
    async with open_world() as world:
        ada = await world.sign_up("ada@example.com")
        await world.change_address(ada, "ada@unlinked.example")
        await world.customers.link(ada, ONE, email="ada@unlinked.example")
        assert [] == await addresses_due(world)
        await world.change_address(ada, "ada@new.example")
        await world.change_address(ada, "ada@newer.example")
        assert [ada, ada] == await addresses_due(world)
        await world.change_address(ada, None)
        await world.customers.note_deleted(ONE)
        await world.change_address(ada, "ada@gone.example")
        assert [] == await addresses_due(world)


@pytest.mark.parametrize(("written", "is_due"), [("ada@example.com", False), ("old@example.com", True), (None, True)])
async def test_a_customer_whose_address_is_another_is_followed_at_once(
    open_world: Opener, written: str | None, *, is_due: bool
) -> None:
    """The address may have changed while the customer was made; without one there is nothing to write."""
    async with open_world() as world:
        ada, nameless = await world.sign_up("ada@example.com"), await world.sign_up(None)
        await world.customers.link(ada, ONE, email=written)
        await world.customers.link(nameless, TWO, email=written)
        assert ([ada] if is_due else []) == await addresses_due(world)


async def test_of_many_at_once_one_is_linked(open_world: Opener) -> None:
    """All are told the same customer."""
    async with open_world() as world:
        ada = await world.sign_up("ada@example.com")
        wanted = [CustomerId(f"cus_{number}") for number in range(8)]
        links = await asyncio.gather(*(world.customers.link(ada, one, email=None) for one in wanted))
        assert 1 == len({link.customer_id for link in links if link is not None})
        assert None not in links


async def test_an_account_that_was_deleted_keeps_its_customer(open_world: Opener) -> None:
    """Nobody else gets it, whoever signs up next."""
    async with open_world() as world:
        ada = await world.sign_up("ada@example.com")
        await world.customers.link(ada, ONE, email="ada@example.com")
        await world.leave(ada)
        bob = await world.sign_up("ada@example.com")
        assert await world.customers.link(bob, ONE, email="ada@example.com") is None
        assert linked(ONE) == await world.customers.customer_of(ada)


async def test_the_ledgers_id_stays(open_world: Opener) -> None:
    """Keys and metadata at the provider are made of it."""
    async with open_world() as world:
        first = await world.customers.ledger_id()
        assert first == await world.customers.ledger_id()
        assert 36 == len(UserId(first))
