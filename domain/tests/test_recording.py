"""What is decided about a report, before anything is written."""

from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from domain.changes.changes import RecordedPurchase, Snapshot
from domain.changes.inbox import EventDecision, EventStatus
from domain.credits.ledger import EntryKind, ExpiredCredits, Posted
from domain.decisions.payments import decide
from domain.decisions.purchase_changes import Decision
from domain.payments.admission import ParkReason
from domain.payments.disputes import Dispute, DisputeStatus
from domain.payments.purchases import Link, PaymentStatus, Purchase, PurchaseId, Refund, RefundStatus
from domain.payments.reports import Attribution, InboxEvent, Irrelevant, PaymentReport, SaleReport, Unreadable
from domain.tests.examples import ADA, CATALOGUE, FIVE_DOLLARS
from domain.values.accounts import Account
from domain.values.money import Money
from domain.values.plans import PlanMode, Terms

ACCOUNT = Account(user_id=ADA, email="ada@example.com")
EVENT = InboxEvent(
    id="evt_1", type="checkout.session.completed", body="{}", livemode=False, created=datetime(2026, 5, 1, tzinfo=UTC)
)
RECEIVED = EventDecision(event=EVENT, status=EventStatus.RECEIVED)
SALE = SaleReport(
    purchase_id=PurchaseId("pi_1"),
    session_id="cs_1",
    links=frozenset({Link("session:cs_1"), Link("payment_intent:pi_1")}),
    mode=PlanMode.PAYMENT,
    facts=Purchase(payment=PaymentStatus.PAID),
    subtotal=FIVE_DOLLARS,
    paid=FIVE_DOLLARS,
    attribution=Attribution(user_reference=ADA, email="ADA@example.com", plan_id="starter"),
)


def named(**changes: Any) -> SaleReport:
    """The sale, named otherwise."""
    return attrs.evolve(SALE, attribution=attrs.evolve(SALE.attribution, **changes))


NEW = Snapshot(event_status=None, account=ACCOUNT, purchases=(), now=datetime(2026, 5, 1, tzinfo=UTC))


def decided(sale: SaleReport = SALE, *, snapshot: Snapshot = NEW, event: InboxEvent | None = EVENT) -> Decision:
    kept = attrs.evolve(RECEIVED, event=event) if event is not None else None
    return decide(kept, sale, snapshot, CATALOGUE, livemode=False)


def recorded(decision: Decision) -> Snapshot:
    """What the ledger knows once the decision is committed."""
    revision = decision.change.revision
    assert revision is not None
    known = RecordedPurchase(
        id=revision.id,
        revision=revision.expected_revision + 1,
        purchase=revision.purchase,
        posted={None: Posted({posting.user_id: posting.amount for posting in decision.change.postings})},
    )
    return attrs.evolve(NEW, purchases=(known,))


def test_a_paid_sale_is_one_change() -> None:
    """The event, the purchase, and one entry are decided together."""
    decision = decided()
    assert EventStatus.APPLIED == decision.status
    (posting,) = decision.change.postings
    assert (ADA, 50, EntryKind.PURCHASE) == (posting.user_id, posting.amount, posting.kind)
    assert ("pi_1", "cs_1", "evt_1") == (posting.purchase_id, posting.stripe_session_id, posting.stripe_event_id)
    assert EVENT.created == posting.event_at
    assert decision.change.revision is not None
    assert 0 == decision.change.revision.expected_revision
    assert () == decision.change.outbox


def test_a_repeated_reporting_is_nothing_new() -> None:
    """What the ledger knows already changes nothing, whichever event or caller brings it."""
    snapshot = recorded(decided())
    for event in (EVENT, attrs.evolve(EVENT, id="evt_2"), None):
        again = decided(snapshot=snapshot, event=event)
        assert EventStatus.NOTHING_NEW == again.status
        assert (None, (), ()) == (again.change.revision, again.change.postings, again.change.outbox)


def test_without_an_event_the_same_is_decided() -> None:
    """The return page posts what the webhook would have posted, under the same key."""
    by_page, by_webhook = decided(event=None).change, decided().change
    assert by_page.event is None
    assert [by_webhook.postings[0].idempotency_key] == [posting.idempotency_key for posting in by_page.postings]


def test_the_terms_of_the_sale_win_over_the_catalogue() -> None:
    """Who bought before the price changed gets what was promised."""
    old = Terms(credits=70, price=Money(amount=900, currency="usd"))
    sale = attrs.evolve(named(terms=old), subtotal=old.price, paid=old.price)
    assert [70] == [posting.amount for posting in decided(sale).change.postings]


def test_a_discount_is_not_a_wrong_price() -> None:
    """The price is compared before discounts and tax; what was paid is what refunds are measured by."""
    sale = attrs.evolve(SALE, paid=Money(amount=250, currency="usd"))
    decision = decided(sale)
    assert [50] == [posting.amount for posting in decision.change.postings]
    assert decision.order is not None
    assert 250 == decision.order.amount


PARKED = {
    ParkReason.NO_USER_NAMED: named(user_reference=None),
    ParkReason.REFERENCE_UNCONFIRMED: named(user_reference=None, client_reference=ADA),
    ParkReason.USER_NOT_A_UUID: named(user_reference="ada"),
    ParkReason.UNKNOWN_USER: named(user_reference=ADA.replace("a", "b")),
    ParkReason.EMAIL_DISAGREES: named(email="eve@example.com"),
    ParkReason.UNKNOWN_PLAN: named(plan_id="gold"),
    ParkReason.MODE_DISAGREES: attrs.evolve(SALE, mode=PlanMode.SUBSCRIPTION),
    ParkReason.CURRENCY_DISAGREES: attrs.evolve(SALE, subtotal=Money(amount=500, currency="eur")),
    ParkReason.PRICE_DISAGREES: attrs.evolve(SALE, subtotal=Money(amount=499, currency="usd")),
    ParkReason.INCOMPLETE_INVOICE: attrs.evolve(SALE, is_complete=False),
}


@pytest.mark.parametrize("reason", PARKED)
def test_a_sale_that_fails_a_check_is_parked(reason: ParkReason) -> None:
    """Its event is kept with the reason, and nothing else is written."""
    decision = decided(PARKED[reason])
    assert (EventStatus.PARKED, reason) == (decision.status, decision.reason)
    assert (None, (), ()) == (decision.change.revision, decision.change.postings, decision.change.outbox)
    assert decision.change.event is not None
    assert reason == decision.change.event.reason


def test_a_sale_of_which_no_money_comes_waits_for_nobody() -> None:
    """It is reported, whoever its owner was to be; one that is good is known all the same."""
    over = attrs.evolve(SALE, is_over=True, facts=Purchase(payment=PaymentStatus.UNPAID))
    decision = decided(attrs.evolve(over, attribution=named(user_reference="ada").attribution))
    assert (EventStatus.IGNORED, ParkReason.USER_NOT_A_UUID) == (decision.status, decision.reason)
    assert EventStatus.APPLIED == decided(over).status


def test_events_of_elsewhere_are_parked() -> None:
    """Another mode's events and connected accounts' are not ours to apply."""
    live, connected = attrs.evolve(EVENT, livemode=True), attrs.evolve(EVENT, account="acct_1")
    assert ParkReason.LIVEMODE_DISAGREES == decided(event=live).reason
    assert ParkReason.CONNECTED_ACCOUNT == decided(event=connected).reason


def test_what_is_no_sale_is_only_kept() -> None:
    """Irrelevant events are ignored, unreadable ones are parked."""
    ignored = decide(RECEIVED, Irrelevant("no metadata from Credence"), NEW, CATALOGUE, livemode=False)
    unreadable = decide(RECEIVED, Unreadable("mode"), NEW, CATALOGUE, livemode=False)
    assert (EventStatus.IGNORED, EventStatus.PARKED) == (ignored.status, unreadable.status)
    assert "unreadable: mode" == unreadable.reason


def test_what_was_reported_before_the_sale_counts() -> None:
    """A refund and a dispute that came first lower what the sale posts."""
    early = RecordedPurchase(
        id=PurchaseId("pi_1"),
        revision=2,
        purchase=Purchase(
            refunds=(Refund(id="re_1", amount=100, status=RefundStatus.SUCCEEDED),),
            disputes=(
                Dispute(id="dp_1", occurred_at=datetime(2026, 5, 1, tzinfo=UTC), amount=50, status=DisputeStatus.LOST),
            ),
            links=frozenset({Link("payment_intent:pi_1")}),
        ),
    )
    decision = decided(snapshot=attrs.evolve(NEW, purchases=(early,)))
    assert [35] == [posting.amount for posting in decision.change.postings]
    assert decision.change.revision is not None
    assert 2 == decision.change.revision.expected_revision


@pytest.mark.parametrize(("expired", "taken"), [(0, 50), (20, 30), (50, 0)])
def test_what_expired_is_not_taken_again(expired: int, taken: int) -> None:
    """A refund after the end of the credits takes what was used of them, not what is gone already."""
    (known,) = recorded(decided()).purchases
    gone = {ADA: ExpiredCredits(amount=expired, posted_before=50)} if expired else {}
    snapshot = attrs.evolve(NEW, purchases=(attrs.evolve(known, posted={None: Posted({ADA: 50}, gone)}),))
    news = PaymentReport(
        purchase_id=known.id,
        links=frozenset({Link("payment_intent:pi_1")}),
        facts=Purchase(refunds=(Refund(id="re_1", amount=500, status=RefundStatus.SUCCEEDED),)),
    )
    decision = decide(RECEIVED, news, snapshot, CATALOGUE, livemode=False)
    assert [-taken] * bool(taken) == [posting.amount for posting in decision.change.postings]
