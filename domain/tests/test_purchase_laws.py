"""The laws of purchases: whatever is reported, in any order and however often, ends in the same credits.

The laws are functions of the rules they hold to, so that the same laws can be shown to catch planted bugs.
"""

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import TypeVar

import attrs
import pytest
from hypothesis import HealthCheck, Phase, example, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from domain.credits.ledger import LedgerEntry, Posted, PostedByPeriod, Posting, period_of, post
from domain.credits.postings import postings_due
from domain.payments.disputes import Dispute, DisputeStatus, Movement
from domain.payments.entitlements import entitlement, grants_due, line_balances
from domain.payments.invoices import (
    Bill,
    CreditNote,
    CreditNoteStatus,
    Line,
    LineKind,
    NotedLine,
    NotedRefund,
    UnusedTime,
)
from domain.payments.purchases import (
    ChargeRefunds,
    Link,
    Order,
    PaymentStatus,
    Purchase,
    PurchaseId,
    Refund,
    RefundStatus,
    learn,
    merge,
)
from domain.payments.reversals import reversed_amount
from domain.tests.biller import ANNUAL, MONTHLY, Change, Mode, billed, changes, others, purchases_of
from domain.tests.examples import ADA, BOB
from domain.values.accounts import Account, UserId
from domain.values.plans import PlanId

PAYMENT = PurchaseId("pi_1")
START = datetime(2026, 1, 1, tzinfo=UTC)

Kept = TypeVar("Kept", Movement, NotedLine, Line, UnusedTime)


def by_id(records: st.SearchStrategy[Kept]) -> st.SearchStrategy[tuple[Kept, ...]]:
    """At most two of them, one per id, sorted by it, as they are read."""
    found = st.lists(records, max_size=2, unique_by=lambda record: record.id)
    return found.map(lambda listed: tuple(sorted(listed, key=lambda record: record.id)))


amounts = st.sampled_from([0, 1, 100, 250, 500, 999])
orders = st.builds(
    Order,
    user_id=st.sampled_from([ADA, BOB]),
    plan_id=st.just(PlanId("starter")),
    credits=st.sampled_from([1, 50, 77]),
    amount=st.sampled_from([0, 1, 500]),
    currency=st.just("usd"),
)
refunds = st.builds(
    Refund,
    id=st.sampled_from(["re_1", "re_2", "re_3"]),
    amount=amounts,
    status=st.sampled_from(RefundStatus),
    charge=st.sampled_from([None, "ch_1", "ch_2"]),
)
disputes = st.builds(
    Dispute,
    id=st.sampled_from(["dp_1", "dp_2"]),
    occurred_at=st.integers(0, 3).map(lambda seconds: START + timedelta(seconds=seconds)),
    amount=amounts,
    status=st.sampled_from(DisputeStatus),
    currency=st.sampled_from([None, "usd", "eur"]),
    movements=by_id(
        st.builds(
            Movement,
            id=st.sampled_from(["txn_1", "txn_2"]),
            amount=st.sampled_from([-999, -500, -100, 100, 500]),
            currency=st.sampled_from(["usd", "eur"]),
        )
    ),
)
times = st.integers(0, 3).map(lambda days: START + timedelta(days=days))
notes = st.builds(
    CreditNote,
    id=st.sampled_from(["cn_1", "cn_2"]),
    status=st.sampled_from(CreditNoteStatus),
    pre_payment=amounts,
    post_payment=amounts,
    refunds=st.lists(
        st.builds(NotedRefund, refund_id=st.sampled_from(["re_1", "re_2"]), amount=amounts),
        max_size=2,
        unique_by=lambda listed: listed.refund_id,
    ).map(lambda listed: tuple(sorted(listed))),
    lines=by_id(
        st.builds(
            NotedLine,
            id=st.sampled_from(["cnli_1", "cnli_2"]),
            line_id=st.sampled_from([None, "li_1", "li_2"]),
            amount=st.sampled_from([-100, 0, 250, 500]),
        )
    ),
)
lines = st.builds(
    Line,
    id=st.sampled_from(["li_1", "li_2", "li_3"]),
    kind=st.sampled_from(LineKind),
    plan_id=st.just("starter"),
    credits=st.sampled_from([0, 1, 50, 77]),
    parts=st.sampled_from([1, 3]),
    interval=st.sampled_from([None, "day"]),
    plan_credits=st.just(50),
    unit_amount=st.sampled_from(["0", "500"]),
    amount=amounts,
    net=amounts,
    starts_at=st.just(START),
    ends_at=times,
    subscription_item=st.sampled_from([None, "si_1"]),
)
unused = st.builds(
    UnusedTime,
    id=st.sampled_from(["li_8", "li_9"]),
    amount=amounts,
    starts_at=times,
    ends_at=times,
    subscription_item=st.sampled_from([None, "si_1"]),
    credited_lines=st.sampled_from([(), ("li_1",), ("li_1", "li_2")]),
)
bills = st.builds(
    Bill,
    subscription_id=st.sampled_from(["sub_1", "sub_2"]),
    lines=by_id(lines),
    unused=by_id(unused),
    total=amounts,
    issued_at=st.one_of(st.none(), times),
)
links = st.frozensets(st.sampled_from([Link("session:cs_1"), Link("charge:ch_1")]))
totals = st.builds(ChargeRefunds, charge=st.sampled_from(["", "ch_1", "ch_2"]), amount=amounts)
paid_at = st.builds(Purchase, paid_at=times)
uncollected: st.SearchStrategy[Purchase] = st.one_of(
    st.builds(Purchase, never_paid=amounts),
    st.builds(Purchase, overpaid=amounts),
    st.builds(Purchase, uncaptured_refunds=amounts),
)
facts: st.SearchStrategy[Purchase] = st.one_of(
    paid_at,
    uncollected,
    st.builds(Purchase, credit_notes=st.tuples(notes)),
    st.builds(Purchase, bill=bills),
    st.builds(Purchase, order=orders),
    st.builds(Purchase, payment=st.sampled_from(PaymentStatus)),
    st.builds(Purchase, refunds=st.tuples(refunds)),
    st.builds(Purchase, refunded_totals=st.tuples(totals)),
    st.builds(Purchase, disputes=st.tuples(disputes)),
    st.builds(Purchase, links=links),
)
reported = st.lists(facts, max_size=8)
# Most random reports leave nothing to post, so half of them begin with a paid order.
paid = st.builds(
    lambda order, rest: [Purchase(order=order), Purchase(payment=PaymentStatus.PAID), *rest],
    orders,
    st.lists(facts, max_size=6),
)
reports = st.one_of(reported, paid)
purchases = reports.map(lambda known: learn(Purchase(), known))


@attrs.frozen(kw_only=True)
class Rules:
    """The rules that the laws hold to: the real ones, or those of a planted bug."""

    learn: Callable[[Purchase, Sequence[Purchase]], Purchase] = learn
    worth: Callable[[Purchase], int] = entitlement
    due: Callable[..., tuple[Posting, ...]] = postings_due


REAL = Rules()


@attrs.define
class Ledger:
    """Accounts and entries, kept as simply as can be: an entry whose key stands already is not written."""

    accounts: dict[UserId, Account] = attrs.field(factory=dict)
    entries: list[LedgerEntry] = attrs.field(factory=list)

    def write(self, postings: Sequence[Posting]) -> None:
        for posting in postings:
            if posting.idempotency_key in {entry.posting.idempotency_key for entry in self.entries}:
                continue
            account = self.accounts.get(posting.user_id, Account(user_id=posting.user_id))
            self.accounts[posting.user_id], entry = post(account, posting, now=START)
            self.entries.append(entry)

    def posted(self) -> PostedByPeriod:
        sums: dict[datetime | None, dict[UserId, int]] = {}
        for entry in self.entries:
            of_period = sums.setdefault(period_of(entry.posting), {})
            of_period[entry.posting.user_id] = of_period.get(entry.posting.user_id, 0) + entry.posting.amount
        return {period: Posted(by_user) for period, by_user in sums.items()}


def learn_one_by_one(rules: Rules, heard: Sequence[Purchase]) -> tuple[Purchase, Ledger]:
    """Each fact as an event of its own: learn it, and post what is due."""
    purchase, ledger, revision = Purchase(), Ledger(), 0
    for fact in heard:
        after = rules.learn(purchase, [fact])
        if after == purchase:
            continue
        revision += 1
        ledger.write(rules.due(PAYMENT, after, ledger.posted(), revision=revision))
        purchase = after
    return purchase, ledger


def credits_by_user(ledger: Ledger) -> dict[UserId, int]:
    """Who has credits for the purchase, and how many."""
    sums = {user: account.balance for user, account in ledger.accounts.items()}
    return {user: amount for user, amount in sums.items() if amount != 0}


def order_does_not_show(rules: Rules, heard: Sequence[Purchase], otherwise: Sequence[Purchase]) -> bool:
    """Two reports of the same facts end in the same worth and the same credits."""
    purchase, ledger = learn_one_by_one(rules, heard)
    other_purchase, other_ledger = learn_one_by_one(rules, otherwise)
    return rules.worth(purchase) == rules.worth(other_purchase) and credits_by_user(ledger) == credits_by_user(
        other_ledger
    )


def entries_sum_to_worth(rules: Rules, heard: Sequence[Purchase]) -> bool:
    """What was posted is what the purchase is worth: with its owner, and with nobody else."""
    purchase, ledger = learn_one_by_one(rules, heard)
    worth = rules.worth(purchase)
    expected = {purchase.order.user_id: worth} if purchase.order is not None and worth else {}
    return expected == credits_by_user(ledger)


def repetitions(heard: st.SearchStrategy[list[Purchase]]) -> st.SearchStrategy[tuple[list[Purchase], list[Purchase]]]:
    """A report, and a permutation of it with repetitions."""
    return heard.flatmap(
        lambda first: st.tuples(
            st.just(first),
            st.lists(st.sampled_from(first), max_size=4).flatmap(lambda more: st.permutations(first + more))
            if first
            else st.just([]),
        )
    )


@given(purchases, purchases)
def test_merge_is_commutative(one: Purchase, other: Purchase) -> None:
    """It does not matter who is asked first."""
    assert merge(one, other) == merge(other, one)


@given(purchases, purchases, purchases)
def test_merge_is_associative(one: Purchase, other: Purchase, third: Purchase) -> None:
    """It does not matter which two are joined first."""
    assert merge(merge(one, other), third) == merge(one, merge(other, third))


@given(purchases)
def test_merge_is_idempotent(one: Purchase) -> None:
    """What is known already changes nothing."""
    assert one == merge(one, one)


@given(purchases)
def test_nothing_known_changes_nothing(one: Purchase) -> None:
    """The empty purchase is neutral."""
    assert one == merge(one, Purchase()) == merge(Purchase(), one)


@given(reports)
def test_learning_is_joining(heard: list[Purchase]) -> None:
    """To learn facts is to join the smallest purchases that know them."""
    joined = Purchase()
    for fact in reversed(heard):
        joined = merge(fact, joined)
    assert joined == learn(Purchase(), heard)


@given(repetitions(reports))
def test_the_order_and_repetition_of_facts_do_not_show(pair: tuple[list[Purchase], list[Purchase]]) -> None:
    """Any permutation with repetitions of any facts gives the same worth and the same sum of entries."""
    assert order_does_not_show(REAL, *pair)


@given(reports)
def test_entries_sum_to_the_entitlement(heard: list[Purchase]) -> None:
    """After every report the entries of a purchase sum to its worth, for its owner alone."""
    assert entries_sum_to_worth(REAL, heard)


@given(reports)
def test_balances_are_the_sum_of_entries(heard: list[Purchase]) -> None:
    """Each entry carries the balance before and after, versions have no gap, and the last one is the balance."""
    _, ledger = learn_one_by_one(REAL, heard)
    for user, account in ledger.accounts.items():
        entries = [entry for entry in ledger.entries if entry.posting.user_id == user]
        assert account.balance == sum(entry.posting.amount for entry in entries)
        assert list(range(1, account.version + 1)) == [entry.version for entry in entries]
        balance = 0
        for entry in entries:
            assert balance == entry.balance_before
            balance += entry.posting.amount
            assert balance == entry.balance_after


def promised(purchase: Purchase) -> int:
    """The credits of a pack, or those of all lines of an invoice."""
    if purchase.order is None:
        return 0
    bill = purchase.bill
    return purchase.order.credits if bill is None else math.floor(sum(line.worth for line in bill.lines))


def owed_at_most(purchase: Purchase) -> int:
    """What disputes may take beyond what is there: of an invoice all that its lines brought, grant by grant."""
    if purchase.order is None or purchase.bill is None or not purchase.disputes:
        return 0
    worths: dict[datetime, Fraction] = {}
    for line in purchase.bill.lines:
        worths[line.ends_at] = worths.get(line.ends_at, Fraction(0)) + line.worth
    return sum(map(math.ceil, worths.values()))


@given(purchases)
def test_worth_is_bounded(purchase: Purchase) -> None:
    """Between nothing and what was promised, or a debt as large if an invoice is disputed; nothing while not paid."""
    assert -owed_at_most(purchase) <= entitlement(purchase) <= promised(purchase)
    if purchase.payment is not PaymentStatus.PAID:
        assert 0 == entitlement(purchase)


@given(orders.filter(lambda order: order.amount > 0), reports)
def test_a_full_refund_leaves_nothing(order: Order, heard: list[Purchase]) -> None:
    """Once all the money is back no credit is left, whatever else is known."""
    refund = Refund(id="re_full", amount=999, status=RefundStatus.SUCCEEDED)
    # What was paid beyond the price, or never captured, may be what went back.
    others = [fact for fact in heard if not (fact.order or fact.bill or fact.overpaid or fact.uncaptured_refunds)]
    assert 0 == entitlement(learn(Purchase(), [Purchase(order=order), *others, Purchase(refunds=(refund,))]))


@given(orders, bills.filter(lambda bill: bill.total > 0), reports)
def test_a_full_refund_of_an_invoice_leaves_nothing(order: Order, bill: Bill, heard: list[Purchase]) -> None:
    """Of no line is anything left, whichever of them credit notes name; a dispute beside it makes debt."""
    refund = Refund(id="re_full", amount=999, status=RefundStatus.SUCCEEDED)
    others = [fact for fact in heard if not (fact.overpaid or fact.uncaptured_refunds)]
    worth = entitlement(
        learn(Purchase(), [Purchase(order=order), Purchase(bill=bill), *others, Purchase(refunds=(refund,))])
    )
    assert worth <= 0
    assert 0 == worth or any(fact.disputes for fact in heard)


@given(purchases, st.integers(1, 999))
def test_a_voided_note_counts_for_nothing(purchase: Purchase, amount: int) -> None:
    """Whatever it had given back, and although that is reported again after it."""
    note = CreditNote(id="cn_9", status=CreditNoteStatus.ISSUED, post_payment=amount)
    voided = attrs.evolve(note, status=CreditNoteStatus.VOID)
    assert entitlement(purchase) == entitlement(
        learn(purchase, [Purchase(credit_notes=(voided,)), Purchase(credit_notes=(note,))])
    )


@given(orders, st.lists(st.builds(Purchase, refunds=st.tuples(refunds))))
def test_a_no_cost_order_keeps_all(order: Order, heard: list[Purchase]) -> None:
    """Where nothing was paid nothing can be taken back."""
    free = Purchase(order=attrs.evolve(order, amount=0), payment=PaymentStatus.PAID)
    assert order.credits == entitlement(learn(free, heard))


@given(purchases, refunds.filter(lambda refund: not refund.is_dead))
def test_a_further_refund_never_adds_credits(purchase: Purchase, refund: Refund) -> None:
    """A refund that is alive lowers what a purchase is worth, or leaves it."""
    fresh = attrs.evolve(refund, id="re_fresh")
    assert entitlement(merge(purchase, Purchase(refunds=(fresh,)))) <= entitlement(purchase)


# The classic bugs of webhook handlers, each planted in one rule.


def _last_refund_wins(purchase: Purchase, heard: Sequence[Purchase]) -> Purchase:
    for fact in heard:
        purchase = attrs.evolve(purchase, refunds=fact.refunds) if fact.refunds else learn(purchase, [fact])
    return purchase


def _early_refunds_are_dropped(purchase: Purchase, heard: Sequence[Purchase]) -> Purchase:
    for fact in heard:
        if (fact.refunds or fact.disputes) and purchase.order is None:
            continue
        purchase = learn(purchase, [fact])
    return purchase


def _latest_report_wins(purchase: Purchase, heard: Sequence[Purchase]) -> Purchase:
    for fact in heard:
        purchase = learn(purchase, [fact])
        if fact == Purchase(payment=fact.payment):
            purchase = attrs.evolve(purchase, payment=fact.payment)
    return purchase


def _newest_state_of_a_refund_wins(purchase: Purchase, heard: Sequence[Purchase]) -> Purchase:
    for fact in heard:
        if fact.refunds:
            others = tuple(refund for refund in purchase.refunds if refund.id != fact.refunds[0].id)
            refunds_now = tuple(sorted((*others, *fact.refunds), key=lambda refund: refund.id))
            purchase = attrs.evolve(purchase, refunds=refunds_now)
        else:
            purchase = learn(purchase, [fact])
    return purchase


def _grant_on_every_event(
    payment: PurchaseId, purchase: Purchase, posted: PostedByPeriod, *, revision: int
) -> tuple[Posting, ...]:
    del posted
    return postings_due(payment, purchase, {}, revision=revision)


def _key_names_the_step(
    payment: PurchaseId, purchase: Purchase, posted: PostedByPeriod, *, revision: int
) -> tuple[Posting, ...]:
    return tuple(
        attrs.evolve(posting, idempotency_key=f"{payment}:{posting.kind}={posting.amount}")
        for posting in postings_due(payment, purchase, posted, revision=revision)
    )


def _only_grants_are_posted(
    payment: PurchaseId, purchase: Purchase, posted: PostedByPeriod, *, revision: int
) -> tuple[Posting, ...]:
    return tuple(
        posting for posting in postings_due(payment, purchase, posted, revision=revision) if posting.amount > 0
    )


def _fractions_are_rounded_up(purchase: Purchase) -> int:
    order = purchase.order
    if order is None or purchase.payment is not PaymentStatus.PAID or order.amount == 0 or purchase.bill is not None:
        return entitlement(purchase)
    return math.ceil(order.credits * (order.amount - reversed_amount(purchase)) / order.amount)


BUGS = {
    "the last refund wins": Rules(learn=_last_refund_wins),
    "a refund before its purchase is dropped": Rules(learn=_early_refunds_are_dropped),
    "the latest report of the payment wins": Rules(learn=_latest_report_wins),
    "the newest state of a refund wins": Rules(learn=_newest_state_of_a_refund_wins),
    "every event grants": Rules(due=_grant_on_every_event),
    "the key names the step, not the state": Rules(due=_key_names_the_step),
    "nothing is ever taken back": Rules(due=_only_grants_are_posted),
    "worth and entries round differently": Rules(worth=_fractions_are_rounded_up),
}


def breaks_a_law(rules: Rules, pair: tuple[list[Purchase], list[Purchase]]) -> bool:
    """Whether a report shows that the rules are wrong."""
    return not (order_does_not_show(rules, *pair) and entries_sum_to_worth(rules, pair[0]))


SEARCH = settings(
    max_examples=20_000,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    database=None,
)


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_caught(bug: str) -> None:
    """The laws above find a report that gives each classic bug away."""
    found = find(repetitions(reports), lambda pair: breaks_a_law(BUGS[bug], pair), settings=SEARCH)
    assert breaks_a_law(BUGS[bug], found)
    assert not breaks_a_law(REAL, found)


def test_the_search_finds_nothing_wrong_with_the_real_rules() -> None:
    """The search that catches the bugs comes back empty-handed for the real rules."""
    few = settings(SEARCH, max_examples=500)
    with pytest.raises(NoSuchExample):
        find(repetitions(reports), lambda pair: breaks_a_law(REAL, pair), settings=few)


shapes = pytest.mark.parametrize(
    ("mode", "names_credited"), [("classic", False), ("classic", True), ("included", True), ("itemized", True)]
)
steadily = settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow])
# Two invoices of one second: the second gives back what the first began, though its line sorts before (il_10, il_8).
two_invoices_at_once = [
    Change(hours=0, plan=MONTHLY, seats=3, bills_now=False),
    Change(hours=0, plan=MONTHLY, seats=1, bills_now=False),
    Change(hours=0, plan=ANNUAL, seats=3, bills_now=False),
    Change(hours=1, plan=ANNUAL, seats=1, bills_now=True),
    Change(hours=0, plan=MONTHLY, seats=1, bills_now=False),
]


@shapes
@steadily
@given(steps=changes, coupon=st.integers(0, 100))
@example(steps=two_invoices_at_once, coupon=0)
def test_nobody_is_given_more_than_was_in_force(
    steps: list[Change], coupon: int, mode: Mode, names_credited: bool
) -> None:
    """Credits of all invoices are at most those of the plans that were in force and invoiced, + 1 for each grant."""
    biller = billed(steps, coupon, mode, names_credited=names_credited)
    purchases = purchases_of(biller)
    dues = [due for place, one in enumerate(purchases) for due in grants_due(one, others(purchases, place))]
    assert sum(due.credits for due in dues) <= biller.in_force + len(dues)


@shapes
@steadily
@given(steps=changes, coupon=st.sampled_from([0, 0, 50]))
def test_nobody_loses_what_was_in_force(steps: list[Change], coupon: int, mode: Mode, names_credited: bool) -> None:
    """Credits of all invoices are at least those that were in force, but for a credit for each grant and each cent."""
    biller = billed(steps, coupon, mode, names_credited=names_credited)
    purchases = purchases_of(biller)
    dues = [due for place, one in enumerate(purchases) for due in grants_due(one, others(purchases, place))]
    cents = sum(len(invoice.lines) for invoice in biller.invoices)
    assert sum(due.credits for due in dues) >= biller.in_force - len(dues) - cents


@shapes
@steadily
@given(steps=changes, coupon=st.integers(0, 100), refunded=st.integers(0, 20_000), noted=st.integers(0, 20_000))
def test_of_no_line_more_is_taken_back_than_it_brought(
    steps: list[Change], coupon: int, refunded: int, noted: int, mode: Mode, names_credited: bool
) -> None:
    """Unused time, refunds and credit notes leave each line between nothing and all of its worth."""
    purchases = purchases_of(billed(steps, coupon, mode, names_credited=names_credited))
    line_id = next((line.id for line in (purchases[0].bill or Bill(subscription_id="")).lines), "il_0")
    purchases[0] = learn(
        purchases[0],
        [
            Purchase(refunds=(Refund(id="re_1", amount=refunded, status=RefundStatus.SUCCEEDED),)),
            Purchase(
                credit_notes=(
                    CreditNote(
                        id="cn_1",
                        status=CreditNoteStatus.ISSUED,
                        post_payment=noted,
                        refunds=(NotedRefund(refund_id="re_1", amount=min(noted, refunded)),),
                        lines=(NotedLine(id="cnli_1", line_id=line_id, amount=noted),),
                    ),
                )
            ),
        ],
    )
    for place, one in enumerate(purchases):
        for balance in line_balances(one, others(purchases, place)):
            assert 0 <= balance.credits <= balance.worth


@steadily
@given(steps=changes, order=st.randoms(use_true_random=False), coupon=st.sampled_from([0, 50, 100]))
def test_the_order_of_the_invoices_does_not_show(steps: list[Change], order: Callable[..., None], coupon: int) -> None:
    """Each invoice has the same grants with the same ends, in whatever order the others stand beside it."""
    purchases = purchases_of(billed(steps, coupon, "classic", names_credited=False))
    for place, one in enumerate(purchases):
        shuffled = others(purchases, place)
        order.shuffle(shuffled)  # type: ignore[attr-defined]  # a random.Random
        assert grants_due(one, others(purchases, place)) == grants_due(one, shuffled)


@shapes
@pytest.mark.parametrize("coupon", [0, 50, 100])
def test_to_and_fro_leaves_what_is_in_force(coupon: int, mode: Mode, names_credited: bool) -> None:
    """Twenty switches from month to year and back within an hour of each other: one plan's credits at the end."""
    steps = [Change(1, (ANNUAL, MONTHLY)[turn % 2], 1, True) for turn in range(20)]
    biller = billed(steps, coupon, mode, names_credited=names_credited)
    purchases = purchases_of(biller)
    worth = sum(entitlement(one, others(purchases, place)) for place, one in enumerate(purchases))
    assert MONTHLY.terms.credits - 1 <= worth <= math.ceil(biller.in_force)
