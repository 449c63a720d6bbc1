"""The small stories that are explored exhaustively, each by some kinds of its events."""

from collections.abc import Mapping

import attrs

from simulators.stories.credit_operations import DAY, Use
from simulators.stories.customers import customers

NEWEST, OLDER, OLDEST = "2026-10-28.endive", "2024-06-20", "2020-08-27"


@attrs.frozen(kw_only=True)
class Case:
    """A story by some kinds of events; by all of them, if kinds are not given."""

    story: str
    name: str = ""
    """Its own, where it is not the story's."""
    kinds: frozenset[str] | None = None
    api_version: str = NEWEST
    invoices: bool = False
    joins_later: bool = False
    """Whether the customer signs up at some moment of the schedule, instead of before it."""
    uses: tuple[Use, ...] = ()
    """What services ask of the customer's credits meanwhile."""
    charges: bool = False
    """Whether services ask for the charges of saved cards, or events alone report them."""
    worker: str = ""
    """The job of the worker, where it is not that of the outbox or the cache."""
    expires: bool = False
    """Whether a worker lets expire what is over."""
    is_large: bool = False
    """Whether it takes minutes."""


_SALE = frozenset({"checkout.session.completed", "checkout.session.async_payment_succeeded"})
_REFUND = frozenset({"refund.created"})
_TOTALS = _SALE | {"charge.refunded"}
_DISPUTE = frozenset({"charge.dispute.created", "charge.dispute.closed"})
_REINSTATED = frozenset({"charge.dispute.created", "charge.dispute.funds_reinstated"})
_BILL, _NOTE = frozenset({"invoice.paid"}), frozenset({"credit_note.created"})
_SWITCH, _INTENT = frozenset({"customer.subscription.updated"}), frozenset({"payment_intent.succeeded"})
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
    Case(story="packs around a push", kinds=_SALE | _REFUND, worker="push"),
    Case(story="renewal after a push", kinds=_BILL),
    Case(
        story="renewal after a push", name="renewal while prices are pushed", kinds=_BILL, worker="push", is_large=True
    ),
    Case(story="switched in the portal", kinds=_BILL | _SWITCH),
    Case(story="switched in the portal", name="switched while prices are pushed", kinds=_BILL, worker="push"),
    Case(story="switched with the next period", kinds=_BILL, worker="push"),
    Case(story="charge refunded", name="charge reported", kinds=_INTENT | _REFUND),
    Case(story="charged off session", name="charge answered", kinds=frozenset(), charges=True, worker="charges"),
    Case(story="charged off session", name="charge answered and reported", charges=True, worker="charges"),
    Case(story="charge refunded", kinds=_INTENT | _REFUND, charges=True, worker="charges"),
    Case(story="subscription canceled", kinds=_BILL | {"customer.subscription.updated"}),
)
"""Every case by its name."""
