"""The CPU of a request, in all that serves it: service, worker, Postgres, Redis and PostgREST; in turns with rivals."""

import contextlib
import itertools
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import attrs
import uvloop

from features.bench.accounts import FIRST, ID_HEAD, add_accounts
from features.bench.cpu import handlers
from features.bench.cpu.builds import OURS, Build, MigratedPostgres, deployed
from features.bench.cpu.deployments import Deployment, Spent
from features.bench.figures import Figure
from features.bench.mechanisms.comparing import in_turns
from features.bench.processes import listening_on
from features.bench.requests import quota_reads, spends, webhooks
from features.bench.servers import Servers, apart, running

PURCHASES = 5
"""Of each account that is spent from: so many grants."""
FEW_GRANTS, MANY_GRANTS = 5, 100
"""Live grants of accounts that were made in bulk."""
OWN, OTHER, RIVAL = "this checkout", "the other checkout", "a rival"


@attrs.frozen(kw_only=True)
class Row:
    """A row of the table: requests over a transport, and a handler without our guarantees that answers them too."""

    name: str
    transport: str = "Postgres"
    requests: Callable[[range], Callable[[], bytes]]
    accounts: Callable[[int], range]
    """Those that it is requested of, by how many there are of each kind."""
    times: int = 1
    """How much more often than the others: what takes little is lost in the noise otherwise."""
    rival: str | None = None
    rival_name: str = ""
    goal: float | None = None
    beside: Callable[[int], range] | None = None
    """In place of a rival, other accounts of which the same is requested."""


def _buying(count: int) -> range:
    return range(count)


def _spending(count: int) -> range:
    return range(count, 2 * count)


def _hot(count: int) -> range:
    return range(2 * count, 2 * count + 1)


def _with_few_grants(count: int) -> range:
    return range(2 * count + 1, 3 * count + 1)


def _with_many_grants(count: int) -> range:
    return range(3 * count + 1, 4 * count + 1)


ROWS = (
    Row(
        name="a webhook over Postgres",
        requests=webhooks,
        accounts=_buying,
        rival="asyncpg",
        rival_name="a careful handler by hand, with asyncpg",
    ),
    Row(name="a spend of one of many accounts", requests=spends, accounts=_spending),
    Row(name="a spend of one hot account", requests=spends, accounts=_hot),
    Row(
        name=f"a spend at {MANY_GRANTS} live grants",
        requests=spends,
        accounts=_with_many_grants,
        beside=_with_few_grants,
        rival_name=f"the same at {FEW_GRANTS}",
        goal=1.3,
    ),
    Row(
        name="a quota read",
        requests=quota_reads,
        accounts=_spending,
        times=5,
        rival="litestar",
        rival_name="a bare Litestar handler",
        goal=1.0,
    ),
    Row(
        name="a webhook over Supabase",
        transport="Supabase",
        requests=webhooks,
        accounts=_buying,
        rival="supabase",
        rival_name="a handler by hand with one table, by the package supabase",
        goal=0.2,
    ),
)


def measure(folder: Path, *, against: Path | None, accounts: int, requests: int, rounds: int) -> Iterator[Figure]:
    """Give the figures of this checkout, beside rivals and another checkout, each with servers of its own.

    :raises features.bench.cpu.builds.BuildNotSetUp: if the other has no `.venv`.
    """
    builds = {OWN: OURS, **({OTHER: Build(against)} if against else {})}
    with contextlib.ExitStack() as stack:
        servers = {
            name: stack.enter_context(_servers(folder / f"build{place}", build, accounts))
            for place, (name, build) in enumerate(builds.items())
        }
        for transport, rows in itertools.groupby(ROWS, lambda row: row.transport):
            with contextlib.ExitStack() as until_done:
                running = {
                    name: until_done.enter_context(deployed(build, servers[name], transport=transport))
                    for name, build in builds.items()
                }
                if transport == "Postgres":
                    for one in running.values():
                        uvloop.run(_sell(one, accounts))
                    uvloop.run(_grant(running[OWN], accounts))
                for row in rows:
                    yield from figures_of(row, _measured(row, running, servers[OWN], accounts, requests, rounds))


@contextlib.contextmanager
def _servers(folder: Path, build: Build, accounts: int) -> Iterator[Servers]:
    folder.mkdir()
    users = f"select ('{ID_HEAD}' || n)::uuid from generate_series({FIRST}, {FIRST + _hot(accounts)[-1]}) n"
    prepare = (
        handlers.SCHEMA,
        f"insert into auth.users (id) {users}",
        f"insert into public.bench_profiles (id) {users}",
    )
    with running(folder, MigratedPostgres(build, folder, prepare)) as servers:
        yield servers


async def _sell(deployment: Deployment, accounts: int) -> None:
    """Sell to the accounts that are spent from."""
    buyers = [*_spending(accounts), *_hot(accounts)] * PURCHASES
    await deployment.spend_on((webhooks(range(one, one + 1))() for one in buyers), len(buyers))


async def _grant(deployment: Deployment, accounts: int) -> None:
    """Make the accounts whose grants are counted; another checkout's schema may be another."""
    connection = await asyncpg.connect(deployment.postgres_url)
    try:
        for made, grants in ((_with_few_grants, FEW_GRANTS), (_with_many_grants, MANY_GRANTS)):
            await add_accounts(connection, made(accounts)[0], accounts, entries=grants, scattered=True)
        await connection.execute("vacuum analyze")
    finally:
        await connection.close()


def _measured(
    row: Row, running: Mapping[str, Deployment], servers: Servers, accounts: int, requests: int, rounds: int
) -> dict[str, list[Spent]]:
    with contextlib.ExitStack() as stack:
        sides = dict(running)
        if row.rival:
            sides[RIVAL] = stack.enter_context(_rival(row.rival, servers))
        elif row.beside:
            sides = {OWN: running[OWN], RIVAL: running[OWN]}
        asked = {name: row.requests(row.accounts(accounts)) for name in sides}
        if row.beside:
            asked[RIVAL] = row.requests(row.beside(accounts))
        variants = {
            name: partial(_slice, side, asked[name], requests * row.times, leaves_work=row.requests is not quota_reads)
            for name, side in sides.items()
        }
        return uvloop.run(in_turns(variants, rounds=rounds))


async def _slice(side: Deployment, next_request: Callable[[], bytes], count: int, *, leaves_work: bool) -> Spent:
    return await side.spend_on((next_request() for _ in range(count)), count, leaves_work=leaves_work)


@contextlib.contextmanager
def _rival(name: str, servers: Servers) -> Iterator[Deployment]:
    started = {
        "asyncpg": ("features.bench.cpu.handlers", "asyncpg", servers.postgres_url),
        "supabase": ("features.bench.cpu.handlers", "supabase", servers.supabase_url, servers.service_key),
        "litestar": ("features.bench.bare", "litestar"),
    }[name]
    with apart(*started) as url:
        handler = listening_on(int(urlsplit(url).port or 0))
        others = {} if name == "litestar" else servers.processes
        yield Deployment(url=url, processes={"handler": handler, **others})


def figures_of(row: Row, found: Mapping[str, Sequence[Spent]]) -> Iterator[Figure]:
    limits = {"": (found.get(RIVAL), row.rival_name, row.goal)}
    if OTHER in found:
        limits[f", against {OTHER}"] = (found[OTHER], f"{OTHER}, in turns", None)
    own = [spent.total for spent in found[OWN]]
    for suffix, (rivals, limit_name, goal) in limits.items():
        theirs = [spent.total for spent in rivals or ()]
        yield Figure(
            name=f"CPU of {row.name}{suffix}",
            figure=statistics.median(own),
            unit="us CPU",
            limit=statistics.median(theirs) if theirs else None,
            limit_name=f"{limit_name}, in turns" if theirs and suffix == "" else limit_name,
            goal=goal,
            smaller_is_better=True,
            rounds=ratios_of(own, theirs) if theirs else tuple(own),
            note="; ".join(filter(None, (parts_of(found[OWN]), parts_of(rivals, of="limit: ") if rivals else ""))),
        )


def ratios_of(own: Sequence[float], theirs: Sequence[float]) -> tuple[float, ...]:
    """Return the ratio of each pair of the same round, but of those in which the other took nothing at all."""
    return tuple(one / other for one, other in zip(own, theirs, strict=True) if other)


def parts_of(spent: Sequence[Spent], *, of: str = "") -> str:
    """Return what each part took at the median, for people, and the messages that were left, if there were some."""
    parts = {name: statistics.median(one.micros[name] for one in spent) for name in spent[0].micros}
    left = max(one.undelivered for one in spent)
    shown = ", ".join(f"{name} {micros:.0f}" for name, micros in parts.items() if round(micros))
    return f"{of}{shown}" + (f" ({left} messages were not delivered in time)" if left else "")
