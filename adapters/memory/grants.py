"""Grants, draws and holds in memory, under the ledger's own rules."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

import attrs

from domain.credits.clawbacks import OWN_GRANT
from domain.credits.grants import SOLD_PRIORITY, Draw, Grant, GrantId, burn_order, draws_of_clawback, lapsing, needed
from domain.credits.holds import Hold, HoldId
from domain.credits.ledger import EntryKind, GrantEnd, Posting, period_of, returned_to
from domain.credits.records import GrantRecord, RecordedDraw
from domain.credits.wallets import Wallet
from domain.payments.purchases import PurchaseId
from domain.values.accounts import Account, UserId


class MemoryGrants:
    """The grants and holds of every account; each method is one indivisible step."""

    def __init__(self) -> None:
        self._grants: dict[UserId, dict[GrantId, Grant]] = {}
        self._draws: dict[GrantId, list[RecordedDraw]] = {}
        self._puts: dict[GrantId, list[int]] = {}
        self._holds: dict[HoldId, Hold] = {}
        self._placed: dict[HoldId, datetime] = {}
        self._settled_at: dict[HoldId, datetime] = {}
        self._count = 0

    def of(self, user_id: UserId) -> tuple[Grant, ...]:
        """Return every grant of the account, oldest first."""
        return tuple(self._grants.get(user_id, {}).values())

    def live(self, user_id: UserId) -> tuple[Grant, ...]:
        """Return the grants that remain or are held, oldest first."""
        return tuple(grant for grant in self.of(user_id) if grant.remaining > 0 or grant.held > 0)

    def wallet(self, account: Account, most: int | None, now: datetime) -> Wallet:
        """Return the account's wallet for decisions that take so many credits at most; None for all live grants."""
        live, holds = self.live(account.user_id), self.open_holds(account.user_id)
        return Wallet(account=account, grants=live if most is None else needed(live, most, now), holds=holds)

    def records(self, user_id: UserId) -> tuple[GrantRecord, ...]:
        """Return every grant of the account with what entries put into it and took from it, in their order."""
        return tuple(
            GrantRecord(
                grant=grant, puts=tuple(self._puts.get(grant.id, ())), draws=tuple(self._draws.get(grant.id, ()))
            )
            for grant in self.of(user_id)
        )

    def hold(self, hold_id: HoldId) -> Hold | None:
        """Return the hold, settled or not."""
        return self._holds.get(hold_id)

    def holds(self, user_id: UserId) -> tuple[Hold, ...]:
        """Return every hold of the account, oldest first."""
        return tuple(hold for hold in self._holds.values() if hold.user_id == user_id)

    def open_holds(self, user_id: UserId) -> tuple[Hold, ...]:
        """Return the holds that set the account's credits aside."""
        return tuple(hold for hold in self.holds(user_id) if hold.is_open)

    def held_at(self, user_id: UserId, moment: datetime) -> int:
        """Return the credits that the account's holds set aside at the moment."""
        return sum(
            hold.credits
            for hold in self.holds(user_id)
            if self._placed[hold.id] <= moment
            and (hold.id not in self._settled_at or moment < self._settled_at[hold.id])
        )

    def overdue(self, now: datetime, has_available: Callable[[UserId], bool]) -> list[tuple[datetime, UserId]]:
        """Return accounts with something whose time is over, and since when.

        Where nothing is available, what is left of an expired grant stands in for what is held, and is not due.
        """
        over = [(hold.expires_at, hold.user_id) for hold in self._holds.values() if hold.is_open]
        over += [
            (grants[grant_id].expires_at or now, user_id)
            for user_id, grants in self._grants.items()
            if has_available(user_id)
            for grant_id in lapsing(grants.values(), now)
        ]
        return sorted(due for due in over if due[0] <= now)

    def can_draw(self, user_id: UserId, postings: Iterable[Posting]) -> bool:
        """Return whether the grants have what the decided entries of one change take from them."""
        left = {grant.id: grant.remaining for grant in self.of(user_id)}
        for posting in postings:
            for draw in posting.draws or ():
                left[draw.grant_id] = left.get(draw.grant_id, 0) - draw.credits
            if sum(draw.credits for draw in posting.draws or ()) > max(0, -posting.amount):
                return False
        return all(remaining >= 0 for remaining in left.values())

    def post(
        self,
        posting: Posting,
        *,
        balance: int,
        version: int,
        now: datetime,
        purchase_ids: frozenset[PurchaseId],
    ) -> None:
        """Do to the grants what an entry of that version does, on an account that had that balance."""
        if posting.amount > 0:
            grant = self._put(posting, now)
            self._puts.setdefault(grant.id, []).append(version)
            pays_debt = min(posting.amount, max(0, -balance))
            self._draw(posting.user_id, version, (Draw(grant_id=grant.id, credits=pays_debt),) if pays_debt else ())
        elif posting.draws is None:
            period = period_of(posting)
            draws = draws_of_clawback(self.live(posting.user_id), -posting.amount, purchase_ids, period)
            self._draw(posting.user_id, version, draws)
        else:
            self._draw(posting.user_id, version, posting.draws)

    def end(self, end: GrantEnd, purchase_ids: frozenset[PurchaseId]) -> None:
        """Let what is left of a purchase's grant expire at another time."""
        grants = self._grants.get(end.user_id, {})
        for grant in [*grants.values()]:
            if grant.is_live and any(_is_of(grant, one, end.period_ends_at) for one in purchase_ids):
                grants[grant.id] = attrs.evolve(grant, expires_at=end.expires_at)

    def ends_of(self, purchase_ids: frozenset[PurchaseId], period: datetime | None) -> dict[UserId, datetime | None]:
        """Return when what is left of each user's grant of a purchase expires, where something is left of it."""
        ends: dict[UserId, datetime | None] = {}
        for user_id, grants in self._grants.items():
            for grant in grants.values():
                if grant.is_live and any(_is_of(grant, one, period) for one in purchase_ids):
                    ends.setdefault(user_id, grant.expires_at)
        return ends

    def taken(
        self, user_id: UserId, purchase_ids: frozenset[PurchaseId], period: datetime | None, versions: frozenset[int]
    ) -> tuple[int, tuple[Draw, ...]]:
        """Return what entries of these versions took from the user's own grant of a purchase, and from which others.

        Of the others, what burns last comes first.
        """
        own, others = 0, list[Draw]()
        for grant in reversed(burn_order(self.of(user_id))):
            drawn = sum(draw.credits for draw in self._draws.get(grant.id, ()) if draw.version in versions)
            if any(_is_of(grant, one, period) for one in purchase_ids):
                own += drawn
            elif drawn > 0:
                others.append(Draw(grant_id=grant.id, credits=drawn))
        return own, tuple(others)

    def keep(self, hold: Hold, now: datetime) -> int:
        """Keep a hold as it is from now on; returns by how much the account's held credits change."""
        self._placed.setdefault(hold.id, now)
        if not hold.is_open:
            self._settled_at[hold.id] = now
        known = self._holds.get(hold.id)
        self._holds[hold.id] = hold
        before = self._reserve(known, -1) if known is not None and known.is_open else 0
        return before + (self._reserve(hold, 1) if hold.is_open else 0)

    def _put(self, posting: Posting, now: datetime) -> Grant:
        grants = self._grants.setdefault(posting.user_id, {})
        returns_to = returned_to(posting)
        known = next(
            (
                grant
                for grant in grants.values()
                if (
                    _is_of(grant, posting.purchase_id, period_of(posting))
                    if returns_to in {None, OWN_GRANT}
                    else str(grant.id) == returns_to
                )
            ),
            None,
        )
        is_back = posting.kind is EntryKind.REINSTATEMENT and returns_to is None
        gives_back_late = is_back and known is not None and known.has_expired(now)
        if known is not None and not gives_back_late:
            put = posting.amount
            grant = attrs.evolve(known, credits=known.credits + put, remaining=known.remaining + put)
        else:
            self._count += 1
            grant = Grant(
                id=GrantId(self._count),
                kind=posting.kind,
                priority=SOLD_PRIORITY if posting.priority is None else posting.priority,
                credits=posting.amount,
                remaining=posting.amount,
                # What is given back after its grant's end was taken from other credits, or was owed: it stays.
                expires_at=None if gives_back_late else posting.expires_at,
                rollover_cap=None if gives_back_late else posting.rollover_cap,
                purchase_id=posting.purchase_id,
                period_ends_at=period_of(posting),
                created_at=now,
            )
        grants[grant.id] = grant
        return grant

    def _draw(self, user_id: UserId, version: int, draws: Sequence[Draw]) -> None:
        grants = self._grants.get(user_id, {})
        for draw in draws:
            grant = grants[draw.grant_id]
            grants[draw.grant_id] = attrs.evolve(grant, remaining=grant.remaining - draw.credits)
            self._draws.setdefault(draw.grant_id, []).append(RecordedDraw(version=version, credits=draw.credits))

    def _reserve(self, hold: Hold, sign: int) -> int:
        grants = self._grants[hold.user_id]
        for draw in hold.draws:
            grant = grants[draw.grant_id]
            grants[draw.grant_id] = attrs.evolve(grant, held=grant.held + sign * draw.credits)
        return sign * hold.credits


def _is_of(grant: Grant, purchase_id: PurchaseId | None, period_ends_at: datetime | None) -> bool:
    return (
        purchase_id is not None
        and grant.purchase_id == purchase_id
        and grant.period_ends_at == period_ends_at
        and grant.kind != EntryKind.REINSTATEMENT
    )
