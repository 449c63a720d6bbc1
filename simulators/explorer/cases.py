"""The cases that are explored exhaustively: small stories, with something in each that goes beyond them.

A story's events are those that an endpoint was asked to send, so a case may leave some kinds out: two kinds that tell
the same are one more duplicate, and each duplicate multiplies the schedules.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from simulators.explorer.case_list import CASES
from simulators.stories.acts import Act
from simulators.stories.catalogue import STORIES, live
from simulators.stories.charges import asked_of
from simulators.stories.credit_operations import Use
from simulators.stories.customers import Customer, Plan, customers
from simulators.stories.events import Event
from simulators.stripe.signatures import sign_webhook
from simulators.system.system import Ask, Deliver, Job, ReadQuota, Work

__all__ = ["CASES", "PLANS", "SECRET", "Setting", "settings"]

STARTS_AT = 1_790_000_000
SECRET = "whsec_explored"  # noqa: S105 - it signs what no real endpoint would take
PLANS = (
    Plan(id="starter", credits=50, price=500, currency="usd"),
    Plan(id="monthly", credits=100, price=900, currency="usd", mode="subscription", interval="month"),
    Plan(id="pro", credits=1000, price=4900, currency="usd", mode="subscription", interval="month"),
    Plan(id="annual", credits=1200, price=9000, currency="usd", mode="subscription", interval="year"),
)


@attrs.frozen(kw_only=True)
class Setting:
    """A case with one thing more: all that is to happen, in whatever order.

    The jobs are those of the case: its deliveries in the order of its events, then a reader, a worker, what services
    ask, who lets expire what is over, and the sign-up.
    """

    name: str
    more: str
    """What there is beyond the story: a duplicate, a reader, a worker."""
    customer: Customer
    events: tuple[Event, ...]
    acts: tuple[Act, ...]
    times: tuple[int, ...]
    """How often each job is to be done."""
    joins_later: bool
    uses: tuple[Use, ...]
    worker: str
    """What the worker works on: what the case says, else the outbox where there are invoices, else the cache."""
    prices: tuple[Mapping[str, Any], ...] = ()
    """What Stripe can say of prices."""
    payments: tuple[Mapping[str, Any], ...] = ()
    """What Stripe answers to charges of saved cards."""

    @property
    def now(self) -> int:
        """Return the time: all of it is reported in the second after the last of it happened."""
        return max((event.created for event in self.events), default=STARTS_AT) + 1

    @property
    def jobs(self) -> tuple[Job, ...]:
        """Return what may be done, but for the sign-up."""
        bodies = [event.body.encode() for event in self.events]
        deliveries = [Deliver(body, sign_webhook(body, SECRET, self.now)) for body in bodies]
        return (*deliveries, ReadQuota(self.customer.user_id), Work(self.worker), *map(Ask, self.uses), Work("expire"))

    @property
    def reader(self) -> int:
        """Return the place of the reader."""
        return len(self.events)

    @property
    def join(self) -> int:
        """Return the place of the sign-up."""
        return len(self.times) - 1

    def describe(self, job: int) -> str:
        """Return a job, in a word."""
        uses = [f"{use.act} {use.key}" for use in self.uses]
        workers = "the reader", "the worker", *uses, "the expiry", "the sign-up"
        return (*(event.type for event in self.events), *workers)[job]


def settings(name: str, plans: Sequence[Plan] = PLANS) -> Iterator[Setting]:
    """Yield a case with each thing more in turn: every event once more, a reader, a worker.

    :raises KeyError: if there is no such case.
    """
    case = CASES[name]
    (customer,) = customers(1)
    lived = live(
        STORIES[case.story],
        customer,
        plans,
        seed=7,
        now=STARTS_AT,
        api_version=case.api_version,
        invoices=case.invoices,
    )
    events = tuple(event for event in lived.events if case.kinds is None or event.type in case.kinds)
    uses = (*case.uses, *asked_of(lived.charged if case.charges else ()))
    plain = Setting(
        name=name,
        more="",
        customer=customer,
        events=events,
        acts=lived.acts,
        times=(*(1 for _ in events), 0, 0, *(1 for _ in uses), int(case.expires), int(case.joins_later)),
        joins_later=case.joins_later,
        uses=uses,
        worker=case.worker or ("outbox" if case.invoices else "cache"),
        prices=lived.prices,
        payments=tuple({"intent": intent} for intent in lived.charged),
    )
    for job in range(plain.join if case.expires else plain.join - 1):
        more = f"{plain.describe(job)} once more" if plain.times[job] else plain.describe(job)
        times = (*plain.times[:job], plain.times[job] + 1, *plain.times[job + 1 :])
        yield attrs.evolve(plain, more=more, times=times)
