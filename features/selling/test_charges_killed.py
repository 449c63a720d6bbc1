"""Real processes charge one card and are killed at each of their requests: the card is charged once at most.

Two services share a ledger and a Stripe. Stripe's stand-in, or Supabase's gateway in front of the ledger, kills the
first one by SIGKILL when a request of it arrives, before or after the request is carried out; the second one is asked
under the same key then, or its worker finds the charge.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import httpx
import pytest

from adapters.redis.embedded import EmbeddedRedis
from features.harness.deployment import GATEWAY_SECRET, WEBHOOK_SECRET, bearer
from features.harness.service import OPERATOR_KEY, SERVICE_KEY, eventually
from features.real_parts import FAR_FUTURE, JWT_SECRET, execute, fetched, postgrest_binary, sign_up
from simulators.http.server import Request, Response
from simulators.stack.postgrest import Postgrest, free_port
from simulators.stack.stack import serving, wait_until_ready
from simulators.stack.supabase import SupabaseGateway
from simulators.stripe.resources.payment_methods import save
from simulators.stripe.signatures import mint_token
from simulators.stripe.stand_in import StripeStandIn

REQUESTS = (
    r"GET /v1/customers/[^/]+",
    r"GET /v1/customers/[^/]+/payment_methods",
    r"POST /v1/payment_intents",
)
"""What Stripe is asked for a charge whose customer is known: the customer, their cards, and the money."""

CALLS = {
    ("charge_open", 1, False): (None, 0),
    ("charge_open", 1, True): (None, 0),
    ("charge_open", 2, False): (None, 0),
    ("charge_open", 2, True): ("created", 0),
    ("charge_change", 1, False): ("created", 0),
    ("charge_change", 1, True): ("charging", 0),
    ("ledger_commit", 1, False): ("charging", 1),
    ("ledger_commit", 1, True): ("charging", 1),
    ("charge_change", 2, False): ("charging", 1),
    ("charge_change", 2, True): ("succeeded", 1),
}
"""What the ledger is asked: to find a charge under the key, record one, note its card, credit it, and note its outcome.

A service that is killed before or after such a call leaves a charge in this state, and so many payments.
"""


class Killer:
    """Kills a process once, at a request of its."""

    def __init__(self) -> None:
        self._victim: int | None = None
        self._asked, self._others, self._is_performed = "", 0, False
        self.has_killed = threading.Event()

    def kill(self, process: int, asked: str, *, number: int = 1, is_performed: bool) -> None:
        """Kill a process at its request of that number from now on that reads like this."""
        self.has_killed.clear()
        self._asked, self._others, self._is_performed, self._victim = asked, number - 1, is_performed, process

    def answer(self, request: Request, carried_out: Callable[[Request], Response]) -> Response:
        """Carry a request out, unless the process that sent it is to die before."""
        if self._victim is None or not re.fullmatch(self._asked, f"{request.method} {request.path}"):
            return carried_out(request)
        if self._others:
            self._others -= 1
            return carried_out(request)
        victim, self._victim = self._victim, None
        answer = carried_out(request) if self._is_performed else Response(status=500)
        os.kill(victim, signal.SIGKILL)
        self.has_killed.set()
        return answer


class KillingStandIn(StripeStandIn):
    """A Stripe that kills who asks it."""

    def __init__(self) -> None:
        super().__init__(webhook_secret=WEBHOOK_SECRET)
        self.killer = Killer()

    def _answer(self, request: Request) -> Response:
        return self.killer.answer(request, super()._answer)


class KillingGateway(SupabaseGateway):
    """A gateway that kills who asks for the ledger."""

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream)
        self.killer = Killer()

    def _answer(self, request: Request) -> Response:
        return self.killer.answer(request, super()._answer)


@attrs.frozen
class Shop:
    """A ledger and a Stripe; each service is a process."""

    stripe: KillingStandIn
    gateway: KillingGateway
    environment: dict[str, str]
    folder: Path
    database_url: str

    @contextlib.contextmanager
    def mortal(self) -> Iterator[tuple[subprocess.Popen[bytes], httpx.Client]]:
        """Run a service without a worker, which may be killed."""
        port = free_port()
        environment = {**self.environment, "CREDENCE_PORT": str(port), "CREDENCE_WORKER": "false"}
        log = self.folder / f"{port}.log"
        command = [sys.executable, "-m", "entrypoints", "serve"]
        with (
            log.open("wb") as errors,
            subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=errors) as process,
            httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http,
        ):
            try:
                wait_until_ready(str(http.base_url), log)
                yield process, http
            finally:
                process.kill()

    async def new_customer(self, http: httpx.Client) -> str:
        """A user with a saved card."""
        user = await sign_up(self.database_url)
        assert 402 == pay(http, user, uuid.uuid4().hex).status_code, "there is no card yet"
        kept = self.stripe.account.all_kept("customer")
        save(self.stripe.account, next(one["id"] for one in kept if one["metadata"].get("userId") == user))
        return user

    def taken(self, user: str) -> list[int]:
        kept = self.stripe.account.all_kept("charge")
        return [one["amount"] for one in kept if one["metadata"].get("userId") == user]

    async def end_lease(self, user: str) -> None:
        """Let two minutes pass."""
        of_user = f"user_id = '{user}' and status in ('created', 'charging')"
        await execute(self.database_url, f"update public.charges set due_at = clock_timestamp() where {of_user}")  # noqa: S608 - our own id

    async def status(self, user: str) -> object:
        newest = f"user_id = '{user}' order by created_at desc limit 1"
        return await fetched(self.database_url, f"select status from public.charges where {newest}")  # noqa: S608 - our own id


def pay(http: httpx.Client, user: str, key: str) -> httpx.Response:
    headers = {**bearer(SERVICE_KEY), "Idempotency-Key": key}
    return http.post("/payments", json={"user_id": user, "plan": "starter"}, headers=headers)


def balance(http: httpx.Client, user: str) -> int:
    found: int = http.get(f"/quota?user_id={user}", headers=bearer(SERVICE_KEY)).json()["balance"]
    return found


@contextlib.contextmanager
def opened(database_url: str, folder: Path) -> Iterator[Shop]:
    redis = EmbeddedRedis(folder / "redis")
    with (
        Postgrest(postgrest_binary(), database_url.replace("postgres:@", "authenticator:@"), JWT_SECRET) as postgrest,
        KillingGateway(postgrest.url) as gateway,
        KillingStandIn() as stripe,
    ):
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "STRIPE_SECRET_KEY": "sk_test_of_the_deployment",
            "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "STRIPE_API_BASE": stripe.url,
            "SUPABASE_URL": gateway.url,
            "SUPABASE_SERVICE_ROLE_KEY": mint_token(JWT_SECRET, {"role": "service_role", "exp": FAR_FUTURE}),
            "REDIS_URL": redis.start(),
            "CREDENCE_SERVICE_KEY": SERVICE_KEY,
            "CREDENCE_OPERATOR_KEY": OPERATOR_KEY,
            "CREDENCE_GATEWAY_SECRET": GATEWAY_SECRET,
        }
        yield Shop(stripe, gateway, environment, folder, database_url)
    redis.stop()


@pytest.fixture(scope="module")
def shop(new_database: Callable[[], str], new_server_folder: Callable[[], Path]) -> Iterator[Shop]:
    with opened(new_database(), new_server_folder()) as made:
        yield made


@pytest.fixture
def lonely_shop(new_database: Callable[[], str], new_server_folder: Callable[[], Path]) -> Iterator[Shop]:
    """A shop without a worker."""
    with opened(new_database(), new_server_folder()) as made:
        yield made


@pytest.fixture(scope="module")
def survivor(shop: Shop) -> Iterator[httpx.Client]:
    """The second service, with a worker, which lives."""
    port = free_port()
    url, log = f"http://127.0.0.1:{port}", shop.folder / "survivor.log"
    environment = {**shop.environment, "CREDENCE_PORT": str(port)}
    with serving(environment, log), httpx.Client(base_url=url, timeout=60) as http:
        wait_until_ready(url, log)
        yield http


@pytest.mark.parametrize("is_performed", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("asked", REQUESTS)
@pytest.mark.parametrize("second", ["asked", "worker"])
async def test_a_service_that_is_killed_charges_once(
    shop: Shop, survivor: httpx.Client, asked: str, second: str, *, is_performed: bool
) -> None:
    """Whoever takes the charge up finds the payment if there is one, and makes it if there is none."""
    user, key = await shop.new_customer(survivor), uuid.uuid4().hex
    with shop.mortal() as (process, http):
        shop.stripe.killer.kill(process.pid, asked, is_performed=is_performed)
        with pytest.raises(httpx.TransportError):
            pay(http, user, key)
        assert shop.stripe.killer.has_killed.is_set()
        process.wait()
    assert [500] * (is_performed and asked.startswith("POST")) == shop.taken(user)
    assert 503 == pay(survivor, user, key).status_code, "the lease is the dead one's"
    await shop.end_lease(user)
    if second == "asked":
        assert 201 == eventually(lambda: pay(survivor, user, key).status_code, 201)
    else:
        statuses = [await shop.status(user)]
        for _ in range(400):
            if statuses[-1] == "succeeded":
                break
            threading.Event().wait(0.05)
            statuses.append(await shop.status(user))
        assert "succeeded" == statuses[-1]
    assert ([500], 50) == (shop.taken(user), balance(survivor, user))
    assert 201 == pay(survivor, user, key).status_code
    assert [500] == shop.taken(user)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call[0]} {call[1]}, {'after' if call[2] else 'before'}")
async def test_a_service_that_is_killed_at_a_call_of_the_ledger_charges_once(
    shop: Shop, survivor: httpx.Client, call: tuple[str, int, bool]
) -> None:
    """Another service goes on from what was written, or begins where nothing was."""
    function, number, is_performed = call
    user, key = await shop.new_customer(survivor), uuid.uuid4().hex
    with shop.mortal() as (process, http):
        asked = f"POST /rest/v1/rpc/{function}"
        shop.gateway.killer.kill(process.pid, asked, number=number, is_performed=is_performed)
        with pytest.raises(httpx.TransportError):
            pay(http, user, key)
        assert shop.gateway.killer.has_killed.is_set()
        process.wait()
    status, payments = CALLS[call]
    assert (status or "abandoned", [500] * payments) == (await shop.status(user), shop.taken(user))
    is_leased = status in {"created", "charging"}
    assert (503 if is_leased else 201) == pay(survivor, user, key).status_code
    await shop.end_lease(user)
    assert 201 == eventually(lambda: pay(survivor, user, key).status_code, 201)
    assert ([500], 50) == (shop.taken(user), balance(survivor, user))


async def test_two_services_are_killed_one_after_the_other(lonely_shop: Shop) -> None:
    """The first when the money was taken, the second when it found that out: the third credits it."""
    shop = lonely_shop
    with shop.mortal() as (_, http):
        user, key = await shop.new_customer(http), uuid.uuid4().hex
    for asked in (r"POST /v1/payment_intents", r"GET /v1/payment_intents"):
        with shop.mortal() as (process, http):
            shop.stripe.killer.kill(process.pid, asked, is_performed=True)
            with pytest.raises(httpx.TransportError):
                pay(http, user, key)
            assert shop.stripe.killer.has_killed.is_set()
            process.wait()
        assert [500] == shop.taken(user)
        await shop.end_lease(user)
    with shop.mortal() as (_, http):
        assert 201 == pay(http, user, key).status_code
        assert ([500], 50) == (shop.taken(user), balance(http, user))
    assert 0 == await fetched(shop.database_url, "select count(*) from public.validate_credits_consistency()")
