"""Wallets: what an account can spend, and the decisions about it. Each returns the new wallet, and what to write.

Everything that decides what a spend, a hold, a capture or an expiry takes from which grant must live here; the
arithmetic is in `draws`. What a clawback takes is the ledger's own rule (SQL: `credence_debit_grants`): it
takes what a refund demands, whatever else happened meanwhile.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import reduce

import attrs

from domain.credits.draws import drawn, drawn_at, less, reserving, summed, total
from domain.credits.grants import BurnOrder, Draw, Grant, burn_order, lapsing
from domain.credits.holds import Hold, HoldId, HoldStatus
from domain.credits.idempotency import IdempotencyKey, key_of_expiry
from domain.credits.ledger import EntryKind, Posting, period_metadata
from domain.values.accounts import Account, UserId


@attrs.frozen(kw_only=True)
class Wallet:
    """An account with its open holds and its live grants, or those of them that decisions need."""

    account: Account
    grants: BurnOrder = attrs.field(factory=BurnOrder, converter=burn_order)
    holds: tuple[Hold, ...] = ()


@attrs.frozen(kw_only=True)
class WalletChange:
    """The effect of decisions on one account: the wallet afterwards, the postings, and the changed holds."""

    wallet: Wallet
    postings: tuple[Posting, ...] = ()
    holds: tuple[Hold, ...] = ()


@attrs.frozen
class Insufficient:
    """There are not enough credits; `available` are."""

    available: int


@attrs.frozen
class BalanceMismatch:
    """The balance suffices but the grants do not: something other than the ledger wrote the balance."""

    granted: int


@attrs.frozen(kw_only=True)
class DebitDetails:
    """The description and metadata of an entry that takes credits."""

    kind: EntryKind
    credits: int
    key: IdempotencyKey
    description: str | None = None
    metadata: Mapping[str, str] = attrs.field(factory=dict)


def expire_overdue(wallet: Wallet, now: datetime) -> WalletChange:
    """Release expired holds, then expire the unspent credits of expired grants, except what rolls over.

    Reserved credits stay until their hold is settled. If a refund has taken them since, other credits stand in for them
    and do not expire in the meantime.
    """
    change = WalletChange(wallet=wallet)
    for hold in wallet.holds:
        if hold.expires_at <= now:
            change = _released(change, attrs.evolve(hold, status=HoldStatus.EXPIRED))
    return _lapsed(change, now)


def spend(wallet: Wallet, debit: DebitDetails, now: datetime) -> WalletChange | Insufficient | BalanceMismatch:
    """Spend credits from usable grants in spending order, after overdue expiries."""
    change = expire_overdue(wallet, now)
    draws = _covering(change.wallet, debit.credits, now)
    if not isinstance(draws, tuple):
        return draws
    return posted(change, _debit(wallet.account.user_id, debit, draws, now))


def place_hold(wallet: Wallet, hold: Hold, now: datetime) -> WalletChange | Insufficient | BalanceMismatch:
    """Reserve the hold's credits, after overdue expiries; the hold records the grants that it reserves on."""
    change = expire_overdue(wallet, now)
    draws = _covering(change.wallet, hold.credits, now)
    if not isinstance(draws, tuple):
        return draws
    held = attrs.evolve(hold, draws=draws)
    return _revised(change, held, reserving(change.wallet.grants, draws, 1), held.credits)


def capture(wallet: Wallet, hold_id: HoldId, debit: DebitDetails, now: datetime) -> WalletChange:
    """Capture that many of the open hold's credits, and release the rest.

    A capture always succeeds: it takes from the hold's own grants, even expired ones; if a refund took those, from
    other grants; and what none covers becomes debt.
    """
    hold = _open_hold(wallet, hold_id)
    change = _released(
        WalletChange(wallet=wallet), attrs.evolve(hold, status=HoldStatus.CAPTURED, captured=debit.credits)
    )
    draws = _captured(hold, change.wallet.grants, debit.credits)
    if debit.credits > 0:
        change = posted(change, _debit(hold.user_id, debit, draws, now))
    return _then_expire(change, now)


def void(wallet: Wallet, hold_id: HoldId, now: datetime) -> WalletChange:
    """Release the open hold's credits; those of an expired grant expire."""
    hold = _open_hold(wallet, hold_id)
    return _then_expire(_released(WalletChange(wallet=wallet), attrs.evolve(hold, status=HoldStatus.VOIDED)), now)


def _open_hold(wallet: Wallet, hold_id: HoldId) -> Hold:
    return next(hold for hold in wallet.holds if hold.id == hold_id)


def _captured(hold: Hold, grants: BurnOrder, wanted: int) -> tuple[Draw, ...]:
    reserved = {draw.grant_id: draw.credits for draw in hold.draws}
    draws: tuple[Draw, ...] = ()
    for of in (
        lambda grant: min(reserved.get(grant.id, 0), grant.remaining),
        lambda grant: grant.free,
        # A balance is never negative while any grant has credits, so those reserved by other holds are taken last.
        lambda grant: grant.remaining,
    ):
        missing = wanted - total(draws)
        draws = (*draws, *drawn(less(grants, draws), missing, of=of))
    return summed(draws)


def _then_expire(change: WalletChange, now: datetime) -> WalletChange:
    expiring = expire_overdue(change.wallet, now)
    return WalletChange(
        wallet=expiring.wallet, postings=(*change.postings, *expiring.postings), holds=(*change.holds, *expiring.holds)
    )


def _lapsed(change: WalletChange, now: datetime) -> WalletChange:
    expiring = lapsing(change.wallet.grants, now)
    over = [(grant, expiring[grant.id]) for grant in change.wallet.grants if grant.id in expiring]
    return reduce(_grant_lapsed, over, change)


def _grant_lapsed(change: WalletChange, over: tuple[Grant, int]) -> WalletChange:
    (grant, unspent), account = over, change.wallet.account
    unspent = min(unspent, account.available)
    if unspent <= 0:
        return change
    posting = Posting(
        user_id=account.user_id,
        amount=-unspent,
        kind=EntryKind.EXPIRY,
        idempotency_key=key_of_expiry(grant.id, account.revision),
        purchase_id=grant.purchase_id,
        metadata=period_metadata(grant.period_ends_at),
        description="expired",
        event_at=grant.expires_at,
        draws=(Draw(grant_id=grant.id, credits=unspent),),
    )
    return posted(change, posting)


def _released(change: WalletChange, settled: Hold) -> WalletChange:
    return _revised(change, settled, reserving(change.wallet.grants, settled.draws, -1), -settled.credits)


def _revised(change: WalletChange, hold: Hold, grants: BurnOrder, held: int) -> WalletChange:
    account = change.wallet.account
    others = tuple(other for other in change.wallet.holds if other.id != hold.id)
    return WalletChange(
        wallet=Wallet(
            account=attrs.evolve(account, held=account.held + held, revision=account.revision + 1),
            grants=grants,
            holds=(*others, hold) if hold.is_open else others,
        ),
        postings=change.postings,
        holds=(*change.holds, hold),
    )


def posted(change: WalletChange, posting: Posting) -> WalletChange:
    """Return the change with one more posting; only the ledger knows the grant to which a posting adds."""
    wallet = Wallet(
        account=change.wallet.account.posted(posting.amount),
        grants=less(change.wallet.grants, posting.draws or ()),
        holds=change.wallet.holds,
    )
    return WalletChange(wallet=wallet, postings=(*change.postings, posting), holds=change.holds)


def _debit(user_id: UserId, debit: DebitDetails, draws: tuple[Draw, ...], now: datetime) -> Posting:
    return Posting(
        user_id=user_id,
        amount=-debit.credits,
        kind=debit.kind,
        idempotency_key=debit.key,
        description=debit.description,
        metadata=debit.metadata,
        event_at=now,
        draws=draws,
    )


def _covering(wallet: Wallet, wanted: int, now: datetime) -> tuple[Draw, ...] | Insufficient | BalanceMismatch:
    """Return the draws for that many available credits, or the reason why there are none."""
    available = wallet.account.available
    if wanted > available:
        return Insufficient(max(0, available))
    draws = drawn_at(now, wallet.grants, wanted)
    granted = total(draws)
    return draws if granted >= wanted else BalanceMismatch(granted)
