"""The objects that reconciling asks for: credit notes and payments of ours among them, with the times of payment."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from adapters.stripe.connection import StripeConnection
from adapters.stripe.history import StripeHistory
from domain.payments.purchases import OrderRank
from domain.payments.reports import PaymentReport, SaleReport
from domain.ports.payment_provider import Found
from simulators.stripe.account.shapes import charge
from simulators.stripe.ordering.orders import order
from simulators.stripe.stand_in import StripeStandIn

OURS = {"userId": "6f1e0a52-3f0e-4d7c-9a55-0d5f6a1b2c3d", "plan": "starter"}


@pytest.fixture
def stripe() -> Iterator[StripeStandIn]:
    with StripeStandIn(seed=8) as stand_in:
        yield stand_in


async def objects(stripe: StripeStandIn) -> list[Found]:
    connection = StripeConnection(api_key="sk_test_123456789012", api_base=stripe.url, retries=0)
    async with contextlib.aclosing(connection):
        history = StripeHistory(connection, livemode=False)
        return [found async for found in history.objects(datetime.now(UTC) - timedelta(hours=1))]


def bought(stripe: StripeStandIn) -> str:
    """A session of ours that is paid."""
    fields = {
        "mode": "payment",
        "success_url": "https://a.test/",
        "line_items": {"0": {"price_data": {"currency": "usd", "unit_amount": "500"}, "quantity": "1"}},
        "metadata": OURS,
        "payment_intent_data": {"metadata": {**OURS, "credence_session": "yes"}},
    }
    session_id: str = stripe.account.create_session(order(fields), stripe.url)["id"]
    stripe.pay(session_id)
    return session_id


def paid(stripe: StripeStandIn, metadata: dict[str, str]) -> str:
    """A payment without a session."""
    account = stripe.account
    intent = account.new_intent(500, "usd", metadata=metadata)
    account.keep(charge(intent["latest_charge"], intent, created=account.now(), invoice=None))
    intent_id: str = intent["id"]
    return intent_id


async def test_a_session_is_listed_with_the_time_of_its_payment(stripe: StripeStandIn) -> None:
    """Its charge says it; the time at which it was listed would be another for each who asks."""
    session_id = bought(stripe)
    (made,) = stripe.account.all_kept("charge")
    (found,) = [one for one in await objects(stripe) if one.object_id == session_id]
    reported = found.delivery.report
    assert isinstance(reported, SaleReport)
    assert datetime.fromtimestamp(made["created"], UTC) == reported.facts.paid_at


async def test_payments_are_listed_where_they_are_ours(stripe: StripeStandIn) -> None:
    """That of a checkout only pays; a saved card's is a sale; another application's is left out."""
    bought(stripe)
    alone, other = paid(stripe, OURS), paid(stripe, {"order": "7"})
    found = {one.object_id: one.delivery.report for one in await objects(stripe) if one.kind == "payment_intent"}
    assert other not in found
    sale = found.pop(alone)
    assert isinstance(sale, SaleReport)
    assert OrderRank.INTENT is sale.rank
    (news,) = found.values()
    assert isinstance(news, PaymentReport)
    assert news.ours


async def test_credit_notes_and_invoices_of_nothing_are_listed(stripe: StripeStandIn) -> None:
    """A note reports what its invoice gave back; what costs nothing is sold all the same."""
    account = stripe.account
    whole, free = (
        account.billing.subscribe(account.new_customer(), [(account.billing.price(amount), 1)])[2]["id"]
        for amount in (900, 0)
    )
    account.credit_notes.issue(whole, 200, credit=200)
    found = {one.object_id: one.delivery.report for one in await objects(stripe)}
    assert {whole, free} <= found.keys()
    (note,) = [reported for id_, reported in found.items() if id_.startswith("cn_")]
    assert isinstance(note, PaymentReport)
    assert [200] == [one.post_payment for one in note.facts.credit_notes]
    assert f"invoice:{whole}" in note.links
