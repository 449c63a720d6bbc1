"""A database that answers and takes no writes: nobody is told that the service is ready, or that a write is unknown."""

import asyncio

from features.harness.deployment import PACK, Deployment, give, set_read_only, spend
from features.harness.service import eventually
from features.real_parts import sign_up

GRANT = ("--kind", "goodwill", "--reason", "an outage", "--operator", "Grace")


def test_a_read_only_database_is_said_and_nothing_is_unknown(deployment: Deployment, database_url: str) -> None:
    """Readiness, callers, the command and the doctor say so; when it writes again, all is as it was acknowledged."""
    user, settings = asyncio.run(sign_up(database_url)), {"SUPABASE_DB_URL": database_url}
    with deployment.serve(**settings) as http:
        deployment.buy(http, user)
        missed = deployment.paid(http, user)
        assert [201, 200] == [give(http, user, 50).status_code, spend(http, user, 20).status_code]

        set_read_only(database_url, True)
        refused = {"status": "not ready", "ledger": "takes no writes", "cache": "ok"}
        assert refused == eventually(lambda: http.get("/readyz").json(), refused)
        assert 503 == http.get("/readyz").status_code
        assert 503 == deployment.deliver(http, missed), "Stripe delivers it again"
        answers = [give(http, user, 5), spend(http, user, 5)]
        assert [(503, "urn:credence:ledger-unavailable", True)] * 2 == [
            (answer.status_code, answer.json()["type"], "Nothing was changed" in answer.json()["detail"])
            for answer in answers
        ]
        session = missed["data"]["object"]["id"]
        for command in (
            ("grant", user, "5", *GRANT),
            ("adjust", user, "5", *GRANT[2:]),
            ("claim", session, "--user", user),
            ("replay", missed["id"]),
            ("sync", user),
            ("outbox", "--retry", "1"),
        ):
            code, said = deployment.command(*command, **settings)
            assert (1, True) == (code, said.startswith("Error: Nothing was changed: Postgres: ReadOnlySQL")), said
            assert "the database is read-only" in said
        assert "the ledger takes no writes" in deployment.command("doctor", **settings)[1]

        set_read_only(database_url, False)
        assert 200 == eventually(lambda: http.get("/readyz").status_code, 200)
        assert [200, 200] == [spend(http, user, 7).status_code, deployment.deliver(http, missed)]
        deployment.assert_all_agrees(http, {user: 2 * PACK + 23}, **settings)
