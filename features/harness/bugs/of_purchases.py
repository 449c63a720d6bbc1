"""Bugs in what a payment is worth."""

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import attrs

from adapters.stripe.objects import sessions
from domain.decisions import families, purchase_changes
from domain.payments import disputes, entitlements, purchases
from domain.payments.disputes import DisputeStatus
from domain.payments.purchases import PaymentStatus
from features.harness.bugs.bug import Bug
from features.harness.planting import Patch
from simulators.stories.checkers import Checker

_WRONG = Checker.BALANCE_IMPOSSIBLE
_HIGH = Checker.BALANCE_TOO_HIGH


def _reversed(amount: Callable[[Any], int]) -> Patch:
    return Patch(entitlements, "reversed_amount", lambda _: lambda known: min(amount(known), known.order.amount))


def _away(*more: DisputeStatus) -> Patch:
    return Patch(disputes, "_MONEY_AWAY", lambda away: away | frozenset(more))


def _live(purchase: Any) -> int:
    return sum(refund.amount for refund in purchase.refunds if not refund.is_dead)


def _last_reported_status(learn: Callable[..., Any]) -> Callable[..., Any]:
    def learn_wrong(purchase: Any, facts: Any) -> Any:
        options = [fact.payment for fact in facts if not (fact.refunds or fact.refunded_totals or fact.disputes)]
        known = learn(purchase, facts)
        return attrs.evolve(known, payment=options[-1]) if options else known

    return learn_wrong


def _whole_dispute(purchase: Any) -> int:
    return _live(purchase) + (purchase.order.amount if any(one.away for one in purchase.disputes) else 0)


def _last(options: Any) -> tuple[Any, ...]:
    latest = {one.id: one for one in options}
    return tuple(latest[key] for key in sorted(latest))


BUGS = (
    Bug(
        name="posts without looking at what is posted",
        description="Deduplicates by event only, so two events of one payment credit it twice.",
        case="renewal, reported twice",
        checker=_WRONG,
        patches=(
            Patch(
                families,
                "postings_due",
                lambda due: lambda id_, purchase, _, **more: due(id_, purchase, {}, **more),
            ),
        ),
    ),
    Bug(
        name="the last refund wins",
        description="Only one refund of a payment counts.",
        case="refund in parts",
        checker=_WRONG,
        patches=(_reversed(lambda known: max((one.amount for one in known.refunds), default=0)),),
    ),
    Bug(
        name="the refund reported last wins",
        description="A refund is as it was reported last, not as it became last.",
        case="refund that fails",
        checker=_WRONG,
        patches=(Patch(purchases, "_latest_refunds", lambda _: _last),),
    ),
    Bug(
        name="the dispute reported last wins",
        description="A dispute is as it was reported last, not as it became last.",
        case="dispute won",
        checker=_WRONG,
        patches=(Patch(purchases, "latest_disputes", lambda _: _last),),
    ),
    Bug(
        name="the payment status reported last wins",
        description="A completion that was unpaid undoes a success that overtook it.",
        case="delayed payment",
        checker=_WRONG,
        patches=(Patch(purchase_changes, "learn", _last_reported_status),),
    ),
    Bug(
        name="refunds and their total are both taken",
        description="Claws back twice where charge.refunded and refund.created report the same refund.",
        case="refund in parts, all reported",
        checker=_WRONG,
        patches=(_reversed(lambda known: _live(known) + known.refunded_total),),
    ),
    Bug(
        name="a failed refund counts",
        description="Money that came back is taken all the same.",
        case="refund that fails",
        checker=_WRONG,
        patches=(Patch(purchases, "_DEAD_REFUNDS", lambda _: frozenset()),),
    ),
    Bug(
        name="a dispute that was won is not reinstated",
        description="The credits stay away when the money comes back.",
        case="dispute won",
        checker=_WRONG,
        patches=(_away(DisputeStatus.WON, DisputeStatus.REINSTATED),),
    ),
    Bug(
        name="an inquiry takes back",
        description="warning_* is taken for a dispute.",
        case="inquiry",
        checker=_WRONG,
        patches=(_away(DisputeStatus.WARNING_NEEDS_RESPONSE, DisputeStatus.WARNING_CLOSED),),
    ),
    Bug(
        name="a dispute takes everything",
        description="The whole payment is taken where a part of it is disputed.",
        case="refund and dispute",
        checker=_WRONG,
        patches=(_reversed(_whole_dispute),),
    ),
    Bug(
        name="unpaid credits count",
        description="A completed checkout is credited before its money is there.",
        case="delayed payment",
        checker=_WRONG,
        patches=(
            Patch(
                families,
                "grants_due",
                lambda due: (
                    lambda known, *more, **options: due(
                        attrs.evolve(known, payment=PaymentStatus.PAID), *more, **options
                    )
                ),
            ),
        ),
    ),
    Bug(
        name="a failed payment counts as paid",
        description="async_payment_failed is read as a success.",
        case="delayed payment fails",
        checker=_HIGH,
        patches=(
            Patch(
                sessions,
                "_STATUS_BY_EVENT",
                lambda known: {**known, "checkout.session.async_payment_failed": PaymentStatus.PAID},
            ),
        ),
    ),
    Bug(
        name="fractions are rounded up",
        description="A fraction of a credit goes to the customer.",
        case="refund in parts",
        checker=_WRONG,
        patches=(Patch(entitlements, "math", lambda _: SimpleNamespace(floor=math.ceil)),),
    ),
    Bug(
        name="what a merged row knew is forgotten",
        description="A refund that was reported before its payment was linked to its invoice is lost.",
        case="period refunded",
        checker=_WRONG,
        patches=(Patch(purchase_changes, "merge", lambda _: lambda one, _other: one),),
    ),
    Bug(
        name="rows of one payment are not merged",
        description="The first row goes on, the others keep their links.",
        case="period refunded",
        checker=Checker.EVENT_LOST,
        patches=(
            Patch(purchase_changes, "_one_payment", lambda one: lambda id_, snapshot: (one(id_, snapshot)[0], ())),
        ),
    ),
)
"""Each of one line."""
