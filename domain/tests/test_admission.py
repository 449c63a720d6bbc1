"""Which sales become orders, and why the others are kept waiting."""

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest

from domain.payments.admission import ParkReason, Refused, admit, claimed_owner, origin_mismatch
from domain.payments.purchases import Link, Order, PaymentStatus, Purchase, PurchaseId
from domain.payments.reports import Attribution, InboxEvent, SaleReport
from domain.tests.examples import ADA, BOB, CATALOGUE, FIVE_DOLLARS, ORDER, STARTER
from domain.values.accounts import Account
from domain.values.money import Money
from domain.values.plans import Catalogue, PlanMode, Terms

ACCOUNT = Account(user_id=ADA, email="ada@example.com")
SALE = SaleReport(
    purchase_id=PurchaseId("pi_1"),
    session_id="cs_1",
    links=frozenset({Link("session:cs_1")}),
    mode=PlanMode.PAYMENT,
    facts=Purchase(payment=PaymentStatus.PAID),
    subtotal=FIVE_DOLLARS,
    paid=FIVE_DOLLARS,
    attribution=Attribution(user_reference=ADA, email="ada@example.com", plan_id="starter"),
)
EVENT = InboxEvent(id="evt_1", type="checkout.session.completed", body="{}", livemode=False)


def sale(**changes: Any) -> SaleReport:
    """The sale, told or named otherwise."""
    names = {field.name for field in attrs.fields(Attribution)}
    attribution = attrs.evolve(SALE.attribution, **{name: value for name, value in changes.items() if name in names})
    options = {name: value for name, value in changes.items() if name not in names}
    return attrs.evolve(SALE, attribution=attribution, **options)


def test_a_sale_that_agrees_with_everything_is_an_order() -> None:
    """Ada's 50 credits for $5.00."""
    assert ORDER == admit(SALE, CATALOGUE, ACCOUNT)


REFUSED: dict[str, tuple[dict[str, Any], ParkReason]] = {
    "nobody is named": ({"user_reference": None}, ParkReason.NO_USER_NAMED),
    "only the buyer's own reference names somebody": (
        {"user_reference": None, "client_reference": ADA},
        ParkReason.REFERENCE_UNCONFIRMED,
    ),
    "the user is no uuid": ({"user_reference": "ada"}, ParkReason.USER_NOT_A_UUID),
    "an empty user": ({"user_reference": ""}, ParkReason.USER_NOT_A_UUID),
    "another email": ({"email": "eve@example.com"}, ParkReason.EMAIL_DISAGREES),
    "no plan": ({"plan_id": None}, ParkReason.UNKNOWN_PLAN),
    "a plan that is not on sale": ({"plan_id": "gold"}, ParkReason.UNKNOWN_PLAN),
    "another mode": ({"mode": PlanMode.SUBSCRIPTION}, ParkReason.MODE_DISAGREES),
    "another currency": ({"subtotal": Money(amount=500, currency="eur")}, ParkReason.CURRENCY_DISAGREES),
    "a cent less": ({"subtotal": Money(amount=499, currency="usd")}, ParkReason.PRICE_DISAGREES),
    "a cent more": ({"subtotal": Money(amount=501, currency="usd")}, ParkReason.PRICE_DISAGREES),
    "the plan's price, when others were recorded": (
        {"terms": Terms(credits=50, price=Money(amount=400, currency="usd"))},
        ParkReason.PRICE_DISAGREES,
    ),
    "the plan's currency, when another was recorded": (
        {"terms": Terms(credits=50, price=Money(amount=500, currency="eur"))},
        ParkReason.CURRENCY_DISAGREES,
    ),
}


@pytest.mark.parametrize("how", REFUSED)
def test_a_sale_that_disagrees_waits(how: str) -> None:
    """Each disagreement has its own reason."""
    changes, reason = REFUSED[how]
    assert Refused(reason) == admit(sale(**changes), CATALOGUE, ACCOUNT)


@pytest.mark.parametrize("account", [None, Account(user_id=BOB, email="ada@example.com")])
def test_a_user_whom_the_ledger_does_not_know_waits(account: Account | None) -> None:
    """No account, or another's, is no owner: not even where the email is the same."""
    assert Refused(ParkReason.UNKNOWN_USER) == admit(SALE, CATALOGUE, account)


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("Ada@Example.COM", "ada@example.com"),
        ("stra\u00dfe@example.com", "STRASSE@example.com"),
        (None, "ada@example.com"),
        ("", "ada@example.com"),
        ("ada@example.com", None),
        ("ada@example.com", ""),
        (None, None),
    ],
)
def test_an_email_disagrees_only_where_both_are_known(text: str | None, known: str | None) -> None:
    """Case does not matter, and an email that is missing contradicts nobody."""
    assert ORDER == admit(sale(email=text), CATALOGUE, attrs.evolve(ACCOUNT, email=known))


def test_whom_we_named_ourselves_is_the_owner_whatever_the_address_is_now() -> None:
    """With our own terms it was we who wrote the user's id: an address may change between checkout and payment."""
    ours = sale(email="ada@before.example", terms=STARTER.terms)
    assert ORDER == admit(ours, CATALOGUE, ACCOUNT)
    elsewhere = sale(email="ada@before.example")
    assert Refused(ParkReason.EMAIL_DISAGREES) == admit(elsewhere, CATALOGUE, ACCOUNT)
    assert Refused(ParkReason.UNKNOWN_USER) == admit(ours, CATALOGUE, Account(user_id=BOB, email="ada@before.example"))


def test_a_user_named_by_us_needs_no_reference_of_the_buyer() -> None:
    """Where our own metadata names Ada, a payment link's reference to Bob is not heard."""
    assert ORDER == admit(sale(client_reference=BOB), CATALOGUE, ACCOUNT)


def test_a_user_in_upper_case_is_the_same_owner() -> None:
    """The owner of an order is in the canonical form."""
    assert ORDER == admit(sale(user_reference=ADA.upper()), CATALOGUE, ACCOUNT)


def test_the_terms_of_the_sale_go_before_the_catalogue() -> None:
    """Who bought 60 credits for $4.00 gets them, whatever the plan costs and holds today."""
    price = Money(amount=400, currency="usd")
    sold = sale(terms=Terms(credits=60, price=price), subtotal=price, paid=price)
    expected = Order(user_id=ADA, plan_id=STARTER.id, credits=60, amount=400, currency="usd")
    assert expected == admit(sold, CATALOGUE, ACCOUNT)


@pytest.mark.parametrize("paid", [0, 250, 595])
def test_an_order_remembers_what_was_paid_in_all(paid: int) -> None:
    """Discounts and tax change what was paid, not the price that is checked nor the credits."""
    expected = attrs.evolve(ORDER, amount=paid)
    assert expected == admit(sale(paid=Money(amount=paid, currency="usd")), CATALOGUE, ACCOUNT)


def test_an_order_is_in_the_currency_that_was_paid() -> None:
    """Where Stripe converts the price for the customer, refunds come in the customer's currency."""
    expected = attrs.evolve(ORDER, amount=462, currency="eur")
    assert expected == admit(sale(paid=Money(amount=462, currency="eur")), CATALOGUE, ACCOUNT)


def test_the_owner_is_whom_our_metadata_names() -> None:
    """The named user, or the reason why there is none."""
    assert ADA == claimed_owner(SALE.attribution)
    assert ParkReason.NO_USER_NAMED is claimed_owner(sale(user_reference=None).attribution)
    assert ParkReason.REFERENCE_UNCONFIRMED is claimed_owner(
        sale(user_reference=None, client_reference="ada").attribution
    )
    assert ParkReason.USER_NOT_A_UUID is claimed_owner(sale(user_reference="ada", client_reference=ADA).attribution)


@pytest.mark.parametrize("livemode", [True, False])
def test_an_event_of_the_other_mode_is_foreign(livemode: bool) -> None:
    """Test money buys nothing live, and live money nothing in a test."""
    event = attrs.evolve(EVENT, livemode=livemode)
    assert origin_mismatch(event, livemode=livemode) is None
    assert ParkReason.LIVEMODE_DISAGREES is origin_mismatch(event, livemode=not livemode)


@pytest.mark.parametrize("account", ["acct_1", ""])
def test_an_event_of_a_connected_account_is_foreign(account: str) -> None:
    """Another merchant's sale is not ours; the mode is reported first."""
    event = attrs.evolve(EVENT, account=account)
    assert ParkReason.CONNECTED_ACCOUNT is origin_mismatch(event, livemode=False)
    assert ParkReason.LIVEMODE_DISAGREES is origin_mismatch(event, livemode=True)


def test_an_event_that_names_our_own_account_is_ours() -> None:
    """As an organization's event destination tells it; the mode must be ours all the same."""
    event = attrs.evolve(EVENT, account="acct_own")
    assert origin_mismatch(event, livemode=False, own_account="acct_own") is None
    assert ParkReason.LIVEMODE_DISAGREES is origin_mismatch(event, livemode=True, own_account="acct_own")
    assert ParkReason.CONNECTED_ACCOUNT is origin_mismatch(event, livemode=False, own_account="acct_other")
    assert origin_mismatch(EVENT, livemode=False, own_account="acct_own") is None


LASTING = attrs.evolve(STARTER, expires_after_days=30)
MAY = datetime(2026, 5, 1, 12, tzinfo=UTC)


def test_credits_of_a_pack_end_so_many_days_after_its_sale() -> None:
    """By the time of the checkout itself, which all tell alike, until that of the payment is reported."""
    catalogue = Catalogue({LASTING.id: LASTING})
    lasting = attrs.evolve(ORDER, expires_at=MAY + timedelta(days=30), lasts_days=30)
    assert lasting == admit(sale(sold_at=MAY), catalogue, ACCOUNT)
    assert ORDER == admit(sale(sold_at=MAY), CATALOGUE, ACCOUNT)


def test_a_sale_of_which_nobody_says_when_it_was_waits() -> None:
    """Only where that matters: any guess would give the credits another end for each who tells."""
    catalogue = Catalogue({LASTING.id: LASTING})
    assert Refused(ParkReason.SALE_WITHOUT_DATE) == admit(SALE, catalogue, ACCOUNT)
    last = sale(sold_at=datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))
    assert Refused(ParkReason.SALE_WITHOUT_DATE) == admit(last, catalogue, ACCOUNT)
    assert ORDER == admit(SALE, CATALOGUE, ACCOUNT)
