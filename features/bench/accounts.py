"""Accounts in bulk, with entries whose chains are valid: set by set in SQL, far faster than one by one."""

from typing import Any

FIRST = 100_000_000_000
"""The last twelve digits of the first account's id; pgbench can make these ids without padding."""
ID_HEAD = "00000000-0000-4000-8000-"
ENTRIES = 5
CREDITS = 1_000_000
CHUNK = 50_000


def user_id(number: int) -> str:
    """The id of an account by its number, from 0."""
    return f"{ID_HEAD}{FIRST + number}"


async def add_accounts(
    connection: Any, first: int, count: int, *, entries: int = ENTRIES, scattered: bool = False
) -> None:
    """Accounts `first` to `first + count - 1`, each with entries that give :data:`CREDITS`, and their grants.

    An account's grants lie side by side, or `scattered` among those of the others, as if made one after the other.

    Triggers are off meanwhile: what they would do is done here, for all rows at once. The consistency check then
    reads these rows as any others.
    """
    has_revision = await connection.fetchval(
        "select exists (select from information_schema.columns where table_schema = 'public'"
        " and table_name = 'users' and column_name = 'credits_revision')"
    )
    columns, values = (", credits_revision", f", {entries}") if has_revision else ("", "")
    for begin in range(first, first + count, CHUNK):
        numbers = f"generate_series({begin}, {min(begin + CHUNK, first + count) - 1}) n"
        ids = f"select ('{ID_HEAD}' || ({FIRST} + n))::uuid as user_id from {numbers}"
        async with connection.transaction():
            await connection.execute("set local session_replication_role = replica")
            await connection.execute("set local synchronous_commit = off")
            await connection.execute(f"insert into auth.users (id) {ids}")
            await connection.execute(
                f"insert into public.users (id, credits_balance, credits_version{columns})"
                f" select user_id, {entries * CREDITS}, {entries}{values} from ({ids}) made"
            )
            await connection.execute(_entries(ids, entries))
            await connection.execute(
                "insert into public.credit_grants (user_id, kind, credits, remaining)"
                f" select user_id, 'adjustment', {CREDITS}, {CREDITS}"
                f" from ({ids}) made, generate_series(1, {entries}) entry{' order by entry' if scattered else ''}"
            )


def _entries(ids: str, entries: int) -> str:
    """The statement that gives each account a chain of entries: each version is made of the one before it."""

    def entry(version: str) -> str:
        return f"""jsonb_populate_record(null::public.credit_transactions, jsonb_build_object(
            'user_id', c.user_id, 'version', {version}, 'amount', {CREDITS},
            'balance_before', ({version} - 1) * {CREDITS}, 'balance_after', {version} * {CREDITS}, 'kind', 'adjustment',
            'idempotency_key', 'bulk:' || c.user_id || ':' || {version}, 'metadata', '{{}}'::jsonb,
            'created_at', clock_timestamp()
        ))"""

    def hash_of(previous: str) -> str:
        return f"public.credence_entry_hash({previous}, public.credence_entry_digest(e.entry))"

    return f"""
        with recursive made as (
            select c.user_id, 1::bigint as version, e.entry, {hash_of("null")} as hash
            from ({ids}) c cross join lateral (select {entry("1::bigint")} as entry offset 0) e
            union all
            select c.user_id, c.version + 1, e.entry, {hash_of("c.hash")}
            from made c cross join lateral (select {entry("(c.version + 1)")} as entry offset 0) e
            where c.version < {entries}
        )
        insert into public.credit_transactions (
            user_id, version, amount, balance_before, balance_after, kind, idempotency_key, metadata,
            created_at, hash
        )
        select
            (entry).user_id, (entry).version, (entry).amount, (entry).balance_before, (entry).balance_after,
            (entry).kind, (entry).idempotency_key, (entry).metadata, (entry).created_at, hash
        from made
    """
