"""What an error of the database says of a call, by either way to it."""

import contextlib

import pytest

from adapters.postgres.direct_rpc import PostgresRpc
from adapters.postgres.errors import ledger_error_from
from adapters.postgres.supabase_rpc import SupabaseRpc
from domain.ports.ledger import LedgerKeyRefused, LedgerRefused, LedgerUnavailable, LedgerUntouched
from features.real_parts import JWT_SECRET, Supabase
from simulators.http.server import HttpServer, Response
from simulators.stripe.signatures import mint_token


@pytest.mark.parametrize("way", ["postgres", "supabase"])
async def test_a_schema_that_lacks_something_is_reported_with_its_remedy(supabase: Supabase, way: str) -> None:
    """A function that is not there, as before the first migration, is none of the call's faults; the log helps."""
    rpc = PostgresRpc(supabase.database_url) if way == "postgres" else SupabaseRpc(supabase.url, supabase.service_key)
    async with contextlib.aclosing(rpc):
        with pytest.raises(LedgerUnavailable, match=r"; run `credence migrate`$") as raised:
            await rpc.value("no_such_function", {})
    assert not isinstance(raised.value, LedgerRefused)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("23505", LedgerRefused),
        ("40001", LedgerRefused),
        ("40P01", LedgerRefused),
        ("55P03", LedgerRefused),
        ("57014", LedgerRefused),
        ("25006", LedgerUntouched),
        ("26000", LedgerUntouched),
        ("42501", LedgerUntouched),
        ("53300", LedgerUntouched),
        ("57P03", LedgerUntouched),
        ("PGRST000", LedgerUntouched),
        ("PGRST003", LedgerUntouched),
        ("PGRST301", LedgerUntouched),
        # A statement may have been done, or a transaction committed, when one of these comes.
        ("08006", LedgerUnavailable),
        ("08P01", LedgerUnavailable),
        ("40003", LedgerUnavailable),
        ("53200", LedgerUnavailable),
        ("57P01", LedgerUnavailable),
        ("XX000", LedgerUnavailable),
        ("PGRST001", LedgerUnavailable),
        ("504", LedgerUnavailable),
        (None, LedgerUnavailable),
    ],
)
def test_what_is_certain_is_said_and_nothing_else(code: str | None, kind: type[LedgerUnavailable]) -> None:
    """That nothing was done; before anything was sent it is so whatever the code."""
    assert kind is type(ledger_error_from("it failed", code))
    assert LedgerUntouched is type(ledger_error_from("it failed", code, is_untouched=True))


@pytest.mark.parametrize("way", ["postgres", "supabase"])
async def test_a_database_that_is_not_reached_did_nothing(way: str) -> None:
    """Nobody listens there, which is said; of a database also where."""
    refused = {
        "postgres": r"^Cannot connect to the database at 127\.0\.0\.1:1: connection refused\.$",
        "supabase": "^Supabase: Connect",
    }
    rpc = PostgresRpc("postgresql://127.0.0.1:1/x") if way == "postgres" else SupabaseRpc("http://127.0.0.1:1", "key")
    async with contextlib.aclosing(rpc):
        with pytest.raises(LedgerUntouched, match=refused[way]):
            await rpc.value("account_read", {})


async def test_a_gateway_that_gives_no_code_is_told_by_what_it_says(supabase: Supabase) -> None:
    """Nothing of what it says is left to be guessed."""
    supabase.gateway.down()
    try:
        async with contextlib.aclosing(SupabaseRpc(supabase.url, supabase.service_key)) as rpc:
            with pytest.raises(LedgerUnavailable, match=r"^Supabase: no code, but 'Service Unavailable'$"):
                await rpc.value("account_read", {})
    finally:
        supabase.gateway.up()


@pytest.mark.parametrize(
    ("key", "cause", "remedy"),
    [
        (
            "sb_secret_abcdefghijklmnopqrstu_12345678",
            "wants a JWT, and the key begins with sb_secret_",
            "service_role JWT",
        ),
        (mint_token("another project's secret, of forty chars", {"role": "service_role"}), "another project's", "Copy"),
        (mint_token(JWT_SECRET, {"role": "service_role", "exp": 1}), "expired", "Copy"),
    ],
)
async def test_a_key_that_the_api_does_not_take_is_named(supabase: Supabase, key: str, cause: str, remedy: str) -> None:
    """PostgREST reads JWTs alone: whoever gives it a secret key of the newer kind is told that, and what to set."""
    async with contextlib.aclosing(SupabaseRpc(supabase.url, key)) as rpc:
        with pytest.raises(LedgerKeyRefused, match=cause) as raised:
            await rpc.value("credence_diagnosis", {})
    assert remedy in raised.value.remedy
    assert key not in f"{raised.value!r}"


@pytest.mark.parametrize(
    "body", ['{"message": "Invalid API key"}', '{"message": "Invalid authentication credentials"}', ""]
)
async def test_a_key_that_the_gateway_does_not_take_is_named(body: str) -> None:
    """The gateway of a hosted project, one of your own, or one that says nothing: it is the key."""
    with HttpServer(lambda _: Response(status=401, body=body.encode())) as gateway:
        async with contextlib.aclosing(SupabaseRpc(gateway.url, "sb_secret_a")) as rpc:
            with pytest.raises(LedgerKeyRefused, match="the gateway at SUPABASE_URL does not accept the key"):
                await rpc.value("credence_diagnosis", {})
