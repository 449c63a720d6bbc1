"""Decisions on the grants that they need are those on all grants, whatever is asked for together."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.changes.changes import Holdings
from domain.credits.grants import GOODWILL_PRIORITY, PROMOTION_PRIORITY, Draw, Grant, GrantId, needed
from domain.credits.holds import Hold, HoldId
from domain.credits.ledger import EntryKind
from domain.credits.wallets import BalanceMismatch, Wallet
from domain.decisions.batches import BatchDecision, decide_together
from domain.decisions.operations import (
    AdjustCredits,
    CaptureHold,
    CreditOperation,
    ExpireOverdue,
    GrantCredits,
    PlaceHold,
    Spend,
    VoidHold,
)
from domain.decisions.queries import query_for_operations
from domain.tests.examples import ADA
from domain.values.accounts import Account

NOW = datetime(2026, 5, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOLDS = tuple(HoldId(f"00000000-0000-0000-0000-0000000000f{number}") for number in range(3))
PLACED = HoldId("00000000-0000-0000-0000-0000000000ff")

amounts = st.integers(1, 60)
ends = st.sampled_from([None, NOW - 2 * HOUR, NOW, NOW + HOUR, NOW + 2 * HOUR])
grants_ = st.lists(
    st.builds(
        Grant,
        id=st.just(GrantId(0)),
        kind=st.just("purchase"),
        priority=st.sampled_from([PROMOTION_PRIORITY, GOODWILL_PRIORITY]),
        credits=st.just(100),
        remaining=st.integers(0, 40),
        expires_at=ends,
        rollover_cap=st.sampled_from([None, None, 20]),
        period_ends_at=ends,
        created_at=st.just(NOW),
    ),
    min_size=1,
    max_size=9,
)
shares = st.dictionaries(st.integers(0, 8), st.integers(1, 25), min_size=1, max_size=3)
holds_ = st.lists(st.tuples(shares, st.sampled_from([NOW - HOUR, NOW, NOW + HOUR, NOW + HOUR])), max_size=len(HOLDS))
given_back = st.sampled_from([None, 0, 5, 20])
asked: st.SearchStrategy[CreditOperation] = st.one_of(
    st.builds(Spend, user_id=st.just(ADA), credits=amounts, key=st.uuids().map(str)),
    st.builds(
        PlaceHold,
        hold_id=st.just(PLACED),
        user_id=st.just(ADA),
        credits=amounts,
        key=st.just("placed"),
        lasts=st.just(HOUR),
    ),
    st.builds(CaptureHold, hold_id=st.sampled_from(HOLDS), credits=given_back),
    st.builds(VoidHold, hold_id=st.sampled_from(HOLDS)),
    st.builds(
        AdjustCredits,
        user_id=st.just(ADA),
        credits=st.sampled_from([-40, -5, 10]),
        key=st.uuids().map(str),
        reason=st.just("recount"),
        operator=st.just("Grace"),
    ),
    st.builds(
        GrantCredits,
        user_id=st.just(ADA),
        credits=amounts,
        kind=st.just(EntryKind.GOODWILL),
        key=st.uuids().map(str),
        reason=st.just("thanks"),
        operator=st.just("Grace"),
    ),
    st.just(ExpireOverdue(user_id=ADA)),
)


def wallet_of(grants: Sequence[Grant], holds: Sequence[tuple[dict[int, int], datetime]], drift: int) -> Wallet:
    """An account's wallet; with a drift, something other than the ledger wrote the balance."""
    draws = [{place % len(grants): credits_ for place, credits_ in shares_.items()} for shares_, _ in holds]
    return Wallet(
        account=Account(
            user_id=ADA,
            balance=max(0, sum(grant.remaining for grant in grants) + drift),
            held=sum(sum(one.values()) for one in draws),
        ),
        grants=[
            attrs.evolve(grant, id=GrantId(place + 1), held=sum(one.get(place, 0) for one in draws))
            for place, grant in enumerate(grants)
            if grant.remaining > 0 or any(place in one for one in draws)
        ],
        holds=tuple(
            Hold(
                id=id_,
                user_id=ADA,
                credits=sum(one.values()),
                idempotency_key=id_,
                expires_at=expires_at,
                draws=tuple(
                    Draw(grant_id=GrantId(place + 1), credits=credits_) for place, credits_ in sorted(one.items())
                ),
            )
            for id_, one, (_, expires_at) in zip(HOLDS, draws, holds, strict=False)
        ),
    )


def decisions(made: BatchDecision) -> tuple[dict[int, Any], dict[int, Any]]:
    """All that is written and answered."""
    decided = {place: (one.change, one.answer, one.comes_first) for place, one in made.decided.items()}
    return decided, dict(made.outcomes)


def decided_both_ways(wallet: Wallet, operations: Sequence[CreditOperation]) -> tuple[BatchDecision, BatchDecision]:
    """What is decided on all grants, and on those that the operations need."""
    query = query_for_operations(operations, None)
    known = {hold.id: hold for hold in wallet.holds if hold.id in query.hold_ids}
    most = query.most_taken(ADA, known.values())
    assert most is not None
    whole = Holdings(wallets={ADA: wallet}, requests={}, holds=known, now=NOW)
    part = attrs.evolve(
        whole,
        wallets={ADA: attrs.evolve(wallet, grants=needed(wallet.grants, most, NOW))},
        has_all_grants=False,
    )
    waiting = dict(enumerate(operations))
    return decide_together(waiting, whole, NOW), decide_together(waiting, part, NOW)


@settings(max_examples=500, deadline=None)
@given(
    grants=grants_,
    holds=holds_,
    drift=st.sampled_from([0, 0, 0, 30, -30]),
    operations=st.lists(asked, min_size=1, max_size=6),
)
def test_what_is_decided_on_the_needed_grants_is_decided_on_all(
    grants: list[Grant], holds: list[Any], drift: int, operations: list[CreditOperation]
) -> None:
    """Change by change and answer by answer; a refusal for want of grants alone is left to a look at all of them."""
    whole, part = decided_both_ways(wallet_of(grants, holds, drift), operations)
    decided, outcomes = decisions(whole)
    assert (decided, {place: one for place, one in outcomes.items() if not isinstance(one, BalanceMismatch)}) == (
        decisions(part)
    )


def grant(number: int, **more: Any) -> Grant:
    return Grant(
        **{"id": GrantId(number), "kind": "purchase", "credits": 10, "remaining": 10, "created_at": NOW} | more
    )


@pytest.mark.parametrize(
    ("wanted", "found"), [(0, []), (1, [1]), (10, [1]), (11, [1, 2]), (20, [1, 2]), (1_000, [*range(1, 101)])]
)
def test_of_a_hundred_grants_those_are_needed_that_cover_what_is_taken(wanted: int, found: list[int]) -> None:
    assert found == [one.id for one in needed([grant(number) for number in range(1, 101)], wanted, NOW)]


def test_what_is_held_or_over_is_needed_whatever_is_taken() -> None:
    """A hold may be settled, and what is over expires; neither covers more than what is free of it and will stay."""
    held = grant(7, held=4)
    over, rolls = grant(8, expires_at=NOW), grant(9, expires_at=NOW, rollover_cap=5)
    others = [grant(number) for number in (10, 11, 12)]
    all_of_them = [held, over, rolls, *others]
    assert [8, 9, 7] == [one.id for one in needed(all_of_them, 0, NOW)]
    assert [8, 9, 7] == [one.id for one in needed(all_of_them, 6, NOW)]
    assert [8, 9, 7, 10] == [one.id for one in needed(all_of_them, 7, NOW)]
