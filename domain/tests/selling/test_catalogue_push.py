"""Laws of a push: wherever it starts, it ends with the catalogue for sale and nothing else."""

import attrs
from hypothesis import given
from hypothesis import strategies as st

from domain.decisions.catalogue_push import ArchivePrice, MakePrice, OfferPrice, PushState, RecordPrice
from domain.values.money import Money
from domain.values.plans import Plan, PlanId, PlanMode, Terms
from domain.values.prices import (
    MAX_LOOKUP_KEY,
    PlanPrice,
    ProviderPrice,
    ProviderProduct,
    PushedPrice,
    prices_of,
    product_of,
)

PLAN = Plan(
    id=PlanId("monthly"),
    name="100 credits a month",
    terms=Terms(credits=100, price=Money(amount=900, currency="usd")),
    mode=PlanMode.SUBSCRIPTION,
    interval="month",
)
PRODUCT = product_of(PLAN.id)
(SOLD,) = prices_of(PLAN)


def terms(credits_: int = 100, amount: int = 900) -> PlanPrice:
    return attrs.evolve(SOLD, credits=credits_, money=Money(amount=amount, currency="usd"))


some_terms = st.sampled_from([SOLD, terms(amount=1200), terms(credits_=120)])
ids = st.sampled_from(["price_1", "price_2", "price_3", "price_4"])


@st.composite
def states(draw: st.DrawFn) -> PushState:
    """Whatever an interrupted push, a restored backup, or a person at the Dashboard may leave behind."""
    sold = {id_: draw(some_terms) for id_ in sorted(draw(st.sets(ids)))}
    there = [id_ for id_ in sold if draw(st.booleans())]
    keys = draw(st.sampled_from([None, *there]))
    prices = tuple(
        ProviderPrice(
            id=id_,
            is_active=draw(st.booleans()),
            lookup_key=SOLD.lookup_key if id_ == keys else None,
            sells=draw(st.sampled_from([sold[id_], SOLD, None])),
        )
        for id_ in there
    )
    active = [one.id for one in prices if one.is_active]
    product = ProviderProduct(
        id=PRODUCT,
        name=draw(st.sampled_from([PLAN.name, "an old name"])),
        is_active=draw(st.booleans()),
        default_price=draw(st.sampled_from([None, *active])),
        prices=prices,
    )
    recorded = tuple(
        PushedPrice(id=id_, product_id=PRODUCT, sells=sells, is_for_sale=draw(st.booleans()))
        for id_, sells in sold.items()
        if draw(st.booleans())
    )
    has_product = there or draw(st.booleans())
    plan = attrs.evolve(PLAN, retired=draw(st.booleans()))
    return PushState(plan=plan, product=product if has_product else None, recorded=recorded)


def pushed(state: PushState) -> list[PushState]:
    """Return the state before each step, and the last one."""
    passed = [state]
    while (step := passed[-1].next_step()) is not None:
        passed.append(passed[-1].after(step))
        assert len(passed) < 50
    return passed


@given(states())
def test_a_push_ends_with_the_catalogue_for_sale(state: PushState) -> None:
    """One price per price of the plan is for sale, in the ledger as at the provider; of a retired plan none is."""
    end = pushed(state)[-1]
    for_sale = {one.id: one.sells for one in end.recorded if one.is_for_sale}
    assert sorted(map(repr, prices_of(end.plan))) == sorted(map(repr, for_sale.values()))
    if end.plan.retired:
        assert end.product is None or not end.product.is_active
        return
    product = end.product
    assert product is not None
    assert (PLAN.name, True) == (product.name, product.is_active)
    assert product.default_price in for_sale
    assert set(for_sale) == {one.id for one in product.prices if one.lookup_key == SOLD.lookup_key}
    ours = {one.id for one in end.recorded} | {one.id for one in product.prices if one.sells is not None}
    assert set(for_sale) == {one.id for one in product.prices if one.is_active and one.id in ours}


@given(states())
def test_no_checkout_can_use_a_price_that_is_not_sold(state: PushState) -> None:
    """No step archives a price that the ledger has for sale, or puts one on sale that is archived."""
    passed = pushed(state)
    for before in passed[:-1]:
        step = before.next_step()
        assert before.product is not None or not isinstance(step, ArchivePrice | OfferPrice | MakePrice)
        active = {one.id for one in before.product.prices if one.is_active} if before.product else set()
        if isinstance(step, ArchivePrice):
            assert step.price_id not in {one.id for one in before.recorded if one.is_for_sale}
        if isinstance(step, RecordPrice) and step.price.is_for_sale:
            assert step.price.id in active


@given(states())
def test_terms_that_were_recorded_never_change_and_none_is_forgotten(state: PushState) -> None:
    """Renewals need every price that was ever sold."""
    end = pushed(state)[-1]
    kept = {one.id: one.sells for one in end.recorded}
    assert {one.id: one.sells for one in state.recorded}.items() <= kept.items()
    if end.product is not None:
        assert {one.id for one in end.product.prices if one.sells is not None} <= set(kept)


def test_a_price_of_the_merchants_own_is_left_alone() -> None:
    """It is of the product, but no push made it: it stays active, and out of the ledger."""
    own = ProviderPrice(id="price_own", is_active=True, lookup_key=None, sells=None)
    product = ProviderProduct(id=PRODUCT, name=PLAN.name, is_active=True, default_price="price_own", prices=(own,))
    end = pushed(PushState(plan=PLAN, product=product, recorded=()))[-1]
    assert end.product is not None
    assert own in end.product.prices
    assert ["price_own"] == [one.id for one in end.product.prices if one.id not in {r.id for r in end.recorded}]


def test_a_lookup_key_is_short_enough() -> None:
    """Plan ids have up to 64 characters, and a lookup key at Stripe up to 200."""
    price = attrs.evolve(SOLD, plan_id=PlanId("p" * 64))
    assert len(price.lookup_key) <= MAX_LOOKUP_KEY
