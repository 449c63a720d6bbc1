"""`python rivals.py NAME POSTGRES_URL CALLERS SECONDS`: print how fast a ledger from PyPI spends from one account.

It runs in an environment of its own, which has that ledger and not ours. Each caller is a thread with a connection, as
the packages are used in a threaded service, and each spend has a key of its own where the ledger takes one.
"""

import contextlib
import importlib
import itertools
import json
import os
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

PLENTY = 10**9

# The package ships no schema; these are the tables that its statements name, with the constraints that it rests on.
CREDIT_LEDGER_SCHEMA = """
    create table credit_balance (
        tenant_id uuid primary key, credits numeric(18, 4) not null check (credits >= 0),
        updated_at timestamptz not null default now());
    create table credit_ledger (
        id uuid primary key, tenant_id uuid not null references credit_balance, delta numeric(18, 4) not null,
        reason text not null, idempotency_key text, balance_after numeric(18, 4) not null,
        created_at timestamptz not null default now(), unique (tenant_id, idempotency_key));
"""

Spend = Callable[[str], bool]
"""Spends one credit under a key; returns whether it did."""


@contextlib.contextmanager
def credit_ledger(url: str, callers: int) -> Iterator[Spend]:
    """Yield a spend by `credit-ledger`, over SQLAlchemy and psycopg."""
    sqlalchemy = importlib.import_module("sqlalchemy")
    metering = importlib.import_module("credit_ledger").metering
    engine = sqlalchemy.create_engine(_for_sqlalchemy(url), pool_size=callers, max_overflow=0)
    tenant = str(uuid.uuid4())
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text(CREDIT_LEDGER_SCHEMA))
    metering.grant(tenant, PLENTY, engine=engine)
    yield lambda key: bool(metering.decrement(tenant, 1, idempotency_key=key, engine=engine).ok)
    engine.dispose()


@contextlib.contextmanager
def hf_nostro(url: str, callers: int) -> Iterator[Spend]:
    """Yield a spend by `hf-nostro`, over a pool of psycopg."""
    nostro, pools = importlib.import_module("nostro"), importlib.import_module("psycopg_pool")
    importlib.import_module("nostro.migrate").migrate(dsn=url, scale=0)
    with pools.ConnectionPool(url, min_size=callers, max_size=callers) as pool:
        ledger = nostro.Ledger(pool=pool, scale=0)
        account = ledger.accounts.create("bench", "one")
        ledger.credit(account, ledger.amount(PLENTY), category="topup", idempotency_key="topup")
        one = ledger.amount(1)
        yield lambda key: bool(ledger.debit(account, one, category="usage", idempotency_key=key))


@contextlib.contextmanager
def gringotts_api(url: str, callers: int) -> Iterator[Spend]:
    """Yield a charge by `gringotts-api`, over SQLAlchemy and psycopg; its keys are of HTTP, and not taken here."""
    os.environ["DATABASE_URL"] = _for_sqlalchemy(url)
    sqlalchemy, orm = importlib.import_module("sqlalchemy"), importlib.import_module("sqlalchemy.orm")
    db, crud = importlib.import_module("gringotts.db"), importlib.import_module("gringotts.crud")
    engine = sqlalchemy.create_engine(_for_sqlalchemy(url), pool_size=callers, max_overflow=0)
    db.Base.metadata.create_all(bind=engine)
    sessions = orm.sessionmaker(engine)
    with sessions() as session:
        user_id = crud.create_user(session, "bench", "hash", credits=PLENTY).id

    def spend(_: str) -> bool:
        with sessions() as session:
            return bool(crud.charge_user(session, crud.get_user(session, user_id), 1))

    yield spend
    engine.dispose()


LEDGERS: dict[str, Callable[[str, int], AbstractContextManager[Spend]]] = {
    "credit-ledger": credit_ledger,
    "hf-nostro": hf_nostro,
    "gringotts-api": gringotts_api,
}


def rate(spend: Spend, *, callers: int, seconds: float) -> float:
    """Return the spends a second of so many threads, after a fifth of the time to warm up.

    :raises RuntimeError: if one was refused.
    """
    run, numbers, done, refused = uuid.uuid4().hex, itertools.count(), [0] * callers, threading.Event()
    begins = time.perf_counter() + seconds / 5
    ends = begins + seconds

    def keep_spending(caller: int) -> None:
        while time.perf_counter() < ends:
            if not spend(f"{run} {next(numbers)}"):
                refused.set()
            done[caller] += begins <= time.perf_counter()

    threads = [threading.Thread(target=keep_spending, args=(caller,)) for caller in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if refused.is_set():
        raise RuntimeError("a spend was refused though there were enough credits")
    return sum(done) / (time.perf_counter() - begins)


def _for_sqlalchemy(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://", 1)


def main(name: str, url: str, callers: str, seconds: str) -> None:
    """Measure one ledger and print its rate as JSON."""
    with LEDGERS[name](url, int(callers)) as spend:
        print(json.dumps({"rate": rate(spend, callers=int(callers), seconds=float(seconds))}))


if __name__ == "__main__":
    main(*sys.argv[1:])
