"""The cases that are explored exhaustively: small stories, with something in each that goes beyond them.

A story's events are those that an endpoint was asked to send, so a case may leave some kinds out: two kinds that tell
the same are one more duplicate, and each duplicate multiplies the schedules.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from simulators.stories.acts import Act
from simulators.stories.catalogue import STORIES, live
from simulators.stories.credit_operations import DAY, Use
from simulators.stories.customers import Customer, Plan, customers
from simulators.stories.events import Event
from simulators.stripe.signatures import sign_webhook
from simulators.system.system import Ask, Deliver, Job, ReadQuota, Work

STARTS_AT = 1_790_000_000
SECRET = "whsec_explored"  # noqa: S105 - it signs what no real endpoint would take
PLANS = (
    Plan(id="starter", credits=50, price=500, currency="usd"),
    Plan(id="monthly", credits=100, price=900, currency="usd", mode="subscription", interval="month"),
    Plan(id="pro", credits=1000, price=4900, currency="usd", mode="subscription", interval="month"),
    Plan(id="annual", credits=1200, price=9000, currency="usd", mode="subscription", interval="year"),
)
NEWEST, OLDER, OLDEST = "2026-10-28.endive", "2024-06-20", "2020-08-27"


@attrs.frozen(kw_only=True)
class Case:
    """A story by some kinds of events; all of them, if none is named."""

    story: str
    name: str = ""
    """Its own, where it is not the story's."""
    kinds: frozenset[str] = frozenset()
    api_version: str = NEWEST
    invoices: bool = False
    joins_later: bool = False
    """Whether the customer signs up at some moment of the schedule, instead of before it."""
    uses: tuple[Use, ...] = ()
    """What services ask of the customer's credits meanwhile."""
    expires: bool = False
    """Whether a worker lets expire what is over."""
    is_large: bool = False
    """Whether it takes minutes."""


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
    """What the worker works on: the outbox where there are invoices, else the cache."""
    prices: tuple[Mapping[str, Any], ...] = ()
    """What Stripe can say of prices."""

    @property
    def now(self) -> int:
        """Return the time: all of it is reported in the second after the last of it happened."""
        return max(event.created for event in self.events) + 1

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


_SALE = frozenset({"checkout.session.completed", "checkout.session.async_payment_succeeded"})
_REFUND = frozenset({"refund.created"})
_TOTALS = _SALE | {"charge.refunded"}
_DISPUTE = frozenset({"charge.dispute.created", "charge.dispute.closed"})
_REINSTATED = frozenset({"charge.dispute.created", "charge.dispute.funds_reinstated"})
_BILL, _NOTE = frozenset({"invoice.paid"}), frozenset({"credit_note.created"})
_END = frozenset({"customer.subscription.deleted"})
_PERIOD = frozenset({"invoice.paid", "invoice_payment.paid"})


_ADA = customers(1)[0].user_id
_HOLD = "5b0c7b8e-4c55-4d0f-9a3e-3c1f0e6c9d11"


def _use(act: str, key: str, credits: int, *, hold: str | None = None, lasts: int = DAY) -> Use:  # noqa: A002 - the field's word
    return Use(act=act, customer=_ADA, key=key, credits=credits, hold=hold, lasts=lasts)


def _cases(*cases: Case) -> Mapping[str, Case]:
    return {case.name or case.story: case for case in cases}


CASES = _cases(
    Case(story="purchase"),
    Case(story="purchase", name="purchase with its invoice", invoices=True),
    Case(story="purchase", name="purchase before signing up", joins_later=True),
    Case(story="delayed payment"),
    Case(story="delayed payment fails"),
    Case(story="full refund", kinds=_TOTALS | _REFUND),
    Case(story="refund in parts", kinds=_SALE | _REFUND),
    Case(story="refund in parts", name="refund in parts, by totals", kinds=_TOTALS),
    Case(story="refund in parts", name="refund in parts, by an old API", kinds=_TOTALS, api_version=OLDEST),
    Case(story="refund that fails", kinds=_SALE | {"refund.created", "refund.failed"}),
    Case(story="dispute won", kinds=_SALE | _DISPUTE),
    Case(story="dispute won", name="dispute won, money back", kinds=_SALE | _REINSTATED),
    Case(story="dispute lost", kinds=_SALE | _DISPUTE),
    Case(story="inquiry"),
    Case(story="renewal", kinds=frozenset({"checkout.session.completed", "invoice.paid"})),
    Case(
        story="renewal", name="renewal, reported twice", kinds=frozenset({"invoice.paid", "invoice.payment_succeeded"})
    ),
    Case(story="period refunded", kinds=_PERIOD | _REFUND),
    Case(story="refund and dispute", kinds=_SALE | _DISPUTE | _REFUND),
    Case(story="two purchases", kinds=_SALE | _REFUND),
    Case(story="purchase", name="spend", uses=(_use("spend", "a", 30), _use("spend", "b", 30))),
    Case(story="full refund", name="spend and refund", kinds=_SALE | _REFUND, uses=(_use("spend", "a", 30),)),
    Case(
        story="purchase",
        name="hold and capture",
        uses=(_use("hold", "h", 40, hold=_HOLD), _use("capture", _HOLD, 25, hold=_HOLD)),
    ),
    Case(
        story="purchase",
        name="hold and spend",
        uses=(_use("hold", "h", 40, hold=_HOLD), _use("spend", "a", 30), _use("void", _HOLD, 0, hold=_HOLD)),
    ),
    Case(
        story="purchase",
        name="hold forgotten",
        uses=(_use("hold", "h", 40, hold=_HOLD, lasts=0), _use("spend", "a", 30)),
        expires=True,
    ),
    Case(
        story="purchase",
        name="hold captured too late",
        uses=(_use("hold", "h", 40, hold=_HOLD, lasts=0), _use("capture", _HOLD, 25, hold=_HOLD)),
        expires=True,
    ),
    Case(story="renewal", name="period over", kinds=_BILL, uses=(_use("spend", "a", 30),), expires=True),
    Case(story="refund in parts", name="refund in parts, all reported", kinds=_TOTALS | _REFUND, is_large=True),
    Case(
        story="refund that fails",
        name="refund that fails, all reported",
        kinds=_TOTALS | {"refund.created", "refund.failed"},
        is_large=True,
    ),
    Case(
        story="refund and dispute",
        name="refund and dispute, all reported",
        kinds=_SALE | _DISPUTE | _REINSTATED | _REFUND,
        is_large=True,
    ),
    Case(story="renewal refunded", kinds=_PERIOD | _REFUND, is_large=True),
    Case(story="upgrade at once", kinds=_BILL),
    Case(story="upgrade at the renewal", kinds=_BILL, api_version=OLDER),
    Case(story="downgrade at once", kinds=_BILL),
    Case(story="downgrade at the renewal", kinds=_BILL, api_version=OLDER),
    Case(story="to and fro", kinds=_BILL, is_large=True),
    Case(story="to and fro at half the price", kinds=_BILL, is_large=True),
    Case(story="itemized discount", kinds=_BILL),
    Case(story="credited by nobody's name", kinds=_BILL, api_version=OLDER, is_large=True),
    Case(story="seats", kinds=_BILL),
    Case(story="free period", kinds=_BILL),
    Case(story="canceled with proration", kinds=_BILL | _END),
    Case(story="paid by the balance", kinds=_BILL, is_large=True),
    Case(story="refunded, then canceled", kinds=_BILL | _END | _REFUND, api_version=OLDER, is_large=True),
    Case(story="credited to the balance", kinds=_BILL | _NOTE),
    Case(story="credited out of band", kinds=_BILL | _NOTE),
    Case(story="credited to the card", kinds=_BILL | _NOTE | _REFUND, api_version=OLDER),
    Case(story="one line credited", kinds=_BILL | _NOTE, is_large=True),
    Case(story="one line credited, another unused", kinds=_BILL | _NOTE, is_large=True),
    Case(story="credited before payment", kinds=_BILL | _NOTE, is_large=True),
    Case(story="credited before payment", name="less before a renewal is paid", kinds=_BILL),
    Case(story="late renewal", kinds=_BILL),
    Case(story="something else", kinds=_BILL | _REFUND, api_version=OLDER),
    Case(
        story="dispute partly reinstated",
        kinds=_BILL | {"charge.dispute.created", "charge.dispute.funds_reinstated"},
        api_version=OLDER,
    ),
    Case(story="subscription canceled", kinds=_BILL | {"customer.subscription.updated"}),
)
"""Every case by its name."""


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
    events = tuple(event for event in lived.events if not case.kinds or event.type in case.kinds)
    plain = Setting(
        name=name,
        more="",
        customer=customer,
        events=events,
        acts=lived.acts,
        times=(*(1 for _ in events), 0, 0, *(1 for _ in case.uses), int(case.expires), int(case.joins_later)),
        joins_later=case.joins_later,
        uses=case.uses,
        worker="outbox" if case.invoices else "cache",
        prices=lived.prices,
    )
    for job in range(plain.join if case.expires else plain.join - 1):
        more = f"{plain.describe(job)} once more" if plain.times[job] else plain.describe(job)
        times = (*plain.times[:job], plain.times[job] + 1, *plain.times[job + 1 :])
        yield attrs.evolve(plain, more=more, times=times)
