"""A page of a subscription with many invoices: what it says is unchanged, and its work grows as their number does."""

import math
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from fractions import Fraction
from functools import partial
from types import FrameType
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

import domain
from domain.changes.changes import RecordedPurchase
from domain.credits.explanation import AccountExplanation, explain
from domain.credits.postings import PostingOrigin
from domain.credits.records import AccountRecord, PurchaseRecord
from domain.decisions.families import Family, settle_family
from domain.payments.credited_lines import invoice_link, issued, paid_invoices
from domain.payments.entitlements import entitlement, line_balances
from domain.payments.invoices import Line, LineKind, UnusedTime, is_same_item
from domain.payments.periods import periods_of
from domain.payments.purchases import PaymentStatus, Purchase, PurchaseId
from domain.payments.reversals import paid_share
from domain.payments.unused_time import _shares, returns_of
from domain.tests.biller import ANNUAL, MONTHLY, Change, Mode, billed, changes, purchases_of
from domain.tests.examples import ADA

Matches = list[tuple[UnusedTime, dict[tuple[str, Line], Fraction]]]


OF_PERIODS = ["subscription_item", "price_id", "unpaid", "paid late", "unpaid for", "of no credits"]


def matched(family: Sequence[Purchase]) -> Matches:
    """Return each unused time with its lines, found by comparing it with every line of the family."""
    paid = paid_invoices(family)
    given_back = [
        (not one.credited_lines, one.starts_at, len(possible), issued(giver), one.id, one, possible)
        for giver in paid
        for one in (giver.bill.unused if giver.bill else ())
        for possible in [possible_lines(one, giver, paid)]
    ]
    taken: dict[tuple[str, str], Fraction] = {}
    found: Matches = []
    for *_, one, possible in sorted(given_back, key=lambda each: each[:5]):
        shares = dict(_shares(one, possible, taken))
        for (link, line), part in shares.items():
            taken[link, line.id] = taken.get((link, line.id), Fraction(0)) + part
        found.append((one, shares))
    return found


def possible_lines(unused: UnusedTime, giver: Purchase, paid: Sequence[Purchase]) -> list[tuple[str, Line]]:
    lines = [
        (line.starts_at, issued(one), invoice_link(one), line.id, line)
        for one in paid
        if unused.credited_invoice is None or f"invoice:{unused.credited_invoice}" in one.links
        for line in (one.bill.lines if one.bill else ())
    ]
    named = [(each[2], each[4]) for each in lines if each[3] in unused.credited_lines]
    if named or (unused.credited_lines and unused.credited_invoice is None):
        return named
    siblings = [
        one
        for one in (giver.bill.unused if giver.bill else ())
        if (one.subscription_item, one.starts_at) == (unused.subscription_item, unused.starts_at)
    ]
    begun = [line.starts_at for line in (giver.bill.lines if giver.bill else ())]
    of_end = [each[4] for each in lines if each[4].ends_at == unused.ends_at and each[4].kind is not LineKind.TRIAL]
    items = {line.subscription_item for line in of_end} - {None}
    is_only_item = len(siblings) == 1 and unused.starts_at in begun and len(items) <= 1
    moment = (unused.starts_at, issued(giver))
    fitting = [
        each
        for each in sorted(lines, key=lambda each: each[:4], reverse=True)
        if each[4].ends_at == unused.ends_at
        and each[4].kind is not LineKind.TRIAL
        and (
            is_same_item(each[4], unused)
            or (is_only_item and None in {each[4].subscription_item, unused.subscription_item})
        )
        and each[1] <= (issued(giver) or math.inf)
    ]
    later = [
        each
        for each in sorted(fitting, key=lambda each: each[1], reverse=True)
        if each[0] > unused.starts_at and unused.starts_at.timestamp() < each[1] < issued(giver)
    ]
    before = [each for each in fitting if each[:2] < moment]
    last = max(((each[1], each[0]) for each in before), default=None)
    newest = [each for each in before if last is not None and each[0] == last[1]]
    own = invoice_link(giver)
    at_once = [
        each
        for each in fitting
        if each[0] == unused.starts_at and each[:2] >= moment and not (len(siblings) == 1 and each[2] == own)
    ]
    of_price = [
        each
        for each in (*newest, *at_once, *later)
        if None in {each[4].price_id, unused.price_id} or each[4].price_id == unused.price_id
    ]
    others = (*later, *(each for each in at_once if each[2] != own), *newest)
    return [(each[2], each[4]) for each in of_price or others]


def record_of(shown: Sequence[Purchase], family: Sequence[Purchase]) -> AccountRecord:
    purchases = [
        PurchaseRecord(id=PurchaseId(f"in_{number}"), purchase=one, posted=0) for number, one in enumerate(shown)
    ]
    return AccountRecord(user_id=ADA, account=None, purchases=tuple(purchases), family=tuple(family), entries=())


def assert_as_by_hand(page: AccountExplanation, everything: Sequence[Purchase]) -> None:
    """Raise unless each purchase of the page says what comparing everything with everything finds."""
    for known in page.purchases:
        bill = known.purchase.bill
        assert bill is not None
        family = [one for one in everything if one.bill and one.bill.subscription_id == bill.subscription_id]
        relatives = [one for one in family if one is not known.purchase]
        matches = matched([known.purchase, *relatives])
        parts: dict[tuple[str, str], Fraction] = {}
        for _, shares in matches:
            for (link, line), part in shares.items():
                parts[link, line.id] = parts.get((link, line.id), Fraction(0)) + part
        assert known.worth == entitlement(known.purchase, relatives, unused=parts)
        assert known.lines == line_balances(known.purchase, relatives, unused=parts)
        for returned in known.unused:
            credited = next((shares for one, shares in matches if one == returned.unused), {})
            invoices = sorted(link.removeprefix("invoice:") for link, _ in credited)
            assert returned.line_ids == tuple(sorted(line.id for _, line in credited))
            assert returned.invoice_id == (returned.unused.credited_invoice or (invoices[0] if invoices else None))


def vaguer(purchase: Purchase, what: str) -> Purchase:
    """Return the invoice as it is recorded when Stripe reports less of it, or when it is unpaid."""
    if what == "unpaid":
        return attrs.evolve(purchase, payment=PaymentStatus.UNPAID)
    assert purchase.bill is not None
    bill = purchase.bill
    less: dict[str, Any] = {what: () if what == "credited_lines" else None}
    if what == "paid late" and purchase.paid_at is not None:
        return attrs.evolve(purchase, paid_at=purchase.paid_at + timedelta(days=400))
    if what == "unpaid for":
        return attrs.evolve(purchase, never_paid=bill.total)
    if what == "of no credits":
        return attrs.evolve(
            purchase, bill=attrs.evolve(bill, lines=tuple(attrs.evolve(line, credits=0) for line in bill.lines))
        )
    if what == "issued_at":
        return attrs.evolve(purchase, bill=attrs.evolve(bill, issued_at=None))
    lines = bill.lines if what.startswith("credited") else tuple(attrs.evolve(line, **less) for line in bill.lines)
    unused = tuple(attrs.evolve(one, **less) for one in bill.unused)
    return attrs.evolve(purchase, bill=attrs.evolve(bill, lines=lines, unused=unused))


VAGUE = ["unpaid", "issued_at", "subscription_item", "price_id", "credited_lines", "credited_invoice"]


@given(
    steps=st.lists(changes, min_size=1, max_size=2),
    coupon=st.sampled_from([0, 50, 100]),
    mode=st.sampled_from(["classic", "included", "itemized"]),
    names_credited=st.booleans(),
    vague=st.dictionaries(st.integers(0, 9), st.sampled_from(VAGUE), max_size=4),
    shown=st.sets(st.integers(0, 19)),
)
def test_a_page_says_what_comparing_everything_finds(
    steps: list[list[Change]], coupon: int, mode: Mode, names_credited: bool, vague: dict[int, str], shown: set[int]
) -> None:
    """Whatever part of one or two subscriptions is on the page, and however little Stripe says of their lines."""
    everything: list[Purchase] = []
    for number, one in enumerate(steps):
        for invoice in purchases_of(billed(one, coupon, mode, names_credited=names_credited)):
            assert invoice.bill is not None
            bill = attrs.evolve(invoice.bill, subscription_id=f"sub_{number}")
            found = attrs.evolve(invoice, bill=bill)
            place = len(everything)
            everything.append(vaguer(found, vague[place]) if place in vague else found)
    on_page = [one for place, one in enumerate(everything) if place in shown]
    page = explain(record_of(on_page, [one for place, one in enumerate(everything) if place not in shown]))
    assert len(page.purchases) == len(on_page)
    assert_as_by_hand(page, everything)


def period_lines(family: Sequence[Purchase], line: Line) -> list[tuple[Purchase, Line]]:
    """Return the periods of the line's item that were sold, found by comparing it with every line of the family."""
    return [
        (one, other)
        for one in paid_invoices(family)
        for other in (one.bill.lines if one.bill else ())
        if other.kind is LineKind.PERIOD and is_same_item(line, other)
    ]


@given(
    steps=changes,
    months=st.integers(2, 4),
    vague=st.lists(st.tuples(st.integers(0, 4), st.sampled_from(OF_PERIODS)), max_size=8),
)
def test_periods_are_those_that_comparing_everything_finds(
    months: int, steps: list[Change], vague: list[tuple[int, str]]
) -> None:
    """Whichever of two lines has no item, no price or no payment."""
    passing = Change(hours=24 * 31 * months, plan=MONTHLY, seats=1, bills_now=True)
    family = purchases_of(billed([passing, *steps], 0, "classic", names_credited=False))
    for place, what in vague:
        if place < len(family):
            family[place] = vaguer(family[place], what)
    known = periods_of(family)
    for line in [line for one in family for line in (one.bill.lines if one.bill else ())]:
        found = period_lines(family, line)
        starts = [other.starts_at for _, other in found if other.ends_at == line.ends_at]
        assert min(starts, default=None) == known.start_of(line)
        later = [
            one.paid_at
            for one, other in found
            if other.starts_at >= line.ends_at and other.worth > 0 and one.paid_at and paid_share(one) > 0
        ]
        assert min(later, default=None) == known.paid_on_at(line)


def seat_changes(number: int, *, bills_now: bool = True) -> list[Purchase]:
    """Return the invoices of a yearly subscription with that many changes of seats, an hour apart."""
    steps = [Change(1, ANNUAL, 1 + turn % 2 * 2, bills_now) for turn in range(number)]
    return purchases_of(billed(steps, 0, "classic", names_credited=False))


def steps_of(work: Callable[[], object]) -> int:
    """Return how many lines of the domain's code some work runs, a comprehension's once for each of its items."""
    (folder,), steps = domain.__path__, 0

    def count(_frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal steps
        steps += event in {"line", "call"}
        return count

    def choose(frame: FrameType, event: str, argument: object) -> Any:
        is_domains = frame.f_code.co_filename.startswith(folder) and "tests" not in frame.f_code.co_filename
        return count(frame, event, argument) if is_domains else None

    before = sys.gettrace()
    sys.settrace(choose)
    try:
        work()
    finally:
        sys.settrace(before)
    return steps


@pytest.mark.parametrize("bills_now", [True, False], ids=["an invoice each", "one invoice"])
def test_matching_takes_steps_as_the_family_has_lines(bills_now: bool) -> None:
    """Twice as many changes of a yearly subscription, all with one period's end, take about twice the steps."""
    small, large = (seat_changes(number, bills_now=bills_now) for number in (40, 80))
    assert steps_of(lambda: returns_of(large)) < 2.3 * steps_of(lambda: returns_of(small))


def test_settling_takes_steps_as_the_family_has_invoices() -> None:
    """Each is valued by what was found once for all of them."""
    steps = []
    for family in (seat_changes(40), seat_changes(80)):
        members = tuple(
            RecordedPurchase(id=PurchaseId(f"in_{number}"), revision=1, purchase=one)
            for number, one in enumerate(family)
        )
        steps.append(steps_of(partial(settle_family, Family(members=members), PostingOrigin())))
    few, many = steps
    assert many < 2.3 * few


def test_a_page_takes_steps_as_the_family_has_invoices() -> None:
    """The page shows as many of them each time; and what matches them is not repeated for each one shown."""
    small, large = seat_changes(40), seat_changes(80)
    pages = [record_of(family[-20:], family[:-20]) for family in (small, large)]
    few, many = (steps_of(partial(explain, page)) for page in pages)
    assert many < 2.3 * few


def test_invoices_that_only_give_back_add_steps_as_they_are_many() -> None:
    """A page shows all that are nobody's order, so that their number has no bound but the family's."""
    pages = []
    for family in (seat_changes(40), seat_changes(80)):
        ends = [attrs.evolve(one, order=None, bill=attrs.evolve(one.bill, lines=())) for one in family[5:] if one.bill]
        pages.append(record_of([*family[:5], *ends], []))
    few, many = (steps_of(partial(explain, page)) for page in pages)
    assert many < 2.3 * few
