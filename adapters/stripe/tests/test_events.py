"""Refunds, disputes, invoices and subscriptions in the shapes of ten API versions, each reported as the same news."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.stripe.events import CONCERNING, read_event
from domain.payments.disputes import Dispute, DisputeStatus, Movement
from domain.payments.invoices import CreditNote, CreditNoteStatus, NotedLine, NotedRefund
from domain.payments.purchases import ChargeRefunds, PaymentStatus, Purchase, Refund, RefundStatus
from domain.payments.reports import Attribution, Irrelevant, PaymentReport, SaleReport, SubscriptionReport, Unreadable
from domain.payments.subscriptions import SubscriptionState, SubscriptionStatus
from domain.tests.examples import ADA, NOON
from domain.values.money import Money
from domain.values.plans import PlanMode, Terms

BEGINS, ENDS = datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
PAID = datetime(2026, 5, 1, 1, tzinfo=UTC)
OURS = {"userId": ADA, "plan": "monthly", "credence_terms": "100/900/usd"}
ATTRIBUTION = Attribution(
    user_reference=ADA, plan_id="monthly", terms=Terms(credits=100, price=Money(amount=900, currency="usd"))
)
VERSIONS = [
    "2017-08-15",
    "2018-11-08",
    "2019-12-03",
    "2020-08-27",
    "2022-11-15",
    "2023-10-16",
    "2024-06-20",
    "2025-03-31.basil",
    "2025-09-30.clover",
    "2026-10-28.endive",
]
EXPANDED = [False, True]


def named(kind: str, id_: str, *, expanded: bool, **more: Any) -> Any:
    return {"id": id_, "object": kind, **more} if expanded else id_


def links(*expected: str) -> set[str]:
    return set(expected)


def news(event_type: str, about: dict[str, Any]) -> PaymentReport:
    report = read_event(event_type, about, NOON)
    assert isinstance(report, PaymentReport), report
    return report


def refund(**changes: Any) -> dict[str, Any]:
    return {
        "id": "re_1",
        "object": "refund",
        "amount": 250,
        "currency": "usd",
        "charge": "ch_1",
        "payment_intent": "pi_1",
        "metadata": {},
        "status": "succeeded",
        **changes,
    }


@pytest.mark.parametrize("event_type", ["refund.created", "refund.updated", "charge.refund.updated"])
@pytest.mark.parametrize("expanded", EXPANDED)
def test_a_refund_is_one_fact_of_its_payment(event_type: str, expanded: bool) -> None:
    """Whichever event reports it, by ids or with its charge and intent expanded."""
    about = refund(
        charge=named("charge", "ch_1", expanded=expanded, payment_intent="pi_1", metadata=OURS),
        payment_intent=named("payment_intent", "pi_1", expanded=expanded),
    )
    report = news(event_type, about)
    assert ("pi_1", {"payment_intent:pi_1", "charge:ch_1"}) == (report.purchase_id, set(report.links))
    known = Refund(id="re_1", amount=250, status=RefundStatus.SUCCEEDED, charge="ch_1")
    assert Purchase(refunds=(known,), currencies=frozenset({"usd"})) == report.facts
    assert (True if expanded else None) is report.ours


@pytest.mark.parametrize(
    ("event_type", "status", "expected"),
    [
        ("refund.created", "pending", RefundStatus.PENDING),
        ("refund.created", "requires_action", RefundStatus.PENDING),
        ("refund.updated", "canceled", RefundStatus.CANCELED),
        ("refund.updated", "failed", RefundStatus.FAILED),
        ("refund.failed", "failed", RefundStatus.FAILED),
        ("refund.failed", "succeeded", RefundStatus.FAILED),
        ("charge.refund.updated", None, RefundStatus.SUCCEEDED),
    ],
)
def test_a_refund_s_status_is_what_became_of_it(event_type: str, status: str | None, expected: RefundStatus) -> None:
    """In the words of any version; before 2018 there were none, for refunds were made at once."""
    (reported,) = news(event_type, refund(status=status)).facts.refunds
    assert expected is reported.status


def test_a_refund_of_a_bare_charge_waits_on_the_charge() -> None:
    """Before payment intents a charge was all there was."""
    report = news("charge.refund.updated", refund(payment_intent=None))
    assert ("ch_1", {"charge:ch_1"}) == (report.purchase_id, set(report.links))


def charge_of(version: str, *amounts: int, has_more: bool = False) -> dict[str, Any]:
    about: dict[str, Any] = {
        "id": "ch_1",
        "object": "charge",
        "amount": 2000,
        "amount_refunded": sum(amounts),
        "currency": "usd",
        "metadata": [] if version < "2018" else {},
        "payment_intent": None if version < "2018" else "pi_1",
    }
    if version < "2025-03-31":
        about["invoice"] = "in_1"
    if version < "2022-11-15":
        data = [refund(id=f"re_{place}", amount=amount) for place, amount in enumerate(amounts)]
        about["refunds"] = {"object": "list", "data": data, "has_more": has_more}
    return about


@pytest.mark.parametrize("version", VERSIONS)
def test_a_refunded_charge_reports_its_refunds_or_their_sum(version: str) -> None:
    """Until 2022-11-15 each refund by its id, since then only how much it is in all."""
    report = news("charge.refunded", charge_of(version, 100, 150))
    amounts = [one.amount for one in report.facts.refunds]
    totals = [one.amount for one in report.facts.refunded_totals]
    assert (([100, 150], []) if version < "2022-11-15" else ([], [250])) == (amounts, totals)
    assert ("invoice:in_1" in report.links) is (version < "2025-03-31")


def test_a_list_that_is_cut_off_reports_its_sum_too() -> None:
    """The refunds that are not shown count."""
    report = news("charge.refunded", charge_of("2020-08-27", 100, has_more=True))
    assert (ChargeRefunds(charge="ch_1", amount=100),) == report.facts.refunded_totals


def dispute(status: str, *moves: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": "dp_1",
        "object": "dispute",
        "amount": 500,
        "balance_transactions": [
            {"id": f"txn_{place}", "amount": move, "currency": "usd"} for place, move in enumerate(moves)
        ],
        "charge": "ch_1",
        "currency": "usd",
        "payment_intent": "pi_1",
        "status": status,
        **changes,
    }


@pytest.mark.parametrize(
    ("event_type", "about", "expected"),
    [
        ("created", dispute("needs_response"), DisputeStatus.NEEDS_RESPONSE),
        ("created", dispute("warning_needs_response"), DisputeStatus.WARNING_NEEDS_RESPONSE),
        ("updated", dispute("under_review", -500), DisputeStatus.UNDER_REVIEW),
        ("updated", dispute("under_review", -500, 500), DisputeStatus.REINSTATED),
        ("updated", dispute("warning_under_review"), DisputeStatus.WARNING_UNDER_REVIEW),
        ("funds_withdrawn", dispute("needs_response", -500), DisputeStatus.WITHDRAWN),
        ("funds_withdrawn", dispute("lost", -500), DisputeStatus.LOST),
        ("funds_reinstated", dispute("under_review", -500, 500), DisputeStatus.REINSTATED),
        ("funds_reinstated", dispute("won", -500, 500), DisputeStatus.REINSTATED),
        ("closed", dispute("won", -500), DisputeStatus.WON),
        ("closed", dispute("lost", -500), DisputeStatus.LOST),
        ("closed", dispute("prevented"), DisputeStatus.PREVENTED),
        ("closed", dispute("warning_closed"), DisputeStatus.WARNING_CLOSED),
        ("closed", dispute("charge_refunded"), DisputeStatus.CHARGE_REFUNDED),
    ],
)
def test_a_dispute_reports_where_the_money_is(event_type: str, about: dict[str, Any], expected: DisputeStatus) -> None:
    """By its status, and by the moves of the money where these say more."""
    report = news(f"charge.dispute.{event_type}", about)
    moved = [move["amount"] for move in about["balance_transactions"]]
    movements = tuple(Movement(id=f"txn_{place}", amount=move, currency="usd") for place, move in enumerate(moved))
    known = Dispute(id="dp_1", occurred_at=NOON, amount=500, status=expected, currency="usd", movements=movements)
    assert Purchase(disputes=(known,), currencies=frozenset({"usd"})) == report.facts
    assert {"payment_intent:pi_1", "charge:ch_1"} == set(report.links)


def invoice_of(version: str, *, metadata: Any = OURS, expanded: bool = False, **changes: Any) -> dict[str, Any]:
    """A renewal, paid; `metadata` is the subscription's."""
    is_new = version >= "2025-03-31"
    line: dict[str, Any] = {"id": "il_1" if version >= "2019-12" else "sub_1", "amount": 900, "quantity": 1}
    line |= {"currency": "usd", "period": {"start": int(BEGINS.timestamp()), "end": int(ENDS.timestamp())}}
    about: dict[str, Any] = {
        "id": "in_1",
        "object": "invoice",
        "billing_reason": "subscription_cycle" if version >= "2018-11" else "subscription",
        "amount_paid": 990,
        "currency": "usd",
        "metadata": {},
        "status": "paid",
        "subtotal": 900,
        "total": 990,
    }
    if version >= "2018-11":
        about["status_transitions"] = {"paid_at": int(PAID.timestamp())}
    subscription = named("subscription", "sub_1", expanded=expanded)
    if is_new:
        details = {"proration": False, "subscription": "sub_1", "subscription_item": "si_1"}
        priced = {"type": "price_details", "price_details": {"price": "price_1", "product": "prod_1"}}
        line |= {"pricing": {**priced, "unit_amount_decimal": "900"}, "discount_amounts": []}
        line["taxes"] = [{"amount": 90, "tax_behavior": "exclusive"}]
        line["parent"] = {"type": "subscription_item_details", "subscription_item_details": details}
        subscribed = {"subscription": subscription, "metadata": metadata}
        about["parent"] = {"type": "subscription_details", "subscription_details": subscribed}
        about["payments"] = {
            "data": [{"payment": {"type": "payment_intent", "payment_intent": "pi_1"}, "status": "paid"}]
        }
    else:
        line |= {"type": "subscription", "proration": False, "metadata": metadata, "subscription": "sub_1"}
        line["plan"] = {"id": "price_1", "object": "plan", "amount": 900, "currency": "usd", "interval": "month"}
        line["plan"] |= {"interval_count": 1, "product": "prod_1"}
        if version >= "2018":
            line["subscription_item"] = "si_1"
        if version >= "2020-08":
            price = {"id": "price_1", "unit_amount": 900, "currency": "usd", "product": "prod_1"}
            line["price"] = {**price, "recurring": {"interval": "month", "interval_count": 1}}
            line |= {"discount_amounts": [], "tax_amounts": [{"amount": 90, "inclusive": False}]}
        about["tax"] = 90
        about |= {
            "charge": named("charge", "ch_1", expanded=expanded),
            "paid": True,
            "payment_intent": named("payment_intent", "pi_1", expanded=expanded),
            "subscription": subscription,
        }
        if version >= "2023":
            about["subscription_details"] = {"metadata": metadata}
    if version < "2018-11":
        del about["status"]
    return {**about, "lines": {"object": "list", "data": [line]}, **changes}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("expanded", EXPANDED)
@pytest.mark.parametrize("event_type", ["invoice.paid", "invoice.payment_succeeded"])
def test_a_paid_period_is_one_sale_in_every_version(version: str, expanded: bool, event_type: str) -> None:
    """Owner, plan, price, what was paid with tax, and its line: the same, wherever the version keeps it."""
    report = read_event(event_type, invoice_of(version, expanded=expanded), NOON)
    assert isinstance(report, SaleReport), report
    assert ("in_1", "sub_1", PlanMode.SUBSCRIPTION) == (report.purchase_id, report.subscription_id, report.mode)
    assert (ATTRIBUTION, Money(amount=900, currency="usd"), Money(amount=990, currency="usd")) == (
        report.attribution,
        report.subtotal,
        report.paid,
    )
    # Before 2018-11 an invoice does not say when it was paid: then the event's own time counts.
    paid_at = PAID if version >= "2018-11" else NOON
    assert Purchase(payment=PaymentStatus.PAID, paid_at=paid_at) == report.facts
    assert report.lines is not None
    (line,) = report.lines
    assert (900, 900, 990, 1) == (line.amount, line.net, line.gross, line.quantity)
    assert (BEGINS, ENDS, False, True) == (line.starts_at, line.ends_at, line.is_proration, line.is_subscription)
    assert ("price_1", "prod_1", 900, "usd") == (
        line.price.id,
        line.price.product_id,
        line.price.unit_amount,
        line.price.currency,
    )
    # Lines of versions since 2025-03-31 show no interval.
    assert (None if version >= "2025-03-31" else "month") == line.price.interval
    assert ("si_1" if version >= "2018" else None) == line.subscription_item
    assert {"invoice:in_1", "payment_intent:pi_1"} <= set(report.links)
    assert [] == [link for link in report.links if link.startswith("subscription:")]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("metadata", [None, [], {}, {"theirs": "x"}])
def test_a_period_without_metadata_of_ours_names_nobody(version: str, metadata: Any) -> None:
    """The subscription is asked then; missing, null and `[]` are the same."""
    report = read_event("invoice.paid", invoice_of(version, metadata=metadata), NOON)
    assert isinstance(report, SaleReport), report
    assert (Attribution(), "sub_1") == (report.attribution, report.subscription_id)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_zero_invoice_is_a_sale_and_an_unpaid_one_is_none(version: str) -> None:
    """A coupon of all, a trial's first invoice, and one that is still open."""
    free = read_event("invoice.paid", invoice_of(version, total=0, amount_paid=0, tax=0, subtotal=0), NOON)
    assert isinstance(free, SaleReport)
    assert [900] == [line.amount for line in free.lines or ()]
    assert isinstance(read_event("invoice.paid", invoice_of(version, status="open", paid=False), NOON), Irrelevant)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_finalized_invoice_counts_where_nothing_is_left_to_be_paid(version: str) -> None:
    """A total of nothing, or below it, is settled at once; any other has to be paid first."""
    for total in (0, -100):
        settled = invoice_of(version, status="open", paid=False, total=total, amount_paid=0, tax=0, subtotal=total)
        assert isinstance(read_event("invoice.finalized", settled, NOON), SaleReport)
    asked = invoice_of(version, status="open", paid=False, amount_paid=0)
    assert isinstance(read_event("invoice.finalized", asked, NOON), Irrelevant)


@pytest.mark.parametrize("version", [version for version in VERSIONS if version < "2020-08"])
def test_a_discount_of_the_whole_invoice_is_its_lines_in_part(version: str) -> None:
    """Lines had no amounts of their own then: what a refund is measured by is what was paid all the same."""
    about = invoice_of(version, subtotal=1800, tax=90, total=990, amount_paid=990)
    (line,) = about["lines"]["data"]
    proration = {**line, "id": "ii_1", "type": "invoiceitem", "proration": True, "amount": 900}
    about["lines"]["data"] = [line, proration]
    report = read_event("invoice.paid", about, NOON)
    assert isinstance(report, SaleReport)
    assert report.lines is not None
    assert [(900, 0, 0), (900, 900, 990)] == [(one.amount, one.net, one.gross) for one in report.lines]
    assert 990 == report.paid.amount


@pytest.mark.parametrize("version", VERSIONS)
def test_prorations_are_lines_of_the_sale(version: str) -> None:
    """Alone and beside a period: each is known for the rest of one, or for unused time that is given back."""
    period = invoice_of(version)["lines"]["data"][0]
    if version >= "2025-03-31":
        details = {"proration": True, "subscription": "sub_1", "subscription_item": "si_1"}
        proration = {
            **period,
            "amount": 450,
            "parent": {"type": "invoice_item_details", "invoice_item_details": details},
        }
        item = {**period, "amount": 450}
        item["parent"] = {"type": "subscription_item_details", "subscription_item_details": details}
    else:
        proration = {**period, "amount": 450, "type": "invoiceitem", "proration": True}
        item = {**period, "amount": 450, "proration": True}
    for line in (proration, item):
        back = {**line, "id": "ii_2", "amount": -300}
        for lines in ([line], [line, period], [back, line, period], [back]):
            report = read_event("invoice.paid", invoice_of(version, lines={"data": lines}), NOON)
            assert isinstance(report, SaleReport)
            assert report.lines is not None
            expected = [(one["amount"], one is not period, one is back, True) for one in lines]
            assert expected == [
                (one.amount, one.is_proration, one.gives_back, one.is_subscription) for one in report.lines
            ]
            assert sum(one["amount"] for one in lines if one is not back) == report.subtotal.amount


def test_a_one_time_sale_s_invoice_only_links() -> None:
    """It is the paper of a payment that its session reports."""
    fee = {"id": "ii_1", "type": "invoiceitem", "amount": 900, "currency": "usd", "subscription": None}
    sold_once = {"billing_reason": "manual", "subscription": None, "lines": {"data": [fee]}}
    report = news("invoice.paid", invoice_of("2020-08-27", **sold_once))
    assert (Purchase(), {"invoice:in_1", "payment_intent:pi_1", "charge:ch_1"}) == (report.facts, set(report.links))
    alone = invoice_of("2026-10-28", **sold_once, parent=None, payments=None)
    assert isinstance(read_event("invoice.paid", alone, NOON), Irrelevant)


def test_an_invoice_payment_links_an_invoice_with_its_payment() -> None:
    """Since 2025-03-31 nothing else does."""
    about = {"id": "inpay_1", "invoice": "in_1", "payment": {"type": "payment_intent", "payment_intent": "pi_1"}}
    report = news("invoice_payment.paid", about)
    assert ("in_1", {"invoice:in_1", "payment_intent:pi_1"}, Purchase()) == (
        report.purchase_id,
        set(report.links),
        report.facts,
    )


def note(**changes: Any) -> dict[str, Any]:
    """A credit note that gives 250 of a line back by a refund, and 50 of nothing in particular."""
    lines = [
        {"id": "cnli_1", "amount": 250, "type": "invoice_line_item", "invoice_line_item": "il_1"},
        {"id": "cnli_2", "amount": 50, "type": "custom_line_item"},
    ]
    report = {"id": "cn_1", "object": "credit_note", "invoice": "in_1", "status": "issued", "currency": "usd"}
    report |= {"amount": 300, "pre_payment_amount": 0, "post_payment_amount": 300, "lines": {"data": lines}}
    return {**report, "refunds": [{"refund": "re_1", "amount_refunded": 300}], **changes}


def noted(about: dict[str, Any], event_type: str = "credit_note.created") -> CreditNote:
    report = news(event_type, about)
    assert ("in_1", {"invoice:in_1"}, None) == (report.purchase_id, set(report.links), report.ours)
    (reported,) = report.facts.credit_notes
    assert Purchase(credit_notes=(reported,), currencies=frozenset({"usd"})) == report.facts
    return reported


def test_a_credit_note_is_one_fact_of_its_invoice() -> None:
    """What it took off before the payment and gave back after it, by which refunds, and of which lines."""
    expected = CreditNote(
        id="cn_1",
        status=CreditNoteStatus.ISSUED,
        pre_payment=0,
        post_payment=300,
        refunds=(NotedRefund(refund_id="re_1", amount=300),),
        lines=(
            NotedLine(id="cnli_1", line_id="il_1", amount=250),
            NotedLine(id="cnli_2", line_id=None, amount=50),
        ),
    )
    assert expected == noted(note()) == noted(note(invoice={"id": "in_1", "object": "invoice"}))
    assert CreditNoteStatus.VOID is noted(note(status="void"), "credit_note.updated").status
    assert CreditNoteStatus.VOID is noted(note(), "credit_note.voided").status


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"type": "pre_payment"}, (300, 0, ())),
        ({"type": "post_payment"}, (0, 300, ())),
        ({"type": "post_payment", "refund": "re_1"}, (0, 300, (("re_1", 300),))),
        ({"type": "post_payment", "refund": {"id": "re_1"}, "out_of_band_amount": 100}, (0, 300, (("re_1", 200),))),
        ({"pre_payment_amount": 100, "post_payment_amount": None}, (100, 0, ())),
    ],
)
def test_a_credit_note_of_before_2025_is_of_one_kind(
    changes: dict[str, Any], expected: tuple[int, int, tuple[tuple[str, int], ...]]
) -> None:
    """Its one refund is of what it gave back, but for what was given out of band."""
    old = {key: value for key, value in note().items() if key not in ("pre_payment_amount", "post_payment_amount")}
    report = noted({**old, "refunds": None, **changes})
    refunds = tuple((one.refund_id, one.amount) for one in report.refunds)
    assert expected == (report.pre_payment, report.post_payment, refunds)


@pytest.mark.parametrize("is_new", [False, True])
def test_a_subscription_reports_how_it_stands(is_new: bool) -> None:
    """Its period is the subscription's own, or since 2025-03-31 its items'."""
    ends = {"current_period_end": int(ENDS.timestamp())}
    about = {"id": "sub_1", "status": "active", "cancel_at_period_end": True, "metadata": OURS}
    about |= {"items": {"data": [ends]}} if is_new else ends
    report = read_event("customer.subscription.updated", about, NOON)
    state = SubscriptionState(
        occurred_at=NOON, status=SubscriptionStatus.ACTIVE, cancels_at_period_end=True, period_ends_at=ENDS
    )
    assert SubscriptionReport(subscription_id="sub_1", attribution=ATTRIBUTION, state=state, occurred_at=NOON) == report
    ended = read_event("customer.subscription.deleted", about, NOON)
    assert isinstance(ended, SubscriptionReport)
    assert ended.state is not None
    assert SubscriptionStatus.CANCELED is ended.state.status


@pytest.mark.parametrize(
    ("event_type", "about"),
    [
        ("refund.created", refund(status="of a later version")),
        ("refund.created", refund(amount=None)),
        ("refund.created", refund(amount=-1)),
        ("charge.dispute.created", dispute("of a later version")),
        ("charge.dispute.created", dispute("withdrawn")),
        ("invoice.paid", invoice_of("2026-10-28", lines={"data": "none"})),
        ("invoice.paid", invoice_of("2026-10-28", total="990")),
        ("customer.subscription.updated", {"id": "sub_1", "status": "of a later version"}),
        ("invoice_payment.paid", {"id": "inpay_1"}),
        ("credit_note.created", note(invoice=None)),
        ("credit_note.created", note(status="of a later version")),
        ("credit_note.created", note(post_payment_amount="300")),
        ("credit_note.created", note(lines={"data": [{"id": "cnli_1"}]})),
        ("credit_note.created", note(refunds=[{"refund": "re_1"}])),
    ],
)
def test_a_newer_shape_is_kept_until_it_can_be_read(event_type: str, about: dict[str, Any]) -> None:
    """What can't be read is unreadable, not irrelevant."""
    assert isinstance(read_event(event_type, about, NOON), Unreadable)


VALID = [refund(), charge_of("2020-08-27", 100), dispute("lost", -5), note(), *map(invoice_of, VERSIONS)]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text("aZ0_ \x00\ud800é", max_size=4),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["id", "data", "amount"]), inner, max_size=2)
    ),
    max_leaves=4,
)


@settings(deadline=None)
@given(
    event_type=st.sampled_from(sorted(CONCERNING)),
    about=st.sampled_from(VALID),
    changes=st.dictionaries(st.sampled_from(sorted({key for one in VALID for key in one})), JSON, max_size=3),
    created=st.sampled_from([None, NOON]),
)
def test_any_shape_is_reported_as_something(
    event_type: str, about: dict[str, Any], changes: dict[str, Any], created: datetime | None
) -> None:
    """Nothing raises, and nothing that a database can't keep comes out."""
    report = read_event(event_type, {**about, **changes}, created)
    _can_be_kept(report)


LINES = [one["lines"]["data"][0] for one in map(invoice_of, VERSIONS)]
IN_PARTS = [*LINES, {"object": "line_item", "proration": True, "discounts": ["di_1"], "unique_id": "il_2"}]
WITHIN = sorted({key for one in IN_PARTS for key in one} | {"proration_details", "quantity_decimal", "credited_items"})


@settings(deadline=None)
@given(
    version=st.sampled_from(VERSIONS),
    changes=st.dictionaries(st.sampled_from(WITHIN), JSON, max_size=3),
    of_price=st.dictionaries(
        st.sampled_from(["id", "unit_amount", "unit_amount_decimal", "recurring", "metadata", "transform_quantity"]),
        JSON,
        max_size=2,
    ),
    whole=st.dictionaries(st.sampled_from(["tax", "subtotal", "total", "discount", "discounts", "created"]), JSON),
)
def test_any_shape_of_a_line_is_reported_as_something(
    version: str, changes: dict[str, Any], of_price: dict[str, Any], whole: dict[str, Any]
) -> None:
    """Nothing within a line raises either, nor what it is a part of."""
    about = invoice_of(version, **whole)
    (line,) = about["lines"]["data"]
    price = {**line["price"], **of_price} if "price" in line else {"object": "plan", **of_price}
    about["lines"]["data"] = [{**line, "price": price, **changes}, {**line, "proration": True, **changes}]
    _can_be_kept(read_event("invoice.paid", about, NOON))


@settings(deadline=None)
@given(
    changes=st.dictionaries(
        st.sampled_from(["id", "amount", "invoice_line_item", "refund", "amount_refunded", "currency"]), JSON
    )
)
def test_any_shape_of_a_list_is_reported_as_something(changes: dict[str, Any]) -> None:
    """What credit notes and disputes list."""
    within = [{"id": "cnli_1", "amount": 1, "refund": "re_1", "amount_refunded": 1, **changes}]
    for key in ("lines", "refunds"):
        _can_be_kept(read_event("credit_note.created", note(**{key: within}), NOON))
    _can_be_kept(read_event("charge.dispute.updated", dispute("lost", balance_transactions=within), NOON))


def _can_be_kept(report: object) -> None:
    if isinstance(report, PaymentReport | SaleReport):
        json.dumps(sorted(report.links)).encode()
        assert [] == [link for link in report.links if not link.isprintable()]
