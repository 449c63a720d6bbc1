"""Charges of saved cards on the adapters in memory: what is refused, what is repeated, and what happens when."""

from datetime import timedelta
from typing import Any

import attrs
import pytest

from adapters.memory.cache import MemoryQuotaCache, MemorySessionMarkers
from adapters.memory.ledger import MemoryLedger
from adapters.memory.payments import MemoryPayments
from adapters.memory.selling.charges import MemoryCharges
from adapters.memory.selling.customers import MemoryCustomers
from adapters.memory.selling.saved_cards import MemorySavedCards
from domain.changes.inbox import EventStatus
from domain.decisions.charging import AfterLookUp, Step, after_look_up, next_step, pause_after
from domain.payments.charges import (
    TRANSITIONS,
    AuthenticationRequired,
    Charge,
    ChargeId,
    ChargeStatus,
    Declined,
    NewCharge,
    NotCharged,
    Paid,
    SavedCard,
    Undecided,
    status_of,
)
from domain.payments.reports import Irrelevant
from domain.tests.examples import ADA, BOB, MONTHLY, NOON, STARTER, SetClock
from domain.tests.examples import run_at_once as run
from domain.usecases.read_account import UnknownUser
from domain.usecases.record_payment import PaymentRecorder
from domain.usecases.selling.charge import ChargeDiffers, ChargeResult, ChargeService, NoPack
from domain.usecases.selling.charge_attempts import ChargeAttempts
from domain.usecases.selling.sellable_plans import UnknownPlan
from domain.usecases.tests.memory_customers import customers_of
from domain.values.checkout_options import CheckoutOptions, Quantity
from domain.values.customers import CustomerId
from domain.values.free_amounts import FreeAmount
from domain.values.money import Money
from domain.values.plans import Catalogue, PlanId, Terms

FREE = attrs.evolve(STARTER, id=PlanId("free"), terms=Terms(credits=5, price=Money(amount=0, currency="usd")))
PRO = attrs.evolve(STARTER, id=PlanId("pro"), terms=Terms(credits=250, price=Money(amount=2000, currency="usd")))
OLD = attrs.evolve(STARTER, id=PlanId("old"), retired=True)
TOPUP = attrs.evolve(
    STARTER, id=PlanId("topup"), amounts=(FreeAmount(currency="usd", least=500, most=9000, credits=1, per=10),)
)
TAXED = attrs.evolve(STARTER, id=PlanId("taxed"), checkout=CheckoutOptions(automatic_tax=True))
SEVERAL = attrs.evolve(STARTER, id=PlanId("several"), quantity=Quantity(least=2, most=9))
UP_TO_NINE = attrs.evolve(STARTER, id=PlanId("up-to-nine"), quantity=Quantity(most=9))
MANAGED = attrs.evolve(STARTER, id=PlanId("managed"), checkout=CheckoutOptions(managed_payments=True))
CATALOGUE = Catalogue(
    {plan.id: plan for plan in (STARTER, PRO, MONTHLY, FREE, OLD, TOPUP, TAXED, SEVERAL, UP_TO_NINE, MANAGED)}
)
HOUR, DAY = timedelta(hours=1), timedelta(hours=24)
CHARGE = Charge(
    id=ChargeId("c"),
    user_id=ADA,
    plan_id=STARTER.id,
    credits=50,
    amount=500,
    currency="usd",
    status=ChargeStatus.CREATED,
    attempts=1,
    created_at=NOON,
)


class Shop:
    """Ada, a customer with a saved card."""

    def __init__(self) -> None:
        self.clock = SetClock()
        self.ledger, self.provider = MemoryLedger(self.clock), MemoryCustomers()
        self.ledger.add_user(ADA, "ada@example.com")
        self.cards, self.charges = MemorySavedCards(self.clock), MemoryCharges(self.clock)
        cache = MemoryQuotaCache()
        self.attempts = ChargeAttempts(
            records=self.charges,
            cards=self.cards,
            customers=customers_of(self.ledger, self.provider),
            accounts=self.ledger,
            recorder=PaymentRecorder(
                ledger=self.ledger,
                cache=cache,
                markers=MemorySessionMarkers(self.clock, cache),
                payments=MemoryPayments(),
                catalogue=CATALOGUE,
                livemode=False,
            ),
        )
        self.service = ChargeService(
            records=self.charges, attempts=self.attempts, accounts=self.ledger, catalogue=CATALOGUE
        )
        self.customer: CustomerId = run(self.attempts.customers.customer_of(ADA, "ada@example.com"))
        self.numbers = 0

    def pay(self, plan: str = "starter", *, key: str = "key", user: Any = ADA) -> ChargeResult:
        self.numbers += 1
        charge_id = ChargeId(f"00000000-0000-0000-0000-{self.numbers:012}")
        return run(self.service.charge(user, plan, key=key, charge_id=charge_id))

    @property
    def balance(self) -> int:
        return self.ledger.accounts.get(ADA).balance


@pytest.fixture
def shop() -> Shop:
    made = Shop()
    made.cards.save(made.customer, "pm_1")
    return made


@pytest.mark.parametrize(
    ("plan", "user", "refusal"),
    [
        ("nothing", ADA, UnknownPlan("nothing")),
        ("old", ADA, UnknownPlan("old")),
        ("monthly", ADA, NoPack("monthly")),
        ("free", ADA, NoPack("free")),
        ("topup", ADA, NoPack("topup")),
        ("taxed", ADA, NoPack("taxed")),
        ("managed", ADA, NoPack("managed")),
        ("several", ADA, NoPack("several")),
        ("starter", BOB, UnknownUser(BOB)),
    ],
)
def test_what_cannot_be_charged_is_not_recorded(shop: Shop, plan: str, user: Any, refusal: Exception) -> None:
    """The key may be used again."""
    with pytest.raises(type(refusal)) as raised:
        shop.pay(plan, user=user)
    assert attrs.astuple(refusal) == attrs.astuple(raised.value)
    assert ((), []) == (shop.charges.all(), shop.cards.payments)
    assert ChargeStatus.SUCCEEDED is shop.pay().charge.status


def test_a_pack_that_may_be_bought_singly_is_charged_once(shop: Shop) -> None:
    """Although a checkout may sell several."""
    assert (ChargeStatus.SUCCEEDED, 500) == ((paid := shop.pay("up-to-nine").charge).status, paid.amount)


def test_one_key_charges_once(shop: Shop) -> None:
    """What it says is what it said first; the credits are there by then."""
    first, again = shop.pay(), shop.pay()
    assert (False, True) == (first.is_repeated, again.is_repeated)
    assert first.charge == again.charge
    assert (ChargeStatus.SUCCEEDED, 1, 50) == (first.charge.status, len(shop.cards.taken), shop.balance)
    assert ChargeStatus.SUCCEEDED is shop.pay("pro", key="other").charge.status
    assert (2, 300) == (len(shop.cards.taken), shop.balance)


def test_a_key_says_what_it_said_although_the_plan_is_sold_no_more(shop: Shop) -> None:
    """The sale is over; its plan need not be on sale still."""
    first = shop.pay()
    later = attrs.evolve(shop.service, catalogue=Catalogue({}))
    again = run(later.charge(ADA, "starter", key="key", charge_id=ChargeId("another")))
    assert (first.charge, True) == (again.charge, again.is_repeated)


def test_a_key_of_another_charge_is_refused(shop: Shop) -> None:
    """It names what differs, and the first charge stays as it is."""
    shop.ledger.add_user(BOB)
    shop.pay()
    for plan, user, fields in (("pro", ADA, ("plan",)), ("pro", BOB, ("user_id", "plan"))):
        with pytest.raises(ChargeDiffers) as raised:
            shop.pay(plan, user=user)
        assert fields == raised.value.fields
    assert 1 == len(shop.cards.taken)


def test_terms_are_those_of_the_first_request(shop: Shop) -> None:
    """A price that changes while a charge is unclear changes neither what is charged nor what it brings."""
    shop.cards.is_away = True
    assert ChargeStatus.CREATED is shop.pay().charge.status
    shop.cards.is_away = False
    dearer = attrs.evolve(STARTER, terms=Terms(credits=10, price=Money(amount=900, currency="usd")))
    attempts = attrs.evolve(
        shop.attempts, recorder=attrs.evolve(shop.attempts.recorder, catalogue=Catalogue({dearer.id: dearer}))
    )
    shop.clock.moment += timedelta(minutes=3)
    assert run(attempts.run_once()) is not None
    assert ([500], 50) == ([one.charge.amount for one in shop.cards.payments], shop.balance)


def test_nobody_without_a_card_is_charged() -> None:
    """The key stays without; a new one may find a card."""
    shop = Shop()
    for _ in range(2):
        charge = shop.pay().charge
        assert (ChargeStatus.ABANDONED, "no_saved_card") == (charge.status, charge.code)
    shop.cards.save(shop.customer, "pm_1")
    assert ChargeStatus.ABANDONED is shop.pay().charge.status
    assert ChargeStatus.SUCCEEDED is shop.pay(key="new").charge.status


def test_a_customer_who_was_deleted_at_stripe_is_noted(shop: Shop) -> None:
    """They have no card any more; the next use makes another customer."""
    shop.cards.delete_customer(shop.customer)
    charge = shop.pay().charge
    assert (ChargeStatus.ABANDONED, "no_saved_card") == (charge.status, charge.code)
    link = run(shop.ledger.customers.customer_of(ADA))
    assert link is not None
    assert link.is_deleted


def test_a_key_that_may_not_make_customers_is_said_to(shop: Shop) -> None:
    """It is certain that nothing was charged."""
    shop.ledger.add_user(BOB)
    shop.provider.refuses = True
    charge = shop.pay(user=BOB).charge
    assert (ChargeStatus.ABANDONED, "no_permission") == (charge.status, charge.code)


WANTED = NewCharge(id=ChargeId("c1"), key="k", user_id=ADA, plan_id=STARTER.id, terms=STARTER.terms)


def test_a_user_who_was_deleted_meanwhile_is_not_charged(shop: Shop) -> None:
    """It is certain that nothing was charged."""
    opened = run(shop.charges.create(WANTED, lease=HOUR))
    shop.ledger.delete_user(ADA)
    charge = run(shop.attempts.advance(opened))
    assert (ChargeStatus.ABANDONED, "user_deleted", []) == (charge.status, charge.code, shop.cards.payments)


def test_no_second_request_is_sent_for_a_user_who_was_deleted(shop: Shop) -> None:
    """The first may be on its way still, so that it is unclear for a day, and abandoned then."""
    claimed = run(shop.charges.create(WANTED, lease=timedelta(0)))
    run(shop.charges.begin(claimed, SavedCard(customer_id=shop.customer, payment_method="pm_1", read_at=NOON)))
    shop.ledger.delete_user(ADA)
    unclear = run(shop.attempts.run_once())
    shop.clock.moment += DAY
    ended = run(shop.attempts.run_once())
    assert unclear is not None
    assert ended is not None
    assert (ChargeStatus.CHARGING, ChargeStatus.ABANDONED, []) == (unclear.status, ended.status, shop.cards.payments)


def test_what_was_paid_and_is_parked_is_kept_and_no_success(shop: Shop) -> None:
    """An older worker does not know the plan: the payment waits in the inbox, and the charge for its credits."""
    shop.attempts = attrs.evolve(
        shop.attempts, recorder=attrs.evolve(shop.attempts.recorder, catalogue=Catalogue({PRO.id: PRO}))
    )
    shop.service = attrs.evolve(shop.service, attempts=shop.attempts)
    for _ in range(3):
        charge = shop.pay().charge
        assert (ChargeStatus.CHARGING, "pi_charge_1") == (charge.status, charge.payment_intent)
        shop.clock.moment += HOUR
    assert (1, 0) == (len(shop.cards.taken), shop.balance)
    assert {"reconciled_pi_charge_1": EventStatus.PARKED} == shop.ledger.inbox.statuses()

    newer = attrs.evolve(
        shop.service,
        attempts=attrs.evolve(shop.attempts, recorder=attrs.evolve(shop.attempts.recorder, catalogue=CATALOGUE)),
    )
    again = run(newer.charge(ADA, "starter", key="key", charge_id=ChargeId("another"))).charge
    assert (ChargeStatus.SUCCEEDED, "pi_charge_1") == (again.status, again.payment_intent)
    assert (1, 50) == (len(shop.cards.taken), shop.balance)


def test_what_a_deleted_user_paid_is_kept_and_no_success(shop: Shop) -> None:
    """They were deleted while the card was charged: an operator finds the payment among those that are parked."""
    claimed = run(shop.charges.create(WANTED, lease=timedelta(0)))
    card = SavedCard(customer_id=shop.customer, payment_method="pm_1", read_at=NOON)
    begun = run(shop.charges.begin(claimed, card)).charge
    run(shop.cards.charge(begun, send_before=NOON + HOUR, is_first=True))
    shop.ledger.delete_user(ADA)
    charge = run(shop.attempts.run_once())
    assert charge is not None
    assert (ChargeStatus.CHARGING, "pi_charge_1") == (charge.status, charge.payment_intent)
    assert {"reconciled_pi_charge_1": EventStatus.PARKED} == shop.ledger.inbox.statuses()


def test_a_process_that_lost_its_claim_leaves_the_next_one_its_lease(shop: Shop) -> None:
    """It has no card to charge any more, and ends nobody's turn."""
    lost = run(shop.charges.create(WANTED, lease=timedelta(0)))
    held = run(shop.charges.claim_due(lease=HOUR))
    assert held is not None
    assert held.charge == run(shop.attempts.advance(lost))
    shop.clock.moment += HOUR - timedelta(seconds=1)
    assert (None, []) == (run(shop.charges.claim_due(lease=HOUR)), shop.cards.payments)


def test_a_payment_that_nobody_decides_is_canceled_after_a_day(shop: Shop) -> None:
    """Then it is certain that nothing will be charged."""
    shop.cards.comes_to = Undecided("pi_charge_1")  # type: ignore[assignment]  # what a request may leave behind
    assert ChargeStatus.CHARGING is shop.pay().charge.status
    statuses = []
    for _ in range(13):
        shop.clock.moment += 2 * HOUR
        run(shop.attempts.run_once())
        statuses.append(shop.charges.all()[0].status)
    assert [ChargeStatus.CHARGING] * 11 + [ChargeStatus.ABANDONED] * 2 == statuses
    assert "canceled" == shop.charges.all()[0].code


def test_a_charge_that_nothing_was_asked_for_is_given_up_after_an_hour(shop: Shop) -> None:
    """Nobody is charged long after the request."""
    shop.cards.is_away = True
    shop.pay()
    shop.cards.is_away = False
    shop.clock.moment += HOUR
    run(shop.attempts.run_once())
    charge = shop.charges.all()[0]
    assert (ChargeStatus.ABANDONED, "interrupted", []) == (charge.status, charge.code, shop.cards.payments)


@pytest.mark.parametrize(
    ("status", "age", "step"),
    [
        (ChargeStatus.CREATED, timedelta(0), Step.PREPARE),
        (ChargeStatus.CREATED, HOUR - timedelta(seconds=1), Step.PREPARE),
        (ChargeStatus.CREATED, HOUR, Step.ABANDON),
        (ChargeStatus.CHARGING, timedelta(0), Step.LOOK_UP),
        (ChargeStatus.CHARGING, 9 * DAY, Step.LOOK_UP),
    ],
)
def test_the_next_step_depends_on_state_and_age(status: ChargeStatus, age: timedelta, step: Step) -> None:
    """Money is asked for only after a look-up, but for the first time."""
    assert step is next_step(attrs.evolve(CHARGE, status=status), NOON + age)


@pytest.mark.parametrize(
    ("found", "age", "step"),
    [
        (None, timedelta(0), AfterLookUp.SEND),
        (None, HOUR - timedelta(seconds=1), AfterLookUp.SEND),
        (None, HOUR, AfterLookUp.WAIT),
        (None, DAY - timedelta(seconds=1), AfterLookUp.WAIT),
        (None, DAY, AfterLookUp.ABANDON),
        (Undecided("pi_1"), timedelta(0), AfterLookUp.WAIT),
        (Undecided("pi_1"), DAY, AfterLookUp.CANCEL),
    ],
)
def test_what_follows_a_look_up_depends_on_the_first_request(found: Any, age: timedelta, step: AfterLookUp) -> None:
    """Not on the record's age: it may have waited before Stripe was asked."""
    charge = attrs.evolve(CHARGE, created_at=NOON - DAY, charging_since=NOON)
    assert step is after_look_up(charge, found, NOON + age)


def test_pauses_grow_to_ten_minutes() -> None:
    """So that a day's wait costs Stripe 150 requests at most."""
    assert [5, 10, 20, 40, 600, 600] == [pause_after(attempts) for attempts in (1, 2, 3, 4, 9, 10**6)]
    assert [5, 1280, 3600] == [pause_after(attempts, is_parked=True) for attempts in (1, 9, 10**6)]


def test_a_final_state_has_no_next_one() -> None:
    """And each outcome has a state that may follow a request."""
    outcomes = (
        Paid("pi", Irrelevant("")),
        Declined(None, "c", False),
        AuthenticationRequired(None),
        NotCharged("c"),
    )
    finals = {status_of(outcome) for outcome in outcomes}
    assert finals == {status for status in ChargeStatus if status.is_final} == TRANSITIONS[ChargeStatus.CHARGING]
