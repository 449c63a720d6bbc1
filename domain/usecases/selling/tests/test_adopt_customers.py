"""Customers from before: whose they are is shown, and linked only where something that nobody can forge says so."""

import attrs
import pytest

from adapters.memory.ledger import MemoryLedger
from adapters.memory.selling.customers import LEDGER_ID, MemoryCustomers
from domain.ports.customers import Customer, CustomerUse
from domain.tests.examples import ADA, BOB, SetClock
from domain.usecases.selling.adopt_customers import Candidate, CustomerAdopter, Ground, Verdict
from domain.values.accounts import UserId
from domain.values.customers import CustomerId

STRANGER = UserId("00000000-0000-0000-0000-0000000000ff")


def named(name: str) -> CustomerId:
    return CustomerId(f"cus_{name}")


class World:
    def __init__(self) -> None:
        self.ledger, self.provider = MemoryLedger(SetClock()), MemoryCustomers()
        self.ledger.add_user(ADA, "ada@example.com")
        self.ledger.add_user(BOB, "bob@example.com")
        self.adopter = CustomerAdopter(links=self.ledger.customers, customers=self.provider, audit=self.ledger.audit)

    def have(self, name: str, **fields: str | None) -> CustomerId:
        """Let the provider have a customer, newer than those before."""
        self.provider.add(attrs.evolve(Customer(id=named(name)), **fields))
        return named(name)

    def sold(self, customer: CustomerId, user: str, *, is_subscribed: bool = False) -> None:
        use = CustomerUse(customer_id=customer, user_reference=user, is_subscribed=is_subscribed)
        self.provider.sales.append(use)

    async def proposed(self, *, by_address: bool = False) -> dict[CustomerId, Candidate]:
        return {one.customer_id: one for one in await self.adopter.propose(by_address=by_address)}

    async def verdicts(self, *, by_address: bool = False) -> dict[CustomerId, Verdict]:
        found = await self.proposed(by_address=by_address)
        return {customer: one.verdict for customer, one in found.items()}

    async def links(self) -> dict[UserId, CustomerId]:
        return await self.ledger.customers.linked((), (ADA, BOB, STRANGER))


@pytest.fixture
def world() -> World:
    return World()


async def test_metadata_and_sales_say_whose_a_customer_is(world: World) -> None:
    """The address says nothing by itself, nor does a reference that is no user id."""
    ours, sold = world.have("ours", user_reference=ADA), world.have("sold", email="else@example.com")
    world.sold(sold, BOB)
    world.have("address", email="ada@example.com")
    world.have("nonsense", user_reference="ada")
    found = await world.proposed()
    assert {ours: (ADA, Ground.METADATA), sold: (BOB, Ground.SALE)} == {
        one.customer_id: (one.user_id, one.ground) for one in found.values()
    }
    assert {} == await world.links()


async def test_what_was_shown_is_linked_and_found_again(world: World) -> None:
    """The provider's metadata says whose it is from then on; once more changes nothing."""
    sold = world.have("sold", email="old@example.com")
    world.sold(sold, ADA)
    (done,) = await world.adopter.adopt(await world.adopter.propose())
    assert Verdict.LINKED is done.verdict
    assert {ADA: sold} == await world.links()
    assert (ADA, LEDGER_ID) == (world.provider.kept[sold].user_reference, world.provider.kept[sold].ledger_id)
    (message,) = await world.ledger.outbox.claim("customer_address", 10, lease_seconds=60)
    assert ADA == message.payload["user_id"]
    assert {sold: Verdict.LINKED} == await world.verdicts()


async def test_of_an_accounts_customers_the_best_is_linked(world: World) -> None:
    """The one with a running subscription, or else the newest; one that is verified before any address."""
    old, subscribed, new = (world.have(name) for name in ("old", "subscribed", "new"))
    for customer in (old, subscribed, new):
        world.sold(customer, ADA, is_subscribed=customer == subscribed)
    address = world.have("address", email="ada@example.com")
    expected = {old: Verdict.SECOND, subscribed: Verdict.LINK, new: Verdict.SECOND}
    assert expected == await world.verdicts()
    assert {**expected, address: Verdict.SECOND} == await world.verdicts(by_address=True)
    newest, older = world.have("bob_new"), world.have("bob_newer")
    for customer in (newest, older):
        world.sold(customer, BOB)
    assert Verdict.LINK is (await world.verdicts())[older]


async def test_an_address_counts_only_if_asked_for_and_if_it_is_one_accounts(world: World) -> None:
    """And then whatever its case."""
    bobs, twice = world.have("bobs", email="Bob@Example.com"), world.have("twice", email="ada@example.com")
    world.ledger.add_user(STRANGER, "ADA@example.com")
    assert {} == await world.verdicts()
    found = await world.proposed(by_address=True)
    assert {bobs: Ground.ADDRESS} == {customer: one.ground for customer, one in found.items()}
    assert twice not in found


async def test_what_can_not_be_linked_is_shown_with_the_reason(world: World) -> None:
    """Nothing of it is written."""
    both = world.have("both", user_reference=ADA)
    world.sold(both, BOB)
    stranger = world.have("stranger", user_reference=STRANGER)
    other = world.have("other", user_reference=ADA, ledger_id="other")
    second = world.have("second", user_reference=BOB)
    await world.ledger.customers.link(BOB, named("first"), email=None)
    taken = world.have("taken", user_reference=ADA)
    await world.ledger.customers.link(STRANGER, taken, email=None)
    expected = {
        both: Verdict.SEVERAL_USERS,
        stranger: Verdict.HAS_ANOTHER,
        other: Verdict.OTHER_DEPLOYMENT,
        second: Verdict.HAS_ANOTHER,
        taken: Verdict.TAKEN,
    }
    before = dict(world.provider.kept), await world.links()
    assert expected == await world.verdicts()
    await world.adopter.adopt(await world.adopter.propose())
    assert before == (world.provider.kept, await world.links())


async def test_users_who_do_not_exist_get_no_customer(world: World) -> None:
    """The project's users may be deleted, or another project's."""
    unknown = world.have("unknown", user_reference=STRANGER)
    assert {unknown: Verdict.UNKNOWN_USER} == await world.verdicts()


async def test_what_changes_between_showing_and_linking_is_told(world: World) -> None:
    """A customer is deleted, an account gets another, or another account gets it."""
    gone, late, lost = (
        world.have("gone", user_reference=ADA),
        world.have("late", user_reference=BOB),
        world.have("lost"),
    )
    world.ledger.add_user(STRANGER)
    world.sold(lost, STRANGER)
    shown = await world.adopter.propose()
    world.provider.delete(gone)
    await world.ledger.customers.link(BOB, named("faster"), email=None)
    await world.ledger.customers.link(UserId("00000000-0000-0000-0000-0000000000fe"), lost, email=None)
    done = {one.customer_id: one.verdict for one in await world.adopter.adopt(shown)}
    assert {gone: Verdict.GONE, late: Verdict.HAS_ANOTHER, lost: Verdict.TAKEN} == done
