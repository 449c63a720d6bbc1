"""What the schema says of itself is taken from the catalogue: whatever a table is called, it is looked at."""

import json
from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest

GOOD: dict[str, Any] = {
    "unguarded_tables": [],
    "writable_tables": [],
    "writable_columns": [],
    "readable_by_anon": [],
    "readable_views": [],
    "callable_functions": [],
    "trail_is_guarded": True,
}
OURS = "comment on table public.anything is 'Credence: made for the purpose'"
CLOSED = "revoke all on public.anything from anon, authenticated, service_role"


async def diagnosis(url: str, statements: Sequence[str] = ()) -> dict[str, Any]:
    """Return what a schema says of itself after some statements of the owner's, as the service sees it."""
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
        await connection.execute("set role service_role")
        found = json.loads(await connection.fetchval("select public.credence_diagnosis()"))
        assert "service_role" == found.pop("role")
        assert len(found.pop("migrations")) > 5
        return dict(found)
    finally:
        await connection.close()


async def test_the_schema_as_it_is_made_is_good(database_url: str) -> None:
    """Nothing is named."""
    assert GOOD == await diagnosis(database_url)


async def test_a_table_without_row_level_security_is_named(database_url: str) -> None:
    """Whoever made it: by Supabase's default privileges anybody reads and writes it."""
    assert {**GOOD, "unguarded_tables": ["anything"]} == await diagnosis(
        database_url, ["create table public.anything (id bigint)"]
    )


async def test_a_project_s_own_table_with_row_level_security_is_its_own_matter(database_url: str) -> None:
    """Its grants are what Supabase gives every table, and its policies are the project's."""
    made = ["create table public.anything (id bigint)", "alter table public.anything enable row level security"]
    assert GOOD == await diagnosis(database_url, made)


@pytest.mark.parametrize(
    ("statements", "wrong"),
    [
        (
            [],
            {
                "writable_tables": ["anon: anything", "authenticated: anything", "service_role: anything"],
                "readable_by_anon": ["anything"],
            },
        ),
        ([CLOSED], {}),
        ([CLOSED, "grant select on public.anything to anon"], {"readable_by_anon": ["anything"]}),
        ([CLOSED, "grant select (id) on public.anything to anon"], {"readable_by_anon": ["anything"]}),
        ([CLOSED, "grant delete on public.anything to anon"], {"writable_tables": ["anon: anything"]}),
        ([CLOSED, "grant select on public.anything to service_role"], {}),
        (
            [CLOSED, "grant insert (id) on public.anything to service_role"],
            {"writable_tables": ["service_role: anything"]},
        ),
        (
            [CLOSED, "grant update (id) on public.anything to authenticated"],
            {"writable_tables": ["authenticated: anything"]},
        ),
        # A policy says which rows are whose; without one the grant is a mistake.
        (
            [CLOSED, "grant select on public.anything to authenticated"],
            {"writable_tables": ["authenticated: anything"]},
        ),
        (
            [
                CLOSED,
                "grant select on public.anything to authenticated",
                "create policy own on public.anything for select to authenticated using (false)",
            ],
            {},
        ),
        (
            [
                CLOSED,
                "grant select on public.anything to authenticated",
                "create policy own on public.anything for select to authenticated using (false)",
                "create policy all_rows on public.anything for select to authenticated using (true)",
            ],
            {"writable_tables": ["authenticated: anything"]},
        ),
    ],
)
async def test_a_grant_on_a_table_of_ours_is_named(
    database_url: str, statements: list[str], wrong: dict[str, Any]
) -> None:
    """A table is ours by its comment, and is looked at from the moment it is made."""
    made = [
        "create table public.anything (id bigint)",
        "alter table public.anything enable row level security",
        OURS,
        *statements,
    ]
    assert {**GOOD, **wrong} == await diagnosis(database_url, made)


@pytest.mark.parametrize(
    "table", ["credit_requests", "account_revisions", "synthetic_users", "credit_ledgers", "subscriptions", "outbox"]
)
async def test_what_is_undone_on_our_tables_is_named(database_url: str, table: str) -> None:
    """Row level security that was switched off, and a grant that a guide told a project to give."""
    undone = [f"alter table public.{table} disable row level security", f"grant insert on public.{table} to anon"]
    assert {**GOOD, "unguarded_tables": [table], "writable_tables": [f"anon: {table}"]} == await diagnosis(
        database_url, undone
    )


@pytest.mark.parametrize("table", ["credit_grants", "credit_holds", "webhook_events", "outbox", "users"])
async def test_what_the_service_may_write_by_itself_is_named(database_url: str, table: str) -> None:
    """Many guides give service_role every right again; of the users it may have all but truncate them."""
    undone = [f"grant all on public.{table} to service_role"]
    assert {**GOOD, "writable_tables": [f"service_role: {table}"]} == await diagnosis(database_url, undone)
    kept = [f"revoke all on public.{table} from service_role", "grant select, update, delete on users to service_role"]
    assert GOOD == await diagnosis(database_url, kept)


async def test_a_function_of_ours_that_users_may_call_is_named(database_url: str) -> None:
    """One that is made is callable by everybody, until that is revoked."""
    made = [
        "create function public.anything() returns integer language sql set search_path = '' return 1",
        "comment on function public.anything() is 'Credence: made for the purpose'",
    ]
    assert {**GOOD, "callable_functions": ["anon: anything", "authenticated: anything"]} == await diagnosis(
        database_url, made
    )


INVOKER = "with (security_invoker = true)"
COPY = "create materialized view public.b as"


@pytest.mark.parametrize(
    ("made", "named"),
    [
        (["create view public.a as select user_id, amount from public.credit_transactions"], ["public.a"]),
        (["create view public.a as select id, credits_balance from public.users"], ["public.a"]),
        (["create view public.a with (security_invoker = off) as select * from public.outbox"], ["public.a"]),
        (["create materialized view public.a as select count(*) from public.credit_grants"], ["public.a"]),
        # By another view: one of the owner's takes the rights along, one of the invoker's does not, a copy has none.
        (
            [
                "create view public.a as select * from public.purchases",
                "create view public.b as select * from public.a",
            ],
            ["public.a", "public.b"],
        ),
        (
            [
                f"create view public.a {INVOKER} as select * from public.purchases",
                "create view public.b as select * from public.a",
            ],
            [],
        ),
        ([f"create view public.a {INVOKER} as select * from public.purchases", f"{COPY} table public.a"], ["public.b"]),
        # Only where users may select it.
        (
            [
                "create view public.a as select * from public.credit_holds",
                "revoke all on public.a from anon, authenticated",
            ],
            [],
        ),
        (["create schema hidden", "create view hidden.a as table public.outbox", "grant all on hidden.a to anon"], []),
        # What a project shows of its users, and of tables of its own, is its own matter.
        (["create view public.a as select id, email from public.users"], []),
        (
            [
                "create table public.own (id bigint)",
                "alter table public.own enable row level security",
                "create view public.a as table public.own",
            ],
            [],
        ),
        ([f"create view public.a {INVOKER} as select credits_balance from public.users"], []),
    ],
)
async def test_a_view_that_shows_users_the_rows_of_others_is_named(
    database_url: str, made: list[str], named: list[str]
) -> None:
    """Whatever it is called: it reads our tables with its owner's rights, so that no policy applies."""
    views = [f"{role}: {view}" for role in ("anon", "authenticated") for view in named]
    assert {**GOOD, "readable_views": views} == await diagnosis(database_url, made)


async def test_a_view_that_one_role_may_select_is_named_with_it(database_url: str) -> None:
    """By a single column, too, and wherever its schema is."""
    made = [
        "create schema shown",
        "grant usage on schema shown to authenticated",
        "create view shown.a as table public.purchases",
        "grant select (id) on shown.a to authenticated",
    ]
    assert {**GOOD, "readable_views": ["authenticated: shown.a"]} == await diagnosis(database_url, made)


async def test_the_columns_of_credits_are_named(database_url: str) -> None:
    """Those of a users table that somebody opened."""
    opened = ["grant update (credits_held) on public.users to authenticated"]
    assert {**GOOD, "writable_columns": ["authenticated: users.credits_held"]} == await diagnosis(database_url, opened)


@pytest.mark.parametrize(
    "switched_off",
    [
        "alter table public.credit_transactions disable trigger credence_refuse_change",
        "alter table public.credit_draws disable trigger credence_refuse_change",
        "alter table public.credit_requests enable replica trigger credence_refuse_rewriting",
        "alter table public.stripe_prices disable trigger all",
        "alter table public.users disable trigger user",
        "drop trigger credence_refuse_change on public.credit_ledgers",
    ],
)
async def test_a_guard_that_is_gone_or_switched_off_is_named(database_url: str, switched_off: str) -> None:
    """Whichever table it stood at, it guards nothing any more."""
    assert {**GOOD, "trail_is_guarded": False} == await diagnosis(database_url, [switched_off])
