"""A deployment of the service, as `fire` speaks to it: its webhook, its operator's routes, its accounts.

Every answer that is no answer of the service's is explained in words that say what to do. No secret is in any of them.
"""

from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import attrs
import httpx

from simulators.fire.answers import NoAnswer, TargetUnfit, check_redirect, detail_of, problem_type
from simulators.stories.customers import Plan

ANSWER_SECONDS = 30.0
MAX_PAGE = 200
MAX_PAGES = 100
WEBHOOK = "/webhooks/stripe"
SYNTHETIC_USERS = "/ops/synthetic-users"


@attrs.frozen(kw_only=True)
class SyntheticUser:
    """A customer whom the target made for us."""

    user_id: str
    email: str


@attrs.frozen(kw_only=True)
class Quota:
    """A user's quota, as the target reports it."""

    balance: int
    held: int
    available: int
    version: int


@attrs.frozen(kw_only=True)
class Entry:
    """One ledger entry, as the target reports it."""

    version: int
    kind: str
    amount: int
    balance_before: int
    balance_after: int
    purchase_id: str | None
    period: int | None = None
    """The end of the period that was paid for, in seconds since 1970."""


class Target:
    """The HTTP client of one deployment; its keys are sent as Bearer tokens, and shown nowhere."""

    def __init__(self, url: str, *, operator_key: str, service_key: str | None = None, concurrency: int = 16) -> None:
        self.url = url.rstrip("/")
        self._as_operator = {"Authorization": f"Bearer {operator_key}"}
        self._as_service = {"Authorization": f"Bearer {service_key}"} if service_key else self._as_operator
        # Deliveries have connections of their own, so that reads never wait behind them.
        self._webhooks = self._client(concurrency)
        self._api = self._client(8)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._webhooks.aclose()
        await self._api.aclose()

    async def deliver(self, body: bytes, signature: str | None) -> httpx.Response:
        """Post a webhook once.

        :raises httpx.HTTPError: if there is no answer.
        """
        headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "Stripe/1.0 (simulated)"}
        if signature is not None:
            headers["Stripe-Signature"] = signature
        return await self._webhooks.post(WEBHOOK, content=body, headers=headers)

    async def plans(self) -> tuple[Plan, ...]:
        """Return what is for sale at a fixed price, once or for each interval: the histories know no other plans.

        :raises TargetUnfit: if this is no Credence service.
        :raises NoAnswer: if it can't be asked now.
        """
        answer = await self._ask("GET", "/plans", {})
        not_ours = (
            f"{self.url} does not answer as a Credence service does (GET /plans: {answer.status_code}). Check --target."
        )
        try:
            body = answer.json()["plans"] if answer.status_code == 200 else None
            plans = tuple(Plan(**{name: plan[name] for name in _PLAN}) for plan in body or () if _is_simple(plan))
        except (ValueError, KeyError, TypeError):
            raise TargetUnfit(not_ours) from None
        if body is None:
            raise TargetUnfit(not_ours)
        return plans

    async def check_mode(self) -> None:
        """See that it moves no real money, and that our key is an operator's.

        :raises TargetUnfit: if it does, or isn't.
        :raises NoAnswer: if it can't be asked now.
        """
        given = self._understood(await self._ask("GET", SYNTHETIC_USERS, self._as_operator), 200)
        if given.get("mode") != "test":
            raise TargetUnfit(f"{self.url} does not say that it is in test mode, so nothing is fired at it.")

    async def begin(self, tag: str, count: int) -> tuple[SyntheticUser, ...]:
        """Let it make so many users under the tag.

        :raises TargetUnfit: if it refuses.
        :raises NoAnswer: if it can't be asked now.
        """
        answer = await self._ask("POST", SYNTHETIC_USERS, self._as_operator, json={"tag": tag, "count": count})
        given = self._understood(answer, 201)
        return tuple(SyntheticUser(user_id=user["user_id"], email=user["email"]) for user in given["users"])

    async def end(self, tag: str) -> tuple[str, ...]:
        """Let it remove the users of the tag; gives the problems of those that it could not remove.

        :raises TargetUnfit: if it refuses.
        :raises NoAnswer: if it can't be asked now.
        """
        given = self._understood(await self._ask("DELETE", f"{SYNTHETIC_USERS}/{tag}", self._as_operator), 200)
        return tuple(f"{kept['user_id']}: {kept['problem']}" for kept in given["kept"])

    async def quota(self, user_id: str) -> Quota:
        """Return what a user may spend.

        :raises TargetUnfit: if it refuses.
        :raises NoAnswer: if it can't be asked now.
        """
        given = self._understood(await self._ask("GET", f"/quota?user_id={user_id}", self._as_service), 200)
        return Quota(**{name: given[name] for name in _QUOTA})

    async def entries(self, user_id: str) -> tuple[Entry, ...]:
        """Return every ledger entry of a user, oldest first.

        :raises TargetUnfit: if it refuses.
        :raises NoAnswer: if it can't be asked now.
        """
        found: list[Entry] = []
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            path = f"/transactions?user_id={user_id}&limit={MAX_PAGE}" + (f"&cursor={cursor}" if cursor else "")
            given = self._understood(await self._ask("GET", path, self._as_service), 200)
            found += [
                Entry(**{name: entry[name] for name in _ENTRY}, period=_period(entry))
                for entry in given["transactions"]
            ]
            cursor = given["next_cursor"]
            if cursor is None:
                break
        return tuple(reversed(found))

    async def inconsistencies(self) -> tuple[tuple[str, str], ...]:
        """Return what disagrees, ledger with itself or cache with ledger: whose account it is, and the problem.

        :raises TargetUnfit: if it refuses.
        :raises NoAnswer: if it can't be asked now.
        """
        given = self._understood(await self._ask("GET", "/ops/consistency", self._as_operator), 200)
        return tuple((row["user_id"], row["problem"]) for row in (*given["ledger"], *given["cache"]))

    async def _ask(self, method: str, path: str, headers: Mapping[str, str], **more: Any) -> httpx.Response:
        try:
            answer = await self._api.request(method, path, headers=headers, **more)
        except httpx.HTTPError as error:
            raise NoAnswer(
                f"{self.url} can't be reached ({_named(error)}). Is it up, and is --target right?"
            ) from error
        check_redirect(self.url, answer)
        if answer.status_code >= 500:
            raise NoAnswer(f"{self.url} can't work now ({method} {path.partition('?')[0]}: {detail_of(answer)}).")
        return answer

    def _understood(self, answer: httpx.Response, wanted: int) -> dict[str, Any]:
        asked = f"{answer.request.method} {answer.request.url.path}"
        problem = problem_type(answer)
        if problem == "live-deployment":
            raise TargetUnfit(f"{self.url} is in live mode: nothing is fired where real money moves. Fire at staging.")
        if answer.status_code in (401, 403):
            raise TargetUnfit(
                f"{self.url} refuses our key ({asked}: {answer.status_code}). Give its CREDENCE_OPERATOR_KEY by "
                "--operator-key or in the environment (and, where you give one, its CREDENCE_SERVICE_KEY)."
            )
        if answer.status_code != wanted:
            raise TargetUnfit(f"{self.url} answers {asked} with {detail_of(answer)}.")
        try:
            body = answer.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise TargetUnfit(f"{self.url} does not answer {asked} as a Credence service does. Check --target.")
        return body

    def _client(self, connections: int) -> httpx.AsyncClient:
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        return httpx.AsyncClient(base_url=self.url, timeout=ANSWER_SECONDS, limits=limits)


def _named(error: httpx.HTTPError) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _is_simple(plan: dict[str, Any]) -> bool:
    return not plan.get("amounts") and plan.get("interval_count", 1) == 1


def _period(entry: Mapping[str, Any]) -> int | None:
    ends_at = entry["metadata"].get("period_ends_at")
    return int(datetime.fromisoformat(ends_at).timestamp()) if ends_at is not None else None


_PLAN = ("id", "credits", "price", "currency", "mode", "interval")
_QUOTA = ("balance", "held", "available", "version")
_ENTRY = ("version", "kind", "amount", "balance_before", "balance_after", "purchase_id")
