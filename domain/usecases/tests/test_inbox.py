"""What waits in the inbox: it is tried again, asked for in whole, replayed, and claimed by operators."""

from datetime import timedelta
from typing import Any

import attrs
import pytest

from domain.changes.inbox import EventStatus
from domain.payments.admission import Confirmation
from domain.payments.purchases import PaymentStatus, Purchase
from domain.payments.reports import Attribution, Delivery, Irrelevant, SaleReport
from domain.ports.ledger import LedgerUntouched
from domain.tests.examples import ADA, BOB, NOON
from domain.tests.examples import run_at_once as run
from domain.usecases.retry_inbox import BATCH, NotClaimable, UnknownEvent
from domain.usecases.tests.payment_world import PERIOD, PROPOSED, SALE, Kept, World, refund, subscribed
from domain.values.accounts import UserId
from domain.values.money import Money


@pytest.mark.parametrize("given_to", [ADA, BOB])
def test_whom_an_operator_gave_a_payment_keeps_it(world: World, given_to: UserId) -> None:
    """Whoever is named by a later report that would have been believed, and whichever id is larger."""
    named = BOB if given_to == ADA else ADA
    world.ledger.add_user(BOB, "bob@example.com")
    report = attrs.evolve(
        SALE, attribution=attrs.evolve(SALE.attribution, user_reference=named, email="eve@example.com")
    )
    assert "email_disagrees" == world.deliver("evt_1", report).reason
    run(world.retrier.claim("evt_1", Confirmation(user_id=given_to)))
    right = attrs.evolve(report, attribution=attrs.evolve(report.attribution, email=None))
    assert EventStatus.NOTHING_NEW == world.deliver("evt_2", right).status
    assert (50, 0) == (world.balance(given_to), world.balance(named))


def test_a_sale_that_is_reported_in_part_is_asked_for_in_whole(world: World) -> None:
    """It waits while nobody can be asked; a claim of it stays one, and what stands needs nothing more."""
    whole = attrs.evolve(PERIOD, attribution=Attribution(user_reference=ADA, plan_id="monthly"))
    part = attrs.evolve(whole, subtotal=Money(amount=0, currency="usd"), is_complete=False)
    world.payments.teach_complete(whole)
    world.payments.is_away = True
    assert (EventStatus.PARKED, "incomplete_invoice") == (
        world.deliver("evt_1", part).status,
        world.deliver("evt_1", part).reason,
    )
    world.payments.is_away = False
    world.clock.moment += timedelta(hours=1)
    run(world.retrier.run_once())
    assert (EventStatus.APPLIED, 50) == (world.ledger.inbox.status("evt_1"), world.balance())
    world.payments.is_away = True
    assert EventStatus.NOTHING_NEW == world.deliver("evt_2", part).status


def test_a_claim_of_a_sale_that_is_reported_in_part_is_kept(world: World) -> None:
    """What an operator says of it goes before what the rest says."""
    nameless = attrs.evolve(PERIOD, attribution=Attribution(user_reference="ada", plan_id="monthly"))
    world.payments.teach_complete(nameless)
    part = attrs.evolve(nameless, is_complete=False)
    assert "user_not_a_uuid" == world.deliver("evt_1", part).reason
    run(world.retrier.claim("evt_1", Confirmation(user_id=ADA)))
    assert 50 == world.balance()


def test_a_sale_of_which_nobody_knows_the_rest_waits(world: World) -> None:
    """Where it is known to nobody, and where it is none of ours in whole."""
    part = attrs.evolve(PERIOD, attribution=Attribution(user_reference=ADA, plan_id="monthly"), is_complete=False)
    assert "incomplete_invoice" == world.deliver("evt_1", part).reason


@pytest.mark.parametrize("seconds", [0, 3 * 3600])
def test_all_that_waits_is_tried_again_and_then_it_ends(world: World, seconds: int) -> None:
    """Also where trying takes so long that what was tried first is due again by then."""
    ids = {f"evt_{number}" for number in range(2 * BATCH + 10)}
    for id_ in ids:
        world.deliver(id_, attrs.evolve(SALE, attribution=Attribution(user_reference=BOB, plan_id="starter")))

    class Slow(Kept):
        def read(self, body: str) -> Delivery:
            world.clock.moment += timedelta(seconds=seconds)
            return super().read(body)

    retrier = attrs.evolve(world.retrier, deliveries=Slow(world.deliveries.report))
    handled = run(retrier.retry_all())
    assert sorted(ids) == sorted(one.event.id for one in handled)
    assert {EventStatus.PARKED} == {one.recorded.status for one in handled}


def test_who_has_a_batch_tried_again_and_again_goes_through_all_that_waits(world: World) -> None:
    """What was tried of late comes after what was not, until nothing else is left."""
    ids = {f"evt_{number}" for number in range(2 * BATCH)}
    for id_ in ids:
        world.deliver(id_, attrs.evolve(SALE, attribution=Attribution(user_reference=BOB, plan_id="starter")))
    tried: list[str] = []
    for _ in range(2):
        tried += [one.event.id for one in run(world.retrier.retry())]
        world.clock.moment += timedelta(seconds=1)
    assert sorted(ids) == sorted(tried)


def test_an_operator_s_claim_holds_for_all_that_follows(world: World) -> None:
    """A later event of the session that still names nobody is applied to the claimed purchase."""
    unpaid = attrs.evolve(PROPOSED, facts=Purchase(payment=PaymentStatus.UNPAID))
    assert "reference_unconfirmed" == world.deliver("evt_1", unpaid).reason
    run(world.retrier.claim("evt_1", Confirmation(user_id=ADA)))
    assert 0 == world.balance()
    assert EventStatus.APPLIED is world.deliver("evt_2", PROPOSED).status
    assert 50 == world.balance()
    with pytest.raises(NotClaimable):
        run(world.retrier.claim("evt_1", Confirmation(user_id=ADA)))
    with pytest.raises(UnknownEvent):
        run(world.retrier.claim("evt_9", Confirmation(user_id=ADA)))


@pytest.mark.parametrize(
    ("report", "reason", "confirmation"),
    [
        (attrs.evolve(SALE, attribution=Attribution(plan_id="starter")), "no_user_named", {}),
        (attrs.evolve(SALE, attribution=Attribution(user_reference="ada", plan_id="starter")), "user_not_a_uuid", {}),
        (attrs.evolve(SALE, attribution=Attribution(user_reference=BOB, plan_id="starter")), "unknown_user", {}),
        (
            attrs.evolve(SALE, attribution=attrs.evolve(SALE.attribution, email="eve@example.com")),
            "email_disagrees",
            {},
        ),
        (
            attrs.evolve(SALE, attribution=Attribution(user_reference=ADA, plan_id="gold")),
            "unknown_plan",
            {"plan_id": "starter"},
        ),
        (attrs.evolve(SALE, subtotal=Money(amount=499, currency="usd")), "price_disagrees", {"accepts_price": True}),
        (attrs.evolve(SALE, subtotal=Money(amount=500, currency="eur")), "currency_disagrees", {"accepts_price": True}),
    ],
)
def test_every_doubt_about_a_sale_can_be_resolved(
    world: World, report: SaleReport, reason: str, confirmation: dict[str, Any]
) -> None:
    """A person who looked may name the owner, the plan, or accept the price."""
    assert reason == world.deliver("evt_1", report).reason
    assert EventStatus.APPLIED is run(world.retrier.claim("evt_1", Confirmation(user_id=ADA, **confirmation))).status
    assert 50 == world.balance()


def test_a_claimed_subscription_keeps_its_owner(world: World) -> None:
    """Later reports of the subscription, and its invoices, don't name another."""
    world.ledger.add_user(BOB)
    proposal = subscribed(user_reference=None, client_reference=ADA)
    assert "reference_unconfirmed" == world.deliver("evt_1", proposal).reason
    run(world.retrier.claim("evt_1", Confirmation(user_id=ADA)))
    world.deliver("evt_2", subscribed(NOON + timedelta(days=1), user_reference=BOB))
    world.deliver("evt_3", attrs.evolve(PERIOD, attribution=Attribution(user_reference=BOB, plan_id="monthly")))
    assert (50, 0) == (world.balance(), world.balance(BOB))


def test_a_replay_decides_an_ignored_event_again(world: World) -> None:
    """What an older version ignored is applied; what stands already changes nothing; one that never came is fetched."""
    world.deliver("evt_1", Irrelevant("not used yet"))
    world.delivery("evt_1", SALE)
    assert EventStatus.APPLIED is run(world.retrier.replay("evt_1")).status
    assert EventStatus.NOTHING_NEW is run(world.retrier.replay("evt_1")).status
    assert EventStatus.APPLIED is world.ledger.inbox.status("evt_1")
    world.payments.remember(world.delivery("evt_2", refund("re_1", 500, by="both")))
    assert EventStatus.APPLIED is run(world.retrier.replay("evt_2")).status
    assert 0 == world.balance()
    with pytest.raises(UnknownEvent):
        run(world.retrier.replay("evt_3"))


def test_a_body_that_can_not_be_read_any_more_is_failed(world: World) -> None:
    """It stays in the inbox with its reason, and is tried again."""
    world.deliver("evt_1", attrs.evolve(SALE, attribution=Attribution(plan_id="starter")))
    del world.deliveries.report["evt_1"]
    run(world.ledger.inbox.make_all_due())
    (handled,) = run(world.retrier.run_once())
    assert EventStatus.FAILED is handled.recorded.status
    assert EventStatus.FAILED is world.ledger.inbox.status("evt_1")


def test_a_claim_stands_although_the_ledger_goes_away_after_it(world: World) -> None:
    """Nobody is told that nothing was changed; the other parked events are retried later all the same."""

    class Leaving:
        """The inbox, but that it cannot make parked events due."""

        def __getattr__(self, name: str) -> Any:
            return getattr(world.ledger.inbox, name)

        async def make_all_due(self) -> int:
            raise LedgerUntouched("the database takes no writes")

    world.deliver("evt_1", PROPOSED)
    retrier = attrs.evolve(world.retrier, inbox=Leaving())
    assert EventStatus.APPLIED is run(retrier.claim("evt_1", Confirmation(user_id=ADA))).status
    assert 50 == world.balance()
