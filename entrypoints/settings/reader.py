"""Reads the settings from the environment and reports every problem at once."""

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import attrs

from domain.values.plans import MAX_CREDITS
from entrypoints.settings.rules import LOOPBACK, problems_of
from entrypoints.settings.settings import RequestLog, Settings

PLACEHOLDER = "[YOUR-PASSWORD]"
"""The placeholder for the password in the URLs that Supabase's dashboard shows."""
FILL_IN = "replace it with the database password (write @, : and / as %40, %3A and %2F)"
_MAX_PORT = 65535
_MAX_CONNECTIONS = 100
_WEEK_MINUTES = 7 * 24 * 60
_MAX_BUDGET = 10_000
_MAX_RATE = 1_000_000

Default = TypeVar("Default", int, None)


@attrs.frozen
class InvalidSettings(Exception):
    """Settings with which the service cannot start."""

    problems: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(["Invalid configuration:", *(f"- {problem}" for problem in self.problems)])


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Return the settings of an environment; an empty variable counts as not set.

    :raises InvalidSettings: with every problem; no secret is shown.
    """
    names = frozenset(name for field in attrs.fields(Settings) for name in field.metadata["names"])
    read = Reader(environ)
    host = read.text("CREDENCE_HOST") or "127.0.0.1"
    port = read.number("CREDENCE_PORT", 8000, least=1, most=_MAX_PORT)
    public = read.url("CREDENCE_PUBLIC_URL") or f"http://{host}:{port}"
    plans = read.text("CREDENCE_PLANS")
    settings = Settings(
        stripe_secret_key=read.text("STRIPE_SECRET_KEY") or "",
        stripe_webhook_secrets=read.list("STRIPE_WEBHOOK_SECRET"),
        stripe_account_id=read.text("STRIPE_ACCOUNT_ID"),
        stripe_api_base=read.url("STRIPE_API_BASE"),
        supabase_url=read.url("SUPABASE_URL"),
        supabase_public_key=read.text("SUPABASE_ANON_KEY") or read.text("SUPABASE_PUBLISHABLE_KEY"),
        supabase_service_key=read.text("SUPABASE_SERVICE_ROLE_KEY") or read.text("SUPABASE_SECRET_KEY"),
        supabase_db_url=read.url("SUPABASE_DB_URL", schemes=("postgresql", "postgres")),
        db_connections=read.number("CREDENCE_DB_CONNECTIONS", None, least=1, most=_MAX_CONNECTIONS),
        supabase_jwt_secret=read.text("SUPABASE_JWT_SECRET"),
        supabase_jwks_url=read.url("SUPABASE_JWKS_URL"),
        upstash_redis_rest_url=read.url("UPSTASH_REDIS_REST_URL"),
        upstash_redis_rest_token=read.text("UPSTASH_REDIS_REST_TOKEN"),
        redis_url=read.url("REDIS_URL", schemes=("redis", "rediss", "unix")),
        cache_budget_ms=read.number("CREDENCE_CACHE_BUDGET_MS", 100, of=" of milliseconds", least=1, most=_MAX_BUDGET),
        data=Path(read.text("CREDENCE_DATA") or ".credence"),
        host=host,
        port=port,
        public_url=public,
        success_url=read.url("CREDENCE_SUCCESS_URL") or f"{public}/return?session_id={{CHECKOUT_SESSION_ID}}",
        cancel_url=read.url("CREDENCE_CANCEL_URL") or f"{public}/",
        portal_return_url=read.url("CREDENCE_PORTAL_RETURN_URL") or f"{public}/",
        plans=Path(plans) if plans else None,
        service_keys=read.list("CREDENCE_SERVICE_KEY"),
        operator_keys=read.list("CREDENCE_OPERATOR_KEY"),
        gateway_secrets=read.list("CREDENCE_GATEWAY_SECRET"),
        trust_user_headers=read.flag("CREDENCE_TRUST_USER_HEADERS", _trusts_by_default(read, host)),
        allowed_origins=read.list("CREDENCE_ALLOWED_ORIGINS"),
        request_seconds=read.number("CREDENCE_REQUEST_SECONDS", 30, of=" of seconds", least=1, most=3600),
        send_seconds=read.number("CREDENCE_SEND_SECONDS", 30, of=" of seconds", least=1, most=3600),
        idle_seconds=read.number("CREDENCE_IDLE_SECONDS", 75, of=" of seconds", least=1, most=3600),
        stop_seconds=read.number("CREDENCE_STOP_SECONDS", 10, of=" of seconds", least=1, most=3600),
        checkouts_per_minute=read.number("CREDENCE_CHECKOUTS_PER_MINUTE", 20, most=_MAX_RATE),
        service_requests_per_minute=read.number("CREDENCE_SERVICE_REQUESTS_PER_MINUTE", 0, most=_MAX_RATE),
        request_log=read.kind("CREDENCE_REQUEST_LOG", RequestLog.ERRORS),
        worker=read.flag("CREDENCE_WORKER", True),
        low_balance=read.number("CREDENCE_LOW_BALANCE", None, of=" of credits", most=MAX_CREDITS),
        notify_url=read.text("CREDENCE_NOTIFY_URL"),
        notify_secrets=read.words("CREDENCE_NOTIFY_SECRET"),
        reconcile_minutes=read.number("CREDENCE_RECONCILE_MINUTES", 60, of=" of minutes", most=_WEEK_MINUTES),
    )
    problems = (*read.problems, *unknown_names(environ, names), *problems_of(settings))
    if problems:
        raise InvalidSettings(problems)
    return settings


def _trusts_by_default(read: "Reader", host: str) -> bool:
    is_test = (read.text("STRIPE_SECRET_KEY") or "").startswith(("sk_test_", "rk_test_"))
    is_embedded = not any(map(read.text, ("SUPABASE_URL", "SUPABASE_DB_URL", "CREDENCE_GATEWAY_SECRET")))
    return is_test and is_embedded and host in LOOPBACK


class Reader:
    """Reads single variables and collects their problems."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def text(self, name: str) -> str | None:
        """Return the value without surrounding whitespace, or None if it is not set."""
        return self._environ.get(name, "").strip() or None

    def list(self, name: str) -> tuple[str, ...]:
        """Return the comma-separated values, including empty ones, so that they can be reported."""
        value = self.text(name)
        return tuple(part.strip() for part in value.split(",")) if value else ()

    def url(self, name: str, *, schemes: tuple[str, ...] = ("https", "http")) -> str | None:
        """Return a URL with one of the schemes, without a trailing slash."""
        value = self.text(name)
        if value is None:
            return None
        try:
            parts = urlsplit(value)
            is_good = parts.scheme in schemes and bool(parts.netloc or parts.scheme == "unix") and parts.port != 0
        except ValueError:
            is_good = False
        if PLACEHOLDER in value:
            self.problems.append(f"{name} still contains {PLACEHOLDER}; {FILL_IN}")
        elif not is_good:
            self.problems.append(
                f"{name} must be a URL that starts with {' or '.join(f'{scheme}://' for scheme in schemes)}"
            )
        return value.rstrip("/")

    def number(self, name: str, default: Default, *, of: str = "", least: int = 0, most: int) -> int | Default:
        """Return a whole number within these bounds; the default where none is set."""
        value = self.text(name)
        if value is None:
            return default
        if value.isascii() and value.isdecimal() and least <= int(value[: len(str(most)) + 1]) <= most:
            return int(value)
        self.problems.append(f"{name} must be a number{of} between {least} and {most}")
        return default

    def words(self, name: str) -> tuple[str, ...]:
        """Return the values separated by spaces or commas."""
        return tuple((self.text(name) or "").replace(",", " ").split())

    def kind(self, name: str, default: RequestLog) -> RequestLog:
        """Return which requests are logged."""
        value = self.text(name) or default.value
        if value in [*RequestLog]:
            return RequestLog(value)
        self.problems.append(f"{name} must be {', '.join(RequestLog)}")
        return default

    def flag(self, name: str, default: bool) -> bool:
        """Return a boolean."""
        value = (self.text(name) or str(default)).lower()
        if value not in {"true", "false", "1", "0"}:
            self.problems.append(f"{name} must be true or false")
        return value in {"true", "1"}


def unknown_names(environ: Mapping[str, str], known: frozenset[str]) -> Iterator[str]:
    """Yield a problem for each unknown variable with our prefix: most likely a typo."""
    for name in sorted(environ):
        if name.startswith("CREDENCE_") and name not in known:
            # Compare without the prefix, which all of them share.
            bare = {one.removeprefix("CREDENCE_"): one for one in known}
            close = difflib.get_close_matches(name.removeprefix("CREDENCE_"), bare, n=1)
            yield f"{name} is not known" + (f"; did you mean {bare[close[0]]}?" if close else "")
