"""A sale that is decided before anything is read: the ledger takes it only where reading decides the same."""

from collections.abc import Sequence

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.memory.ledger import MemoryLedger
from domain.changes.changes import Committed, Conflict, Duplicate
from domain.changes.inbox import EventDecision, EventStatus
from domain.decisions.payments import decide
from domain.decisions.queries import query_for
from domain.decisions.unread import decide_unread
from domain.payments.admission import ParkReason
from domain.payments.purchases import PaymentStatus, Purchase, PurchaseId
from domain.payments.reports import Attribution, Delivery, ProviderReport, SaleItem, SaleReport
from domain.tests.examples import ADA, BOB, FIVE_DOLLARS
from domain.tests.examples import run_at_once as run
from domain.usecases.deliver_messages import TOPICS
from domain.usecases.tests.payment_world import CATALOGUE, LIFE, LINE, PERIOD, PRICE, SALE, World, linked
from domain.values.accounts import UserId
from domain.values.money import Money
from domain.values.plans import Terms

OWN_TERMS = Terms(credits=50, price=FIVE_DOLLARS)
NAMES = ("session:cs_1", "payment_intent:pi_1", "invoice:in_1", "charge:ch_1")

names = st.sampled_from(
    (
        ("pi_1", NAMES[:2]),
        ("pi_1", NAMES[:3]),
        ("pi_1", NAMES[1:]),
        ("cs_1", NAMES[:1]),
        ("cs_1", (NAMES[0], NAMES[2])),
        ("in_1", NAMES[1:3]),
    )
)


@st.composite
def plain(draw: st.DrawFn) -> SaleReport:
    id_, links = draw(names)
    attribution = Attribution(
        user_reference=draw(st.sampled_from((ADA, ADA, ADA, BOB))),
        email=draw(st.sampled_from((None, "ada@example.com", "Ada@example.com", "bob@example.com"))),
        plan_id="starter",
        terms=draw(st.sampled_from((None, OWN_TERMS))),
    )
    return attrs.evolve(SALE, purchase_id=PurchaseId(id_), links=linked(*links), attribution=attribution)


plain_sales = plain()
odd_sales = st.builds(
    attrs.evolve,
    plain_sales,
    facts=st.sampled_from(PaymentStatus).map(lambda status: Purchase(payment=status)),
    subtotal=st.sampled_from((FIVE_DOLLARS, Money(amount=400, currency="usd"))),
    attribution=st.builds(
        Attribution,
        user_reference=st.sampled_from((ADA, "nobody", None)),
        plan_id=st.sampled_from(("starter", "lasting", "unknown", None)),
        client_reference=st.sampled_from((None, ADA)),
    ),
    sold_at=st.sampled_from((None, LINE.starts_at)),
    is_complete=st.booleans(),
)
sales = st.one_of(plain_sales, plain_sales, odd_sales)
reports: st.SearchStrategy[ProviderReport] = st.one_of(sales, st.sampled_from((*LIFE, PERIOD)))
happenings = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(("evt_1", "evt_2", "evt_3", "evt_4", "evt_5")), reports),
        st.sampled_from(("ada leaves", "ada comes", "ada moves")),
    ),
    max_size=6,
)


def happen(world: World, happening: str) -> None:
    ledger = world.ledger
    match happening:
        case "ada leaves" if ADA in ledger.accounts:
            ledger.accounts.delete(ADA)
        case "ada comes" if ADA not in ledger.accounts:
            ledger.add_user(ADA, None)
        case "ada moves" if ADA in ledger.accounts:
            ledger.accounts.keep(attrs.evolve(ledger.accounts.get(ADA), email="new@example.com"))


def received(world: World, event_id: str, report: ProviderReport) -> EventDecision:
    return EventDecision(event=world.delivery(event_id, report).event, status=EventStatus.RECEIVED)


@settings(max_examples=300, deadline=None)
@given(happenings, sales)
def test_what_the_ledger_takes_is_what_reading_decides(
    past: Sequence[str | tuple[str, ProviderReport]], sale: SaleReport
) -> None:
    """Whatever it knew: another decision on what it knows is never written over by one on nothing."""
    world = World()
    for known in past:
        if isinstance(known, str):
            happen(world, known)
        else:
            world.deliver(*known)
    kept = received(world, "evt_1", sale)
    unread = decide_unread(kept, sale, CATALOGUE, livemode=False)
    if unread is None:
        return
    snapshot = run(world.ledger.read(query_for(kept, sale)))
    read = decide(kept, sale, snapshot, CATALOGUE, livemode=False)
    (result,) = run(world.ledger.commit((unread.change,)))
    if snapshot.event_status is not None and snapshot.event_status.is_final:
        assert isinstance(result, Duplicate)
    elif isinstance(result, Committed):
        assert attrs.evolve(unread, change=attrs.evolve(unread.change, owner_email=None)) == read
    else:
        assert isinstance(result, Conflict)
        assert read != unread


def kept_by(ledger: MemoryLedger) -> list[object]:
    """Return all that deliveries write."""
    entries = [entry.posting for user in (ADA, BOB) for entry in ledger.accounts.entries(user)]
    topics = [
        (message.topic, message.key)
        for topic in TOPICS
        for message in run(ledger.outbox.claim(topic, 100, lease_seconds=1))
    ]
    return [ledger.inbox.statuses(), entries, topics, ledger.purchases.reached(linked(*NAMES, "invoice:in_7"))]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(("evt_1", "evt_2", "evt_3", "evt_4", "evt_5")), reports), max_size=6))
def test_deliveries_end_as_they_do_by_reading(deliveries: Sequence[tuple[str, ProviderReport]]) -> None:
    """The same entries, events and messages, whether new sales are read for or not."""
    unread, by_reading = World(), World()
    for event_id, report in deliveries:
        unread.deliver(event_id, report)
        delivery = by_reading.delivery(event_id, report)
        run(by_reading.recorder.record(delivery.event, delivery.report))
    assert kept_by(by_reading.ledger) == kept_by(unread.ledger)


def of(**changes: object) -> SaleReport:
    return attrs.evolve(SALE, **changes)


def by(**attribution: object) -> SaleReport:
    return of(attribution=attrs.evolve(SALE.attribution, **attribution))


@pytest.mark.parametrize(
    "report",
    [
        pytest.param(of(facts=Purchase(payment=PaymentStatus.UNPAID)), id="not paid"),
        pytest.param(of(is_complete=False), id="incomplete"),
        pytest.param(of(subtotal=Money(amount=400, currency="usd")), id="another price, so that its items decide"),
        pytest.param(of(items=(SaleItem(id="li_1", price=PRICE, quantity=1, amount=500, currency="usd"),)), id="items"),
        pytest.param(by(user_reference=None, client_reference=ADA), id="a reference that a buyer can choose"),
        pytest.param(by(user_reference="ada"), id="no uuid"),
        pytest.param(by(plan_id="monthly"), id="another mode"),
        pytest.param(by(plan_id="lasting"), id="without the date on which its credits' life begins"),
        pytest.param(PERIOD, id="an invoice of a subscription"),
        *[pytest.param(report, id=f"life {n}") for n, report in enumerate(LIFE) if not isinstance(report, SaleReport)],
    ],
)
def test_what_depends_on_more_is_read_for(report: ProviderReport) -> None:
    """Also what would be parked, and what waits for money: nothing in it would be refused if it were wrong."""
    world = World()
    assert decide_unread(received(world, "evt_1", report), report, CATALOGUE, livemode=False) is None


def test_an_event_of_another_account_or_mode_is_read_for() -> None:
    """It is parked until it is known to be ours."""
    world = World()
    kept = received(world, "evt_1", SALE)
    assert decide_unread(kept, SALE, CATALOGUE, livemode=True) is None
    named = attrs.evolve(kept, event=attrs.evolve(kept.event, account="acct_1"))
    assert decide_unread(named, SALE, CATALOGUE, livemode=False) is None


@pytest.mark.parametrize(
    ("email", "terms", "reason"),
    [
        ("ada@example.com", None, None),
        ("ADA@example.com", None, None),
        ("bob@example.com", None, ParkReason.EMAIL_DISAGREES),
        ("bob@example.com", OWN_TERMS, None),
        (None, None, None),
    ],
)
def test_the_email_that_a_sale_claims_is_checked(email: str | None, terms: Terms | None, reason: str | None) -> None:
    """As by reading: in any case of letters, and not where the terms are ours."""
    world = World()
    recorded = world.deliver("evt_1", by(email=email, terms=terms))
    assert (reason, 0 if reason else 50) == (recorded.reason, world.balance())


def test_a_user_who_is_unknown_is_parked_and_not_lost() -> None:
    """The refused decision is made again by reading."""
    world = World()
    nobody = UserId("00000000-0000-0000-0000-00000000000f")
    delivery: Delivery = world.delivery("evt_1", by(user_reference=nobody))
    recorded = run(world.recorder.receive(delivery))
    assert (EventStatus.PARKED, ParkReason.UNKNOWN_USER) == (recorded.status, recorded.reason)
