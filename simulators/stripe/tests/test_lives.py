"""The later life of simulated payments, through the real `stripe` package and as events report it."""

from collections.abc import Iterator
from typing import Any

import pytest
import stripe

from simulators.stripe.stand_in import StripeStandIn

VERSIONS = ["2020-08-27", "2022-11-15", "2024-06-20", "2025-03-31.basil", "2026-10-28.endive"]


@pytest.fixture
def stand_in() -> Iterator[StripeStandIn]:
    with StripeStandIn(seed=3) as running:
        yield running


def client_of(stand_in: StripeStandIn) -> stripe.StripeClient:
    return stripe.StripeClient("sk_test_123456789012", base_addresses={"api": stand_in.url}, max_network_retries=0)


def paid(stand_in: StripeStandIn, *, mode: str = "payment", trial_days: int = 0) -> Any:
    """A paid session of $5.00, with an invoice."""
    price: dict[str, Any] = {"currency": "usd", "unit_amount": 500, "product_data": {"name": "50 credits"}}
    fields: dict[str, Any] = {
        "payment_intent_data": {"metadata": {"plan": "starter"}},
        "invoice_creation": {"enabled": True},
    }
    if mode == "subscription":
        price["recurring"] = {"interval": "month"}
        fields = {"subscription_data": {"metadata": {"plan": "monthly"}}}
        if trial_days:
            fields["subscription_data"]["trial_period_days"] = trial_days
    session = client_of(stand_in).v1.checkout.sessions.create(
        {"mode": mode, "line_items": [{"quantity": 1, "price_data": price}], "success_url": "https://a.test/", **fields}
    )
    stand_in.pay(session.id)
    return stand_in.session(session.id)


def kinds(events: list[Any]) -> list[str]:
    return [event["type"] for event in events]


def test_a_refund_is_made_listed_and_failed(stand_in: StripeStandIn) -> None:
    """Parts add up on the charge, no more than all can be refunded, and one that fails is taken off again."""
    session, v1 = paid(stand_in), client_of(stand_in).v1
    for amount in (100, 150):
        v1.refunds.create({"payment_intent": session["payment_intent"], "amount": amount})
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded"):
        v1.refunds.create({"payment_intent": session["payment_intent"], "amount": 251})
    listed = v1.refunds.list({"payment_intent": session["payment_intent"], "limit": 1})
    assert ([150], True) == ([refund.amount for refund in listed.data], listed.has_more)
    charge = v1.charges.retrieve(str(listed.data[0].charge))
    assert (250, False, "starter") == (charge.amount_refunded, charge.refunded, charge.metadata["plan"])
    given = stand_in.account.reversals.fail_refund(listed.data[0].id)
    assert ["refund.updated", "charge.refund.updated", "refund.failed"] == kinds(given)
    assert 100 == v1.charges.retrieve(charge.id).amount_refunded
    v1.refunds.create({"charge": charge.id})
    with pytest.raises(stripe.InvalidRequestError) as raised:
        v1.refunds.create({"charge": charge.id})
    assert "charge_already_refunded" == raised.value.code


@pytest.mark.parametrize("version", VERSIONS)
def test_charges_name_their_refunds_only_in_old_versions(version: str) -> None:
    """Until 2022-11-15 a charge carries the list; since then only how much it is."""
    with StripeStandIn(api_version=version) as stand_in:
        session = paid(stand_in)
        events = stand_in.account.reversals.refund(session["payment_intent"], 100)
        charge = next(event["data"]["object"] for event in events if event["type"] == "charge.refunded")
        assert (version < "2022-11-15") is ("refunds" in charge)
        assert (version < "2025-03-31") is ("invoice" in charge)
        assert 100 == charge["amount_refunded"]


@pytest.mark.parametrize(("status", "moves"), [("won", [-500, 500]), ("lost", [-500]), ("prevented", [-500, 500])])
def test_a_dispute_moves_the_money(stand_in: StripeStandIn, status: str, moves: list[int]) -> None:
    """It goes when the dispute begins, and comes back unless the dispute is lost."""
    session, v1 = paid(stand_in), client_of(stand_in).v1
    begun = stand_in.account.reversals.dispute(session["payment_intent"])
    assert ["charge.dispute.created", "charge.dispute.funds_withdrawn"] == kinds(begun)
    dispute_id = begun[0]["data"]["object"]["id"]
    assert ["charge.dispute.updated"] == kinds(stand_in.account.reversals.respond(dispute_id))
    stand_in.account.reversals.close_dispute(dispute_id, status)
    found = v1.disputes.retrieve(dispute_id)
    assert (status, moves) == (found.status, [move.amount for move in found.balance_transactions])
    assert [dispute_id] == [dispute.id for dispute in v1.disputes.list({"charge": str(found.charge)}).data]


def test_an_inquiry_moves_nothing_until_it_is_a_dispute(stand_in: StripeStandIn) -> None:
    """It may close as it came, or escalate."""
    session, reversals = paid(stand_in), stand_in.account.reversals
    (begun,) = reversals.dispute(session["payment_intent"], 200, inquiry=True)
    assert "warning_needs_response" == begun["data"]["object"]["status"]
    events = reversals.escalate(begun["data"]["object"]["id"])
    assert ["charge.dispute.updated", "charge.dispute.funds_withdrawn"] == kinds(events)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_subscription_renews_on_the_account_s_clock(version: str) -> None:
    """Each period has a paid invoice that leads to the subscription, in the fields of its version."""
    with StripeStandIn(api_version=version) as stand_in:
        session, billing = paid(stand_in, mode="subscription"), stand_in.account.billing
        before = stand_in.account.now()
        events = billing.advance(61 * 24 * 3600)
        bills = [event["data"]["object"] for event in events if event["type"] == "invoice.paid"]
        assert ["subscription_cycle"] * 2 == [bill["billing_reason"] for bill in bills]
        for bill in bills:
            if version < "2025-03-31":
                named, line = bill, bill["lines"]["data"][0]
                assert (True, "subscription") == (bill["paid"], line["type"])
                assert bill["payment_intent"].startswith("pi_")
                metadata = bill["subscription_details"]["metadata"]
            else:
                named = bill["parent"]["subscription_details"]
                metadata = named["metadata"]
                assert "payment_intent" not in bill
            assert (session["subscription"], {"plan": "monthly"}) == (named["subscription"], metadata)
            assert 500 == bill["amount_paid"]
        assert 61 * 24 * 3600 <= stand_in.account.now() - before <= 61 * 24 * 3600 + 60
        billing.cancel(session["subscription"], at_period_end=True)
        assert ["customer.subscription.deleted"] == kinds(billing.advance(31 * 24 * 3600))
        assert [] == billing.advance(365 * 24 * 3600)


def test_a_trial_is_billed_nothing_until_it_ends(stand_in: StripeStandIn) -> None:
    """The first invoice is zero, the second a period's."""
    session = paid(stand_in, mode="subscription", trial_days=7)
    first = client_of(stand_in).v1.invoices.retrieve(session["invoice"])
    assert (0, "subscription_create") == (first.total, first.billing_reason)
    events = stand_in.account.billing.advance(8 * 24 * 3600)
    assert [500] == [event["data"]["object"]["total"] for event in events if event["type"] == "invoice.paid"]


def test_a_plan_that_changes_is_prorated(stand_in: StripeStandIn) -> None:
    """Prorations alone, or beside a full period at the new price."""
    session, billing = paid(stand_in, mode="subscription"), stand_in.account.billing
    billing.advance(15 * 24 * 3600)
    events = billing.change_plan(session["subscription"], 2000, invoice_now=True)
    bill = next(event["data"]["object"] for event in events if event["type"] == "invoice.paid")
    assert {"invoice_item_details"} == {line["parent"]["type"] for line in bill["lines"]["data"]}
    events = billing.change_plan(session["subscription"], 3000, new_period=True)
    bill = next(event["data"]["object"] for event in events if event["type"] == "invoice.paid")
    assert 3000 == bill["lines"]["data"][-1]["amount"]
    assert "subscription_item_details" == bill["lines"]["data"][-1]["parent"]["type"]


def test_an_invoice_is_sent_once_for_a_key(stand_in: StripeStandIn) -> None:
    """The same idempotency key sends it once; an invoice that is none is refused."""
    session, v1 = paid(stand_in), client_of(stand_in).v1
    for _ in range(2):
        v1.invoices.send_invoice(session["invoice"], {}, {"idempotency_key": "once"})
    assert [(session["invoice"], "once")] == stand_in.account.billing.sent
    with pytest.raises(stripe.InvalidRequestError):
        v1.invoices.send_invoice("in_nobody")


def test_what_belongs_together_is_found_from_the_intent(stand_in: StripeStandIn) -> None:
    """Its session, its charge, and its invoice by the invoice's payments."""
    session, v1 = paid(stand_in), client_of(stand_in).v1
    intent = session["payment_intent"]
    assert [session["id"]] == [one.id for one in v1.checkout.sessions.list({"payment_intent": intent}).data]
    payment = {"type": "payment_intent", "payment_intent": intent}
    (of_invoice,) = v1.invoice_payments.list({"payment": payment}).data
    assert session["invoice"] == of_invoice.invoice
    found = v1.checkout.sessions.retrieve(session["id"], {"expand": ["invoice", "payment_intent.latest_charge"]})
    assert "paid" == found.invoice.status
    assert 500 == found.payment_intent.latest_charge.amount
    assert [500] == [one.amount for one in v1.charges.list({"payment_intent": intent}).data]


def test_trouble_comes_when_it_is_asked_for(stand_in: StripeStandIn) -> None:
    """The next requests are refused with the status that was wished, and no more."""
    stand_in.fail_next(2, status=429)
    v1 = client_of(stand_in).v1
    for _ in range(2):
        with pytest.raises(stripe.RateLimitError):
            v1.events.list()
    assert [] == v1.events.list().data


def test_endpoints_are_made_and_listed(stand_in: StripeStandIn) -> None:
    """With their events and version."""
    v1 = client_of(stand_in).v1
    v1.webhook_endpoints.create({"url": "https://a.test/hook", "enabled_events": ["invoice.paid"]})
    (found,) = v1.webhook_endpoints.list().data
    assert ("https://a.test/hook", ["invoice.paid"], "enabled") == (found.url, found.enabled_events, found.status)


def test_another_process_drives_a_payment_s_life(stand_in: StripeStandIn) -> None:
    """By plain HTTP: refund, dispute, time."""
    import httpx

    session = paid(stand_in, mode="subscription")
    intent = stand_in.account.all_kept("payment_intent")[-1]["id"]
    with httpx.Client(base_url=f"{stand_in.url}/_stand_in") as http:
        answer = http.post(f"/payments/{intent}/refund", data={"amount": "100"}).json()["events"]
        assert "refund.created" == answer[0]["type"]
        answer = http.post(f"/payments/{intent}/dispute", data={"amount": "100"}).json()["events"]
        dispute_id = answer[0]["data"]["object"]["id"]
        assert 200 == http.post(f"/disputes/{dispute_id}/close", data={"status": "won"}).status_code
        answer = http.post("/clock/advance", data={"seconds": str(31 * 24 * 3600)}).json()["events"]
        assert "invoice.paid" in kinds(answer)
        assert 200 == http.post(f"/subscriptions/{session['subscription']}/cancel").status_code
        assert 404 == http.post("/disputes/dp_nobody/close").status_code
        assert 400 == http.post("/clock/advance", data={"seconds": "soon"}).status_code
