"""Addresses as Prisma, Supabase and people write them."""

import pytest

from adapters.postgres.address import InvalidAddress, read_address, server_of

PLAIN = "postgresql://ada:p%40ss@db.test:6432/postgres"


@pytest.mark.parametrize(
    ("parameters", "kept", "shares", "limit"),
    [
        ("", "", False, None),
        ("?sslmode=require&application_name=a%20b", "?sslmode=require&application_name=a%20b", False, None),
        ("?pgbouncer=true", "", True, None),
        ("?pgbouncer=true&sslmode=require", "?sslmode=require", True, None),
        ("?pgbouncer=false&connection_limit=7", "", False, 7),
        ("?pool_mode=transaction", "", True, None),
        ("?pool_mode=Session&pool_timeout=10", "", False, None),
        ("?schema=public&connect_timeout=3&workaround=supabase-pooler.vercel", "", False, None),
    ],
)
def test_what_is_for_others_is_left_out(parameters: str, kept: str, shares: bool, limit: int | None) -> None:
    """Hints are understood, the rest is handed on, and the password stays what it is."""
    address = read_address(PLAIN + parameters)
    assert (PLAIN + kept, shares, limit) == (address.url, address.shares_connections, address.connection_limit)
    assert "p%40ss" not in repr(address)


def test_supabase_s_transaction_pooler_is_known_by_its_port() -> None:
    """Before any connection is made."""
    assert read_address("postgresql://x.pooler.supabase.com:6543/postgres").shares_connections
    assert not read_address("postgresql://one:5432,other:5432/postgres").shares_connections


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ("?pgbouncer=", "pgbouncer must be true or false"),
        ("?pool_mode=statement", "pool_mode must be transaction or session"),
        ("?connection_limit=0", "connection_limit must be a number between 1 and 100"),
        ("?connection_limit=101", "connection_limit must be a number between 1 and 100"),
        ("?connection_limit=ten", "connection_limit must be a number between 1 and 100"),
    ],
)
def test_what_cannot_be_meant_is_refused(parameters: str, problem: str) -> None:
    """In words that name it, and show no password."""
    with pytest.raises(InvalidAddress) as refused:
        read_address(PLAIN + parameters)
    assert f"Invalid database URL: {problem}." == str(refused.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (PLAIN, "db.test:6432"),
        ("postgresql://ada:p@ss@db.test:6432/postgres", "db.test:6432"),
        ("postgresql://one:5432,other:5432/postgres", "one:5432,other:5432"),
        ("postgresql://ada:pa/ss@db.test/postgres", "the given address"),
        ("postgresql://ada:p@a/ss@db.test/postgres", "the given address"),
        ("postgresql://ada:pa#ss@db.test/postgres", "the given address"),
        ("postgresql://db.test/postgres?password=p@ss", "the given address"),
        ("postgresql://ada:pa[ss@db.test/postgres", "the given address"),
        ("postgresql:///postgres?password=secret", "the given address"),
    ],
)
def test_a_server_is_shown_without_a_secret(url: str, shown: str) -> None:
    """Where a password was not quoted, nobody can say where it ends: then nothing of the address is shown."""
    assert shown == server_of(url)
