"""What the schema leaves out of its rows, because it can be had from what is there: all of it is found as before."""

import uuid
from typing import Any

import pytest

from migrations.tests.books import Books, entry, in_database

JUNE, JULY = ({"period_ends_at": f"2100-{month}-01T00:00:00+00:00"} for month in ("06", "07"))


def purchase(id_: str, *links: str, revision: int = 0, **more: Any) -> dict[str, Any]:
    return {"id": id_, "expected_revision": revision, "payment_status": "paid", "facts": {"links": [*links]}, **more}


def event(**more: Any) -> dict[str, Any]:
    return {"id": "evt_1", "type": "t", "livemode": False, "status": "applied", "body": "{}", **more}


async def reached(books: Books, *links: str) -> list[str]:
    return [found["id"] for found in (await books.call("ledger_read", {"links": [*links]}))["purchases"]]


async def test_a_purchase_is_found_by_its_own_id(database_url: str) -> None:
    """The link that is its id does not name it once more; nobody else gets that link, whoever comes first."""
    async with in_database(database_url) as books:
        assert "committed" == await books.outcome(purchase=purchase("pi_1", "payment_intent:pi_1", "session:cs_1"))
        rows = await books.connection.fetch("select purchase_id from public.purchase_links order by 1 nulls first")
        assert [None, "pi_1"] == [row["purchase_id"] for row in rows]
        assert ["pi_1"] == await reached(books, "payment_intent:pi_1")
        assert ["pi_1"] == await reached(books, "payment_intent:pi_1", "session:cs_1", "session:cs_2")
        assert "link" == await books.outcome(purchase=purchase("in_1", "invoice:in_1", "payment_intent:pi_1"))
        assert "committed" == await books.outcome(purchase=purchase("in_2", "payment_intent:pi_2"))
        assert "link" == await books.outcome(purchase=purchase("pi_2", "payment_intent:pi_2"))


async def test_a_link_that_is_an_id_moves_with_its_purchase(database_url: str) -> None:
    """What absorbs a purchase is found by its id from then on, and so is what absorbs that."""
    async with in_database(database_url) as books:
        for name, link in (("pi_1", "payment_intent:pi_1"), ("in_1", "invoice:in_1"), ("cs_1", "session:cs_1")):
            assert "committed" == await books.outcome(purchase=purchase(name, link))
        links = ["payment_intent:pi_1"]
        for id_, link, absorbed, revision in (("in_1", "invoice:in_1", "pi_1", 1), ("cs_1", "session:cs_1", "in_1", 2)):
            links.append(link)
            gone = [{"id": absorbed, "expected_revision": revision}]
            assert "committed" == await books.outcome(purchase=purchase(id_, *links, revision=1, absorbed=gone))
            for asked in (links, links[:1], links[-1:]):
                assert [id_] == await reached(books, *asked)
        assert "link" == await books.outcome(purchase=purchase("pi_2", "payment_intent:pi_1"))


async def test_a_repeated_event_is_answered_with_the_accounts_that_it_changed(database_url: str) -> None:
    """They are kept only where the entries of its purchase do not tell them; whose that is later does not matter."""
    async with in_database(database_url) as books:
        ada, bob = await books.sign_up(), await books.sign_up()
        others: dict[str, list[dict[str, Any]]] = {
            "evt_1": [],
            "evt_2": [entry(bob, 50, "purchase", purchase_id="evt_2", stripe_event_id="evt_2")],
            "evt_3": [entry(bob, 5, "goodwill", stripe_event_id="evt_3")],
            "evt_4": [entry(bob, 50, "purchase", purchase_id="evt_1", stripe_event_id="evt_4")],
        }
        changes = {
            name: {
                "event": event(id=name),
                "purchase": purchase(name, user_id=ada),
                "entries": [entry(ada, 50, "purchase", purchase_id=name, stripe_event_id=name), *more],
            }
            for name, more in others.items()
        }
        for change in changes.values():
            assert "committed" == await books.outcome(**change)
        for name in others:
            assert "committed" == await books.outcome(purchase=purchase(name, user_id=bob, revision=1))
        for name, change in changes.items():
            again = await books.commit(**change)
            users = sorted([ada, bob]) if others[name] else [ada]
            assert ("duplicate", users) == (again["status"], [one["user_id"] for one in again["accounts"]]), name
        assert "committed" == await books.outcome(event=event(id="evt_9"))
        assert [] == (await books.commit(event=event(id="evt_9")))["accounts"]
        kept = await books.connection.fetch(
            "select id from public.webhook_events where affected_users is not null order by id"
        )
        assert ["evt_3", "evt_4"] == [row["id"] for row in kept]


@pytest.mark.parametrize("first", [{}, JUNE], ids=["without a period", "of a period"])
async def test_a_purchase_grants_once_for_each_user_and_period(database_url: str, first: dict[str, str]) -> None:
    """Whatever the key of the entry."""
    async with in_database(database_url) as books:
        ada, bob = await books.sign_up(), await books.sign_up()

        async def grant(user: str, purchase_id: str, metadata: dict[str, str]) -> str:
            return await books.outcome(
                entries=[entry(user, 50, "purchase", purchase_id=purchase_id, metadata=metadata)]
            )

        assert "committed" == await grant(ada, "in_1", first)
        assert "refused" == await grant(ada, "in_1", first)
        for user, purchase_id, metadata in ((bob, "in_1", first), (ada, "in_2", first), (ada, "in_1", JULY)):
            assert "committed" == await grant(user, purchase_id, metadata)
            assert "refused" == await grant(user, purchase_id, metadata)


async def test_a_details_digest_is_made_of_what_is_there(database_url: str) -> None:
    """It is not kept beside the details, and a row that has both is none of the ledger's."""
    async with in_database(database_url) as books:
        ada = await books.sign_up()
        await books.grant(ada, 50, description=uuid.uuid4().hex)
        entries = "public.credit_transactions"
        assert await books.connection.fetchval(
            f"select details_salt is not null and details_digest is null from {entries}"
        )
        await books.connection.execute("begin; set session_replication_role = replica")
        await books.connection.execute(
            f"update {entries} t set details_digest = public.credence_details_digest(t), description = 'other'"
        )
        assert [("entry_tampered", 1)] == await books.problems()
        await books.connection.execute("rollback; set session_replication_role = origin")


async def test_a_digest_of_details_is_the_ledger_s_own(database_url: str) -> None:
    """A caller's is left out: an entry that begins with one would look tampered with for ever."""
    async with in_database(database_url) as books:
        ada, given = await books.sign_up(), {"details_digest": "\\x00", "details_salt": "\\x00"}
        for details in ({"description": "Sorry"}, {}):
            assert "committed" == await books.outcome(entries=[entry(ada, 5, "goodwill", **details, **given)])
        assert [] == await books.connection.fetch("select * from public.validate_credits_consistency()")
        rows = await books.connection.fetch(
            "select length(details_salt) as salt, details_digest from public.credit_transactions order by version"
        )
        assert [(16, None), (None, None)] == [tuple(row) for row in rows]
