"""The accounts' customers: memory and SQL keep the same rules."""

import asyncio
import uuid

import pytest

from adapters.tests.conftest import Opener, World
from domain.changes.outbox import CUSTOMER_ADDRESS
from domain.ports.customers import CustomerLink
from domain.values.accounts import UserId
from domain.values.customers import CustomerId

NAMES = ("ada", "unlinked", "new", "newer", "gone", "old")


@pytest.fixture
def addresses() -> dict[str, str]:
    """Addresses of one test alone: the tests of a file share a project of Supabase."""
    return {name: f"{name}-{uuid.uuid4().hex}@example.com" for name in NAMES}


@pytest.fixture
def ids() -> tuple[CustomerId, CustomerId, CustomerId]:
    return new_customer(), new_customer(), new_customer()


Ids = tuple[CustomerId, CustomerId, CustomerId]


def new_customer() -> CustomerId:
    return CustomerId(f"cus_{uuid.uuid4().hex}")


async def addresses_due(world: World, *users: UserId) -> list[str]:
    """Return whose of the users' customers' addresses are to be compared, and take the messages away."""
    messages = await world.outbox.claim(CUSTOMER_ADDRESS, 100, lease_seconds=60)
    return [user for message in messages if (user := message.payload["user_id"]) in users]


def linked(customer_id: CustomerId) -> CustomerLink:
    return CustomerLink(customer_id=customer_id)


async def test_an_account_has_no_customer_until_one_is_linked(
    open_world: Opener, ids: Ids, addresses: dict[str, str]
) -> None:
    """Then it has that one, also when another comes."""
    one, two, _ = ids
    async with open_world() as world:
        ada = await world.sign_up(addresses["ada"])
        assert await world.customers.customer_of(ada) is None
        assert linked(one) == await world.customers.link(ada, one, email=addresses["ada"])
        assert linked(one) == await world.customers.link(ada, two, email=addresses["ada"])
        assert linked(one) == await world.customers.customer_of(ada)


async def test_a_customer_is_one_accounts_alone(open_world: Opener, ids: Ids) -> None:
    """Whoever comes second gets none of it."""
    one, two, _ = ids
    async with open_world() as world:
        ada, bob = await world.sign_up(None), await world.sign_up(None)
        await world.customers.link(ada, one, email=None)
        assert await world.customers.link(bob, one, email=None) is None
        await world.customers.link(bob, two, email=None)
        assert linked(two) == await world.customers.link(bob, one, email=None, in_place_of=two)
        assert {ada: one, bob: two} == await world.customers.linked([one], [bob])


async def test_a_customer_takes_only_the_place_of_the_one_that_is_named(open_world: Opener, ids: Ids) -> None:
    """Of two processes that replace the same customer the second changes nothing."""
    one, two, three = ids
    async with open_world() as world:
        ada = await world.sign_up(None)
        await world.customers.link(ada, one, email=None)
        assert linked(two) == await world.customers.link(ada, two, email=None, in_place_of=one)
        assert linked(two) == await world.customers.link(ada, three, email=None, in_place_of=one)


async def test_a_deleted_customer_is_known_as_such_until_another_takes_its_place(open_world: Opener, ids: Ids) -> None:
    """A deletion that is reported late does not concern the one that came after."""
    one, two, three = ids
    async with open_world() as world:
        ada = await world.sign_up(None)
        await world.customers.link(ada, one, email=None)
        assert await world.customers.note_deleted(one)
        assert not await world.customers.note_deleted(one)
        assert CustomerLink(customer_id=one, is_deleted=True) == await world.customers.customer_of(ada)
        assert linked(two) == await world.customers.link(ada, two, email=None, in_place_of=one)
        assert not await world.customers.note_deleted(one)
        assert not await world.customers.note_deleted(three)
        assert linked(two) == await world.customers.customer_of(ada)


async def test_the_customer_follows_a_new_address(open_world: Opener, ids: Ids, addresses: dict[str, str]) -> None:
    """Each change makes a message, as long as there is a customer; no address is nothing to follow."""
    one, _, _ = ids
    async with open_world() as world:
        ada = await world.sign_up(addresses["ada"])
        await world.change_address(ada, addresses["unlinked"])
        await world.customers.link(ada, one, email=addresses["unlinked"])
        assert [] == await addresses_due(world, ada)
        await world.change_address(ada, addresses["new"])
        await world.change_address(ada, addresses["newer"])
        assert [ada, ada] == await addresses_due(world, ada)
        await world.change_address(ada, None)
        await world.customers.note_deleted(one)
        await world.change_address(ada, addresses["gone"])
        assert [] == await addresses_due(world, ada)


@pytest.mark.parametrize(("written", "is_due"), [("ada", False), ("old", True), (None, True)])
async def test_a_customer_whose_address_is_another_is_followed_at_once(
    open_world: Opener, ids: Ids, addresses: dict[str, str], written: str | None, *, is_due: bool
) -> None:
    """The address may have changed while the customer was made; without one there is nothing to write."""
    one, two, _ = ids
    async with open_world() as world:
        ada, nameless = await world.sign_up(addresses["ada"]), await world.sign_up(None)
        await world.customers.link(ada, one, email=addresses[written] if written else None)
        await world.customers.link(nameless, two, email=addresses[written] if written else None)
        assert ([ada] if is_due else []) == await addresses_due(world, ada, nameless)


async def test_of_many_at_once_one_is_linked(open_world: Opener, addresses: dict[str, str]) -> None:
    """All are told the same customer."""
    async with open_world() as world:
        ada = await world.sign_up(addresses["ada"])
        wanted = [new_customer() for _ in range(8)]
        links = await asyncio.gather(*(world.customers.link(ada, one, email=None) for one in wanted))
        assert 1 == len({link.customer_id for link in links if link is not None})
        assert None not in links


async def test_an_account_that_was_deleted_keeps_its_customer(
    open_world: Opener, ids: Ids, addresses: dict[str, str]
) -> None:
    """Nobody else gets it, whoever signs up next."""
    one, _, _ = ids
    async with open_world() as world:
        ada = await world.sign_up(addresses["ada"])
        await world.customers.link(ada, one, email=addresses["ada"])
        await world.leave(ada)
        bob = await world.sign_up(addresses["ada"])
        assert await world.customers.link(bob, one, email=addresses["ada"]) is None
        assert linked(one) == await world.customers.customer_of(ada)


async def test_the_ledgers_id_stays(open_world: Opener) -> None:
    """Keys and metadata at the provider are made of it."""
    async with open_world() as world:
        first = await world.customers.ledger_id()
        assert first == await world.customers.ledger_id()
        assert 36 == len(UserId(first))
