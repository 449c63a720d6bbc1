"""One contract for every ledger: the grants of an invoice's periods, and the invoices of a subscription."""

from datetime import datetime, timedelta
from typing import Any

import attrs

from adapters.tests.written import (
    AUGUST,
    GRACE,
    JULY,
    JUNE,
    MAY,
    billed,
    buying,
    grants_of,
    new_id,
    of_period,
    pay,
    period,
    posting,
    recorded,
    revision,
)
from domain.changes.changes import AbsorbedPurchase, Change, Committed, SnapshotQuery
from domain.credits.grants import Draw
from domain.credits.ledger import EntryKind, ExpiredCredits, GrantEnd, Posting
from domain.payments.invoices import LineKind
from domain.payments.line_terms import Claimed
from domain.payments.purchases import Link, PurchaseId
from domain.values.accounts import UserId


async def test_an_invoice_has_a_grant_for_each_of_its_periods(open_world: Any) -> None:
    """What is posted and until when is reported for each apart, as is what was posted for none."""
    async with open_world() as world:
        user, invoice = await world.sign_up(None), new_id("in")
        await pay(world, user, invoice, billed(period(MAY, JUNE), period(MAY, JULY)))
        (known,) = await recorded(world, invoice)
        assert {JUNE: {user: 50}, JULY: {user: 50}} == {end: one.by_user for end, one in known.posted.items()}
        assert {JUNE: {user: JUNE + GRACE}, JULY: {user: JULY + GRACE}} == {
            end: one.expires_at for end, one in known.posted.items()
        }
        assert 100 == known.credits_of(user)
        assert [(JUNE, 50, JUNE + GRACE), (JULY, 50, JULY + GRACE)] == await grants_of(world, user)
        # An entry of the same period puts into its grant; one of no period makes a grant of its own.
        more = Change(
            revision=revision(invoice, known.purchase, expected=1),
            postings=(
                of_period(user, invoice, 7, JULY, 2, kind=EntryKind.REINSTATEMENT),
                posting(user, 5, new_id("key"), invoice),
            ),
        )
        assert [Committed] == [type(result) for result in await world.ledger.commit([more])]
        expected = [(JUNE, 50, JUNE + GRACE), (JULY, 57, JULY + GRACE), (None, 5, None)]
        assert expected == await grants_of(world, user)
        (known,) = await recorded(world, invoice)
        assert {JUNE: 50, JULY: 57, None: 5} == {end: one.by_user[user] for end, one in known.posted.items()}
        assert user not in {row.user_id for row in await world.audit.inconsistencies()}


async def test_a_clawback_takes_from_its_own_period_first(open_world: Any) -> None:
    """Then from the other periods of its purchase and of those that were merged into it, then from other credits."""
    async with open_world() as world:
        user, invoice, twin, other = await world.sign_up(None), new_id("in_a"), new_id("in_b"), new_id("pi")
        await world.ledger.commit([buying(user, other)])
        await pay(world, user, invoice, billed(period(MAY, JUNE), period(MAY, JULY)))
        await pay(world, user, twin, billed(period(MAY, JULY)))
        (mine, same) = await recorded(world, invoice, twin)
        both = attrs.evolve(mine.purchase, links=mine.purchase.links | same.purchase.links)
        absorbed = (AbsorbedPurchase(id=PurchaseId(twin), expected_revision=1),)
        taken = [(-60, JULY), (-50, JULY), (-60, JUNE)]
        left = []
        for at, (amount, end) in enumerate(taken, start=2):
            next_one = attrs.evolve(revision(invoice, both, expected=at - 1), absorbed=absorbed if at == 2 else ())
            change = Change(revision=next_one, postings=(of_period(user, invoice, amount, end, at),))
            assert [Committed] == [type(result) for result in await world.ledger.commit([change])]
            left.append([remaining for _, remaining, _ in await grants_of(world, user)])
        assert [[50, 50, 0, 40], [50, 40, 0, 0], [30, 0, 0, 0]] == left
        (known,) = await recorded(world, twin)
        assert {JUNE: -10, JULY: -10} == {end: one.by_user[user] for end, one in known.posted.items()}
        assert user not in {row.user_id for row in await world.audit.inconsistencies()}


async def test_a_grant_that_stands_may_end_at_another_time(open_world: Any) -> None:
    """That of the period alone, while something is left of it; those of merged purchases follow."""
    async with open_world() as world:
        user, bob, invoice = await world.sign_up(None), await world.sign_up(None), new_id("in")
        await pay(world, user, invoice, billed(period(MAY, JUNE), period(MAY, JULY)))
        (known,) = await recorded(world, invoice)

        async def end(at: int, period_end: datetime, expires: datetime | None, of: UserId = user) -> None:
            ends = (
                GrantEnd(user_id=of, purchase_id=PurchaseId(invoice), period_ends_at=period_end, expires_at=expires),
            )
            change = Change(revision=revision(invoice, known.purchase, expected=at), ends=ends)
            assert [Committed] == [type(result) for result in await world.ledger.commit([change])]

        await end(1, JUNE, AUGUST)
        assert [(JUNE, 50, AUGUST), (JULY, 50, JULY + GRACE)] == await grants_of(world, user)
        await end(2, JULY, None)
        await end(3, JULY, MAY, bob)
        assert [(JUNE, 50, AUGUST), (JULY, 50, None)] == await grants_of(world, user)
        (found,) = await recorded(world, invoice)
        assert {JUNE: {user: AUGUST}, JULY: {user: None}} == {
            period_end: one.expires_at for period_end, one in found.posted.items()
        }
        spend = Posting(
            user_id=user,
            amount=-50,
            kind=EntryKind.SPEND,
            idempotency_key=new_id("spend"),
            draws=(Draw(grant_id=(await world.audit.record_of(user)).grants[0].grant.id, credits=50),),
        )
        assert [Committed] == [type(result) for result in await world.ledger.commit([Change(postings=(spend,))])]
        await end(4, JUNE, JULY)
        assert [(JUNE, 0, AUGUST), (JULY, 50, None)] == await grants_of(world, user)
        (found,) = await recorded(world, invoice)
        assert {} == found.posted[JUNE].expires_at


async def test_what_expired_is_reported_for_each_period(open_world: Any) -> None:
    """With what stood posted then: what expired of one period is none of another's."""
    async with open_world() as world:
        user, invoice = await world.sign_up(None), new_id("in")
        await pay(world, user, invoice, billed(period(MAY, JUNE), period(MAY, JULY)))
        (known,) = await recorded(world, invoice)
        first = (await world.audit.record_of(user)).grants[0].grant
        expiry = of_period(user, invoice, -30, JUNE, 9, kind=EntryKind.EXPIRY)
        expiry = attrs.evolve(expiry, draws=(Draw(grant_id=first.id, credits=30),))
        assert [Committed] == [type(result) for result in await world.ledger.commit([Change(postings=(expiry,))])]
        back = Change(
            revision=revision(invoice, known.purchase, expected=1),
            postings=(of_period(user, invoice, -10, JUNE, 2), of_period(user, invoice, -10, JULY, 2)),
        )
        assert [Committed] == [type(result) for result in await world.ledger.commit([back])]
        (known,) = await recorded(world, invoice)
        assert {JUNE: ({user: 40}, {user: ExpiredCredits(amount=30, posted_before=50)}), JULY: ({user: 40}, {})} == {
            end: (one.by_user, one.expired) for end, one in known.posted.items()
        }
        assert user not in {row.user_id for row in await world.audit.inconsistencies()}


async def test_a_family_is_the_invoices_of_a_subscription_from_a_time_on(open_world: Any) -> None:
    """By the subscription that is named, or by a purchase that is reached, from that one's own beginning on."""
    async with open_world() as world:
        user, subscription = await world.sign_up(None), new_id("sub")
        invoices = [f"{new_id('in')}_{place}" for place in range(4)]
        for invoice, (begins, ends) in zip(invoices, ((MAY, JUNE), (JUNE, JULY), (JULY, AUGUST)), strict=False):
            await pay(world, user, invoice, billed(period(begins, ends), subscription=subscription))
        await pay(world, user, invoices[3], billed(period(JUNE, JULY), subscription=new_id("sub")))
        await world.ledger.commit([buying(user, invoices[3].replace("in_", "pi_"))])

        async def family(links: tuple[str, ...] = (), **asked: Any) -> list[str]:
            snapshot = await world.ledger.read(
                SnapshotQuery(links=frozenset(Link(f"invoice:{one}") for one in links), **asked)
            )
            return [one.id for one in snapshot.family]

        for since, place in ((MAY, 0), (JUNE, 0), (JUNE + timedelta(seconds=1), 1), (AUGUST, 2)):
            assert sorted(invoices[place:3]) == await family(subscription_id=subscription, periods_since=since)
        assert [] == await family(subscription_id=subscription, periods_since=AUGUST + timedelta(seconds=1))
        assert [] == await family(subscription_id=subscription)
        assert [] == await family(periods_since=MAY)
        assert sorted(invoices[:3]) == await family((invoices[1],))
        assert sorted(invoices[1:3]) == await family((invoices[2],), periods_since=AUGUST)
        assert sorted(invoices[:3]) == await family((invoices[2],), periods_since=MAY)
        assert [invoices[3]] == await family((invoices[3],))
        snapshot = await world.ledger.read(SnapshotQuery(subscription_id=subscription, periods_since=AUGUST))
        (last,) = snapshot.family
        assert (1, {user: 50}) == (last.revision, last.posted[AUGUST].by_user)
        assert billed(period(JULY, AUGUST), subscription=subscription) == last.purchase.bill


async def test_a_family_has_only_the_purchase_that_goes_on(open_world: Any) -> None:
    """And reports it by the merged one's links as well."""
    async with open_world() as world:
        user, subscription, one, two = await world.sign_up(None), new_id("sub"), new_id("in_a"), new_id("in_b")
        bill = billed(period(MAY, JUNE), subscription=subscription)
        for invoice in (one, two):
            await pay(world, user, invoice, bill)
        (mine, same) = await recorded(world, one, two)
        both = attrs.evolve(mine.purchase, links=mine.purchase.links | same.purchase.links)
        absorbed = (AbsorbedPurchase(id=PurchaseId(two), expected_revision=1),)
        merged = attrs.evolve(revision(one, both, expected=1), absorbed=absorbed)
        await world.ledger.commit([Change(revision=merged)])
        links = frozenset({Link(f"invoice:{two}")})
        snapshot = await world.ledger.read(SnapshotQuery(links=links))
        assert ([one], [one]) == ([row.id for row in snapshot.family], [row.id for row in snapshot.purchases])
        assert 100 == snapshot.family[0].credits_of(user)
        # Two grants of one period stand; both end together.
        end = GrantEnd(user_id=user, purchase_id=PurchaseId(one), period_ends_at=JUNE, expires_at=JULY)
        change = Change(revision=revision(one, both, expected=2), ends=(end,))
        assert [Committed] == [type(result) for result in await world.ledger.commit([change])]
        assert [(JUNE, 50, JULY), (JUNE, 50, JULY)] == await grants_of(world, user)


async def test_trials_and_free_periods_that_an_account_has_had_are_reported(open_world: Any) -> None:
    """Where that is asked for: not those that brought nothing, nor what was paid for, nor another account's."""
    async with open_world() as world:
        user, bob, subscription = await world.sign_up(None), await world.sign_up(None), new_id("sub")
        trial = period(MAY, JUNE, kind=LineKind.TRIAL, plan_id="trial")
        free = period(JUNE, JULY, unit_amount="0", plan_id="free")
        nothing = [
            period(MAY, JUNE, kind=LineKind.TRIAL, brings=0),
            period(JUNE, JULY),
            period(JUNE, JULY, unit_amount="0", brings=0),
        ]
        for number, line in enumerate((trial, free, *nothing)):
            bill = billed(line, subscription=subscription)
            await pay(world, user, f"{new_id('in')}_{number}", bill)
        await pay(world, bob, new_id("in"), billed(trial, subscription=new_id("sub")))

        async def claimed(of: UserId | None, *, asked: bool = True) -> list[Claimed]:
            snapshot = await world.ledger.read(SnapshotQuery(user_id=of, claims=asked))
            return sorted(snapshot.claimed, key=lambda one: one.starts_at)

        expected = [
            Claimed(
                plan_id=line.plan_id,
                kind=line.kind,
                subscription_id=subscription,
                starts_at=line.starts_at,
                ends_at=line.ends_at,
            )
            for line in (trial, free)
        ]
        assert expected == await claimed(user)
        assert [] == await claimed(user, asked=False)
        assert [] == await claimed(None)
        assert 1 == len(await claimed(bob))
