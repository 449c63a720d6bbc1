"""One contract for every ledger: what was written before, or by others meanwhile, is written by nobody again."""

import asyncio
from typing import Any

import attrs

from adapters.tests.written import (
    JULY,
    JUNE,
    MAY,
    billed,
    bought,
    buying,
    event,
    invoiced,
    new_id,
    of_period,
    pay,
    period,
    posting,
    recorded,
    revision,
)
from domain.changes.changes import AccountGuard, Change, CommitResult, Committed, Conflict, Duplicate, SnapshotQuery
from domain.changes.inbox import EventStatus


async def test_the_same_event_again_is_a_duplicate(open_world: Any) -> None:
    """A repeated event changes nothing, and answers with the account as it is now, not as it was then."""
    async with open_world() as world:
        user, payment, decision = await world.sign_up(None), new_id("pi"), event()
        await world.ledger.commit([buying(user, payment, decision=decision)])
        await world.ledger.commit([buying(user, new_id("pi"))])
        (result,) = await world.ledger.commit([buying(user, payment, decision=decision)])
        assert isinstance(result, Duplicate)
        assert (100, 2) == (result.accounts[0].balance, result.accounts[0].version)
        assert 2 == len(await world.ledger.entries(user, before_version=None, limit=10))


async def test_the_same_entry_again_is_a_duplicate(open_world: Any) -> None:
    """An idempotency key changes the ledger once, whichever event brings it."""
    async with open_world() as world:
        user, payment, other = await world.sign_up(None), new_id("pi"), event()
        await world.ledger.commit([buying(user, payment, decision=event())])
        repeated = attrs.evolve(buying(user, payment, decision=other), revision=None)
        (result,) = await world.ledger.commit([repeated])
        assert isinstance(result, Duplicate)
        snapshot = await world.ledger.read(SnapshotQuery(event_id=other.event.id, user_id=user))
        assert EventStatus.NOTHING_NEW == snapshot.event_status
        assert 50 == snapshot.account.balance


async def test_a_key_with_other_content_conflicts(open_world: Any) -> None:
    """The same key for another amount is refused."""
    async with open_world() as world:
        user, key = await world.sign_up(None), new_id("key")
        await world.ledger.commit([Change(postings=(posting(user, 50, key),))])
        (result,) = await world.ledger.commit([Change(postings=(posting(user, 60, key),))])
        assert Conflict("idempotency_key") == result


async def test_a_stale_revision_conflicts(open_world: Any) -> None:
    """A decision on an outdated purchase writes nothing, not even its event."""
    async with open_world() as world:
        user, payment, decision = await world.sign_up(None), new_id("pi"), event()
        await world.ledger.commit([buying(user, payment)])
        stale = Change(
            event=decision,
            revision=revision(payment, bought(user, payment, amount=600), expected=0),
            postings=(posting(user, 7, new_id("key"), payment),),
        )
        (result,) = await world.ledger.commit([stale])
        assert Conflict("revision") == result
        snapshot = await world.ledger.read(SnapshotQuery(event_id=decision.event.id, user_id=user))
        assert snapshot.event_status is None
        assert 50 == snapshot.account.balance


async def test_a_link_belongs_to_one_purchase(open_world: Any) -> None:
    """A second purchase can't take the link of a first."""
    async with open_world() as world:
        user, payment, other = await world.sign_up(None), new_id("pi"), new_id("pi")
        await world.ledger.commit([buying(user, payment)])
        thief = Change(revision=revision(other, bought(user, payment)))
        assert (Conflict("link"),) == await world.ledger.commit([thief])


async def test_twenty_purchases_at_the_same_moment_all_count(open_world: Any) -> None:
    """Changes of one account that come at once are all posted, one version after the other."""
    async with open_world() as world:
        user = await world.sign_up(None)
        changes = [buying(user, new_id("pi"), decision=event()) for _ in range(20)]

        async def commit(change: Change) -> CommitResult:
            # A wait for nineteen others may take longer than a call waits.
            while (result := (await world.ledger.commit([change]))[0]) == Conflict("locked"):
                pass
            return result

        results = await asyncio.gather(*map(commit, changes))
        assert {Committed} == {type(result) for result in results}
        entries = await world.ledger.entries(user, before_version=None, limit=50)
        assert list(range(20, 0, -1)) == [entry.version for entry in entries]
        assert 1000 == entries[0].balance_after == (await world.ledger.account(user)).balance


async def test_one_purchase_reported_at_the_same_moment_counts_once(open_world: Any) -> None:
    """Of twenty equal decisions by different events one is written; the others conflict or are duplicates."""
    async with open_world() as world:
        user, payment = await world.sign_up(None), new_id("pi")
        changes = [buying(user, payment, decision=event()) for _ in range(20)]
        results = await asyncio.gather(*(world.ledger.commit([change]) for change in changes))
        assert 1 == sum(isinstance(result, Committed) for (result,) in results)
        assert 50 == (await world.ledger.account(user)).balance


async def test_another_purchase_can_not_take_a_link_either(open_world: Any) -> None:
    """The links of every purchase of a change lead to it alone."""
    async with open_world() as world:
        user, payment, old, new = await world.sign_up(None), new_id("pi"), new_id("in"), new_id("in")
        await world.ledger.commit([buying(user, payment)])
        await pay(world, user, old, billed(period(MAY, JUNE)))
        thief = attrs.evolve(invoiced(user, old, billed(period(MAY, JUNE))), links=bought(user, payment).links)
        change = Change(
            revision=revision(new, invoiced(user, new, billed(period(JUNE, JULY)))),
            others=(revision(old, thief, expected=1),),
        )
        assert (Conflict("link"),) == await world.ledger.commit([change])
        assert ([1], ()) == ([one.revision for one in await recorded(world, old)], await recorded(world, new))


async def test_the_same_change_at_the_same_moment_happens_once(open_world: Any) -> None:
    """Of ten that also change another purchase; and two that meet in one are never both written."""
    async with open_world() as world:
        user, old = await world.sign_up(None), new_id("in")
        await pay(world, user, old, billed(period(MAY, JUNE)))
        (known,) = await recorded(world, old)

        def change(new: str) -> Change:
            return Change(
                revision=revision(new, invoiced(user, new, billed(period(MAY, JULY)))),
                others=(revision(old, known.purchase, expected=1),),
                postings=(of_period(user, old, -20, JUNE, 2), of_period(user, new, 50, JULY)),
            )

        changes = [change(new) for new in (new_id("in"), new_id("in")) for _ in range(5)]
        results = await asyncio.gather(*(world.ledger.commit([one]) for one in changes))
        assert 1 == sum(isinstance(result, Committed) for (result,) in results)
        assert 80 == (await world.ledger.account(user)).balance


async def test_a_guard_of_an_account_that_left_conflicts(open_world: Any) -> None:
    """Although nothing is posted to it: a trial that brings nothing, say."""
    async with open_world() as world:
        user, invoice = await world.sign_up(None), new_id("in")
        await world.leave(user)
        change = Change(
            revision=revision(invoice, invoiced(user, invoice, billed(period(MAY, JUNE)))),
            account=AccountGuard(user_id=user, expected_revision=0),
        )
        assert (Conflict("unknown_user"),) == await world.ledger.commit([change])
        assert () == await recorded(world, invoice)
