"""Adopt customers that the payment provider has from before: find out whose they are, and link them once confirmed."""

import enum
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeVar

import attrs

from domain.ports.customers import Customer, CustomerLinks, CustomerMissing, CustomerOwner, Customers, CustomerUse
from domain.ports.ledger import Audit
from domain.values.accounts import InvalidUserId, UserId, parse_user_id
from domain.values.customers import CustomerId

PAGE = 500

Item = TypeVar("Item")


class Ground(enum.StrEnum):
    """The ground on which a customer is an account's, the best first."""

    METADATA = "metadata"
    """The customer's own metadata names the user."""
    SALE = "sale"
    """A checkout or a subscription of the customer's names the user."""
    ADDRESS = "address"
    """Only the address is the user's, which anybody may have entered."""


class Verdict(enum.StrEnum):
    """The result for a customer."""

    LINK = "link"
    LINKED = "linked"
    """It was linked just now, or before."""
    SECOND = "another of its customers is better"
    HAS_ANOTHER = "the account has another"
    TAKEN = "another account has it"
    SEVERAL_USERS = "several users are named"
    UNKNOWN_USER = "no such user"
    OTHER_DEPLOYMENT = "another deployment's"
    GONE = "deleted meanwhile"


@attrs.frozen(kw_only=True)
class Candidate:
    """A customer that may be an account's, and what becomes of it."""

    customer_id: CustomerId
    email: str | None
    user_id: UserId | None
    """None if several users are named."""
    ground: Ground
    is_subscribed: bool = False
    created: datetime | None = None
    verdict: Verdict = Verdict.LINK


@attrs.frozen(kw_only=True)
class _Named:
    """The users whom customers' sales name."""

    users: Mapping[CustomerId, set[UserId]]
    subscribed: frozenset[CustomerId]


@attrs.frozen(kw_only=True)
class CustomerAdopter:
    """Proposes links between accounts and the provider's customers, and makes them."""

    links: CustomerLinks
    customers: Customers
    audit: Audit

    async def propose(
        self, *, by_address: bool = False, watch: Callable[[int], object] = lambda _: None
    ) -> tuple[Candidate, ...]:
        """Return every customer that something says is an account's, with the verdict; nothing is written.

        With `by_address` also those whose address exactly one account has, where nothing else names a user. `watch` is
        called with the number of customers looked at.

        :raises LedgerUnavailable: if the ledger could not be read.
        :raises PaymentsUnavailable: if the provider could not be reached.
        """
        ledger_id, found, nameless = await self.links.ledger_id(), [], []
        named = _named([use async for use in self.customers.uses()])
        looked_at = 0
        async for customer in self.customers.every_customer():
            looked_at += 1
            watch(looked_at)
            candidate = _candidate(customer, named, ledger_id)
            if candidate is not None:
                found.append(candidate)
            elif customer.email:
                nameless.append(customer)
        if by_address and nameless:
            found += [one async for one in self._of_addresses(nameless)]
        return tuple(await self._judged(found))

    async def adopt(self, candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
        """Link the candidates whose verdict is to link them; return all with what became of them.

        Whose a customer is is written to the provider first, so that it is found again whatever happens in between.

        :raises LedgerUnavailable: if the ledger could not be written; repeating it is safe.
        :raises PaymentsUnavailable: if the provider could not be reached; likewise.
        :raises PaymentsRefused: if the key may not change customers.
        """
        ledger_id, done = await self.links.ledger_id(), []
        for one in candidates:
            if one.verdict is Verdict.LINK and one.user_id is not None:
                verdict = await self._linked(one, one.user_id, ledger_id)
                done.append(attrs.evolve(one, verdict=verdict))
            else:
                done.append(one)
        return tuple(done)

    async def _linked(self, one: Candidate, user_id: UserId, ledger_id: str) -> Verdict:
        try:
            await self.customers.write_owner(one.customer_id, CustomerOwner(ledger_id=ledger_id, user_id=user_id))
        except CustomerMissing:
            return Verdict.GONE
        link = await self.links.link(user_id, one.customer_id, email=one.email)
        if link is None:
            return Verdict.TAKEN
        return Verdict.LINKED if link.customer_id == one.customer_id else Verdict.HAS_ANOTHER

    async def _of_addresses(self, nameless: list[Customer]) -> AsyncIterator[Candidate]:
        owners: dict[str, list[UserId]] = defaultdict(list)
        last: UserId | None = None
        while page := await self.audit.accounts_after(last, PAGE):
            for account in page:
                if account.email:
                    owners[account.email.lower()].append(account.user_id)
            last = page[-1].user_id
        for customer in nameless:
            users = owners.get(str(customer.email).lower(), [])
            if len(users) == 1:
                yield _of(customer, users[0], Ground.ADDRESS)

    async def _judged(self, found: list[Candidate]) -> list[Candidate]:
        users = sorted({one.user_id for one in found if one.user_id is not None})
        known: set[UserId] = set()
        linked: dict[UserId, CustomerId] = {}
        for some in _in_pages(users):
            known |= {account.user_id for account in await self.audit.accounts_of(some)}
            linked |= await self.links.linked((), some)
        for some_ids in _in_pages(sorted({one.customer_id for one in found})):
            linked |= await self.links.linked(some_ids, ())
        judged = [_judge(one, known, linked) for one in found]
        best = {one.user_id: one.customer_id for one in sorted(judged, key=_merit) if one.verdict is Verdict.LINK}
        return [
            attrs.evolve(one, verdict=Verdict.SECOND)
            if one.verdict is Verdict.LINK and best[one.user_id] != one.customer_id
            else one
            for one in judged
        ]


def _in_pages(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    return (items[start : start + PAGE] for start in range(0, len(items), PAGE))


def _named(uses: Iterable[CustomerUse]) -> _Named:
    users: dict[CustomerId, set[UserId]] = defaultdict(set)
    subscribed = set()
    for use in uses:
        if (user_id := _user(use.user_reference)) is not None:
            users[use.customer_id].add(user_id)
        if use.is_subscribed:
            subscribed.add(use.customer_id)
    return _Named(users=users, subscribed=frozenset(subscribed))


def _user(reference: str | None) -> UserId | None:
    try:
        return parse_user_id(reference or "")
    except InvalidUserId:
        return None


def _candidate(customer: Customer, named: _Named, ledger_id: str) -> Candidate | None:
    """Return whose customer it is by what names users; None if nothing does."""
    own = _user(customer.user_reference)
    users = named.users.get(customer.id, set()) | ({own} if own is not None else set())
    if not users:
        return None
    found = _of(
        customer,
        min(users) if len(users) == 1 else None,
        Ground.METADATA if own is not None else Ground.SALE,
        is_subscribed=customer.id in named.subscribed,
    )
    if customer.ledger_id not in (None, ledger_id):
        return attrs.evolve(found, verdict=Verdict.OTHER_DEPLOYMENT)
    return found if len(users) == 1 else attrs.evolve(found, verdict=Verdict.SEVERAL_USERS)


def _of(customer: Customer, user_id: UserId | None, ground: Ground, *, is_subscribed: bool = False) -> Candidate:
    return Candidate(
        customer_id=customer.id,
        email=customer.email,
        user_id=user_id,
        ground=ground,
        is_subscribed=is_subscribed,
        created=customer.created,
    )


def _judge(one: Candidate, known: set[UserId], linked: Mapping[UserId, CustomerId]) -> Candidate:
    """Return the candidate with the verdict that the ledger gives on it alone."""
    if one.verdict is not Verdict.LINK or one.user_id is None:
        return one
    verdict = Verdict.LINK
    if linked.get(one.user_id) == one.customer_id:
        verdict = Verdict.LINKED
    elif one.user_id in linked:
        verdict = Verdict.HAS_ANOTHER
    elif one.customer_id in linked.values():
        verdict = Verdict.TAKEN
    elif one.user_id not in known:
        verdict = Verdict.UNKNOWN_USER
    return attrs.evolve(one, verdict=verdict)


def _merit(one: Candidate) -> tuple[bool, bool, bool, datetime, CustomerId]:
    """Return the sort key by which the best of an account's customers comes last.

    What is verified comes before an address, a running subscription before none, the customer's own metadata before a
    sale, and what is new before what is old.
    """
    created = one.created or datetime.min.replace(tzinfo=UTC)
    by_address, by_metadata = one.ground is Ground.ADDRESS, one.ground is Ground.METADATA
    return not by_address, one.is_subscribed, by_metadata, created, one.customer_id
