"""Bugs in the unused time that an invoice gives back, and in whose credits it takes."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import attrs

from domain.decisions import families, purchase_changes
from domain.payments import credited_lines, entitlements, unused_time
from features.harness.bugs.bug import Bug
from features.harness.planting import Patch
from simulators.stories.checkers import Checker

_WRONG = Checker.BALANCE_IMPOSSIBLE


def _summed(balance: Any) -> Fraction:
    return Fraction(balance.worth * max(1 - balance.unused - balance.refunded - balance.disputed, 0))


def _by_invoice(balances: Callable[..., Any]) -> Callable[..., Any]:
    def balances_wrong(*known: Any, **options: Any) -> Any:
        lines = balances(*known, **options)
        whole = sum(line.unused for line in lines) > sum(line.refunded for line in lines)
        name = "refunded" if whole else "unused"
        return tuple(attrs.evolve(line, **{name: Fraction(0)}) for line in lines)

    return balances_wrong


def _own_invoice(_: Any) -> Callable[..., Any]:
    def unused_parts(family: Any) -> dict[tuple[str, str], Fraction]:
        return {
            (credited_lines.invoice_link(one), line.id): min(
                Fraction(sum(unused.amount for unused in one.bill.unused), max(line.net, 1)), Fraction(1)
            )
            for one in family
            if one.bill is not None
            for line in one.bill.lines
        }

    return unused_parts


def _alone(settle: Callable[..., Any]) -> Callable[..., Any]:
    def settle_wrong(family: Any, origin: Any, *, changed: Any = ()) -> Any:
        settled = settle(family, origin, changed=changed)
        own = {row.id for row in changed}
        return attrs.evolve(
            settled,
            revisions=(),
            postings=tuple(posting for posting in settled.postings if posting.purchase_id in own),
        )

    return settle_wrong


def _oldest(possible: Callable[..., Any]) -> Callable[..., Any]:
    def possible_wrong(unused: Any, giver: Any, sold: Any, **options: Any) -> Any:
        known = [one for lines in sold.by_end.get((None, unused.ends_at), {}).values() for one in lines]
        oldest = min(known, key=lambda each: each.starts_at, default=None)
        return [(oldest.invoice, oldest.line)] if oldest else possible(unused, giver, sold, **options)

    return possible_wrong


BUGS = (
    Bug(
        name="unused time is ignored",
        description="A proration below zero takes nothing from what it credits.",
        case="upgrade at once",
        checker=_WRONG,
        patches=(Patch(families, "unused_parts", lambda _: lambda _family: {}),),
    ),
    Bug(
        name="unused time counts in its own invoice",
        description="What is given back is taken from the invoice that gives it back.",
        case="upgrade at once",
        checker=_WRONG,
        patches=(Patch(families, "unused_parts", _own_invoice),),
    ),
    Bug(
        name="unused time of no named line is the oldest's",
        description="It is taken from the first line with that end, and not from the newest.",
        case="credited by nobody's name",
        checker=Checker.BALANCE_IMPOSSIBLE,
        patches=(Patch(unused_time, "possible_lines", _oldest),),
    ),
    Bug(
        name="refunds and unused time are summed",
        description="One who is refunded, and gets unused time back, is taken from twice.",
        case="refunded, then canceled",
        checker=_WRONG,
        patches=(Patch(entitlements.LineBalance, "credits", lambda _: property(_summed)),),
    ),
    Bug(
        name="the larger counts for the invoice",
        description="Refunds are held against unused time once for an invoice, and not line by line.",
        case="one line credited, another unused",
        checker=_WRONG,
        patches=(Patch(entitlements, "line_balances", _by_invoice),),
    ),
    Bug(
        name="the family is not settled",
        description="Only the event's own invoice is brought in line, and not the one whose time it gives back.",
        case="upgrade at once",
        checker=_WRONG,
        patches=(Patch(purchase_changes, "settle_family", _alone),),
    ),
)
"""Each of one line."""
