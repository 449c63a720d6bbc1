"""The system under test: the real use cases and the real reading of webhooks, on adapters in memory.

Every port that is awaited is stepped, so whoever drives decides what happens at each await. The use cases hold nothing
but ports; what survives a process is the world's.
"""

from collections.abc import Callable, Coroutine, Hashable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import attrs

from adapters.memory.cache import MemoryQuotaCache, MemorySessionMarkers
from adapters.memory.ledger import MemoryLedger
from adapters.memory.payments import MemoryPayments
from adapters.memory.selling.charges import MemoryCharges
from adapters.stripe.objects.prices import read_price
from domain.payments.purchases import Link
from domain.ports.cache import CacheUnavailable
from domain.ports.ledger import LedgerUnavailable
from domain.ports.payment_provider import PaymentsUnavailable
from domain.values.accounts import Account, parse_user_id
from domain.values.customers import CustomerId
from domain.values.money import Money
from domain.values.plans import Catalogue, Plan, PlanId, PlanMode, Terms
from features.harness.bugs.catalogue import BUGS
from features.harness.observation import observe, state_in
from features.harness.parts import Parts
from features.harness.planting import Patch, PlantedCoroutine, planted
from features.harness.processes import UseCases, WorldClock, begun, use_cases
from features.harness.selling.cards import WorldCards
from features.harness.selling.catalogue import WorldCatalogue
from simulators.stories.customers import Customer
from simulators.stories.customers import Plan as PlanOnSale
from simulators.stories.observation import Observation
from simulators.system.states import digest_of, forked
from simulators.system.stepping import Call, Pause, perform
from simulators.system.system import Job, Result

MAX_REMEMBERED_WRITES = 32

_AWAY: Mapping[str, Callable[[str], Exception]] = {
    "ledger": LedgerUnavailable,
    "cache": CacheUnavailable,
    "payments": PaymentsUnavailable,
}
_BEHIND = {
    "wallets": "ledger",
    "accounts": "ledger",
    "audit": "ledger",
    "walk": "ledger",
    "inbox": "ledger",
    "outbox": "ledger",
    "charges": "ledger",
    "customers": "ledger",
    "prices": "ledger",
    "markers": "cache",
}
_BEHIND |= dict.fromkeys(("invoices", "history", "cards", "provider"), "payments")


class MemoryWorld:
    """A world in memory; implements :class:`simulators.system.system.World`."""

    def __init__(
        self, parts: Parts, build: Callable[[WorldClock], UseCases], patches: tuple[Patch, ...] = (), *, is_sound: bool
    ) -> None:
        self._parts = parts
        self._build = build
        self._patches = patches
        self._is_sound = is_sound
        self._processes: dict[str, UseCases] = {}
        self._writes: list[dict[Any, Account]] = []

    def begin(self, job: Job, *, process: str = "a") -> Coroutine[Any, Any, Result]:
        """The coroutine of a job."""
        if process not in self._processes:
            self._processes[process] = self._build(self._parts.clock)
        cases = self._processes[process]
        if self._patches:
            planted_: Any = PlantedCoroutine(lambda: begun(cases, job), self._patches)
            return planted_
        return begun(cases, job)

    def perform(self, pause: Pause) -> Any:
        """Do what a job awaits."""
        if not isinstance(pause, Call):
            return None
        stores = ("cache.store", "cache.store_many", "cache.forget")
        if pause.name in stores or (pause.name == "markers.finish" and any(pause.arguments[2:])):
            self._writes = [*self._writes, self._parts.cache.copies()][-MAX_REMEMBERED_WRITES:]
        with planted(self._patches):
            return perform(self._parts.ports, pause)

    def fault(self, pause: Pause) -> Exception | None:
        """The error by which that port tells that it is away."""
        kind = _AWAY.get(_BEHIND.get(pause.port, pause.port))
        return kind("away") if kind is not None else None

    def commutes(self, pause: Pause, *, is_read: bool) -> bool:
        """Return whether this call may come before or after any other, to the same effect.

        Copies are kept by version, so the newest stays, in whatever order they are stored; a reader in between sees the
        order.
        """
        return self._is_sound and not is_read and pause.name in ("cache.store", "cache.store_many")

    def restart(self, process: str) -> None:
        """Start a process afresh."""
        self._processes.pop(process, None)

    def sign_up(self, customer: Customer) -> None:
        """Let a user exist."""
        self._parts.ledger.add_user(parse_user_id(customer.user_id), customer.email)

    def flush_cache(self) -> None:
        """Lose everything that the cache holds."""
        self._parts.cache.flush()
        self._parts.markers.flush()

    def rewind_cache(self, writes: int) -> None:
        """Lose the latest writes of balances."""
        if self._writes:
            writes = min(writes, len(self._writes))
            self._parts.cache.restore(self._writes[-writes])
            del self._writes[-writes:]

    def now(self) -> int:
        """Seconds since 1970."""
        return int(self._parts.clock.moment.timestamp())

    def let_pass(self, seconds: int) -> None:
        """Let time pass."""
        self._parts.clock.moment += timedelta(seconds=seconds)

    def fork(self) -> Self:
        """A world that begins as this one is; its processes are new ones."""
        copy = type(self)(forked(self._parts, {}), self._build, self._patches, is_sound=self._is_sound)
        copy._writes = list(self._writes)
        return copy

    def state(self) -> Hashable:
        """All that later behaviour can depend on."""
        return state_in(self._parts)

    def digest(self) -> str:
        """A short name of the state."""
        return digest_of(self.state())

    def seen(self) -> Observation:
        """Return what the checkers look at."""
        return observe(self._parts)


@attrs.frozen
class MemorySystem:
    """Builds worlds in memory; implements :class:`simulators.system.system.System`."""

    bug: str | None = None

    @property
    def bugs(self) -> Mapping[str, str]:
        """The bugs that can be planted."""
        return {name: bug.description for name, bug in BUGS.items()}

    def planted(self, bug: str) -> "MemorySystem":
        """The same system with a bug in it.

        :raises KeyError: if there is no such bug.
        """
        return MemorySystem(BUGS[bug].name)

    def world(
        self,
        plans: Sequence[PlanOnSale],
        customers: Sequence[Customer],
        *,
        now: int,
        secret: str,
        payments: Sequence[Mapping[str, Any]] = (),
        prices: Sequence[Mapping[str, Any]] = (),
    ) -> MemoryWorld:
        """A world with these plans on sale and these users signed up."""
        clock = WorldClock(datetime.fromtimestamp(now, UTC))
        asked = MemoryPayments()
        for payment in payments:
            if "intent" not in payment:
                asked.teach(map(Link, payment["links"]), ours=payment["ours"])
        for price in prices:
            asked.teach_price(read_price(dict(price)))
        cache = MemoryQuotaCache()
        parts = Parts(
            clock=clock,
            ledger=MemoryLedger(clock),
            cache=cache,
            markers=MemorySessionMarkers(clock, cache),
            payments=asked,
            charges=MemoryCharges(clock),
            cards=WorldCards(clock),
            provider=WorldCatalogue(),
        )
        _sell(parts, [payment["intent"] for payment in payments if "intent" in payment], prices)
        catalogue = _catalogue(plans)
        pushed = Catalogue({id_: plan for id_, plan in catalogue.plans.items() if id_ in parts.provider.plans})
        bug = BUGS[self.bug] if self.bug is not None else None

        def build(clock: WorldClock) -> UseCases:
            cases = use_cases(clock, catalogue, secret, pushed=pushed)
            return bug.use_cases(cases) if bug is not None else cases

        _begin_walk(parts)
        world = MemoryWorld(parts, build, bug.patches if bug is not None else (), is_sound=bug is None)
        for customer in customers:
            world.sign_up(customer)
        return world


def _begin_walk(parts: Parts) -> None:
    """Let the mark be made while the cache is empty, as in a deployment that is new."""
    first = perform(parts.ports, Call("walk", "changed_accounts", (1,), (("lease_seconds", 1),)))
    perform(parts.ports, Call("walk", "move_mark", (first,)))


def _sell(parts: Parts, intents: Sequence[Mapping[str, Any]], prices: Sequence[Mapping[str, Any]]) -> None:
    """Let there be saved cards, their customers linked to the accounts, and what was pushed."""
    parts.provider.teach(prices)
    for intent in intents:
        parts.cards.teach(intent)
        user_id = intent["metadata"]["userId"]
        named = (parse_user_id(user_id), CustomerId(f"cus_{user_id}"))
        perform(parts.ports, Call("customers", "link", named, (("email", None),)))


def _catalogue(plans: Sequence[PlanOnSale]) -> Catalogue:
    return Catalogue(
        {
            PlanId(plan.id): Plan(
                id=PlanId(plan.id),
                name=plan.id,
                terms=Terms(credits=plan.credits, price=Money(amount=plan.price, currency=plan.currency)),
                mode=PlanMode(plan.mode),
                interval=plan.interval,
            )
            for plan in plans
        }
    )


system = MemorySystem()
