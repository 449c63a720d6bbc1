"""Examples that tests share: Ada and Bob, 50 credits for $5.00 once or each month, a day at noon."""

from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any, TypeVar

import attrs

from domain.payments.purchases import Order
from domain.values.accounts import UserId
from domain.values.money import Money
from domain.values.plans import Catalogue, Plan, PlanId, PlanMode, Terms

Result = TypeVar("Result")

ADA = UserId("00000000-0000-0000-0000-00000000000a")
BOB = UserId("00000000-0000-0000-0000-00000000000b")
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
FIVE_DOLLARS = Money(amount=500, currency="usd")
STARTER = Plan(id=PlanId("starter"), name="50 credits", terms=Terms(credits=50, price=FIVE_DOLLARS))
MONTHLY = attrs.evolve(STARTER, id=PlanId("monthly"), mode=PlanMode.SUBSCRIPTION, interval="month")
CATALOGUE = Catalogue({STARTER.id: STARTER})
ORDER = Order(user_id=ADA, plan_id=STARTER.id, credits=50, amount=500, currency="usd")


@attrs.define
class SetClock:
    """A clock that stands where it was set."""

    moment: datetime = NOON

    def now(self) -> datetime:
        return self.moment


def run_at_once(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a use case without an event loop: it awaits nothing but ports, and these wait for nothing."""
    try:
        work.send(None)
    except StopIteration as done:
        result: Result = done.value
        return result
    raise AssertionError("a use case waited for something that is no port")
