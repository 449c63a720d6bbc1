"""What an account's credits come to: burning, holding, capturing, expiring."""

from datetime import UTC, datetime, timedelta

import attrs
import pytest

from domain.credits.grants import PROMOTION_PRIORITY, Draw, Grant, GrantId, draws_of_clawback
from domain.credits.holds import Hold, HoldId, HoldStatus
from domain.credits.idempotency import IdempotencyKey
from domain.credits.ledger import EntryKind
from domain.credits.wallets import (
    BalanceMismatch,
    DebitDetails,
    Insufficient,
    Wallet,
    WalletChange,
    capture,
    expire_overdue,
    place_hold,
    spend,
    void,
)
from domain.payments.purchases import PurchaseId
from domain.tests.examples import ADA
from domain.values.accounts import Account

NOW = datetime(2026, 5, 1, tzinfo=UTC)
LATER = NOW + timedelta(days=10)
HOLD = HoldId("00000000-0000-0000-0000-0000000000f1")


def grant(number: int, credits: int = 100, **more: object) -> Grant:  # noqa: A002 - the word for it
    known = {"kind": "purchase", "credits": credits, "remaining": credits, "created_at": NOW}
    return Grant(id=GrantId(number), **{**known, **more})


def wallet(*grants: Grant, balance: int | None = None) -> Wallet:
    there = sum(one.remaining for one in grants)
    return Wallet(account=Account(user_id=ADA, balance=there if balance is None else balance), grants=grants)


def debit(credits: int, kind: EntryKind = EntryKind.SPEND) -> DebitDetails:  # noqa: A002 - the word for it
    return DebitDetails(kind=kind, credits=credits, key=IdempotencyKey("k"))


def hold(credits: int, *, lasts: timedelta = timedelta(hours=1), id_: str = HOLD) -> Hold:  # noqa: A002 - the word for it
    return Hold(id=HoldId(id_), user_id=ADA, credits=credits, idempotency_key="h", expires_at=NOW + lasts, draws=())


def moved(outcome: object) -> WalletChange:
    assert isinstance(outcome, WalletChange)
    return outcome


def taken(change: WalletChange) -> list[tuple[str, dict[int, int]]]:
    return [
        (posting.kind, {draw.grant_id: draw.credits for draw in posting.draws or ()}) for posting in change.postings
    ]


def test_credits_burn_by_priority_then_soonest_expiry_then_age() -> None:
    """A promotion goes before a purchase, what ends soon before what ends late, the old before the new."""
    first = grant(5, 10, priority=PROMOTION_PRIORITY)
    soon, late = grant(4, 10, expires_at=NOW + timedelta(days=1)), grant(3, 10, expires_at=LATER)
    old, new = grant(1, 10), grant(2, 10)
    change = moved(spend(wallet(new, late, old, first, soon), debit(45), NOW))
    assert [("spend", {5: 10, 4: 10, 3: 10, 1: 10, 2: 5})] == taken(change)


@pytest.mark.parametrize("credits", [101, 10**12])
def test_more_than_is_available_is_refused(credits: int) -> None:  # noqa: A002 - the word for it
    """The refusal says what there is."""
    assert Insufficient(100) == spend(wallet(grant(1)), debit(credits), NOW)
    assert Insufficient(100) == place_hold(wallet(grant(1)), hold(credits), NOW)


def test_an_account_in_debt_has_nothing() -> None:
    """Less than nothing is reported as nothing."""
    assert Insufficient(0) == spend(wallet(balance=-20), debit(1), NOW)


@pytest.mark.parametrize("grants", [(), (grant(1, 20),)])
def test_a_balance_that_no_grants_are_behind_is_distinguished(grants: tuple[Grant, ...]) -> None:
    """Nothing can be spent or held of what somebody else than the ledger wrote into a balance; the rest can."""
    granted = sum(one.remaining for one in grants)
    drifted = wallet(*grants, balance=granted + 25)
    assert BalanceMismatch(granted) == spend(drifted, debit(granted + 1), NOW)
    assert BalanceMismatch(granted) == place_hold(drifted, hold(granted + 1), NOW)
    assert Insufficient(granted + 25) == spend(drifted, debit(granted + 26), NOW)
    assert not grants or isinstance(spend(drifted, debit(granted), NOW), WalletChange)


def test_an_expired_grant_is_not_spent() -> None:
    """It is good before its expiry, not at it; what is left of it is taken by an entry of its own."""
    ends, stays = grant(1, 30, expires_at=NOW, purchase_id=PurchaseId("pi_1")), grant(2, 50)
    change = moved(spend(wallet(ends, stays), debit(50), NOW))
    assert [("expiry", {1: 30}), ("spend", {2: 50})] == taken(change)
    assert (0, 2, 2) == (change.wallet.account.balance, change.wallet.account.version, change.wallet.account.revision)
    assert PurchaseId("pi_1") == change.postings[0].purchase_id
    assert Insufficient(50) == spend(wallet(ends, stays), debit(51), NOW)
    before = moved(spend(wallet(ends, stays), debit(80), NOW - timedelta(microseconds=1)))
    assert [("spend", {1: 30, 2: 50})] == taken(before)


def test_a_hold_stands_apart_from_the_balance() -> None:
    """The balance stays, what is available does not; no entry is made."""
    change = moved(place_hold(wallet(grant(1)), hold(60), NOW))
    account = change.wallet.account
    assert (100, 60, 40, 0, 1) == (account.balance, account.held, account.available, account.version, account.revision)
    assert Insufficient(40) == spend(change.wallet, debit(41), NOW)


def test_a_part_is_captured_and_the_rest_is_free() -> None:
    """A capture takes from the grants that the hold remembers."""
    held = moved(place_hold(wallet(grant(1, 50), grant(2, 50)), hold(60), NOW)).wallet
    change = capture(held, HOLD, debit(55, EntryKind.CAPTURE), NOW)
    assert [("capture", {1: 50, 2: 5})] == taken(change)
    assert (45, 0) == (change.wallet.account.balance, change.wallet.account.held)
    assert [(HoldStatus.CAPTURED, 55)] == [(one.status, one.captured) for one in change.holds]


def test_nothing_may_be_captured() -> None:
    """A capture of 0 settles the hold without an entry."""
    held = moved(place_hold(wallet(grant(1)), hold(60), NOW)).wallet
    change = capture(held, HOLD, debit(0, EntryKind.CAPTURE), NOW)
    assert ([], 100, 0) == (taken(change), change.wallet.account.balance, change.wallet.account.held)


def test_what_is_held_outlives_its_grant_until_it_is_settled() -> None:
    """Captured credits of an expired grant are good; what is freed of it expires at once."""
    ends = grant(1, 100, expires_at=NOW + timedelta(days=1))
    held = moved(place_hold(wallet(ends), hold(60, lasts=timedelta(days=5)), NOW)).wallet
    late = NOW + timedelta(days=2)
    kept = expire_overdue(held, late)
    assert [("expiry", {1: 40})] == taken(kept)
    assert (60, 60) == (kept.wallet.account.balance, kept.wallet.account.held)
    assert [("capture", {1: 25}), ("expiry", {1: 35})] == taken(
        capture(kept.wallet, HOLD, debit(25, EntryKind.CAPTURE), late)
    )
    assert [("expiry", {1: 60})] == taken(void(kept.wallet, HOLD, late))


def test_a_forgotten_hold_frees_itself() -> None:
    """Its credits can be spent at the moment at which its time is over."""
    held = moved(place_hold(wallet(grant(1)), hold(60), NOW)).wallet
    change = moved(spend(held, debit(100), NOW + timedelta(hours=1)))
    assert [HoldStatus.EXPIRED] == [one.status for one in change.holds]
    assert (0, 0) == (change.wallet.account.balance, change.wallet.account.held)


def clawed_back(before: Wallet, amount: int, purchase: str) -> Wallet:
    draws = draws_of_clawback(before.grants, amount, frozenset({PurchaseId(purchase)}))
    gone = {draw.grant_id: draw.credits for draw in draws}
    return attrs.evolve(
        before,
        account=attrs.evolve(before.account, balance=before.account.balance - amount),
        grants=tuple(attrs.evolve(one, remaining=one.remaining - gone.get(one.id, 0)) for one in before.grants),
    )


def test_a_capture_after_a_refund_is_good_and_becomes_debt() -> None:
    """The credits were there when they were held; the refund took them, and they were used all the same."""
    held = moved(place_hold(wallet(grant(1, purchase_id=PurchaseId("pi_1"))), hold(60), NOW)).wallet
    change = capture(clawed_back(held, 100, "pi_1"), HOLD, debit(60, EntryKind.CAPTURE), NOW)
    assert ([("capture", {})], -60) == (taken(change), change.wallet.account.balance)


def test_what_another_hold_is_on_comes_last_and_before_debt() -> None:
    """No account is in debt while anything remains on it."""
    bought = grant(1, 60, purchase_id=PurchaseId("pi_1"))
    held = moved(place_hold(wallet(bought, grant(2, 20)), hold(60), NOW)).wallet
    both = moved(place_hold(held, hold(20, id_="00000000-0000-0000-0000-0000000000f2"), NOW)).wallet
    change = capture(clawed_back(both, 60, "pi_1"), HOLD, debit(60, EntryKind.CAPTURE), NOW)
    assert ([("capture", {2: 20})], -40) == (taken(change), change.wallet.account.balance)


def test_what_stands_in_for_held_credits_does_not_expire_meanwhile() -> None:
    """A hold whose own grant was refunded is covered by what else is there, until it is settled."""
    bought, ends = grant(1, 60, purchase_id=PurchaseId("pi_1")), grant(2, 60, expires_at=NOW + timedelta(hours=1))
    first = attrs.evolve(bought, priority=PROMOTION_PRIORITY)
    held = moved(place_hold(wallet(first, ends), hold(60, lasts=timedelta(days=1)), NOW)).wallet
    covered = clawed_back(held, 60, "pi_1")
    assert [] == taken(expire_overdue(covered, NOW + timedelta(hours=2)))
    assert [("expiry", {2: 60})] == taken(void(covered, HOLD, NOW + timedelta(hours=2)))


def test_a_clawback_takes_its_own_grant_first_then_what_is_free_then_what_is_held() -> None:
    """What others hold is touched last."""
    own = grant(3, 10, purchase_id=PurchaseId("pi_3"), held=10)
    held, free = grant(1, 20, held=15), grant(2, 20)
    grants = (held, free, own)
    of = frozenset({PurchaseId("pi_3")})
    assert (Draw(grant_id=GrantId(3), credits=10), Draw(grant_id=GrantId(1), credits=5)) == draws_of_clawback(
        grants, 15, of
    )
    drawn = {draw.grant_id: draw.credits for draw in draws_of_clawback(grants, 45, of)}
    assert {3: 10, 1: 15, 2: 20} == drawn
    assert 50 == sum(draw.credits for draw in draws_of_clawback(grants, 1000, of))
