"""What is told of a database that lacks what is called, by either way to it."""

import contextlib

import pytest

from adapters.postgres.direct_rpc import PostgresRpc
from adapters.postgres.supabase_rpc import SupabaseRpc
from domain.ports.ledger import LedgerRefused, LedgerUnavailable
from features.real_parts import Supabase


@pytest.mark.parametrize("way", ["postgres", "supabase"])
async def test_a_schema_that_lacks_something_is_reported_with_its_remedy(supabase: Supabase, way: str) -> None:
    """A function that is not there, as before the first migration, is none of the call's faults; the log helps."""
    rpc = PostgresRpc(supabase.database_url) if way == "postgres" else SupabaseRpc(supabase.url, supabase.service_key)
    async with contextlib.aclosing(rpc):
        with pytest.raises(LedgerUnavailable, match=r"; run `credence migrate`$") as raised:
            await rpc.value("no_such_function", {})
    assert not isinstance(raised.value, LedgerRefused)
