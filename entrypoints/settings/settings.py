"""The settings: one frozen value."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs


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
        default="asked of Stripe",
    )
    stripe_api_base: str | None = _setting("STRIPE_API_BASE", text="Another API address than Stripe's, for tests.")
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
        text="The key with which the ledger is written.",
        default="required with SUPABASE_URL, unless SUPABASE_DB_URL is set",
        secret=True,
    )
    supabase_db_url: str | None = _setting(
        "SUPABASE_DB_URL", text="A direct Postgres URL: faster access to the same ledger.", secret=True
    )
    supabase_jwt_secret: str | None = _setting(
        "SUPABASE_JWT_SECRET", text="Verifies access tokens of projects that sign with a shared secret.", secret=True
    )
    supabase_jwks_url: str | None = _setting(
        "SUPABASE_JWKS_URL",
        text="Where the keys that verify access tokens are published.",
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
    data: Path = _setting("CREDENCE_DATA", text="The folder of the embedded storage.", default=".credence")
    host: str = _setting("CREDENCE_HOST", text="The address to listen on.", default="127.0.0.1")
    port: int = _setting("CREDENCE_PORT", text="The port to listen on.", default="8000")
    public_url: str = _setting(
        "CREDENCE_PUBLIC_URL", text="The service's address in a browser.", default="http://HOST:PORT"
    )
    success_url: str = _setting(
        "CREDENCE_SUCCESS_URL",
        text="Where Stripe sends a customer who paid; must contain {CHECKOUT_SESSION_ID}.",
        default="PUBLIC_URL/return?session_id={CHECKOUT_SESSION_ID}",
    )
    cancel_url: str = _setting(
        "CREDENCE_CANCEL_URL", text="Where Stripe sends a customer who cancels.", default="PUBLIC_URL/"
    )
    plans: Path | None = _setting("CREDENCE_PLANS", text="The catalogue, a TOML file.", default="a packaged example")
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
        text="Trust `x-user-*` headers from anyone: only with the embedded storage, test keys and a loopback host.",
        default="true there, false elsewhere",
    )
    allowed_origins: tuple[str, ...] = _setting(
        "CREDENCE_ALLOWED_ORIGINS",
        text="The origins whose pages may call the service in a browser, such as `https://app.example.com`, separated "
        "by commas: https, or http on the loopback; exact, without wildcards.",
        default="none",
    )

    worker: bool = _setting(
        "CREDENCE_WORKER",
        text="Run the worker inside `credence serve`; false where `credence worker` runs beside it.",
        default="true",
    )
    low_balance: int | None = _setting(
        "CREDENCE_LOW_BALANCE",
        text="The available credits below which an account's balance is low, where it has no threshold of its own; "
        "needs CREDENCE_NOTIFY_URL.",
        default="none",
    )
    notify_url: str | None = _setting(
        "CREDENCE_NOTIFY_URL",
        text="Where notices of low balances are posted: an https address, or http on the loopback.",
        secret=True,
    )
    notify_secrets: tuple[str, ...] = _setting(
        "CREDENCE_NOTIFY_SECRET",
        text="The secret that signs notices (Standard Webhooks): `whsec_` and 24 to 64 bytes in base64. To rotate, "
        "list old and new separated by a blank or a comma.",
        default="required with CREDENCE_NOTIFY_URL",
        secret=True,
    )
    reconcile_minutes: int = _setting(
        "CREDENCE_RECONCILE_MINUTES",
        text="Minutes between the worker's reconciliations of the last three days; 0: never.",
        default="60",
    )

    @property
    def livemode(self) -> bool:
        """Whether the key moves real money."""
        return self.stripe_secret_key.startswith(("sk_live_", "rk_live_"))

    @property
    def reconcile_every(self) -> timedelta | None:
        """The pause between reconciliations; None where there are none."""
        return timedelta(minutes=self.reconcile_minutes) if self.reconcile_minutes else None

    @property
    def can_sign_users_in(self) -> bool:
        """Whether anything is there to recognise users by: access tokens, or headers that are believed."""
        by_token = self.supabase_url or self.supabase_jwks_url or self.supabase_jwt_secret
        return bool(by_token or self.gateway_secrets or self.trust_user_headers)

    @property
    def embedded_storage(self) -> bool:
        """Whether the ledger is the embedded Postgres."""
        return self.supabase_url is None and self.supabase_db_url is None

    @property
    def embedded_cache(self) -> bool:
        """Whether the cache is the embedded Redis."""
        return self.redis_url is None and self.upstash_redis_rest_url is None
