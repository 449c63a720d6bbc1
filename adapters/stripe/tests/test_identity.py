"""Who we are to Stripe: asked through the real `stripe` package, once, and never in anybody's way."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest

from adapters.stripe.connection import StripeConnection
from adapters.stripe.identity import StripeIdentity
from simulators.stripe.stand_in import StripeStandIn

OWN = "acct_simulated"


@pytest.fixture
def stripe() -> Iterator[StripeStandIn]:
    with StripeStandIn(seed=5) as stand_in:
        yield stand_in


@contextlib.asynccontextmanager
async def asking(
    stripe: StripeStandIn, *, configured: str | None = None, pause: float = 60
) -> AsyncIterator[StripeIdentity]:
    connection = StripeConnection(api_key="rk_test_123456789012", api_base=stripe.url, retries=0)
    async with contextlib.aclosing(connection):
        yield StripeIdentity(connection, configured=configured, seconds=60, pause=pause)


async def test_stripe_is_asked_once(stripe: StripeStandIn) -> None:
    """By however many at the same time; afterwards Stripe may be away."""
    async with asking(stripe) as identity:
        assert [OWN] * 9 == await asyncio.gather(*(identity.account_id() for _ in range(9)))
        stripe.fail_next(1, status=403, path="/v1/account")
        assert OWN == await identity.account_id()


async def test_what_stripe_says_goes_before_the_settings(stripe: StripeStandIn) -> None:
    """An id that was copied from elsewhere makes no other account's events ours."""
    async with asking(stripe, configured="acct_copied") as identity:
        assert OWN == await identity.account_id()


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500])
@pytest.mark.parametrize("configured", [None, "acct_1"])
async def test_who_may_not_ask_has_the_settings(stripe: StripeStandIn, status: int, configured: str | None) -> None:
    """No permission is no error, and Stripe is not asked again at once."""
    async with asking(stripe, configured=configured) as identity:
        stripe.fail_next(1, status=status, path="/v1/account")
        assert [configured] * 3 == [await identity.account_id() for _ in range(3)]


async def test_a_permission_may_be_given_later(stripe: StripeStandIn) -> None:
    """After a pause Stripe is asked again."""
    async with asking(stripe, pause=0) as identity:
        stripe.fail_next(1, status=403, path="/v1/account")
        assert [None, OWN] == [await identity.account_id() for _ in range(2)]


async def test_an_answer_is_not_waited_for_without_end() -> None:
    """Stripe waits for our own answer meanwhile."""

    async def hung(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hung, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    connection = StripeConnection(api_key="rk_test_123456789012", api_base=url, retries=0)
    async with server, contextlib.aclosing(connection):
        identity = StripeIdentity(connection, configured="acct_1", seconds=0.2)
        async with asyncio.timeout(5):
            assert ["acct_1"] * 5 == await asyncio.gather(*(identity.account_id() for _ in range(5)))
