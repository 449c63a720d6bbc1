"""Subscriptions with a thousand invoices: a page of an explanation reads few of them, and says what all of them say."""

import asyncio
import contextlib
import json
import uuid
from collections.abc import Callable, Sequence

import asyncpg
import attrs
import pytest

from adapters.postgres.audit import SqlAudit
from adapters.postgres.direct_rpc import PostgresRpc
from adapters.postgres.ledger import SqlLedger
from domain.changes.changes import Change as LedgerChange
from domain.changes.changes import Committed, PurchaseRevision
from domain.credits.explanation import explain
from domain.credits.records import RecordPlace
from domain.payments.entitlements import entitlement
from domain.payments.periods import periods_of
from domain.payments.purchases import Purchase, PurchaseId
from domain.payments.unused_time import unused_parts
from domain.tests.biller import ANNUAL, MONTHLY, Change, billed, purchases_of
from domain.values.accounts import UserId
from features.deployments.test_large_accounts import rows_read

INVOICES = 1_000
PAGE = 20
RENEWED = [Change(hours=24 * 30 * INVOICES, plan=MONTHLY, seats=1, bills_now=True)]
"""Month after month."""
CHANGED = [Change(hours=1, plan=ANNUAL, seats=1 + turn % 2 * 2, bills_now=True) for turn in range(INVOICES)]
"""All for one year, an hour apart."""


@attrs.frozen
class Subscribed:
    """A user whose invoices are in a database, oldest first."""

    database_url: str
    user_id: UserId
    invoices: Sequence[Purchase]
    are_of_one_year: bool


async def recorded(database_url: str, steps: list[Change]) -> Subscribed:
    connection = await asyncpg.connect(database_url)
    user = UserId(str(await connection.fetchval("insert into auth.users (email) values (null) returning id")))
    await connection.close()
    found = purchases_of(billed(steps, 0, "classic", names_credited=False))
    invoices = [attrs.evolve(one, order=attrs.evolve(one.order, user_id=user)) if one.order else one for one in found]
    revisions = [
        PurchaseRevision(id=id_of(place), expected_revision=0, purchase=one) for place, one in enumerate(invoices)
    ]
    async with contextlib.aclosing(PostgresRpc(database_url)) as rpc:
        for revision in revisions:  # each is created after the one before
            (result,) = await SqlLedger(rpc).commit([LedgerChange(revision=revision)])
            assert isinstance(result, Committed), result
    return Subscribed(database_url, user, invoices, are_of_one_year=steps is CHANGED)


def id_of(place: int) -> PurchaseId:
    return PurchaseId(f"in_{place}")


@pytest.fixture(scope="module", params=[RENEWED, CHANGED], ids=["renewed", "changed"])
def subscribed(request: pytest.FixtureRequest, new_database: Callable[[], str]) -> Subscribed:
    return asyncio.run(recorded(new_database(), request.param))


@pytest.mark.parametrize("part", [1, 0.5, 0.05], ids=["newest", "middle", "old"])
async def test_a_page_reads_few_invoices(subscribed: Subscribed, part: float) -> None:
    """Postgres counts them: as many, wherever the page is, and however many invoices come before it and after it."""
    connection = await asyncpg.connect(subscribed.database_url)
    before = id_of(int(len(subscribed.invoices) * part)) if part < 1 else None
    try:
        for _ in range(7):  # Postgres keeps a plan after five of its kind
            already = await rows_read(connection)
            query = json.dumps({"purchase": before, "limit": PAGE})
            found = json.loads(
                await connection.fetchval("select public.account_record($1, $2)", uuid.UUID(subscribed.user_id), query)
            )
            read = await rows_read(connection) - already
            assert len(found["purchases"]) >= PAGE
            assert len(found["purchases"]) + len(found["family"]) <= PAGE + 2 * 100
            assert read["purchases"] <= 450, read
    finally:
        await connection.close()


async def test_pages_say_what_all_invoices_together_say(subscribed: Subscribed) -> None:
    """Each invoice is worth on its page what it is worth if all of them are known."""
    unused, periods = unused_parts(subscribed.invoices), periods_of(subscribed.invoices)
    expected = {
        id_of(place): entitlement(one, unused=unused, periods=periods) for place, one in enumerate(subscribed.invoices)
    }
    seen: dict[PurchaseId, int] = {}
    cut = []
    async with contextlib.aclosing(PostgresRpc(subscribed.database_url)) as rpc:
        place: RecordPlace | None = RecordPlace()
        while place is not None:
            record = await SqlAudit(rpc).record_of(subscribed.user_id, place=place, limit=PAGE)
            assert record is not None
            page = explain(record)
            seen |= {one.id: one.worth for one in page.purchases}
            cut.append(page.has_unread_invoices)
            place = page.following
    assert expected == seen
    assert {subscribed.are_of_one_year} == set(cut)
