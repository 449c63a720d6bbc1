"""Saved cards through the real stripe package, against the stand-in."""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import attrs
import pytest

from adapters.stripe.checkout import StripeCheckouts
from adapters.stripe.connection import StripeConnection
from adapters.stripe.envelope import delivery_of
from adapters.stripe.objects.declines import read_decline
from adapters.stripe.saved_cards import StripeSavedCards
from adapters.system.clock import SystemClock
from domain.payments.charges import (
    AuthenticationRequired,
    Charge,
    ChargeId,
    ChargeStatus,
    Declined,
    NotCharged,
    Outcome,
    Paid,
    Undecided,
)
from domain.payments.purchases import Link, OrderRank, PaymentStatus
from domain.payments.reports import SaleReport
from domain.ports.customers import CustomerMissing
from domain.ports.payment_provider import CheckoutRequest, PaymentsRefused, PaymentsUnavailable
from domain.values.accounts import UserId
from domain.values.customers import CustomerId
from domain.values.plans import Plan, PlanId
from domain.values.return_pages import ReturnPages
from simulators.http.server import HangUp, HttpServer, Request, Response
from simulators.stripe.api import NO_ANSWER
from simulators.stripe.resources.payment_methods import save
from simulators.stripe.stand_in import StripeStandIn

ADA = UserId("00000000-0000-0000-0000-00000000000a")
FUTURE = datetime(2999, 1, 1, tzinfo=UTC)
CREATE = "/v1/payment_intents"
NEW = Charge(
    id=ChargeId("00000000-0000-0000-0000-0000000000c1"),
    user_id=ADA,
    plan_id=PlanId("starter"),
    credits=50,
    amount=500,
    currency="usd",
    status=ChargeStatus.CHARGING,
    attempts=1,
    created_at=datetime.now(UTC),
)


@attrs.frozen
class Shop:
    """A customer at Stripe, and the cards."""

    stripe: StripeStandIn
    cards: StripeSavedCards
    customer: CustomerId

    async def charge_of(self, name: str = "visa", *, decline: str | None = None) -> Charge:
        """A charge of a card that the customer saved."""
        save(self.stripe.account, self.customer, name, decline=decline)
        return attrs.evolve(NEW, card=await self.cards.card_of(self.customer))

    async def charged(self, charge: Charge, *, is_first: bool = True) -> Outcome:
        return await self.cards.charge(charge, send_before=FUTURE, is_first=is_first)

    @property
    def intents(self) -> list[dict[str, Any]]:
        return self.stripe.account.all_kept("payment_intent")

    @property
    def taken(self) -> list[int]:
        return [one["amount"] for one in self.stripe.account.all_kept("charge") if one["status"] == "succeeded"]


@contextlib.asynccontextmanager
async def cards_at(base: str) -> AsyncIterator[StripeSavedCards]:
    connection = StripeConnection(api_key="sk_test_123456789012", api_base=base, retries=0)
    async with contextlib.aclosing(connection):
        yield StripeSavedCards(connection, SystemClock())


@pytest.fixture
def stripe() -> Iterator[StripeStandIn]:
    with StripeStandIn(seed=7) as stand_in:
        yield stand_in


@pytest.fixture
async def shop(stripe: StripeStandIn) -> AsyncIterator[Shop]:
    async with cards_at(stripe.url) as cards:
        yield Shop(stripe, cards, CustomerId(stripe.account.new_customer("ada@example.com")))


async def test_the_default_card_is_chosen_else_the_newest(shop: Shop) -> None:
    """A customer without a card has none; another's card is not theirs."""
    account = shop.stripe.account
    save(account, account.new_customer())
    assert await shop.cards.card_of(shop.customer) is None
    old, new = save(account, shop.customer), save(account, shop.customer, "mastercard")
    chosen = await shop.cards.card_of(shop.customer)
    assert chosen is not None
    assert (shop.customer, new["id"]) == (chosen.customer_id, chosen.payment_method)
    assert chosen.read_at.timestamp() <= account.now()
    account.kept("customer", shop.customer)["invoice_settings"]["default_payment_method"] = old["id"]
    chosen = await shop.cards.card_of(shop.customer)
    assert chosen is not None
    assert old["id"] == chosen.payment_method


@pytest.mark.parametrize("saves_card", [True, False])
async def test_a_checkout_saves_the_card_where_the_plan_says_so(shop: Shop, *, saves_card: bool) -> None:
    """For charges without the customer, if the account has a customer whose card it can be."""
    plan = Plan(id=PlanId("starter"), name="50 credits", terms=NEW.terms, saves_card=saves_card)
    connection = StripeConnection(api_key="sk_test_123456789012", api_base=shop.stripe.url)
    async with contextlib.aclosing(connection):
        for key, customer in (("key-1", shop.customer), ("key-2", None)):
            request = CheckoutRequest(
                user_id=ADA,
                email="ada@example.com",
                plan=plan,
                idempotency_key=key,
                pages=ReturnPages(success_url="https://shop.test/ok", cancel_url="https://shop.test/"),
                customer_id=customer,
            )
            shop.stripe.pay((await StripeCheckouts(connection).create(request)).session_id)
    saved = await shop.cards.card_of(shop.customer)
    assert saves_card == (saved is not None)
    assert saves_card == (len(shop.stripe.account.all_kept("payment_method")) == 1)
    if saved is not None:
        assert isinstance(await shop.charged(attrs.evolve(NEW, card=saved)), Paid)


async def test_a_customer_who_is_gone_is_said_to_be(shop: Shop) -> None:
    """One that was deleted, and one that never was."""
    shop.stripe.account.forget("customer", shop.customer)
    for gone in (shop.customer, CustomerId("cus_never")):
        with pytest.raises(CustomerMissing):
            await shop.cards.card_of(gone)


async def test_a_key_that_may_not_read_cards_is_refused(shop: Shop) -> None:
    """No money was asked for: to choose a card is refused for good, and to look a payment up is not answered."""
    charge = await shop.charge_of()
    for path in ("/v1/customers/", f"/v1/customers/{shop.customer}/payment_methods"):
        shop.stripe.fail_next(status=403, path=path)
        with pytest.raises(PaymentsRefused):
            await shop.cards.card_of(shop.customer)
    shop.stripe.fail_next(status=403, path="/v1/customers/")
    with pytest.raises(PaymentsUnavailable):
        await shop.cards.find(charge)


async def test_a_charge_is_a_sale_of_its_own(shop: Shop) -> None:
    """The payment names user, plan, terms and charge, and its report needs no look-up to be credited."""
    outcome = await shop.charged(await shop.charge_of())
    assert isinstance(outcome, Paid)
    (intent,) = shop.intents
    assert {
        "userId": ADA,
        "plan": "starter",
        "credence_terms": "50/500/usd",
        "credence_charge": NEW.id,
    } == intent["metadata"]
    assert (500, "usd", shop.customer, "succeeded") == (
        intent["amount"],
        intent["currency"],
        intent["customer"],
        intent["status"],
    )
    report = outcome.report
    assert isinstance(report, SaleReport)
    assert (intent["id"], True, OrderRank.INTENT, PaymentStatus.PAID) == (
        report.purchase_id,
        report.is_complete,
        report.rank,
        report.facts.payment,
    )
    assert outcome.event is not None
    assert (f"reconciled_{intent['id']}", intent["id"], False) == (
        outcome.event.id,
        outcome.event.object_id,
        outcome.event.livemode,
    )
    assert report == delivery_of(outcome.event.body).report
    links = {Link(f"payment_intent:{intent['id']}"), Link(f"charge:{intent['latest_charge']}")}
    assert links == report.links
    assert NEW.terms == report.attribution.terms


async def test_a_repeated_charge_is_the_same_payment(shop: Shop) -> None:
    """Whether it is asked for again, or looked up; another charge is another payment."""
    charge = await shop.charge_of()
    other = attrs.evolve(charge, id=ChargeId("00000000-0000-0000-0000-0000000000c2"))
    assert await shop.cards.find(charge) is None
    first = await shop.charged(charge)
    assert first == await shop.charged(charge, is_first=False)
    assert first == await shop.cards.find(charge)
    assert await shop.cards.find(other) is None
    assert first != await shop.charged(other)
    assert [500, 500] == shop.taken


@pytest.mark.parametrize(
    ("card", "decline", "expected"),
    [
        ("visa", "insufficient_funds", Declined(None, "insufficient_funds", False)),
        ("visa", "lost_card", Declined(None, "lost_card", True)),
        ("visa", "expired_card", Declined(None, "expired_card", True)),
        ("visa", "processing_error", Declined(None, "processing_error", False)),
        ("chargeCustomerFail", None, Declined(None, "generic_decline", False)),
        ("authenticationRequired", None, AuthenticationRequired(None)),
    ],
)
async def test_declines_are_told_apart(shop: Shop, card: str, decline: str | None, expected: Outcome) -> None:
    """In the answer, repeated under the key, and looked up later alike: soft, hard, or for want of the customer."""
    charge = await shop.charge_of(card, decline=decline)
    outcome = await shop.charged(charge)
    assert expected == attrs.evolve(outcome, payment_intent=None)
    assert outcome == await shop.charged(charge, is_first=False)
    assert outcome == await shop.cards.find(charge)
    assert ([], 1) == (shop.taken, len(shop.intents))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"code": "card_declined", "decline_code": "do_not_honor"}, Declined("pi_1", "do_not_honor", False)),
        (
            {"code": "card_declined", "decline_code": "do_not_honor", "advice_code": "do_not_try_again"},
            Declined("pi_1", "do_not_honor", True),
        ),
        (
            {"code": "card_declined", "decline_code": "transaction_not_allowed", "advice_code": "try_again_later"},
            Declined("pi_1", "transaction_not_allowed", False),
        ),
        ({"code": "expired_card", "advice_code": "confirm_card_data"}, Declined("pi_1", "expired_card", True)),
        ({"code": "authentication_required"}, AuthenticationRequired("pi_1")),
        ({"code": "card_declined", "decline_code": "authentication_required"}, AuthenticationRequired("pi_1")),
        ({}, Declined("pi_1", "generic_decline", False)),
    ],
)
def test_the_networks_advice_goes_before_the_code(error: dict[str, str], expected: Outcome) -> None:
    """Stripe passes on whether the same card may be tried again."""
    assert expected == read_decline(error, "pi_1")


async def test_a_lost_answer_is_no_answer(shop: Shop) -> None:
    """The card was charged, and nobody heard of it: the look-up finds it, and the same key charges nothing more."""
    charge = await shop.charge_of()
    shop.stripe.fail_next(status=NO_ANSWER, path=CREATE, is_applied=True)
    with pytest.raises(PaymentsUnavailable):
        await shop.charged(charge)
    found = await shop.cards.find(charge)
    assert isinstance(found, Paid)
    assert found == await shop.charged(charge, is_first=False)
    assert [500] == shop.taken


@pytest.mark.parametrize("is_applied", [True, False])
async def test_a_stored_error_is_repeated_whatever_was_done(shop: Shop, *, is_applied: bool) -> None:
    """The key says nothing for a day; only the look-up does."""
    charge = await shop.charge_of()
    shop.stripe.fail_next(status=500, path=CREATE, is_stored=True, is_applied=is_applied)
    for is_first in (True, False, False):
        with pytest.raises(PaymentsUnavailable):
            await shop.charged(charge, is_first=is_first)
    found = await shop.cards.find(charge)
    assert is_applied == isinstance(found, Paid)
    assert ([500] if is_applied else []) == shop.taken


async def test_what_stripe_refuses_was_never_charged(shop: Shop) -> None:
    """The first time, that is for certain; later, an earlier request may have been carried out."""
    charge = attrs.evolve(await shop.charge_of(), amount=1)
    assert NotCharged("amount_too_small") == await shop.charged(charge)
    with pytest.raises(PaymentsUnavailable):
        await shop.charged(charge, is_first=False)
    assert [] == shop.intents


async def test_a_request_that_is_late_is_not_sent(shop: Shop) -> None:
    """The lease may be another's by now."""
    charge = await shop.charge_of()
    with pytest.raises(PaymentsUnavailable, match="too late"):
        await shop.cards.charge(charge, send_before=datetime.now(UTC) - timedelta(seconds=1), is_first=True)
    assert [] == shop.intents


async def test_a_payment_that_nobody_confirmed_is_undecided_until_it_is_canceled(shop: Shop) -> None:
    """To cancel it once more, or one that succeeded, changes nothing."""
    charge = await shop.charge_of()
    metadata = {"credence_charge": charge.id}
    made = shop.stripe.account.new_intent(500, "usd", metadata=metadata, customer_id=shop.customer)
    made |= {"status": "requires_confirmation", "latest_charge": None}
    assert Undecided(made["id"]) == await shop.cards.find(charge)
    for _ in range(2):
        await shop.cards.cancel(made["id"])
        assert NotCharged("canceled") == await shop.cards.find(charge)
    paid = await shop.charged(charge)
    assert isinstance(paid, Paid)
    await shop.cards.cancel(paid.payment_intent)
    assert paid == await shop.cards.find(charge)


async def test_a_payment_is_found_although_its_customer_is_gone(shop: Shop) -> None:
    """Who deletes the customer while a charge is unclear keeps nobody from finding it."""
    charge = await shop.charge_of()
    paid = await shop.charged(charge)
    account = shop.stripe.account
    account.forget("customer", shop.customer)
    account.keep({"id": shop.customer, "object": "deleted_customer", "deleted": True})
    assert paid == await shop.cards.find(charge)


async def test_a_payment_is_found_behind_many_others(shop: Shop) -> None:
    """Page by page."""
    charge = await shop.charge_of()
    paid = await shop.charged(charge)
    for _ in range(120):
        other = shop.stripe.account.new_intent(500, "usd", metadata={}, customer_id=shop.customer)
        other["latest_charge"] = None
    assert paid == await shop.cards.find(charge)


@contextlib.contextmanager
def answering(answer: Callable[[Request], Response]) -> Iterator[HttpServer]:
    with HttpServer(answer) as server:
        yield server


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (409, {"type": "idempotency_error", "code": "idempotency_key_in_use", "message": "in use"}),
        (400, {"type": "idempotency_error", "message": "other parameters"}),
        (401, {"type": "invalid_request_error", "message": "wrong key"}),
        (429, {"type": "rate_limit_error", "message": "slower"}),
        (500, {"type": "api_error", "message": "not well"}),
    ],
)
async def test_an_answer_that_says_nothing_of_the_charge_is_none(
    shop: Shop, status: int, error: dict[str, str]
) -> None:
    """Also the first time: the same key may be at work elsewhere."""
    import json

    charge = await shop.charge_of()
    body = json.dumps({"error": error}).encode()
    with answering(lambda _: Response(status=status, body=body)) as server:
        async with cards_at(server.url) as cards:
            with pytest.raises(PaymentsUnavailable):
                await cards.charge(charge, send_before=FUTURE, is_first=True)


async def test_a_request_for_money_is_not_repeated_by_the_library(shop: Shop) -> None:
    """Its retries would look at no clock: a process that slept in between would send what is days old."""
    charge = await shop.charge_of()
    seen: list[str] = []

    def note(request: Request) -> Response:
        seen.append(request.method)
        raise HangUp

    with answering(note) as server:
        connection = StripeConnection(api_key="sk_test_123456789012", api_base=server.url, retries=2)
        async with contextlib.aclosing(connection):
            with pytest.raises(PaymentsUnavailable):
                await StripeSavedCards(connection, SystemClock()).charge(charge, send_before=FUTURE, is_first=True)
    assert ["POST"] == seen


async def test_requests_of_one_charge_are_the_same(shop: Shop) -> None:
    """Stripe compares them: the second is refused if it differs in anything."""
    charge = await shop.charge_of()
    seen: list[tuple[str, bytes]] = []

    def note(request: Request) -> Response:
        seen.append((request.headers["idempotency-key"], request.body))
        return Response(status=500, body=b"{}")

    with answering(note) as server:
        async with cards_at(server.url) as cards:
            for attempts in (1, 2):
                with pytest.raises(PaymentsUnavailable):
                    await cards.charge(attrs.evolve(charge, attempts=attempts), send_before=FUTURE, is_first=False)
    assert seen[0] == seen[1]
    asked = parse_qs(seen[0][1].decode())
    assert (["true"], ["true"], ["never"]) == (
        asked["off_session"],
        asked["confirm"],
        asked["automatic_payment_methods[allow_redirects]"],
    )
    assert f"credence-charge-{charge.id}" == seen[0][0]
