"""What makes settings wrong, in words that name the variable and say what to do. No secret is ever shown."""

import base64
import binascii
import difflib
import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import attrs
import httpx

from domain.values.plans import MAX_CREDITS

if TYPE_CHECKING:
    from entrypoints.settings.settings import Settings

MIN_SECRET = 20
MIN_JWT_SECRET = 32
MIN_SIGNING_BYTES, MAX_SIGNING_BYTES = 24, 64
_ACCOUNT = re.compile(r"acct_[A-Za-z0-9]{1,64}")
_HOST = re.compile(r"[a-z0-9._:-]+")
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
PLACEHOLDER = "[YOUR-PASSWORD]"
"""What Supabase's dashboard shows in an address where the password belongs."""
FILL_IN = "put the database's password in its place (an @, : or / in it as %40, %3A or %2F)"
_MAX_PORT = 65535
_WEEK_MINUTES = 7 * 24 * 60


@attrs.frozen
class InvalidSettings(Exception):
    """Settings that the service can't start with."""

    problems: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(["The settings are not right:", *(f"- {problem}" for problem in self.problems)])


class Reader:
    """Reads single variables, and collects what is wrong with them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def text(self, name: str) -> str | None:
        """The value without surrounding blanks, None if it is not set."""
        return self._environ.get(name, "").strip() or None

    def list(self, name: str) -> tuple[str, ...]:
        """The values between commas; an empty one among them stays, to be complained of."""
        value = self.text(name)
        return tuple(part.strip() for part in value.split(",")) if value else ()

    def url(self, name: str, *, schemes: tuple[str, ...] = ("https", "http")) -> str | None:
        """An address of one of the schemes, without a trailing slash."""
        value = self.text(name)
        if value is None:
            return None
        try:
            parts = urlsplit(value)
            is_good = parts.scheme in schemes and bool(parts.netloc or parts.scheme == "unix") and parts.port != 0
        except ValueError:
            is_good = False
        if PLACEHOLDER in value:
            self.problems.append(f"{name} still has {PLACEHOLDER} in it; {FILL_IN}")
        elif not is_good:
            self.problems.append(f"{name} must be an address that starts with {' or '.join(schemes)}://")
        return value.rstrip("/")

    def port(self, name: str, default: int) -> int:
        """A port number."""
        value = self.text(name) or str(default)
        if value.isascii() and value.isdecimal() and 0 < int(value[:6]) <= _MAX_PORT:
            return int(value)
        self.problems.append(f"{name} must be a number between 1 and {_MAX_PORT}")
        return default

    def words(self, name: str) -> tuple[str, ...]:
        """The values between blanks or commas."""
        return tuple((self.text(name) or "").replace(",", " ").split())

    def count(self, name: str) -> int | None:
        """A number of credits, None if it is not set."""
        value = self.text(name)
        if value is None or (value.isascii() and value.isdecimal() and int(value[:19]) <= MAX_CREDITS):
            return None if value is None else int(value)
        self.problems.append(f"{name} must be a number of credits between 0 and {MAX_CREDITS}")
        return None

    def minutes(self, name: str, default: int) -> int:
        """A number of minutes, a week's at most."""
        value = self.text(name) or str(default)
        if value.isascii() and value.isdecimal() and int(value[:6]) <= _WEEK_MINUTES:
            return int(value)
        self.problems.append(f"{name} must be a number of minutes between 0 and {_WEEK_MINUTES}")
        return default

    def flag(self, name: str, default: bool) -> bool:
        """Yes or no."""
        value = (self.text(name) or str(default)).lower()
        if value not in {"true", "false", "1", "0"}:
            self.problems.append(f"{name} must be true or false")
        return value in {"true", "1"}


def unknown_names(environ: Mapping[str, str], known: frozenset[str]) -> Iterator[str]:
    """Variables of our own prefix that nothing reads: typing errors, most likely."""
    for name in sorted(environ):
        if name.startswith("CREDENCE_") and name not in known:
            # The prefix that all of them share makes none of them alike.
            bare = {one.removeprefix("CREDENCE_"): one for one in known}
            close = difflib.get_close_matches(name.removeprefix("CREDENCE_"), bare, n=1)
            yield f"{name} is not known" + (f"; did you mean {bare[close[0]]}?" if close else "")


def problems_of(settings: "Settings") -> Iterator[str]:
    """What is wrong with settings that could be read."""
    yield from _stripe(settings)
    yield from _supabase(settings)
    yield from _own(settings)
    yield from _notices(settings)
    if settings.livemode:
        yield from _live(settings)


def _stripe(settings: "Settings") -> Iterator[str]:
    key = settings.stripe_secret_key
    if not key:
        yield "STRIPE_SECRET_KEY is missing; find it in Stripe's Dashboard under Developers, API keys"
    elif key.startswith("pk_"):
        yield "STRIPE_SECRET_KEY is a publishable key; the secret one starts with sk_test_ or sk_live_"
    elif not key.startswith(("sk_test_", "sk_live_", "rk_test_", "rk_live_")):
        yield "STRIPE_SECRET_KEY must start with sk_test_, sk_live_, rk_test_ or rk_live_"
    if not settings.stripe_webhook_secrets:
        yield "STRIPE_WEBHOOK_SECRET is missing; Stripe shows it when the webhook endpoint is made"
    for secret in settings.stripe_webhook_secrets:
        if not secret.startswith("whsec_") or not secret.removeprefix("whsec_").strip():
            yield "STRIPE_WEBHOOK_SECRET must hold secrets that start with whsec_, separated by commas, none empty"
            break
    if settings.stripe_account_id is not None and not _ACCOUNT.fullmatch(settings.stripe_account_id):
        yield "STRIPE_ACCOUNT_ID must be an account's id, acct_…; Stripe's Dashboard shows it in the settings"


def _supabase(settings: "Settings") -> Iterator[str]:
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
        yield "UPSTASH_REDIS_REST_URL and UPSTASH_REDIS_REST_TOKEN go together; one of them is missing"


def _own(settings: "Settings") -> Iterator[str]:
    keys = {
        "CREDENCE_SERVICE_KEY": settings.service_keys,
        "CREDENCE_OPERATOR_KEY": settings.operator_keys,
        "CREDENCE_GATEWAY_SECRET": settings.gateway_secrets,
    }
    for name, values in keys.items():
        if any(len(value) < MIN_SECRET for value in values):
            each = ", each of those that commas separate" if len(values) > 1 else ""
            yield f"{name} must have at least {MIN_SECRET} characters{each}"
    given = [value for values in keys.values() for value in values]
    if len(given) != len(set(given)):
        yield f"{', '.join(keys)} must differ from each other"
    if "{CHECKOUT_SESSION_ID}" not in settings.success_url:
        yield "CREDENCE_SUCCESS_URL must contain {CHECKOUT_SESSION_ID}, which Stripe fills in"
    if not all(map(_is_origin, settings.allowed_origins)):
        yield (
            "CREDENCE_ALLOWED_ORIGINS must hold origins as browsers send them, like https://app.example.com, separated "
            "by commas: https:// (http:// on the loopback alone), no path, no slash at the end, no wildcard"
        )
    if settings.trust_user_headers and not settings.livemode:
        if not settings.embedded_storage:
            yield "CREDENCE_TRUST_USER_HEADERS is for the embedded storage; set CREDENCE_GATEWAY_SECRET instead"
        elif settings.host not in LOOPBACK:
            yield "CREDENCE_TRUST_USER_HEADERS needs CREDENCE_HOST to be a loopback address"


def _notices(settings: "Settings") -> Iterator[str]:
    if settings.notify_url and not settings.notify_secrets:
        yield "CREDENCE_NOTIFY_SECRET is missing; CREDENCE_NOTIFY_URL needs it, so that its receiver can trust notices"
    if settings.notify_secrets and not settings.notify_url:
        yield "CREDENCE_NOTIFY_URL is missing; CREDENCE_NOTIFY_SECRET is for nothing else"
    if settings.low_balance is not None and not settings.notify_url:
        yield "CREDENCE_NOTIFY_URL is missing; CREDENCE_LOW_BALANCE needs it, for somebody must be told"
    if settings.notify_url and not _can_be_notified(settings.notify_url):
        yield "CREDENCE_NOTIFY_URL must be an address that starts with https://; http:// is for the loopback alone"
    if not all(map(_signs, settings.notify_secrets)):
        yield (
            f"CREDENCE_NOTIFY_SECRET must hold secrets of whsec_ and {MIN_SIGNING_BYTES} to {MAX_SIGNING_BYTES} bytes "
            "in base64; `openssl rand -base64 32` makes some"
        )


def _can_be_notified(url: str) -> bool:
    try:
        httpx.Request("POST", url)  # as the client will; it takes less than urlsplit
        parts = urlsplit(url)
        return parts.port != 0 and (
            (parts.scheme == "https" and bool(parts.hostname))
            or (parts.scheme == "http" and (parts.hostname or "") in LOOPBACK)
        )
    except (ValueError, httpx.InvalidURL):
        return False


def _is_origin(value: str) -> bool:
    """Whether it is, to the letter, what a browser sends: lower case, no usual port, nothing behind the host."""
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


def _live(settings: "Settings") -> Iterator[str]:
    if settings.embedded_storage:
        yield "SUPABASE_URL is missing; a live STRIPE_SECRET_KEY refuses the embedded storage"
    if settings.embedded_cache:
        yield "REDIS_URL is missing (or Upstash's); a live STRIPE_SECRET_KEY refuses the embedded Redis"
    if settings.stripe_api_base:
        yield "STRIPE_API_BASE must not be set; a live STRIPE_SECRET_KEY speaks to Stripe alone"
    if settings.trust_user_headers:
        yield (
            "CREDENCE_TRUST_USER_HEADERS must not be set; a live STRIPE_SECRET_KEY believes x-user-* headers "
            "only with CREDENCE_GATEWAY_SECRET"
        )
    if settings.supabase_url and not _is_private(settings.supabase_url):
        yield "SUPABASE_URL must start with https:// with a live STRIPE_SECRET_KEY"
    if not _is_private(settings.public_url):
        yield "CREDENCE_PUBLIC_URL must be set, and start with https://, with a live STRIPE_SECRET_KEY"


def _is_private(url: str) -> bool:
    return url.startswith("https://")


def _role(key: str) -> str | None:
    """The role that a key of the older kind, a JWT, names; None for a key of another kind."""
    try:
        payload = key.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError, binascii.Error):
        return None
    role = claims.get("role") if isinstance(claims, dict) else None
    return role if isinstance(role, str) else None
