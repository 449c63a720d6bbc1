"""Checkout through the real stripe package, against the stand-in."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime

import attrs
import pytest

from adapters.stripe_checkout import StripeCheckouts
from adapters.stripe_webhooks import StripeWebhooks
from domain.accounts import UserId
from domain.events import Sale
from domain.money import Money
from domain.plans import Plan, PlanId, Terms
from domain.ports import Checkout, CheckoutRequest, InvalidSignature, PaymentsUnavailable
from domain.purchases import Link, PaymentReported, PaymentStatus
from simulators.stripe import StripeStandIn

ADA = UserId("00000000-0000-0000-0000-00000000000a")
TERMS = Terms(credits=50, price=Money(amount=500, currency="usd"))
REQUEST = CheckoutRequest(
    user_id=ADA,
    email="ada@example.com",
    plan=Plan(id=PlanId("starter"), name="50 credits <b>", terms=TERMS),
    idempotency_key="key-1",
)


@pytest.fixture
def stripe() -> Iterator[StripeStandIn]:
    with StripeStandIn(seed=7) as stand_in:
        yield stand_in


def with_checkouts(
    base: str, story: Callable[[StripeCheckouts], Awaitable[None]], *, key: str = "sk_test_123456789012"
) -> None:
    async def run() -> None:
        checkouts = StripeCheckouts(
            api_key=key,
            api_base=base,
            success_url="https://shop.test/ok?id={CHECKOUT_SESSION_ID}",
            cancel_url="https://shop.test/",
        )
        async with contextlib.aclosing(checkouts):
            await story(checkouts)

    asyncio.run(run())


def test_a_session_carries_who_buys_what(stripe: StripeStandIn) -> None:
    """User, email, plan and terms are on the session and on its payment intent, and an invoice will be made."""

    async def story(checkouts: StripeCheckouts) -> None:
        opened = await checkouts.create(REQUEST)
        assert opened.url == f"{stripe.url}/c/pay/{opened.session_id}"
        session = stripe.account.session(opened.session_id)
        assert session is not None
        metadata = {
            "userId": ADA,
            "userEmail": "ada@example.com",
            "plan": "starter",
            "credence_terms": "50/500/usd",
        }
        assert metadata == session["metadata"]
        assert {"enabled": True} == session["invoice_creation"]
        assert (ADA, "ada@example.com") == (session["client_reference_id"], session["customer_email"])
        stripe.account.pay(opened.session_id)
        paid = stripe.account.session(opened.session_id)
        assert paid is not None
        intent = stripe.account.intent(paid["payment_intent"])
        assert intent is not None
        assert metadata == intent["metadata"]

    with_checkouts(stripe.url, story)


def test_the_same_key_opens_one_session(stripe: StripeStandIn) -> None:
    """A repeated request is the first session; another key is another."""

    async def story(checkouts: StripeCheckouts) -> None:
        first, again = await checkouts.create(REQUEST), await checkouts.create(REQUEST)
        other = await checkouts.create(attrs.evolve(REQUEST, idempotency_key="key-2"))
        assert first.session_id == again.session_id != other.session_id
        assert 2 == len(stripe.account.sessions())

    with_checkouts(stripe.url, story)


def test_a_retrieved_session_tells_its_sale(stripe: StripeStandIn) -> None:
    """Asked for, a session tells the same sale as its webhook does."""

    async def story(checkouts: StripeCheckouts) -> None:
        opened = await checkouts.create(REQUEST)
        event = stripe.account.pay(opened.session_id)
        assert event is not None
        found = await checkouts.retrieve(opened.session_id)
        assert found is not None
        intent = event["data"]["object"]["payment_intent"]
        expected = Sale(
            purchase_id=intent,
            session_id=opened.session_id,
            links=frozenset({Link(f"session:{opened.session_id}"), Link(f"payment_intent:{intent}")}),
            mode=REQUEST.plan.mode,
            facts=(PaymentReported(PaymentStatus.PAID),),
            subtotal=TERMS.price,
            paid=TERMS.price,
            user_reference=ADA,
            email="ada@example.com",
            plan_id="starter",
            terms=TERMS,
            client_reference=ADA,
        )
        assert Checkout(session_id=opened.session_id, url=None, status="complete", told=expected) == found

    with_checkouts(stripe.url, story)


def test_an_unknown_session_is_none(stripe: StripeStandIn) -> None:
    """Stripe's 'no such session' is an answer, not an error."""

    async def story(checkouts: StripeCheckouts) -> None:
        assert await checkouts.retrieve("cs_test_unknown") is None

    with_checkouts(stripe.url, story)


def test_a_refused_key_is_named_and_not_shown(stripe: StripeStandIn) -> None:
    """A wrong key is told by its variable, never by its value."""

    async def story(checkouts: StripeCheckouts) -> None:
        with pytest.raises(PaymentsUnavailable) as raised:
            await checkouts.create(REQUEST)
        assert "STRIPE_SECRET_KEY" in raised.value.cause
        assert "sk_wrong" not in raised.value.cause

    with_checkouts(stripe.url, story, key="sk_wrong_123456789012")


def test_an_invalid_request_is_told(stripe: StripeStandIn) -> None:
    """What Stripe refuses is told as such."""

    async def story(checkouts: StripeCheckouts) -> None:
        terms = Terms(credits=1, price=Money(amount=1, currency="xxx"))
        with pytest.raises(PaymentsUnavailable):
            await checkouts.create(attrs.evolve(REQUEST, plan=attrs.evolve(REQUEST.plan, terms=terms)))

    with_checkouts(stripe.url, story)


@attrs.frozen
class Clock:
    seconds: int

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)


@pytest.mark.parametrize(("age", "is_good"), [(0, True), (300, True), (301, False), (-300, True), (-301, False)])
def test_a_signature_is_good_for_five_minutes_either_way(age: int, is_good: bool) -> None:
    """300 s in the past or the future are tolerated, one more is not, by the clock that is given."""
    from simulators.signatures import sign_webhook

    body = b'{"id":"evt_1","object":"event","type":"a.b","livemode":false,"data":{"object":{}}}'
    now = 1_777_000_000
    webhooks = StripeWebhooks(secrets=("whsec_old", "whsec_new"), clock=Clock(now))
    header = sign_webhook(body, "whsec_new", now - age)
    if is_good:
        assert "evt_1" == webhooks.verify(body, header).event.id
        return
    with pytest.raises(InvalidSignature):
        webhooks.verify(body, header)


@pytest.mark.parametrize("secrets", [(), ("",), ("whsec_a", ""), (" ",)])
def test_an_endpoint_without_a_secret_is_refused(secrets: tuple[str, ...]) -> None:
    """An empty secret would let anyone in."""
    with pytest.raises(ValueError, match="secret"):
        StripeWebhooks(secrets=secrets, clock=Clock(0))
