"""The laws of purchases: whatever is told, in any order and however often, ends in the same credits.

The laws are functions of the rules they hold to, so that the same laws can be shown to catch planted bugs.
"""

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import attrs
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from domain.accounts import Account, UserId
from domain.ledger import LedgerEntry, Posted, Posting, post, postings_due
from domain.plans import PlanId
from domain.purchases import (
    Dispute,
    Disputed,
    DisputeStatus,
    Fact,
    Link,
    Linked,
    Order,
    Ordered,
    PaymentReported,
    PaymentStatus,
    Purchase,
    PurchaseId,
    Refund,
    Refunded,
    RefundStatus,
    RefundTotalReported,
    entitlement,
    learn,
    merge,
    purchase_of,
    reversed_amount,
)

ADA, BOB = UserId("00000000-0000-0000-0000-00000000000a"), UserId("00000000-0000-0000-0000-00000000000b")
PAYMENT = PurchaseId("pi_1")
START = datetime(2026, 1, 1, tzinfo=UTC)

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
    Refund, id=st.sampled_from(["re_1", "re_2", "re_3"]), amount=amounts, status=st.sampled_from(RefundStatus)
)
disputes = st.builds(
    Dispute,
    id=st.sampled_from(["dp_1", "dp_2"]),
    occurred_at=st.integers(0, 3).map(lambda seconds: START + timedelta(seconds=seconds)),
    amount=amounts,
    status=st.sampled_from(DisputeStatus),
)
links = st.frozensets(st.sampled_from([Link("session:cs_1"), Link("charge:ch_1")]))
facts: st.SearchStrategy[Fact] = st.one_of(
    st.builds(Ordered, orders),
    st.builds(PaymentReported, st.sampled_from(PaymentStatus)),
    st.builds(Refunded, refunds),
    st.builds(RefundTotalReported, amounts),
    st.builds(Disputed, disputes),
    st.builds(Linked, links),
)
told = st.lists(facts, max_size=8)
# Most random tellings leave nothing to post, so half of them begin with a paid order.
paid = st.builds(
    lambda order, rest: [Ordered(order), PaymentReported(PaymentStatus.PAID), *rest],
    orders,
    st.lists(facts, max_size=6),
)
tellings = st.one_of(told, paid)
purchases = tellings.map(lambda known: learn(Purchase(), known))


@attrs.frozen(kw_only=True)
class Rules:
    """The rules that the laws hold to: the real ones, or those of a planted bug."""

    learn: Callable[[Purchase, Sequence[Fact]], Purchase] = learn
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

    def posted(self) -> Posted:
        sums: dict[UserId, int] = {}
        for entry in self.entries:
            sums[entry.posting.user_id] = sums.get(entry.posting.user_id, 0) + entry.posting.amount
        return Posted(sums)


def tell_one_by_one(rules: Rules, heard: Sequence[Fact]) -> tuple[Purchase, Ledger]:
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
    return {user: amount for user, amount in ledger.posted().by_user.items() if amount != 0}


def order_does_not_show(rules: Rules, heard: Sequence[Fact], otherwise: Sequence[Fact]) -> bool:
    """Two tellings of the same facts end in the same worth and the same credits."""
    purchase, ledger = tell_one_by_one(rules, heard)
    other_purchase, other_ledger = tell_one_by_one(rules, otherwise)
    return rules.worth(purchase) == rules.worth(other_purchase) and credits_by_user(ledger) == credits_by_user(
        other_ledger
    )


def entries_sum_to_worth(rules: Rules, heard: Sequence[Fact]) -> bool:
    """What was posted is what the purchase is worth: with its owner, and with nobody else."""
    purchase, ledger = tell_one_by_one(rules, heard)
    worth = rules.worth(purchase)
    expected = {purchase.order.user_id: worth} if purchase.order is not None and worth else {}
    return expected == credits_by_user(ledger)


def retellings(heard: st.SearchStrategy[list[Fact]]) -> st.SearchStrategy[tuple[list[Fact], list[Fact]]]:
    """A telling, and a permutation of it with repetitions."""
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


@given(tellings)
def test_learning_is_joining(heard: list[Fact]) -> None:
    """To learn facts is to join the smallest purchases that know them."""
    joined = Purchase()
    for fact in reversed(heard):
        joined = merge(purchase_of(fact), joined)
    assert joined == learn(Purchase(), heard)


@given(retellings(tellings))
def test_the_order_and_repetition_of_facts_do_not_show(pair: tuple[list[Fact], list[Fact]]) -> None:
    """Any permutation with repetitions of any facts gives the same worth and the same sum of entries."""
    assert order_does_not_show(REAL, *pair)


@given(tellings)
def test_entries_sum_to_the_entitlement(heard: list[Fact]) -> None:
    """After every telling the entries of a purchase sum to its worth, for its owner alone."""
    assert entries_sum_to_worth(REAL, heard)


@given(tellings)
def test_balances_are_the_sum_of_entries(heard: list[Fact]) -> None:
    """Each entry carries the balance before and after, versions have no gap, and the last one is the balance."""
    _, ledger = tell_one_by_one(REAL, heard)
    for user, account in ledger.accounts.items():
        entries = [entry for entry in ledger.entries if entry.posting.user_id == user]
        assert account.balance == sum(entry.posting.amount for entry in entries)
        assert list(range(1, account.version + 1)) == [entry.version for entry in entries]
        balance = 0
        for entry in entries:
            assert balance == entry.balance_before
            balance += entry.posting.amount
            assert balance == entry.balance_after


@given(purchases)
def test_worth_is_bounded(purchase: Purchase) -> None:
    """A purchase is worth between nothing and what was promised; nothing while it is not paid."""
    promised = purchase.order.credits if purchase.order is not None else 0
    assert 0 <= entitlement(purchase) <= promised
    if purchase.payment is not PaymentStatus.PAID:
        assert 0 == entitlement(purchase)


@given(orders.filter(lambda order: order.amount > 0), tellings)
def test_a_full_refund_leaves_nothing(order: Order, heard: list[Fact]) -> None:
    """Once all the money is back no credit is left, whatever else is known."""
    refund = Refund(id="re_full", amount=999, status=RefundStatus.SUCCEEDED)
    others = [fact for fact in heard if not isinstance(fact, Ordered)]
    assert 0 == entitlement(learn(Purchase(), [Ordered(order), *others, Refunded(refund)]))


@given(orders.map(lambda order: attrs.evolve(order, amount=0)), st.lists(st.builds(Refunded, refunds)))
def test_a_no_cost_order_keeps_all(order: Order, heard: list[Fact]) -> None:
    """Where nothing was paid nothing can be taken back."""
    known = learn(Purchase(), [Ordered(order), PaymentReported(PaymentStatus.PAID), *heard])
    assert order.credits == entitlement(known)


@given(purchases, refunds.filter(lambda refund: not refund.is_dead))
def test_a_further_refund_never_adds_credits(purchase: Purchase, refund: Refund) -> None:
    """A refund that is alive lowers what a purchase is worth, or leaves it."""
    fresh = attrs.evolve(refund, id="re_fresh")
    assert entitlement(merge(purchase, purchase_of(Refunded(fresh)))) <= entitlement(purchase)


# The classic bugs of webhook handlers, each planted in one rule.


def _last_refund_wins(purchase: Purchase, heard: Sequence[Fact]) -> Purchase:
    for fact in heard:
        purchase = (
            attrs.evolve(purchase, refunds=(fact.refund,)) if isinstance(fact, Refunded) else learn(purchase, [fact])
        )
    return purchase


def _early_refunds_are_dropped(purchase: Purchase, heard: Sequence[Fact]) -> Purchase:
    for fact in heard:
        if isinstance(fact, Refunded | Disputed) and purchase.order is None:
            continue
        purchase = learn(purchase, [fact])
    return purchase


def _latest_telling_wins(purchase: Purchase, heard: Sequence[Fact]) -> Purchase:
    for fact in heard:
        purchase = learn(purchase, [fact])
        if isinstance(fact, PaymentReported):
            purchase = attrs.evolve(purchase, payment=fact.status)
    return purchase


def _newest_state_of_a_refund_wins(purchase: Purchase, heard: Sequence[Fact]) -> Purchase:
    for fact in heard:
        if isinstance(fact, Refunded):
            others = tuple(refund for refund in purchase.refunds if refund.id != fact.refund.id)
            refunds_now = tuple(sorted((*others, fact.refund), key=lambda refund: refund.id))
            purchase = attrs.evolve(purchase, refunds=refunds_now)
        else:
            purchase = learn(purchase, [fact])
    return purchase


def _grant_on_every_event(
    payment: PurchaseId, purchase: Purchase, posted: Posted, *, revision: int
) -> tuple[Posting, ...]:
    del posted
    return postings_due(payment, purchase, Posted(), revision=revision)


def _key_names_the_step(
    payment: PurchaseId, purchase: Purchase, posted: Posted, *, revision: int
) -> tuple[Posting, ...]:
    return tuple(
        attrs.evolve(posting, idempotency_key=f"{payment}:{posting.kind}={posting.amount}")
        for posting in postings_due(payment, purchase, posted, revision=revision)
    )


def _only_grants_are_posted(
    payment: PurchaseId, purchase: Purchase, posted: Posted, *, revision: int
) -> tuple[Posting, ...]:
    return tuple(
        posting for posting in postings_due(payment, purchase, posted, revision=revision) if posting.amount > 0
    )


def _fractions_are_rounded_up(purchase: Purchase) -> int:
    if purchase.order is None or purchase.payment is not PaymentStatus.PAID or purchase.order.amount == 0:
        return entitlement(purchase)
    kept = purchase.order.amount - reversed_amount(purchase)
    return math.ceil(purchase.order.credits * kept / purchase.order.amount)


BUGS = {
    "the last refund wins": Rules(learn=_last_refund_wins),
    "a refund before its purchase is dropped": Rules(learn=_early_refunds_are_dropped),
    "the latest telling of the payment wins": Rules(learn=_latest_telling_wins),
    "the newest state of a refund wins": Rules(learn=_newest_state_of_a_refund_wins),
    "every event grants": Rules(due=_grant_on_every_event),
    "the key names the step, not the state": Rules(due=_key_names_the_step),
    "nothing is ever taken back": Rules(due=_only_grants_are_posted),
    "worth and entries round differently": Rules(worth=_fractions_are_rounded_up),
}


def breaks_a_law(rules: Rules, pair: tuple[list[Fact], list[Fact]]) -> bool:
    """Whether a telling shows that the rules are wrong."""
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
    """The laws above find a telling that gives each classic bug away."""
    found = find(retellings(tellings), lambda pair: breaks_a_law(BUGS[bug], pair), settings=SEARCH)
    assert breaks_a_law(BUGS[bug], found)
    assert not breaks_a_law(REAL, found)


def test_the_search_finds_nothing_wrong_with_the_real_rules() -> None:
    """The search that catches the bugs comes back empty-handed for the real rules."""
    few = settings(SEARCH, max_examples=500)
    with pytest.raises(NoSuchExample):
        find(retellings(tellings), lambda pair: breaks_a_law(REAL, pair), settings=few)
