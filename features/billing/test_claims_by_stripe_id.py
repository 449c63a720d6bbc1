"""What nobody was named for is given to a user by its id at Stripe: once, whatever is told of the payment later."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from adapters.stripe.envelope import delivery_of
from adapters.stripe.events import read_event
from adapters.stripe.objects.items import read_items
from domain.changes.inbox import EventStatus
from domain.payments.admission import Confirmation
from domain.payments.purchases import Link
from domain.payments.reports import Delivery
from domain.ports.payment_provider import PaymentsUnavailable
from domain.usecases.recorded import Recorded
from domain.usecases.retry_inbox import InboxRetrier, NoSale, NotClaimable, UnknownEvent
from domain.values.accounts import UserId
from domain.values.plans import PlanId
from features.billing.packs import by_hand, completed, intent, item, refund_of, session, succeeded
from features.billing.payloads import MONTHLY, Payload, invoice, line
from features.billing.world import ADA, StripeEvent, World, paid

BOB = UserId("00000000-0000-0000-0000-00000000000b")
KINDS = {
    "cs": "checkout.session.completed",
    "pi": "payment_intent.succeeded",
    "in": "invoice.paid",
}


@attrs.frozen
class Bodies:
    """Reads bodies back as they were received."""

    def verify(self, body: bytes, signature: str | None) -> Delivery:
        return delivery_of(body.decode())

    def read(self, body: str) -> Delivery:
        return delivery_of(body)


class Claims(World):
    """A world with an operator, and with objects that Stripe can be asked for."""

    def has(self, *objects: Payload) -> "Claims":
        """Let Stripe have the objects."""
        for one in objects:
            kind = KINDS[one["id"].partition("_")[0]]
            report = read_event(kind, one, datetime.now(UTC), retrieved=True, claimed=True)
            self.payments.teach_sale(one["id"], report)
        return self

    async def claim(
        self, id_: str, user: UserId = ADA, plan: str | None = "pack", *, accepts: bool = False
    ) -> Recorded:
        """Give a payment to a user."""
        retrier = InboxRetrier(
            inbox=self.ledger.inbox, deliveries=Bodies(), history=self.payments, recorder=self.recorder
        )
        said = Confirmation(user_id=user, plan_id=PlanId(plan) if plan else None, accepts_price=accepts)
        return await retrier.claim(id_, said)


NOBODY_S: dict[str, Any] = {"metadata": {}}
REPORTS: Sequence[StripeEvent] = (
    completed(session(**NOBODY_S, invoice="in_1")),
    succeeded(intent(**NOBODY_S)),
    paid(by_hand(**NOBODY_S, payment_intent="pi_1", charge="ch_pi_1")),
)
OBJECTS = [reported.about for reported in REPORTS]


def again(event: StripeEvent) -> StripeEvent:
    return attrs.evolve(event, id=f"{event.id}_again")


@pytest.mark.parametrize("claimed", ["cs_1", "pi_1", "in_1"])
@pytest.mark.parametrize("before", [True, False])
async def test_a_sale_that_named_nobody_is_given_once(claimed: str, before: bool) -> None:
    """Its events change nothing, before or after; a refund takes its share; whoever claims it again is too late."""
    world = Claims()
    if before:
        await world.deliver(*REPORTS)
    assert 0 == await world.balance()
    recorded = await world.has(*OBJECTS).claim(claimed)
    assert (EventStatus.APPLIED, 50, ADA) == (recorded.status, recorded.credits, recorded.user_id)
    await world.deliver(*map(again, REPORTS), refund_of("pi_1", 100))
    assert 40 == await world.balance()
    world.ledger.add_user(BOB, "bob@example.com")
    assert {0} == {(await world.claim(id_)).credits for id_ in ("pi_1", "cs_1", "in_1")}
    with pytest.raises(NoSale) as raised:
        await world.claim(claimed, BOB)
    assert f"it already belongs to user {ADA}" == raised.value.reason
    assert 40 == await world.balance()
    await world.check()


async def test_an_event_that_was_ignored_is_claimed() -> None:
    """From then on the inbox shows what became of it."""
    world = Claims()
    reported = REPORTS[0]
    assert EventStatus.IGNORED == (await world.deliver(reported)).status
    recorded = await world.has(*OBJECTS).claim(reported.id)
    assert 50 == recorded.credits == await world.balance()
    kept = await world.ledger.inbox.find(reported.id)
    assert kept is not None
    assert EventStatus.APPLIED is kept.status
    with pytest.raises(NotClaimable):
        await world.claim(reported.id)


async def test_an_event_that_never_arrived_is_claimed() -> None:
    """It is fetched from Stripe; its delivery, later, is a repetition."""
    world, reported = Claims(), REPORTS[0]
    body = {
        "id": reported.id,
        "object": "event",
        "type": reported.type,
        "created": 1_767_268_800,
        "livemode": False,
        "data": {"object": reported.about},
    }
    world.payments.remember(delivery_of(json.dumps(body)))
    assert 50 == (await world.has(*OBJECTS).claim(reported.id)).credits
    await world.deliver(reported)
    assert 50 == await world.balance()


async def test_a_claim_of_several_packs_credits_them_all() -> None:
    """By the session's items, unless the operator says that its price was the plan's."""
    about = session(subtotal=1500, **NOBODY_S)
    for accepts, credits_ in ((False, 150), (True, 50)):
        for plan in ("pack", None) if not accepts else ("pack",):
            world = Claims().has(about)
            world.payments.teach_items("cs_1", read_items([item("li_1", 1500, quantity=3)]))
            assert credits_ == (await world.claim("cs_1", plan=plan, accepts=accepts)).credits


async def test_what_can_not_be_given_says_why() -> None:
    """Nothing is written then."""
    world = Claims().has(
        session("cs_open", payment_status="unpaid", **NOBODY_S),
        intent("pi_open", status="processing", **NOBODY_S),
        by_hand("in_open", status="open", **NOBODY_S),
        intent("pi_dear", 900, **NOBODY_S),
        session("cs_setup", mode="setup", **NOBODY_S),
        session(**NOBODY_S),
    )
    cases = [
        ("cs_open", "it is not paid"),
        ("pi_open", "the payment has not succeeded"),
        ("in_open", "the invoice is not paid"),
        ("pi_dear", "price_disagrees"),
        ("cs_setup", "a setup session sells nothing"),
    ]
    for id_, reason in cases:
        with pytest.raises(NoSale) as raised:
            await world.claim(id_)
        assert (id_, reason) == (raised.value.object_id, raised.value.reason)
    for user, plan, reason in ((BOB, "pack", "unknown_user"), (ADA, "no_such", "unknown_plan")):
        world.payments.teach_items("cs_1", ())
        with pytest.raises(NoSale) as raised:
            await world.claim("cs_1", user, plan)
        assert reason == raised.value.reason
    for unknown in ("cs_nobody_s", "evt_nobody_s", "sub_1", "x"):
        with pytest.raises(UnknownEvent):
            await world.claim(unknown)
    assert 0 == await world.balance()
    assert 50 == (await world.claim("pi_dear", accepts=True)).credits
    world.payments.is_away = True
    with pytest.raises(PaymentsUnavailable):
        await world.claim("cs_1")


async def test_a_period_of_a_subscription_that_named_nobody_is_given() -> None:
    """By its invoice, as its lines are worth."""
    period = invoice("in_1", line("il_1", 900, MONTHLY, days=(0, 31)), paid=0, metadata={})
    world = Claims().has(period)
    assert 100 == (await world.claim("in_1", plan="monthly")).credits
    await world.deliver(paid(period))
    assert 100 == await world.balance()


async def test_a_parked_event_and_its_object_are_one_sale() -> None:
    """Claimed by the object's id, the event finds it done when it is tried again."""
    world = Claims()
    reported = completed(session(metadata={"userId": ADA, "plan": "pack", "userEmail": "other@example.com"}))
    assert "email_disagrees" == (await world.deliver(reported)).reason
    assert 50 == (await world.has(reported.about).claim("cs_1")).credits
    await world.deliver(reported)
    assert 50 == await world.balance()


async def test_an_intent_of_a_session_is_given_as_the_session_sold_it() -> None:
    """What only pays is no sale of its own, whoever claims it."""
    world = Claims().has(*OBJECTS)
    world.payments.teach([Link("payment_intent:pi_1"), Link("session:cs_1")])
    await world.claim("cs_1")
    assert 0 == (await world.claim("pi_1")).credits
    assert 50 == await world.balance()
