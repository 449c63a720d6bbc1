"""Bugs in what is sold at pushed prices, switched in the portal, or charged to saved cards."""

from collections.abc import Callable
from typing import Any

import attrs

from domain.payments import line_plans
from domain.payments.purchases import PurchaseId
from domain.usecases.record_payment import PaymentRecorder
from domain.usecases.selling.charge_attempts import ChargeAttempts
from features.harness.bugs.bug import Bug
from features.harness.planting import Patch
from features.harness.selling.cards import WorldCards
from simulators.stories.checkers import Checker


def _final_first(credited: Callable[..., Any]) -> Callable[..., Any]:
    async def credited_wrong(self: ChargeAttempts, charge: Any, paid: Any) -> Any:
        await self.records.finish(charge, paid)
        return await credited(self, charge, paid)

    return credited_wrong


def _of_its_own(record: Callable[..., Any]) -> Callable[..., Any]:
    async def record_wrong(self: PaymentRecorder, event: Any, report: Any) -> Any:
        if event is None:
            report = attrs.evolve(report, purchase_id=PurchaseId(f"{report.purchase_id}_answered"), links=frozenset())
        return await record(self, event, report)

    return record_wrong


def _each_attempt(charge: Callable[..., Any]) -> Callable[..., Any]:
    async def charge_wrong(self: WorldCards, of: Any, **options: Any) -> Any:
        self.keys.pop(of.id, None)
        return await charge(self, of, **options)

    return charge_wrong


def _unseen(_: Any) -> Callable[..., Any]:
    async def find_wrong(_cards: WorldCards, _charge: Any) -> None:
        return None

    return find_wrong


def _by_price(change: Callable[[Any, Any], Any]) -> Patch:
    """Other terms than those of a line's price."""

    def by_id(found_by: Callable[..., Any]) -> Callable[..., Any]:
        def by_id_wrong(line: Any, terms: Any) -> Any:
            found = found_by(line, terms)
            return change(found, terms) if found is not None else None

        return by_id_wrong

    return Patch(line_plans, "_by_id", by_id)


def _of_today(found: Any, _: Any) -> Any:
    return attrs.evolve(found, credits=found.plan.terms.credits)


def _of_metadata(found: Any, terms: Any) -> Any:
    return line_plans.named_terms(terms, None) or found


BUGS = (
    Bug(
        name="a charge is final before it is credited",
        description="A process that dies in between leaves a charge that was paid, and nobody credits.",
        case="charge answered",
        checker=Checker.CHARGE_LOST,
        patches=(Patch(ChargeAttempts, "_is_credited", _final_first),),
    ),
    Bug(
        name="the answer to a charge is a payment of its own",
        description="What a charge's answer and its event report is credited twice.",
        case="charge answered and reported",
        checker=Checker.BALANCE_IMPOSSIBLE,
        patches=(Patch(PaymentRecorder, "record", _of_its_own),),
    ),
    Bug(
        name="each request for money is another",
        description="Its idempotency key names the attempt, and what was charged is not looked for.",
        case="charge answered",
        checker=Checker.CHARGED_TWICE,
        patches=(Patch(WorldCards, "charge", _each_attempt), Patch(WorldCards, "find", _unseen)),
    ),
    Bug(
        name="old prices bring what the plan brings now",
        description="A price's own credits are ignored once the plan was pushed on other terms.",
        case="switched in the portal",
        checker=Checker.BALANCE_IMPOSSIBLE,
        patches=(_by_price(_of_today),),
    ),
    Bug(
        name="a switch in the portal is ignored",
        description="A subscription stays of the plan that its metadata names, whatever price it is billed at.",
        case="switched with the next period",
        checker=Checker.BALANCE_WRONG,
        patches=(_by_price(_of_metadata),),
    ),
)
"""Each of one line."""
