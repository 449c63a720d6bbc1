"""The settings: one frozen value."""

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

import attrs


class RequestLog(StrEnum):
    """The requests that leave a line in the log."""

    OFF = "off"
    ERRORS = "errors"
    ALL = "all"


def _setting(*names: str, text: str, default: str = "", secret: bool = False) -> Any:
    return attrs.field(repr=not secret, metadata={"names": names, "text": text, "default": default})


@attrs.frozen(kw_only=True)
class Settings:
    """Everything that a deployment may set. The metadata of each field is the row of the README's table."""

    stripe_secret_key: str = _setting(
        "STRIPE_SECRET_KEY", text="Stripe's secret or restricted key, test or live.", default="required", secret=True
    )
    stripe_webhook_secrets: tuple[str, ...] = _setting(
        "STRIPE_WEBHOOK_SECRET",
        text="The endpoint's signing secret. To rotate, list old and new separated by a comma.",
        default="required",
        secret=True,
    )
    stripe_account_id: str | None = _setting(
        "STRIPE_ACCOUNT_ID",
        text="Your Stripe account's id, `acct_…`. Needed only if an organization's event destination delivers here and "
        "the key may not read the account.",
        default="fetched from Stripe",
    )
    stripe_api_base: str | None = _setting(
        "STRIPE_API_BASE", text="An API address to use instead of Stripe's, for tests."
    )
    supabase_url: str | None = _setting("SUPABASE_URL", text="The project's URL.", default="embedded Postgres")
    supabase_public_key: str | None = _setting(
        "SUPABASE_ANON_KEY",
        "SUPABASE_PUBLISHABLE_KEY",
        text="The project's public key. Not used. Accepted so that you can reuse your project's `.env`.",
        secret=True,
    )
    supabase_service_key: str | None = _setting(
        "SUPABASE_SERVICE_ROLE_KEY",
        "SUPABASE_SECRET_KEY",
        text="The key that writes the ledger.",
        default="required with SUPABASE_URL, unless SUPABASE_DB_URL is set",
        secret=True,
    )
    supabase_db_url: str | None = _setting(
        "SUPABASE_DB_URL",
        text="A Postgres URL, direct or through a pooler, for faster access to the same ledger.",
        secret=True,
    )
    db_connections: int | None = _setting(
        "CREDENCE_DB_CONNECTIONS",
        text="The most Postgres connections that one process opens with `SUPABASE_DB_URL`, 1 to 100.",
        default="`connection_limit` in that URL, else 4",
    )
    supabase_jwt_secret: str | None = _setting(
        "SUPABASE_JWT_SECRET", text="Verifies access tokens of projects that sign with a shared secret.", secret=True
    )
    supabase_jwks_url: str | None = _setting(
        "SUPABASE_JWKS_URL",
        text="The URL of the keys that verify access tokens.",
        default="SUPABASE_URL/auth/v1/.well-known/jwks.json",
    )
    upstash_redis_rest_url: str | None = _setting(
        "UPSTASH_REDIS_REST_URL", text="Copy it from the Upstash console; the Redis address is derived from it."
    )
    upstash_redis_rest_token: str | None = _setting(
        "UPSTASH_REDIS_REST_TOKEN", text="Copy it from the Upstash console.", secret=True
    )
    redis_url: str | None = _setting(
        "REDIS_URL", text="Any Redis URL; takes precedence over Upstash's.", default="embedded Redis", secret=True
    )
    cache_budget_ms: int = _setting(
        "CREDENCE_CACHE_BUDGET_MS",
        text="Milliseconds that one request waits for Redis in total, 1 to 10,000; after that the ledger answers.",
        default="100",
    )
    data: Path = _setting("CREDENCE_DATA", text="The directory of the embedded storage.", default=".credence")
    host: str = _setting("CREDENCE_HOST", text="The address to listen on.", default="127.0.0.1")
    port: int = _setting("CREDENCE_PORT", text="The port to listen on.", default="8000")
    public_url: str = _setting(
        "CREDENCE_PUBLIC_URL", text="The service's public URL, the same for all processes.", default="http://HOST:PORT"
    )
    success_url: str = _setting(
        "CREDENCE_SUCCESS_URL",
        text="Where Stripe sends a customer who paid; must contain {CHECKOUT_SESSION_ID}.",
        default="PUBLIC_URL/return?session_id={CHECKOUT_SESSION_ID}",
    )
    cancel_url: str = _setting(
        "CREDENCE_CANCEL_URL", text="Where Stripe sends a customer who cancels.", default="PUBLIC_URL/"
    )
    portal_return_url: str = _setting(
        "CREDENCE_PORTAL_RETURN_URL", text="Where the link back from Stripe's portal leads.", default="PUBLIC_URL/"
    )
    plans: Path | None = _setting(
        "CREDENCE_PLANS", text="The plan catalogue, a TOML file.", default="a packaged example"
    )
    service_keys: tuple[str, ...] = _setting(
        "CREDENCE_SERVICE_KEY",
        text="Bearer token for your backend, at least 20 characters. To rotate, list old and new separated by a comma.",
        secret=True,
    )
    operator_keys: tuple[str, ...] = _setting(
        "CREDENCE_OPERATOR_KEY",
        text="Bearer token for operators, at least 20 characters. To rotate, list old and new separated by a comma.",
        secret=True,
    )
    gateway_secrets: tuple[str, ...] = _setting(
        "CREDENCE_GATEWAY_SECRET",
        text="Sent by your gateway as `x-gateway-secret`, so that its `x-user-*` headers are trusted, at least 20 "
        "characters. To rotate, list old and new separated by a comma.",
        secret=True,
    )
    trust_user_headers: bool = _setting(
        "CREDENCE_TRUST_USER_HEADERS",
        text="Trust `x-user-*` headers from anyone; only with the embedded storage, test keys and a loopback host.",
        default="true in that case, otherwise false",
    )
    allowed_origins: tuple[str, ...] = _setting(
        "CREDENCE_ALLOWED_ORIGINS",
        text="Origins whose pages may call the service from a browser, such as `https://app.example.com`, separated by "
        "commas: https, or http on the loopback; no wildcards.",
        default="none",
    )
    request_seconds: int = _setting(
        "CREDENCE_REQUEST_SECONDS",
        text="Seconds within which a complete request must arrive; a slower one gets 408.",
        default="30",
    )
    send_seconds: int = _setting(
        "CREDENCE_SEND_SECONDS",
        text="Seconds a client may go without reading its response before the connection is aborted.",
        default="30",
    )
    idle_seconds: int = _setting(
        "CREDENCE_IDLE_SECONDS",
        text="Seconds after which a connection without requests is closed; more than your proxy keeps one open.",
        default="75",
    )
    stop_seconds: int = _setting(
        "CREDENCE_STOP_SECONDS",
        text="Seconds that requests have to finish once the service is asked to stop; then they are answered 503.",
        default="10",
    )
    checkouts_per_minute: int = _setting(
        "CREDENCE_CHECKOUTS_PER_MINUTE",
        text="Checkouts, visits to the portal and requests about subscriptions of one user in a minute; 0: any number.",
        default="20",
    )
    service_requests_per_minute: int = _setting(
        "CREDENCE_SERVICE_REQUESTS_PER_MINUTE",
        text="Requests that one service key may send in a minute; 0: any number.",
        default="0",
    )
    request_log: RequestLog = _setting(
        "CREDENCE_REQUEST_LOG",
        text="Which requests leave a line in the log: `all`, `errors` (those answered 400 or above) or none, `off`.",
        default="errors",
    )
    worker: bool = _setting(
        "CREDENCE_WORKER",
        text="Run the worker inside `credence serve`; false if `credence worker` runs separately.",
        default="true",
    )
    low_balance: int | None = _setting(
        "CREDENCE_LOW_BALANCE",
        text="The low-balance threshold, in available credits, for accounts without one of their own; "
        "needs CREDENCE_NOTIFY_URL.",
        default="none",
    )
    notify_url: str | None = _setting(
        "CREDENCE_NOTIFY_URL",
        text="The URL to which low-balance notices are posted: https, or http on the loopback.",
        secret=True,
    )
    notify_secrets: tuple[str, ...] = _setting(
        "CREDENCE_NOTIFY_SECRET",
        text="The secret that signs notices (Standard Webhooks): `whsec_` and 24 to 64 bytes in base64. To rotate, "
        "list old and new separated by a space or a comma.",
        default="required with CREDENCE_NOTIFY_URL",
        secret=True,
    )
    reconcile_minutes: int = _setting(
        "CREDENCE_RECONCILE_MINUTES",
        text="Minutes between the worker's reconciliations of the last three days; 0 turns them off.",
        default="60",
    )

    @property
    def livemode(self) -> bool:
        """Return whether the Stripe key is a live one."""
        return self.stripe_secret_key.startswith(("sk_live_", "rk_live_"))

    @property
    def reconcile_every(self) -> timedelta | None:
        """Return the pause between reconciliations in seconds, or None if they are off."""
        return timedelta(minutes=self.reconcile_minutes) if self.reconcile_minutes else None

    @property
    def can_sign_users_in(self) -> bool:
        """Return whether users can be authenticated, by access tokens or by trusted headers."""
        by_token = self.supabase_url or self.supabase_jwks_url or self.supabase_jwt_secret
        return bool(by_token or self.gateway_secrets or self.trust_user_headers)

    @property
    def names_itself(self) -> bool:
        """Return whether the public address is that of this process alone, since none is set."""
        return self.public_url == f"http://{self.host}:{self.port}"

    @property
    def embedded_storage(self) -> bool:
        """Return whether the ledger is the embedded Postgres."""
        return self.supabase_url is None and self.supabase_db_url is None

    @property
    def embedded_cache(self) -> bool:
        """Return whether the cache is the embedded Redis."""
        return self.redis_url is None and self.upstash_redis_rest_url is None
