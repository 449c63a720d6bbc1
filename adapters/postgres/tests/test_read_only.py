"""Databases that take no writes, by either way to them: it is certain that nothing was done."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adapters.postgres.direct_rpc import PostgresRpc
from adapters.postgres.embedded import EmbeddedPostgres
from adapters.postgres.inbox import SqlInbox
from adapters.postgres.ledger import SqlLedger
from adapters.postgres.supabase_rpc import SupabaseRpc
from domain.changes.changes import Change
from domain.ports.ledger import LedgerRefused, LedgerUntouched
from features.real_parts import running_supabase
from simulators.stack.parts import PostgresPart

Rpcs = dict[str, Callable[[], PostgresRpc | SupabaseRpc]]


@pytest.fixture(scope="module")
def standby(new_server_folder: Callable[[], Path]) -> Iterator[Rpcs]:
    """What calls a server that was set up and then made a standby, which only reads."""
    folder = new_server_folder() / "data"
    server = EmbeddedPostgres(folder)
    url = server.start()
    server.stop()
    (folder / "standby.signal").touch()
    part = PostgresPart(folder)
    part.start()
    with running_supabase(url) as project:
        yield {
            "postgres": lambda: PostgresRpc(url),
            "supabase": lambda: SupabaseRpc(project.url, project.service_key),
        }
    part.stop()


@pytest.mark.parametrize("way", ["postgres", "supabase"])
async def test_a_standby_reads_and_is_certain_to_have_written_nothing(standby: Rpcs, way: str) -> None:
    """A commit of nothing is refused as well, which is what readiness asks; it is none of the changes' faults."""
    async with contextlib.aclosing(standby[way]()) as rpc:
        assert () == await SqlLedger(rpc).accounts_with_overdue(10)
        for write in (lambda: SqlLedger(rpc).commit([Change()]), lambda: SqlInbox(rpc).make_all_due()):
            with pytest.raises(LedgerUntouched) as raised:
                await write()
            assert not isinstance(raised.value, LedgerRefused)
