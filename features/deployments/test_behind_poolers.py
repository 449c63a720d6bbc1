"""Several services and commands behind a real PgBouncer, on a port that says nothing of it."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from features.harness.deployment import PACK, Deployment, give, spend
from features.harness.pgbouncer import Pooled
from features.real_parts import sign_up

SPENDS = 40
PACKS = 8


@contextlib.contextmanager
def two_services(deployment: Deployment, url: str) -> Iterator[list[httpx.Client]]:
    as_prisma_has_it = f"{url}?pgbouncer=true&connection_limit=3"
    with deployment.serve(SUPABASE_DB_URL=url) as one, deployment.serve(SUPABASE_DB_URL=as_prisma_has_it) as other:
        yield [one, other]


@pytest.mark.parametrize(
    ("mode", "size", "kind"), [("transaction", 3, "a transaction pooler"), ("session", 15, "a session pooler")]
)
def test_two_services_do_all_that_they_acknowledge(
    deployment: Deployment, database_url: str, pooled: Pooled, mode: str, size: int, kind: str
) -> None:
    """Every sale and spend is done once, none fails for the pooler, and commands find a connection beside both."""
    url = pooled(database_url, mode=mode, size=size)
    users = [asyncio.run(sign_up(database_url)) for _ in range(4)]
    with two_services(deployment, url) as services, ThreadPoolExecutor(6) as threads:
        given = [give(services[0], user, SPENDS).status_code for user in users]
        sold = [deployment.paid(services[n % 2], users[n % 4]) for n in range(PACKS)]
        # To each service, at once: what Stripe repeats comes to another process than it did at first.
        delivered = [threads.submit(deployment.deliver, service, one) for one in sold for service in services]
        jobs = [(services[n % 2], users[n % 4], 1 + n % 3) for n in range(SPENDS)]
        answers = [*threads.map(lambda job: spend(*job), jobs)]
        assert [200] * 2 * PACKS == [one.result() for one in delivered]
        assert [201] * 4 == given
        assert [] == [answer.text for answer in answers if answer.status_code != 200]
        spent: Counter[str] = Counter()
        for (_, user, credits_), answer in zip(jobs, answers, strict=True):
            assert (user, -credits_) == (answer.json()["user_id"], answer.json()["credits"])
            spent[user] += credits_
        left = {user: SPENDS + PACK * PACKS // 4 - spent[user] for user in users}
        deployment.assert_all_agrees(services[1], left, SUPABASE_DB_URL=url)
        assert f"reachable as postgres, by {kind}" in deployment.command("doctor", SUPABASE_DB_URL=url)[1]
    assert "by a direct connection" in deployment.command("doctor", SUPABASE_DB_URL=database_url)[1]
