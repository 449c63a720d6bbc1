"""One customer for each account: found again, made again, and the same for every process, wherever one of them dies."""

import itertools
from collections.abc import Callable, Coroutine, Generator
from typing import Any

import attrs
import pytest

from adapters.memory.ledger import MemoryLedger
from adapters.memory.selling.customers import LEDGER_ID, MemoryCustomerLinks, MemoryCustomers
from domain.changes.outbox import CUSTOMER_ADDRESS
from domain.ports.customers import Customer, CustomerLink
from domain.ports.ledger import LedgerUnavailable, LedgerUntouched
from domain.ports.payment_provider import PaymentsRefused, PaymentsUnavailable
from domain.tests.examples import ADA, BOB, SetClock
from domain.usecases.selling.customers import MAX_ADDRESS_CHANGES, CustomerService
from domain.usecases.tests.memory_customers import NotedCustomers
from domain.values.accounts import UserId
from domain.values.customers import CustomerId

ADDRESS = "ada@example.com"
OWN = {"user_reference": ADA, "ledger_id": LEDGER_ID}


class World:
    """Ada and Bob, and a provider that has no customer yet."""

    def __init__(self) -> None:
        self.ledger, self.provider, self.noted = MemoryLedger(SetClock()), MemoryCustomers(), NotedCustomers()
        self.ledger.add_user(ADA, ADDRESS)
        self.ledger.add_user(BOB)
        self.service = self.on(self.ledger.customers)

    def on(self, links: Any, customers: Any = None, accounts: Any = None) -> CustomerService:
        return CustomerService(
            links=links,
            customers=customers or self.provider,
            accounts=accounts or self.ledger,
            watch=self.noted,
        )

    @property
    def ids(self) -> list[CustomerId]:
        return [*self.provider.kept]

    async def link(self) -> CustomerLink | None:
        return await self.ledger.customers.customer_of(ADA)


@pytest.fixture
def world() -> World:
    return World()


async def test_a_customer_is_made_once(world: World) -> None:
    """Each account has its own, with its address."""
    first = await world.service.customer_of(ADA, ADDRESS)
    assert first == await world.service.customer_of(ADA, ADDRESS)
    assert first != await world.service.customer_of(BOB, None)
    assert 2 == len(world.ids)
    assert ADDRESS == world.provider.kept[first].email


async def test_a_known_customer_needs_no_provider(world: World) -> None:
    """A checkout takes no further request then."""
    made = await world.service.customer_of(ADA, ADDRESS)
    world.provider.is_away = True
    assert made == await world.service.customer_of(ADA, ADDRESS)


async def test_a_customer_whose_row_is_missing_is_found_by_metadata(world: World) -> None:
    """The process died before it wrote the row, more than a day ago, or the ledger was restored from a backup."""
    made = await world.service.customer_of(ADA, ADDRESS)
    world.provider.forget_keys()
    restored = World()
    assert made == await restored.on(restored.ledger.customers, world.provider).customer_of(ADA, "ada@new.example.com")
    assert [made] == world.ids


async def test_another_deployments_customer_is_not_taken(world: World) -> None:
    """Nor one whom only the address suggests."""
    world.provider.add(Customer(id=CustomerId("cus_other"), user_reference=ADA, ledger_id="other", email=ADDRESS))
    world.provider.add(Customer(id=CustomerId("cus_address"), email=ADDRESS))
    assert await world.service.customer_of(ADA, ADDRESS) not in {"cus_other", "cus_address"}


async def test_a_customer_that_another_account_has_is_passed_over(world: World) -> None:
    """Somebody has edited metadata in the provider's dashboard."""
    world.provider.add(Customer(id=CustomerId("cus_bobs"), email=None, **OWN))
    await world.ledger.customers.link(BOB, CustomerId("cus_bobs"), email=None)
    assert "cus_bobs" != await world.service.customer_of(ADA, ADDRESS)


async def test_a_deleted_customer_is_made_again(world: World) -> None:
    """By the provider's event, or when it turns out; each time an operator hears of it."""
    first = await world.service.customer_of(ADA, ADDRESS)
    world.provider.delete(first)
    await world.service.note_deleted(first)
    second = await world.service.customer_of(ADA, ADDRESS)
    world.provider.delete(second)
    third = await world.service.in_place_of(second, ADA, ADDRESS)
    assert third == await world.service.in_place_of(second, ADA, ADDRESS)
    assert third == await world.service.customer_of(ADA, ADDRESS)
    assert [third] == world.ids
    assert [(first, second), (second, third)] == world.noted.replacements


async def test_a_late_deletion_does_not_take_the_next_customer(world: World) -> None:
    """The event of the first one arrives after a checkout has found out."""
    first = await world.service.customer_of(ADA, ADDRESS)
    world.provider.delete(first)
    second = await world.service.in_place_of(first, ADA, ADDRESS)
    await world.service.note_deleted(first)
    assert second == await world.service.customer_of(ADA, ADDRESS)


@attrs.define
class Links:
    """The ledger's record as it is while the ledger takes no writes, or cannot be read."""

    kept: MemoryCustomerLinks
    can_be_read: bool = True

    async def ledger_id(self) -> str:
        return LEDGER_ID

    async def customer_of(self, user_id: UserId) -> CustomerLink | None:
        if not self.can_be_read:
            raise LedgerUnavailable("silent")
        return await self.kept.customer_of(user_id)

    async def link(self, *_: object, **__: object) -> CustomerLink | None:
        raise LedgerUntouched("read-only")


async def test_a_ledger_without_writes_prevents_no_checkout(world: World) -> None:
    """The customer is the same each time, and the same as later, when it is written."""
    service = world.on(Links(world.ledger.customers))
    first = await service.for_checkout(ADA, ADDRESS)
    assert first == await service.for_checkout(ADA, ADDRESS)
    assert first == await world.service.customer_of(ADA, ADDRESS)
    assert [first] == world.ids


async def test_what_prevents_a_customer_prevents_no_checkout(world: World) -> None:
    """A key that may not make customers, and a ledger that falls silent: the checkout does without, and says so."""
    world.provider.refuses = True
    assert await world.service.for_checkout(ADA, ADDRESS) is None
    assert await world.on(Links(world.ledger.customers, can_be_read=False)).for_checkout(ADA, ADDRESS) is None
    assert ["no permission", "silent"] == world.noted.causes
    with pytest.raises(PaymentsRefused):
        await world.service.customer_of(ADA, ADDRESS)


async def test_a_provider_that_is_away_is_an_outage(world: World) -> None:
    """The checkout could not be opened either; a second customer would be made without the first."""
    world.provider.is_away = True
    with pytest.raises(PaymentsUnavailable):
        await world.service.for_checkout(ADA, ADDRESS)


async def test_the_address_follows(world: World) -> None:
    """It is the one that the account has when it is written."""
    made = await world.service.customer_of(ADA, ADDRESS)
    world.ledger.customers.change_address(ADA, "ada@new.example.com")
    (message,) = await world.ledger.outbox.claim(CUSTOMER_ADDRESS, 10, lease_seconds=60)
    await world.service.follow_address(UserId(message.payload["user_id"]))
    assert "ada@new.example.com" == world.provider.kept[made].email


async def test_an_address_that_changes_while_it_is_written_is_written_again(world: World) -> None:
    """Two workers that deliver two changes leave the newer one, whoever comes last."""
    made = await world.service.customer_of(ADA, ADDRESS)
    provider, changes = world.provider, iter(range(2))

    @attrs.define
    class Changing:
        written: list[str] = attrs.field(factory=list)

        async def write_address(self, customer_id: CustomerId, email: str) -> None:
            await provider.write_address(customer_id, email)
            self.written.append(email)
            if (number := next(changes, None)) is not None:
                world.ledger.customers.change_address(ADA, f"ada@{number}.example.com")

    changing = Changing()
    await world.on(world.ledger.customers, changing).follow_address(ADA)
    assert [ADDRESS, "ada@0.example.com", "ada@1.example.com"] == changing.written
    assert len(changing.written) <= MAX_ADDRESS_CHANGES
    assert "ada@1.example.com" == provider.kept[made].email


async def test_an_address_that_never_rests_is_left_for_later(world: World) -> None:
    """The message is delivered again, and no worker is kept by it."""
    await world.service.customer_of(ADA, ADDRESS)
    written = []

    class Restless:
        async def write_address(self, _: CustomerId, email: str) -> None:
            written.append(email)
            world.ledger.customers.change_address(ADA, f"ada@{len(written)}.example.com")

    with pytest.raises(PaymentsUnavailable):
        await world.on(world.ledger.customers, Restless()).follow_address(ADA)
    assert MAX_ADDRESS_CHANGES == len(written)


async def test_there_may_be_nothing_to_follow(world: World) -> None:
    """No customer, no address, or a customer who turns out to be gone."""
    await world.service.follow_address(ADA)
    assert [] == world.ids
    bobs = await world.service.customer_of(BOB, "bob@token.example.com")
    await world.service.follow_address(BOB)
    assert "bob@token.example.com" == world.provider.kept[bobs].email
    first = await world.service.customer_of(ADA, ADDRESS)
    world.provider.delete(first)
    await world.service.follow_address(ADA)
    assert CustomerLink(customer_id=first, is_deleted=True) == await world.link()


class Step:
    """A moment at which a process may die, or another may go on."""

    def __await__(self) -> Generator[None, None, None]:
        yield


@attrs.frozen
class Stepped:
    """A port whose calls take a step before and a step after their effect."""

    port: Any

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        async def call(*given: Any, **named: Any) -> Any:
            await Step()
            answer = await getattr(self.port, name)(*given, **named)
            await Step()
            return answer

        return call


def process(world: World, *, gone: CustomerId | None = None) -> Coroutine[Any, Any, CustomerId]:
    """Return one process that needs Ada's customer."""
    service = world.on(Stepped(world.ledger.customers), Stepped(world.provider), Stepped(world.ledger))
    return service.in_place_of(gone, ADA, ADDRESS) if gone else service.customer_of(ADA, ADDRESS)


def advance(coroutine: Coroutine[Any, Any, CustomerId]) -> CustomerId | None:
    """Let a process go to its next step; return its result once it has one."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return CustomerId(done.value)
    return None


async def begun(*, is_replacement: bool) -> tuple[World, CustomerId | None]:
    world = World()
    if not is_replacement:
        return world, None
    gone = await world.service.customer_of(ADA, ADDRESS)
    world.provider.delete(gone)
    return world, gone


@pytest.mark.parametrize("is_replacement", [False, True])
@pytest.mark.parametrize("is_a_day_later", [False, True])
async def test_a_process_that_dies_at_any_step_leaves_no_second_customer(
    *, is_replacement: bool, is_a_day_later: bool
) -> None:
    """The next process finds what the first one made, by the key or by metadata."""
    for steps in range(100):
        world, gone = await begun(is_replacement=is_replacement)
        dying = process(world, gone=gone)
        is_done = any(advance(dying) is not None for _ in range(steps))
        dying.close()
        if is_a_day_later:
            world.provider.forget_keys()
        made = await (
            world.service.in_place_of(gone, ADA, ADDRESS) if gone else world.service.customer_of(ADA, ADDRESS)
        )
        assert [made] == world.ids
        assert CustomerLink(customer_id=made) == await world.link()
        if is_done:
            assert steps > 4
            return
    raise AssertionError("the process never ends")


@pytest.mark.parametrize("is_replacement", [False, True])
async def test_two_processes_at_once_have_one_customer(*, is_replacement: bool) -> None:
    """In every order of their steps."""
    for turns in itertools.product((0, 1), repeat=10):
        world, gone = await begun(is_replacement=is_replacement)
        processes, results = [process(world, gone=gone), process(world, gone=gone)], [None, None]
        for turn in itertools.chain(turns, itertools.cycle((0, 1))):
            if results[turn] is None:
                results[turn] = advance(processes[turn])  # type: ignore[call-overload]
            if None not in results:
                break
        assert [world.ids[0]] * 2 == results
        assert 1 == len(world.ids)
        assert CustomerLink(customer_id=world.ids[0]) == await world.link()
