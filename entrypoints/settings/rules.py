"""Validates the settings. Each problem names the variable and says what to do; secrets are never shown."""

import base64
import binascii
import json
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx

from entrypoints.settings.settings import Settings

MIN_SECRET = 20
MIN_JWT_SECRET = 32
MIN_SIGNING_BYTES, MAX_SIGNING_BYTES = 24, 64
_ACCOUNT = re.compile(r"acct_[A-Za-z0-9]{1,64}")
_HOST = re.compile(r"[a-z0-9._:-]+")
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def problems_of(settings: Settings) -> Iterator[str]:
    """Yield the problems of settings that could be parsed."""
    yield from _stripe(settings)
    yield from _supabase(settings)
    yield from _own(settings)
    yield from _notices(settings)
    if settings.livemode:
        yield from _live(settings)


def _stripe(settings: Settings) -> Iterator[str]:
    key = settings.stripe_secret_key
    if not key:
        yield "STRIPE_SECRET_KEY is missing; find it in Stripe's Dashboard under Developers, API keys"
    elif key.startswith("pk_"):
        yield "STRIPE_SECRET_KEY is a publishable key; secret keys start with sk_test_ or sk_live_"
    elif not key.startswith(("sk_test_", "sk_live_", "rk_test_", "rk_live_")):
        yield "STRIPE_SECRET_KEY must start with sk_test_, sk_live_, rk_test_ or rk_live_"
    if not settings.stripe_webhook_secrets:
        yield "STRIPE_WEBHOOK_SECRET is missing; Stripe shows it when you create the webhook endpoint"
    for secret in settings.stripe_webhook_secrets:
        if not secret.startswith("whsec_") or not secret.removeprefix("whsec_").strip():
            yield "STRIPE_WEBHOOK_SECRET must be one or more secrets that start with whsec_, separated by commas"
            break
    if settings.stripe_account_id is not None and not _ACCOUNT.fullmatch(settings.stripe_account_id):
        yield "STRIPE_ACCOUNT_ID must be an account id, acct_…; find it in the settings of Stripe's Dashboard"


def _supabase(settings: Settings) -> Iterator[str]:
    key = settings.supabase_service_key
    if settings.supabase_url and not key and not settings.supabase_db_url:
        yield "SUPABASE_SERVICE_ROLE_KEY is missing; SUPABASE_URL needs it (or SUPABASE_SECRET_KEY)"
    if key and not settings.supabase_url:
        yield "SUPABASE_URL is missing; SUPABASE_SERVICE_ROLE_KEY needs it"
    if key and (key.startswith("sb_publishable_") or _role(key) not in {None, "service_role"}):
        yield "SUPABASE_SERVICE_ROLE_KEY is a public key; the ledger needs the service_role or secret key"
    if settings.supabase_jwt_secret and len(settings.supabase_jwt_secret) < MIN_JWT_SECRET:
        yield f"SUPABASE_JWT_SECRET must have at least {MIN_JWT_SECRET} characters"
    if bool(settings.upstash_redis_rest_url) != bool(settings.upstash_redis_rest_token):
        yield "UPSTASH_REDIS_REST_URL and UPSTASH_REDIS_REST_TOKEN must be set together; one of them is missing"


def _own(settings: Settings) -> Iterator[str]:
    keys = {
        "CREDENCE_SERVICE_KEY": settings.service_keys,
        "CREDENCE_OPERATOR_KEY": settings.operator_keys,
        "CREDENCE_GATEWAY_SECRET": settings.gateway_secrets,
    }
    for name, values in keys.items():
        if any(len(value) < MIN_SECRET for value in values):
            each = ", each if there are several" if len(values) > 1 else ""
            yield f"{name} must have at least {MIN_SECRET} characters{each}"
    given = [value for values in keys.values() for value in values]
    if len(given) != len(set(given)):
        yield f"{', '.join(keys)} must all be different"
    if "{CHECKOUT_SESSION_ID}" not in settings.success_url:
        yield "CREDENCE_SUCCESS_URL must contain {CHECKOUT_SESSION_ID}, which Stripe fills in"
    if not all(map(_is_origin, settings.allowed_origins)):
        yield (
            "CREDENCE_ALLOWED_ORIGINS must be origins as browsers send them, such as https://app.example.com, "
            "separated by commas: https:// (http:// on the loopback only), no path, no trailing slash, no wildcard"
        )
    if settings.trust_user_headers and not settings.livemode:
        if not settings.embedded_storage:
            yield "CREDENCE_TRUST_USER_HEADERS is only for the embedded storage; set CREDENCE_GATEWAY_SECRET instead"
        elif settings.host not in LOOPBACK:
            yield "CREDENCE_TRUST_USER_HEADERS needs CREDENCE_HOST to be a loopback address"


def _notices(settings: Settings) -> Iterator[str]:
    if settings.notify_url and not settings.notify_secrets:
        yield "CREDENCE_NOTIFY_SECRET is missing; CREDENCE_NOTIFY_URL needs it, so that its receiver can trust notices"
    if settings.notify_secrets and not settings.notify_url:
        yield "CREDENCE_NOTIFY_URL is missing; CREDENCE_NOTIFY_SECRET is used only with it"
    if settings.low_balance is not None and not settings.notify_url:
        yield "CREDENCE_NOTIFY_URL is missing; CREDENCE_LOW_BALANCE needs it"
    if settings.notify_url and not _can_be_notified(settings.notify_url):
        yield "CREDENCE_NOTIFY_URL must be a URL that starts with https://; http:// is allowed on the loopback only"
    if not all(map(_signs, settings.notify_secrets)):
        yield (
            f"CREDENCE_NOTIFY_SECRET must hold secrets of whsec_ and {MIN_SIGNING_BYTES} to {MAX_SIGNING_BYTES} bytes "
            "in base64; `openssl rand -base64 32` makes some"
        )


def _can_be_notified(url: str) -> bool:
    try:
        httpx.Request("POST", url)  # Parse as the client will; it accepts less than urlsplit.
        parts = urlsplit(url)
        return parts.port != 0 and (
            (parts.scheme == "https" and bool(parts.hostname))
            or (parts.scheme == "http" and (parts.hostname or "") in LOOPBACK)
        )
    except (ValueError, httpx.InvalidURL):
        return False


def _is_origin(value: str) -> bool:
    """Return whether it is exactly what a browser sends: lower case, no default port, nothing after the host."""
    try:
        parts = urlsplit(value)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    usual = 443 if parts.scheme == "https" else 80
    shown = (f"[{host}]" if ":" in host else host) + (f":{port}" if port not in {None, usual} else "")
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK)
    return is_safe and value == f"{parts.scheme}://{shown}" and _HOST.fullmatch(host) is not None


def _signs(secret: str) -> bool:
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        return False
    return secret.startswith("whsec_") and MIN_SIGNING_BYTES <= len(key) <= MAX_SIGNING_BYTES


def _live(settings: Settings) -> Iterator[str]:
    if settings.embedded_storage:
        yield "SUPABASE_URL is missing; a live STRIPE_SECRET_KEY cannot be used with the embedded storage"
    if settings.embedded_cache:
        yield "REDIS_URL is missing (or Upstash's); a live STRIPE_SECRET_KEY cannot be used with the embedded Redis"
    if settings.stripe_api_base:
        yield "STRIPE_API_BASE must not be set; a live STRIPE_SECRET_KEY is sent to Stripe only"
    if settings.trust_user_headers:
        yield (
            "CREDENCE_TRUST_USER_HEADERS must not be set; with a live STRIPE_SECRET_KEY, x-user-* headers are trusted "
            "only with CREDENCE_GATEWAY_SECRET"
        )
    if settings.supabase_url and not settings.supabase_url.startswith("https://"):
        yield "SUPABASE_URL must start with https:// with a live STRIPE_SECRET_KEY"
    if not settings.public_url.startswith("https://"):
        yield "CREDENCE_PUBLIC_URL must be set, and start with https://, with a live STRIPE_SECRET_KEY"


def _role(key: str) -> str | None:
    """Return the role in a key of Supabase's older format, a JWT; None for a key in another format."""
    try:
        payload = key.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError, binascii.Error):
        return None
    role = claims.get("role") if isinstance(claims, dict) else None
    return role if isinstance(role, str) else None
