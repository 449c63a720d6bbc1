"""Wallets: what an account has to spend, and the decisions about it. Each gives the wallet after, and what to write.

Everything that decides what a spend, a hold, a capture or an expiry takes from which grant must live here; how it is
taken stands in `draws`. What a clawback takes is the ledger's rule: it takes what a refund demands, whatever else
happened meanwhile.
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
    """An account with its live grants, which remain or are held, and its open holds."""

    account: Account
    grants: BurnOrder = attrs.field(factory=BurnOrder, converter=burn_order)
    holds: tuple[Hold, ...] = ()


@attrs.frozen(kw_only=True)
class Move:
    """What decisions do to one account: the wallet after, the entries, and the holds as they are from now on."""

    wallet: Wallet
    postings: tuple[Posting, ...] = ()
    holds: tuple[Hold, ...] = ()


@attrs.frozen
class Insufficient:
    """There are not enough credits; so many are available."""

    available: int


@attrs.frozen
class Unfounded:
    """By its balance the account has enough, by its grants only so much: others than the ledger wrote its balance."""

    granted: int


@attrs.frozen(kw_only=True)
class Debit:
    """What an entry that takes credits says of itself."""

    kind: EntryKind
    credits: int
    key: IdempotencyKey
    description: str | None = None
    metadata: Mapping[str, str] = attrs.field(factory=dict)


def settle_dues(wallet: Wallet, now: datetime) -> Move:
    """Free the holds whose time is over, then take what is unspent of ended grants and does not roll over.

    Credits that a hold reserves stay until it is settled. A hold can be on credits that a refund has taken since;
    then what else is there stands in for them, and does not expire meanwhile.
    """
    move = Move(wallet=wallet)
    for hold in wallet.holds:
        if hold.expires_at <= now:
            move = _released(move, attrs.evolve(hold, status=HoldStatus.EXPIRED))
    return _lapsed(move, now)


def spend(wallet: Wallet, debit: Debit, now: datetime) -> Move | Insufficient | Unfounded:
    """Take credits, after what is due: from usable grants in the order in which they burn."""
    move = settle_dues(wallet, now)
    draws = _covering(move.wallet, debit.credits, now)
    if not isinstance(draws, tuple):
        return draws
    return posted(move, _debit(wallet.account.user_id, debit, draws, now))


def place_hold(wallet: Wallet, hold: Hold, now: datetime) -> Move | Insufficient | Unfounded:
    """Set the hold's credits aside, after what is due; it remembers the grants that it is on."""
    move = settle_dues(wallet, now)
    draws = _covering(move.wallet, hold.credits, now)
    if not isinstance(draws, tuple):
        return draws
    held = attrs.evolve(hold, draws=draws)
    return _revised(move, held, reserving(move.wallet.grants, draws, 1), held.credits)


def capture(wallet: Wallet, hold_id: HoldId, debit: Debit, now: datetime) -> Move:
    """Take so many of the credits that the open hold set aside, and free the rest.

    They are good whatever happened meanwhile: from its own grants, also from expired ones; where a refund took those,
    from what else there is; where nothing is, they become debt.
    """
    hold = _open_hold(wallet, hold_id)
    move = _released(Move(wallet=wallet), attrs.evolve(hold, status=HoldStatus.CAPTURED, captured=debit.credits))
    draws = _captured(hold, move.wallet.grants, debit.credits)
    if debit.credits > 0:
        move = posted(move, _debit(hold.user_id, debit, draws, now))
    return _then_dues(move, now)


def void(wallet: Wallet, hold_id: HoldId, now: datetime) -> Move:
    """Free what the open hold set aside; what it frees of an expired grant expires."""
    hold = _open_hold(wallet, hold_id)
    return _then_dues(_released(Move(wallet=wallet), attrs.evolve(hold, status=HoldStatus.VOIDED)), now)


def _open_hold(wallet: Wallet, hold_id: HoldId) -> Hold:
    return next(hold for hold in wallet.holds if hold.id == hold_id)


def _captured(hold: Hold, grants: BurnOrder, wanted: int) -> tuple[Draw, ...]:
    reserved = {draw.grant_id: draw.credits for draw in hold.draws}
    draws: tuple[Draw, ...] = ()
    for of in (
        lambda grant: min(reserved.get(grant.id, 0), grant.remaining),
        lambda grant: grant.free,
        # No balance is in debt while anything remains, so what other holds are on comes last.
        lambda grant: grant.remaining,
    ):
        missing = wanted - total(draws)
        draws = (*draws, *drawn(less(grants, draws), missing, of=of))
    return summed(draws)


def _then_dues(move: Move, now: datetime) -> Move:
    dues = settle_dues(move.wallet, now)
    return Move(wallet=dues.wallet, postings=(*move.postings, *dues.postings), holds=(*move.holds, *dues.holds))


def _lapsed(move: Move, now: datetime) -> Move:
    expiring = lapsing(move.wallet.grants, now)
    over = [(grant, expiring[grant.id]) for grant in move.wallet.grants if grant.id in expiring]
    return reduce(_grant_lapsed, over, move)


def _grant_lapsed(move: Move, over: tuple[Grant, int]) -> Move:
    (grant, unspent), account = over, move.wallet.account
    unspent = min(unspent, account.available)
    if unspent <= 0:
        return move
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
    return posted(move, posting)


def _released(move: Move, settled: Hold) -> Move:
    return _revised(move, settled, reserving(move.wallet.grants, settled.draws, -1), -settled.credits)


def _revised(move: Move, hold: Hold, grants: BurnOrder, held: int) -> Move:
    account = move.wallet.account
    others = tuple(other for other in move.wallet.holds if other.id != hold.id)
    return Move(
        wallet=Wallet(
            account=attrs.evolve(account, held=account.held + held, revision=account.revision + 1),
            grants=grants,
            holds=(*others, hold) if hold.is_open else others,
        ),
        postings=move.postings,
        holds=(*move.holds, hold),
    )


def posted(move: Move, posting: Posting) -> Move:
    """The move, with one more entry; what the entry puts into a grant only the ledger knows."""
    wallet = Wallet(
        account=move.wallet.account.posted(posting.amount),
        grants=less(move.wallet.grants, posting.draws or ()),
        holds=move.wallet.holds,
    )
    return Move(wallet=wallet, postings=(*move.postings, posting), holds=move.holds)


def _debit(user_id: UserId, debit: Debit, draws: tuple[Draw, ...], now: datetime) -> Posting:
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


def _covering(wallet: Wallet, wanted: int, now: datetime) -> tuple[Draw, ...] | Insufficient | Unfounded:
    """What takes so many available credits, or why nothing does."""
    available = wallet.account.available
    if wanted > available:
        return Insufficient(max(0, available))
    draws = drawn_at(now, wallet.grants, wanted)
    granted = total(draws)
    return draws if granted >= wanted else Unfounded(granted)
