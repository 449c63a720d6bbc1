"""The stand-in under the real Stripe CLI: what it triggers, reads and posts."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from features.harness.stripe_cli import StripeCli
from simulators.stripe.stand_in import StripeStandIn

OLDER = "2026-08-26.dahlia"

SALE = ["product.created", "price.created"]
PAID = ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]
BILLED = ["customer.created", "payment_method.attached", "invoiceitem.created", "invoice.created", "invoice.finalized"]
SUBSCRIBED = [
    "payment_method.attached",
    "customer.created",
    *SALE,
    "invoice.created",
    "invoice.finalized",
    *PAID,
    "invoice_payment.paid",
    "invoice.paid",
    "invoice.payment_succeeded",
    "customer.subscription.created",
]
REFUNDED = [*PAID, "refund.created", "charge.refunded", "charge.refund.updated"]


@pytest.fixture
def stand_in() -> Iterator[StripeStandIn]:
    with StripeStandIn(seed=5, reports_steps=True) as running:
        yield running


@pytest.fixture
def cli(stand_in: StripeStandIn, stripe_cli: Callable[[str], StripeCli]) -> StripeCli:
    return stripe_cli(stand_in.url)


def triggered(cli: StripeCli, *arguments: str) -> None:
    done = cli.run("trigger", *arguments)
    assert (0, True) == (done.returncode, "Trigger succeeded!" in done.stdout), done.stdout + done.stderr


def kinds(stand_in: StripeStandIn) -> list[str]:
    return [event["type"] for event in stand_in.events]


def last(stand_in: StripeStandIn, kind: str) -> Any:
    """The object of the last event of a kind."""
    return next(event["data"]["object"] for event in reversed(stand_in.events) if event["type"] == kind)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ("checkout.session.completed", [*SALE, *PAID, "checkout.session.completed"]),
        ("checkout.session.expired", [*SALE, "checkout.session.expired"]),
        ("payment_intent.succeeded", PAID),
        ("charge.succeeded", PAID),
        ("charge.refunded", REFUNDED),
        ("charge.refund.updated", [*REFUNDED, "refund.updated", "charge.refund.updated"]),
        ("charge.dispute.created", [*PAID, "charge.dispute.created"]),
        ("charge.dispute.updated", [*PAID, "charge.dispute.created", "charge.dispute.updated"]),
        ("charge.dispute.closed", [*PAID, "charge.dispute.created", "charge.dispute.closed"]),
        ("charge.captured", [*PAID[:2], "payment_intent.amount_capturable_updated", "charge.captured", PAID[2]]),
        ("charge.failed", ["payment_intent.created", "charge.failed", "payment_intent.payment_failed"]),
        ("payment_intent.requires_action", ["payment_intent.created", "payment_intent.requires_action"]),
        ("payment_intent.canceled", ["payment_intent.created", "payment_intent.canceled"]),
        ("invoice.paid", [*BILLED, *PAID, "invoice_payment.paid", "invoice.paid", "invoice.payment_succeeded"]),
        (
            "invoice.payment_failed",
            [*BILLED, *PAID[:1], "charge.failed", "payment_intent.payment_failed", "invoice.payment_failed"],
        ),
        (
            "invoice.payment_action_required",
            [*BILLED, *PAID[:1], "payment_intent.requires_action", "invoice.payment_action_required"],
        ),
        ("invoice.voided", [*BILLED[:1], *BILLED[2:], "invoice.voided"]),
        ("invoice.marked_uncollectible", [*BILLED[:1], *BILLED[2:], "invoice.marked_uncollectible"]),
        ("invoice.sent", [*BILLED[:1], *BILLED[2:], "invoice.sent"]),
        ("invoice.deleted", [*BILLED[:1], *BILLED[2:4], "invoice.deleted"]),
        ("invoiceitem.deleted", ["customer.created", "invoiceitem.created", "invoiceitem.deleted"]),
        ("customer.subscription.created", SUBSCRIBED),
        ("customer.subscription.updated", [*SUBSCRIBED, "customer.subscription.updated"]),
        ("customer.subscription.deleted", [*SUBSCRIBED, "customer.subscription.deleted"]),
        ("customer.updated", ["customer.created", "customer.updated"]),
        ("customer.deleted", ["customer.created", "customer.deleted"]),
        ("product.deleted", ["product.created", "product.deleted"]),
        ("price.updated", [*SALE, "price.updated"]),
        ("payment_method.detached", ["customer.created", "payment_method.attached", "payment_method.detached"]),
    ],
)
def test_a_trigger_makes_every_event_on_its_way(
    stand_in: StripeStandIn, cli: StripeCli, event: str, expected: list[str]
) -> None:
    """In the order in which things happen, and the event that was asked for among them."""
    triggered(cli, event)
    assert expected == kinds(stand_in)


@pytest.mark.parametrize(
    "event",
    [
        "balance.available",
        "customer.created",
        "customer.subscription.trial_will_end",
        "invoice.created",
        "invoice.finalized",
        "invoice.payment_succeeded",
        "invoice.updated",
        "invoiceitem.created",
        "payment_intent.amount_capturable_updated",
        "payment_intent.created",
        "payment_intent.payment_failed",
        "payment_intent.processing",
        "payment_method.attached",
        "price.created",
        "product.created",
        "product.updated",
    ],
)
def test_other_triggers_make_their_event(stand_in: StripeStandIn, cli: StripeCli, event: str) -> None:
    """Last, or with others after it."""
    triggered(cli, event)
    assert event in kinds(stand_in)


@pytest.mark.parametrize(("event", "expected"), [("succeeded", "invoice.paid"), ("failed", "invoice.payment_failed")])
def test_a_subscription_is_paid_or_not(stand_in: StripeStandIn, cli: StripeCli, event: str, expected: str) -> None:
    """The CLI's own names for the first payment of a subscription."""
    triggered(cli, f"subscription.payment_{event}")
    assert expected in kinds(stand_in)
    assert ("active" if event == "succeeded" else "incomplete") == last(stand_in, "customer.subscription.created")[
        "status"
    ]


@pytest.mark.parametrize("event", ["checkout.session.async_payment_succeeded", "checkout.session.async_payment_failed"])
def test_a_delayed_payment_is_triggered_by_an_older_version_only(
    stand_in: StripeStandIn, cli: StripeCli, event: str
) -> None:
    """The CLI names the payment's method, which versions from 2026-09-30 refuse."""
    if event.endswith("succeeded"):
        done = cli.run("trigger", event)
        assert 1 == done.returncode
        assert "Received unknown parameter: payment_method_types" in done.stdout + done.stderr
    triggered(cli, event, "--api-version", OLDER)
    reported = kinds(stand_in)
    assert ["checkout.session.completed", event] == [kind for kind in reported if kind.startswith("checkout.session.")]
    assert "payment_intent.processing" in reported
    session = last(stand_in, event)
    assert ("paid" if event.endswith("succeeded") else "unpaid") == session["payment_status"]
    assert OLDER == stand_in.events[-1]["api_version"]


def test_a_trigger_takes_additions_and_other_values(stand_in: StripeStandIn, cli: StripeCli) -> None:
    """Metadata and prices of one's own reach the session."""
    asked = ["--override", "price:unit_amount=250", "--override", "payment_page_confirm:expected_amount=500"]
    triggered(cli, "checkout.session.completed", *asked, "--add", "checkout_session:metadata[plan]=starter")
    session = last(stand_in, "checkout.session.completed")
    assert (500, {"plan": "starter"}, "paid") == (
        session["amount_total"],
        session["metadata"],
        session["payment_status"],
    )
    assert "stripe@example.com" == session["customer_details"]["email"]


def test_a_price_that_changed_on_the_way_is_not_paid(stand_in: StripeStandIn, cli: StripeCli) -> None:
    """The page expects another amount: refused, and the CLI says why."""
    done = cli.run("trigger", "checkout.session.completed", "--override", "price:unit_amount=250")
    assert (1, True) == (done.returncode, "checkout_amount_mismatch" in done.stdout + done.stderr)
    assert "open" == stand_in.account.sessions()[0]["status"]


def test_an_event_outside_of_the_stand_in_fails_by_name(stand_in: StripeStandIn, cli: StripeCli) -> None:
    """What is not simulated is an unknown address, in Stripe's words."""
    done = cli.run("trigger", "setup_intent.created")
    assert (1, True) == (done.returncode, "Unrecognized request URL" in done.stdout + done.stderr)


def test_events_are_listed_and_retrieved(stand_in: StripeStandIn, cli: StripeCli) -> None:
    """As the API has them, newest first."""
    triggered(cli, "charge.refunded")
    listed = json.loads(cli.run("events", "list", "--limit", "2").stdout)
    assert [event["id"] for event in stand_in.events[:-3:-1]] == [event["id"] for event in listed["data"]]
    wanted = stand_in.events[0]
    assert wanted == json.loads(cli.run("events", "retrieve", wanted["id"]).stdout)


def test_objects_are_read_and_posted(stand_in: StripeStandIn, cli: StripeCli) -> None:
    """By `get`, `post` and the commands of a resource."""
    triggered(cli, "payment_intent.succeeded")
    charge_id = last(stand_in, "charge.succeeded")["id"]
    assert 2000 == json.loads(cli.run("get", f"/v1/charges/{charge_id}").stdout)["amount"]
    posted = json.loads(cli.run("post", "/v1/refunds", "-d", f"charge={charge_id}", "-d", "amount=500").stdout)
    assert ("refund", 500, charge_id) == (posted["object"], posted["amount"], posted["charge"])
    assert 500 == json.loads(cli.run("charges", "retrieve", charge_id).stdout)["amount_refunded"]
    refused = cli.run("refunds", "create", "--charge", charge_id, "--amount", "1501")
    assert "greater than unrefunded amount" in refused.stdout + refused.stderr
