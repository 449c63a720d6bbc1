"""Checkout sessions of every API version and shape, read as sales."""

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.stripe.events import read_event
from domain.payments.purchases import Link, PaymentStatus, Purchase, PurchaseId
from domain.payments.reports import Attribution, Irrelevant, ProviderReport, SaleReport, SubscriptionReport, Unreadable
from domain.tests.examples import ADA, FIVE_DOLLARS, NOON
from domain.values.money import MAX_AMOUNT, Money
from domain.values.plans import PlanMode, Terms

COMPLETED = "checkout.session.completed"
SUCCEEDED = "checkout.session.async_payment_succeeded"
FAILED = "checkout.session.async_payment_failed"
EXPIRED = "checkout.session.expired"
EVENTS = [None, COMPLETED, SUCCEEDED, FAILED, EXPIRED]


def read_session(reported_of: dict[str, object], *, event_type: str | None = None) -> ProviderReport:
    """What the session reports by an event, or, without one, as an answer of the API."""
    return read_event(event_type or COMPLETED, reported_of, NOON, retrieved=event_type is None)


def metadata(**changes: object) -> dict[str, object]:
    ours = {"userId": ADA, "userEmail": "ada@example.com", "plan": "starter", "credence_terms": "50/500/usd"}
    return {**ours, **changes}


def session(**changes: object) -> dict[str, object]:
    """A session that we created, complete and paid."""
    complete = {
        "id": "cs_1",
        "object": "checkout.session",
        "mode": "payment",
        "status": "complete",
        "payment_status": "paid",
        "payment_intent": "pi_1",
        "subscription": None,
        "amount_subtotal": 500,
        "amount_total": 595,
        "currency": "usd",
        "client_reference_id": ADA,
        "metadata": metadata(),
    }
    return {**complete, **changes}


def without(key: str) -> dict[str, object]:
    return {name: value for name, value in session().items() if name != key}


def sale(reported_of: dict[str, object], event_type: str | None = COMPLETED) -> SaleReport:
    report = read_session(reported_of, event_type=event_type)
    assert isinstance(report, SaleReport), report
    return report


SALE = SaleReport(
    purchase_id=PurchaseId("pi_1"),
    session_id="cs_1",
    links=frozenset({Link("session:cs_1"), Link("payment_intent:pi_1")}),
    mode=PlanMode.PAYMENT,
    facts=Purchase(payment=PaymentStatus.PAID, paid_at=NOON),
    subtotal=FIVE_DOLLARS,
    paid=Money(amount=595, currency="usd"),
    attribution=Attribution(
        user_reference=ADA,
        email="ada@example.com",
        plan_id="starter",
        terms=Terms(credits=50, price=FIVE_DOLLARS),
        client_reference=ADA,
    ),
)


def test_a_session_of_ours_is_a_sale() -> None:
    """Everything that the session says of the sale is reported, tax included in what is paid."""
    assert SALE == sale(session())


@pytest.mark.parametrize(
    ("event_type", "payment_status", "expected"),
    [
        (COMPLETED, "paid", PaymentStatus.PAID),
        (COMPLETED, "no_payment_required", PaymentStatus.PAID),
        (COMPLETED, "unpaid", PaymentStatus.UNPAID),
        (COMPLETED, "of a later API version", PaymentStatus.UNPAID),
        (SUCCEEDED, "paid", PaymentStatus.PAID),
        (SUCCEEDED, "unpaid", PaymentStatus.PAID),
        (SUCCEEDED, None, PaymentStatus.PAID),
        (FAILED, "unpaid", PaymentStatus.FAILED),
        (FAILED, None, PaymentStatus.FAILED),
        (EXPIRED, "unpaid", PaymentStatus.UNPAID),
        (EXPIRED, "no_payment_required", PaymentStatus.UNPAID),
        (None, "paid", PaymentStatus.PAID),
        (None, "no_payment_required", PaymentStatus.PAID),
        (None, "unpaid", PaymentStatus.UNPAID),
        (None, None, PaymentStatus.UNPAID),
        (None, ["paid"], PaymentStatus.UNPAID),
    ],
)
def test_the_event_says_how_far_the_payment_is(
    event_type: str | None, payment_status: object, expected: PaymentStatus
) -> None:
    """What happened outranks the status that the session had at that moment; an event of a payment tells its time."""
    report = sale(session(payment_status=payment_status), event_type)
    is_dated = expected is PaymentStatus.PAID and event_type is not None
    assert Purchase(payment=expected, paid_at=NOON if is_dated else None) == report.facts
    assert (event_type in {EXPIRED, FAILED}) is report.is_over


@pytest.mark.parametrize("event_type", [None, COMPLETED, SUCCEEDED])
def test_a_charge_that_is_shown_says_when_it_was_paid(event_type: str | None) -> None:
    """Rather than the event, and never whoever asked; what is not paid has no time of payment."""
    intent = {"id": "pi_1", "latest_charge": {"id": "ch_1", "created": int(NOON.timestamp()) - 60}}
    paid = Purchase(payment=PaymentStatus.PAID, paid_at=NOON - timedelta(minutes=1))
    assert paid == sale(session(payment_intent=intent), event_type).facts
    failed = sale(session(payment_intent=intent, payment_status="unpaid"), None)
    assert Purchase(payment=PaymentStatus.UNPAID) == failed.facts


@pytest.mark.parametrize("status", ["open", "expired"])
def test_a_free_order_that_was_never_confirmed_is_not_paid(status: str) -> None:
    """Asked for, a session that the customer did not complete needs no payment and earns no credits."""
    report = sale(session(status=status, payment_status="no_payment_required", payment_intent=None), None)
    assert Purchase(payment=PaymentStatus.UNPAID) == report.facts


@pytest.mark.parametrize("event_type", [None, COMPLETED, SUCCEEDED])
@pytest.mark.parametrize("subscription", ["sub_1", {"id": "sub_1", "object": "subscription"}])
def test_a_subscription_s_session_reports_who_subscribed(event_type: str | None, subscription: object) -> None:
    """Its invoices are the payments, so nothing of the session reports one, nor leads to one."""
    report = read_session(
        session(mode="subscription", payment_intent=None, subscription=subscription, invoice="in_1"),
        event_type=event_type,
    )
    expected = SubscriptionReport(
        subscription_id="sub_1", attribution=SALE.attribution, session_id="cs_1", occurred_at=NOON
    )
    assert expected == report


@pytest.mark.parametrize("event_type", [FAILED, EXPIRED])
def test_a_subscription_that_did_not_begin_is_none(event_type: str) -> None:
    """Nobody subscribed."""
    report = read_session(session(mode="subscription", subscription="sub_1"), event_type=event_type)
    assert isinstance(report, Irrelevant)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"payment_intent": "pi_2"}, "pi_2"),
        ({"payment_intent": {"id": "pi_2", "object": "payment_intent", "amount": 595}}, "pi_2"),
        ({"payment_intent": None}, "cs_1"),
        ({"payment_intent": ""}, "cs_1"),
        ({"payment_intent": "pi_2", "subscription": "sub_1"}, "pi_2"),
    ],
)
def test_a_purchase_is_named_by_what_is_paid(changes: dict[str, object], expected: str) -> None:
    """The payment intent, as an id or expanded; the session where there is none."""
    assert expected == sale(session(**changes)).purchase_id


def test_every_object_of_the_payment_is_linked() -> None:
    """What the session names of Stripe's objects leads to the purchase later."""
    report = sale(session(invoice={"id": "in_1", "object": "invoice"}, subscription="sub_1"))
    expected = {"session:cs_1", "payment_intent:pi_1", "invoice:in_1"}
    assert expected == set(report.links)
    assert {"session:cs_1"} == set(sale(without("payment_intent")).links)


def test_a_converted_price_is_compared_in_its_own_currency() -> None:
    """Adaptive Pricing of old API versions: the buyer pays in euros what is priced in dollars."""
    conversion = {"amount_subtotal": 500, "amount_total": 595, "fx_rate": "0.9", "source_currency": "usd"}
    report = sale(session(currency="eur", amount_subtotal=450, amount_total=536, currency_conversion=conversion))
    assert (FIVE_DOLLARS, Money(amount=536, currency="eur")) == (report.subtotal, report.paid)


def test_currencies_are_read_in_either_case() -> None:
    """Stripe writes them in lower case, and takes them in upper case."""
    assert FIVE_DOLLARS == sale(session(currency="USD")).subtotal


@pytest.mark.parametrize("amount", [0, 1, MAX_AMOUNT])
def test_amounts_up_to_the_bound_are_read(amount: int) -> None:
    """From nothing to the most that Stripe allows."""
    assert amount == sale(session(amount_total=amount)).paid.amount


NOT_AMOUNTS = [None, -1, True, 5.0, "500", [500], {}, MAX_AMOUNT + 1, 10**30]
NOT_CURRENCIES = [None, 840, "", "us", "usdt", "u d", "\u0440\u0443\u0431", ["usd"]]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("amount_total", value) for value in NOT_AMOUNTS),
        *(("amount_subtotal", value) for value in NOT_AMOUNTS),
        *(("currency", value) for value in NOT_CURRENCIES),
        *(("id", value) for value in [None, "", 7, {}, "cs 1", "cs_\x00", "cs_\ud800", "c" * 256]),
        *(("mode", value) for value in [None, "", "donation", 7, ["payment"], {}]),
        *(("payment_status", value) for value in [None, 7, ["paid"], {}]),
        *(("payment_intent", value) for value in [7, [], {}, {"id": None}, {"id": 7}, "pi \u00e9", "pi_\ud800"]),
        ("invoice", "in_\x00"),
        *(("currency_conversion", value) for value in [7, "usd", [], True]),
        *(("metadata", value) for value in [7, "userId", ["userId"], True]),
    ],
)
def test_a_field_that_can_not_be_read_is_named(field: str, value: object) -> None:
    """What we need and can't read makes the whole unreadable, and the reason says which field it was."""
    report = read_session(session(**{field: value}), event_type=COMPLETED)
    assert isinstance(report, Unreadable), report
    assert field in report.reason
    assert report.reason.isprintable()


@pytest.mark.parametrize("field", ["id", "mode", "amount_total", "amount_subtotal", "currency", "payment_status"])
def test_a_field_that_is_missing_is_named(field: str) -> None:
    """A session without it can't become a purchase; it is kept until it can."""
    report = read_session(without(field), event_type=COMPLETED)
    assert isinstance(report, Unreadable), report
    assert field in report.reason


@pytest.mark.parametrize(("key", "value"), [("amount_subtotal", None), ("source_currency", None)])
def test_half_a_conversion_is_unreadable(key: str, value: object) -> None:
    """A conversion without its amount or currency is not mended with the buyer's."""
    conversion = {"amount_subtotal": 500, "source_currency": "usd", key: value}
    report = read_session(session(currency_conversion=conversion), event_type=COMPLETED)
    assert isinstance(report, Unreadable)
    assert f"currency_conversion.{key}" in report.reason


@pytest.mark.parametrize("key", ["userId", "userEmail", "plan", "credence_terms"])
@pytest.mark.parametrize("value", [7, True, [], {}, "a\x00b", "a\ud800b", "x" * 501])
def test_metadata_of_ours_that_is_no_text_is_unreadable(key: str, value: object) -> None:
    """Nothing that a database can't keep comes out of the metadata."""
    report = read_session(session(metadata=metadata(**{key: value})), event_type=COMPLETED)
    assert isinstance(report, Unreadable), report
    assert key in report.reason


def test_metadata_of_others_does_not_matter() -> None:
    """Another integration's keys beside ours are none of our business, whatever they hold."""
    assert SALE == sale(session(metadata=metadata(theirs=[None, 7, "\x00"])))


@pytest.mark.parametrize(
    "terms",
    [
        "50",
        "50/500",
        "50/500/usd/",
        "50/500/USD",
        "-50/500/usd",
        "50/5.00/usd",
        "0/500/usd",
        "50 /500/usd",
        "\u0665\u0660/500/usd",
        "9999999999999/500/usd",
        "50/9999999999999/usd",
    ],
)
def test_malformed_terms_are_not_replaced_by_the_catalogue_s(terms: str) -> None:
    """Terms that can't be read were promised all the same: a person must look."""
    report = read_session(session(metadata=metadata(credence_terms=terms)), event_type=COMPLETED)
    assert isinstance(report, Unreadable), report
    assert "credence_terms" in report.reason


@pytest.mark.parametrize("blank", [None, "", " ", "\n"])
def test_blank_metadata_is_absent(blank: str | None) -> None:
    """A blank value is how some forms say that there is none."""
    blanks = metadata(userId=blank, userEmail=blank, credence_terms=blank)
    attribution = attrs.evolve(SALE.attribution, user_reference=None, email=None, terms=None)
    assert attrs.evolve(SALE, attribution=attribution) == sale(session(metadata=blanks))


@pytest.mark.parametrize("blanks", [" ", "\n", "\t ", "\u00a0", " " * 600])
def test_blanks_around_metadata_are_trimmed(blanks: str) -> None:
    """Who copied a plan's id into a form need not see them."""
    around = {key: f"{blanks}{value}{blanks}" for key, value in metadata().items()}
    assert {"userId", "userEmail", "plan", "credence_terms"} == around.keys()
    assert SALE == sale(session(metadata=around))


@pytest.mark.parametrize("reference", ["cart-42", "", None, 7, ["x"], ADA.replace("-", ""), f"{{{ADA}}}", ADA + "\n"])
def test_only_a_uuid_proposes_an_owner(reference: object) -> None:
    """Any other reference is another application's."""
    assert sale(session(client_reference_id=reference)).attribution.client_reference is None


@pytest.mark.parametrize("value", [None, [], {}, {"userEmail": "ada@example.com"}, {"plan": " "}, {"theirs": 7}])
@pytest.mark.parametrize("broken", [{}, {"amount_total": None}, {"mode": "donation"}])
def test_a_session_of_another_application_is_irrelevant(value: object, broken: dict[str, Any]) -> None:
    """Without metadata of ours it is none of our business, in whatever shape."""
    report = read_session(session(metadata=value, client_reference_id="cart-42", **broken), event_type=COMPLETED)
    assert Irrelevant("no metadata from Credence") == report


@pytest.mark.parametrize("ours", [{"userId": "somebody"}, {"plan": "starter"}, {"credence_terms": "50/500/usd"}])
def test_one_key_of_ours_makes_it_ours(ours: dict[str, str]) -> None:
    """A sale that names only a part of what is needed must be looked at, not passed over."""
    assert isinstance(read_session(session(metadata=ours, client_reference_id=None)), SaleReport)


def test_a_payment_link_with_a_user_s_reference_is_a_sale() -> None:
    """It only proposes an owner: the metadata names none."""
    report = sale({**session(client_reference_id=ADA), "metadata": {}})
    assert (None, ADA) == (report.attribution.user_reference, report.attribution.client_reference)


@pytest.mark.parametrize("event_type", EVENTS)
def test_a_setup_session_sells_nothing(event_type: str | None) -> None:
    """A card that is saved for later is no sale."""
    assert isinstance(read_session(session(mode="setup"), event_type=event_type), Irrelevant)


TEXTS = st.text("aZ09_/- \x00\n\u00e9\u0665\ud800\U0001f9fe", max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.just("id") | TEXTS, inner, max_size=2),
    max_leaves=4,
)


@settings(deadline=None)
@given(
    changes=st.dictionaries(st.sampled_from([*session(), "invoice", "currency_conversion"]), JSON),
    ours=st.dictionaries(st.sampled_from(list(metadata())), JSON),
    event_type=st.sampled_from(EVENTS),
)
def test_any_shape_is_reported_as_something(
    changes: dict[str, object], ours: dict[str, object], event_type: str | None
) -> None:
    """No object raises, and no text that a database can't keep comes out of a sale."""
    report = read_session({**session(metadata=metadata(**ours)), **changes}, event_type=event_type)
    match report:
        case SaleReport():
            texts = [report.session_id, report.purchase_id, *report.links]
            named = (report.attribution.user_reference, report.attribution.email, report.attribution.plan_id)
            texts += [text for text in named if text is not None]
            assert [] == [text for text in texts if not text.strip() or "\x00" in text or not text.encode("utf-8")]
        case Irrelevant(reason) | Unreadable(reason):
            assert reason.isprintable()


@pytest.mark.parametrize("event_type", [*EVENTS])
def test_a_session_says_when_it_was_sold(event_type: str | None) -> None:
    """The same moment by whatever event, and when it is asked for; never the time of the report."""
    began = datetime(2026, 4, 30, 23, 59, 59, tzinfo=UTC)
    assert began == sale(session(created=int(began.timestamp())), event_type).sold_at


@pytest.mark.parametrize("created", [None, "1777593599", -1, True, 1777593599.5])
def test_a_session_without_a_readable_date_has_none(created: object) -> None:
    """The sale is reported all the same; only credits that expire have to know."""
    assert sale(session(created=created)).sold_at is None
