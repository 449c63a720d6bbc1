"""Settings are taken whole or refused whole, with every problem named and no secret shown."""

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from entrypoints.settings.reader import InvalidSettings, read_settings
from entrypoints.settings.settings import Settings
from entrypoints.settings.table import settings_table

README = Path(__file__).resolve().parents[3] / "README.md"

TEST = {"STRIPE_SECRET_KEY": "sk_test_51abc", "STRIPE_WEBHOOK_SECRET": "whsec_abc"}
LIVE = {
    "STRIPE_SECRET_KEY": "sk_live_51abc",
    "STRIPE_WEBHOOK_SECRET": "whsec_abc",
    "SUPABASE_URL": "https://project.supabase.co",
    "SUPABASE_SERVICE_ROLE_KEY": "sb_secret_abc",
    "UPSTASH_REDIS_REST_URL": "https://eu1-name.upstash.io",
    "UPSTASH_REDIS_REST_TOKEN": "token",
    "CREDENCE_PUBLIC_URL": "https://credits.example.com",
}


def problems(environ: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(InvalidSettings) as raised:
        read_settings(environ)
    return raised.value.problems


def jwt_of(role: str) -> str:
    payload = base64.urlsafe_b64encode(json.dumps({"role": role}).encode()).rstrip(b"=").decode()
    return f"eyJhbGciOiJIUzI1NiJ9.{payload}.signature"


def test_two_variables_are_enough_to_begin() -> None:
    """Without storage the embedded one is used, and x-user headers are believed on the loopback address."""
    settings = read_settings(TEST)
    assert (True, True, False) == (settings.embedded_storage, settings.embedded_cache, settings.livemode)
    assert settings.trust_user_headers
    assert "http://127.0.0.1:8000/return?session_id={CHECKOUT_SESSION_ID}" == settings.success_url


def test_a_live_deployment_is_taken() -> None:
    """What the README asks for in production is enough."""
    settings = read_settings(LIVE)
    assert (False, False, True) == (settings.embedded_storage, settings.embedded_cache, settings.livemode)
    assert not settings.trust_user_headers


@pytest.mark.parametrize(
    ("name", "wrong", "expected"),
    [
        ("CREDENCE_REQUEST_SECONDS", "0", "a number of seconds between 1 and 3600"),
        ("CREDENCE_SEND_SECONDS", "0", "a number of seconds between 1 and 3600"),
        ("CREDENCE_IDLE_SECONDS", "3601", "a number of seconds between 1 and 3600"),
        ("CREDENCE_STOP_SECONDS", "1.5", "a number of seconds between 1 and 3600"),
        ("CREDENCE_RECONCILE_MINUTES", "-1", "a number of minutes between 0 and 10080"),
        ("CREDENCE_REQUEST_LOG", "some", "off, errors, all"),
    ],
)
def test_what_is_beyond_a_bound_is_refused(name: str, wrong: str, expected: str) -> None:
    """The variable and what it may be are said."""
    assert (f"{name} must be {expected}",) == problems({**TEST, name: wrong})


def test_secrets_may_be_rotated() -> None:
    """Several webhook secrets stand between commas."""
    settings = read_settings({**TEST, "STRIPE_WEBHOOK_SECRET": "whsec_old, whsec_new"})
    assert ("whsec_old", "whsec_new") == settings.stripe_webhook_secrets


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("CREDENCE_SERVICE_KEY", lambda settings: settings.service_keys),
        ("CREDENCE_OPERATOR_KEY", lambda settings: settings.operator_keys),
        ("CREDENCE_GATEWAY_SECRET", lambda settings: settings.gateway_secrets),
    ],
)
def test_keys_of_our_own_may_be_rotated(name: str, read: Callable[[Settings], tuple[str, ...]]) -> None:
    """Several stand between commas, each long enough; none is no key at all."""
    old, new = "o" * 20, "n" * 20
    assert (old, new) == read(read_settings({**TEST, name: f"{old}, {new}"}))
    assert () == read(read_settings({**TEST, name: " "}))
    for wrong in (f"{old},", f"{old},short", f"{old},,{new}"):
        assert (f"{name} must have at least 20 characters, each if there are several",) == problems(
            {**TEST, name: wrong}
        )


def test_everything_wrong_is_named_at_once() -> None:
    """An empty environment is told of each variable that it lacks."""
    found = problems({})
    assert ["STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"] == [problem.split()[0] for problem in found]


def whsec(size: int) -> str:
    return "whsec_" + base64.b64encode(b"k" * size).decode()


NOTIFY = {"CREDENCE_NOTIFY_URL": "https://x.test/hooks/", "CREDENCE_NOTIFY_SECRET": whsec(24)}


def test_notices_may_be_rotated_and_go_to_the_loopback() -> None:
    """Their secrets stand between blanks or commas, and the address is kept to the letter."""
    given = {"CREDENCE_LOW_BALANCE": "0", "CREDENCE_NOTIFY_URL": "http://127.0.0.1:9/hooks/"}
    settings = read_settings({**TEST, **given, "CREDENCE_NOTIFY_SECRET": f"{whsec(24)} {whsec(64)}, "})
    assert (0, "http://127.0.0.1:9/hooks/") == (settings.low_balance, settings.notify_url)
    assert (whsec(24), whsec(64)) == settings.notify_secrets
    assert None is read_settings(TEST).low_balance
    assert whsec(24) not in repr(settings)


WRONG: dict[str, tuple[dict[str, str], str]] = {
    "publishable Stripe key": ({"STRIPE_SECRET_KEY": "pk_test_51abc"}, "STRIPE_SECRET_KEY"),
    "no Stripe key": ({"STRIPE_SECRET_KEY": "abc"}, "STRIPE_SECRET_KEY"),
    "empty webhook secret": ({"STRIPE_WEBHOOK_SECRET": ""}, "STRIPE_WEBHOOK_SECRET"),
    "blank webhook secret": ({"STRIPE_WEBHOOK_SECRET": "   "}, "STRIPE_WEBHOOK_SECRET"),
    "bare prefix": ({"STRIPE_WEBHOOK_SECRET": "whsec_"}, "STRIPE_WEBHOOK_SECRET"),
    "an empty one among secrets": ({"STRIPE_WEBHOOK_SECRET": "whsec_a,,whsec_b"}, "STRIPE_WEBHOOK_SECRET"),
    "a trailing comma": ({"STRIPE_WEBHOOK_SECRET": "whsec_a,"}, "STRIPE_WEBHOOK_SECRET"),
    "Supabase without key": ({"SUPABASE_URL": "https://x.supabase.co"}, "SUPABASE_SERVICE_ROLE_KEY"),
    "key without Supabase": ({"SUPABASE_SERVICE_ROLE_KEY": "sb_secret_a"}, "SUPABASE_URL"),
    "the anon key": (
        {"SUPABASE_URL": "https://x.supabase.co", "SUPABASE_SERVICE_ROLE_KEY": jwt_of("anon")},
        "SUPABASE_SERVICE_ROLE_KEY",
    ),
    "the publishable key": (
        {"SUPABASE_URL": "https://x.supabase.co", "SUPABASE_SECRET_KEY": "sb_publishable_a"},
        "SUPABASE_SERVICE_ROLE_KEY",
    ),
    "no address": ({"SUPABASE_URL": "project", "SUPABASE_SECRET_KEY": "sb_secret_a"}, "SUPABASE_URL"),
    "a database address of another kind": ({"SUPABASE_DB_URL": "mysql://x/y"}, "SUPABASE_DB_URL"),
    "a Redis address of another kind": ({"REDIS_URL": "https://x"}, "REDIS_URL"),
    "half of Upstash": ({"UPSTASH_REDIS_REST_URL": "https://x.upstash.io"}, "UPSTASH_REDIS_REST_URL"),
    "a short secret for tokens": ({"SUPABASE_JWT_SECRET": "short"}, "SUPABASE_JWT_SECRET"),
    "a port that is none": ({"CREDENCE_PORT": "eighty"}, "CREDENCE_PORT"),
    "a port too high": ({"CREDENCE_PORT": "70000"}, "CREDENCE_PORT"),
    "a short key": ({"CREDENCE_SERVICE_KEY": "short"}, "CREDENCE_SERVICE_KEY"),
    "equal keys": ({"CREDENCE_SERVICE_KEY": "k" * 20, "CREDENCE_OPERATOR_KEY": "k" * 20}, "CREDENCE_SERVICE_KEY,"),
    "a key of two kinds": (
        {"CREDENCE_SERVICE_KEY": f"{'j' * 20},{'k' * 20}", "CREDENCE_OPERATOR_KEY": "k" * 20},
        "CREDENCE_SERVICE_KEY,",
    ),
    "a success page without session": ({"CREDENCE_SUCCESS_URL": "https://x.test/ok"}, "CREDENCE_SUCCESS_URL"),
    "maybe": ({"CREDENCE_TRUST_USER_HEADERS": "maybe"}, "CREDENCE_TRUST_USER_HEADERS"),
    "trust beyond the loopback": (
        {"CREDENCE_TRUST_USER_HEADERS": "true", "CREDENCE_HOST": "0.0.0.0"},
        "CREDENCE_TRUST_USER_HEADERS",
    ),
    "trust with real storage": (
        {"CREDENCE_TRUST_USER_HEADERS": "true", "SUPABASE_DB_URL": "postgresql://x/y"},
        "CREDENCE_TRUST_USER_HEADERS",
    ),
    **{
        f"an origin that is {what}": ({"CREDENCE_ALLOWED_ORIGINS": origin}, "CREDENCE_ALLOWED_ORIGINS")
        for what, origin in {
            "any": "*",
            "a wildcard": "https://*.example.com",
            "in the open": "http://app.example.com",
            "none": "app.example.com",
            "of another scheme": "ftp://app.example.com",
            "a file": "null",
            "an address with a slash": "https://app.example.com/",
            "a page": "https://app.example.com/account",
            "a question": "https://app.example.com?a=b",
            "in capitals": "https://App.example.com",
            "with the usual port": "https://app.example.com:443",
            "with the usual port of the loopback": "http://localhost:80",
            "with a port of letters": "https://app.example.com:web",
            "with a name and a password": "https://ada:word@app.example.com",
            "in letters that no browser sends": "https://äpp.example.com",
            "without a host": "https://",
            "followed by nothing": "https://app.example.com,",
            "one of two by blanks": "https://app.example.com https://www.example.com",
        }.items()
    },
    "a negative threshold": ({"CREDENCE_LOW_BALANCE": "-1", **NOTIFY}, "CREDENCE_LOW_BALANCE"),
    "half a credit": ({"CREDENCE_LOW_BALANCE": "0.5", **NOTIFY}, "CREDENCE_LOW_BALANCE"),
    "a threshold of too many digits": ({"CREDENCE_LOW_BALANCE": "9" * 5000, **NOTIFY}, "CREDENCE_LOW_BALANCE"),
    "a threshold that nobody hears of": ({"CREDENCE_LOW_BALANCE": "10"}, "CREDENCE_NOTIFY_URL"),
    "notices unsigned": ({"CREDENCE_NOTIFY_URL": "https://x.test"}, "CREDENCE_NOTIFY_SECRET"),
    "a signature of nothing": ({"CREDENCE_NOTIFY_SECRET": NOTIFY["CREDENCE_NOTIFY_SECRET"]}, "CREDENCE_NOTIFY_URL"),
    "notices in the open": ({**NOTIFY, "CREDENCE_NOTIFY_URL": "http://x.test/"}, "CREDENCE_NOTIFY_URL"),
    "notices nowhere": ({**NOTIFY, "CREDENCE_NOTIFY_URL": "https:///x"}, "CREDENCE_NOTIFY_URL"),
    "notices to a broken address": ({**NOTIFY, "CREDENCE_NOTIFY_URL": "https://[x"}, "CREDENCE_NOTIFY_URL"),
    "notices to an empty label": ({**NOTIFY, "CREDENCE_NOTIFY_URL": "https://exämple..com/"}, "CREDENCE_NOTIFY_URL"),
    "notices to no punycode": ({**NOTIFY, "CREDENCE_NOTIFY_URL": "https://xn--.com/"}, "CREDENCE_NOTIFY_URL"),
    "a short signing secret": ({**NOTIFY, "CREDENCE_NOTIFY_SECRET": whsec(23)}, "CREDENCE_NOTIFY_SECRET"),
    "a long signing secret": ({**NOTIFY, "CREDENCE_NOTIFY_SECRET": whsec(65)}, "CREDENCE_NOTIFY_SECRET"),
    "a signing secret without prefix": ({**NOTIFY, "CREDENCE_NOTIFY_SECRET": whsec(32)[6:]}, "CREDENCE_NOTIFY_SECRET"),
    "a signing secret that is no base64": (
        {**NOTIFY, "CREDENCE_NOTIFY_SECRET": f"{whsec(32)}, whsec_{'*' * 40}"},
        "CREDENCE_NOTIFY_SECRET",
    ),
    "a typing error": ({"CREDENCE_PLAN": "plans.toml"}, "CREDENCE_PLAN"),
}


def test_origins_stand_between_commas() -> None:
    """None by default; ports, and http on the loopback, are good."""
    given = ("https://app.example.com", "https://app.example.com:80", "http://127.0.0.1:3000", "http://[::1]:3000")
    settings = read_settings({**TEST, "CREDENCE_ALLOWED_ORIGINS": ", ".join(given)})
    assert given == settings.allowed_origins
    assert () == read_settings(TEST).allowed_origins


@pytest.mark.parametrize("how", WRONG)
def test_a_wrong_variable_is_named(how: str) -> None:
    """One problem, which begins with the variable's name."""
    changes, name = WRONG[how]
    (problem,) = problems({**TEST, **changes})
    assert name == problem.split()[0]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("CREDENCE_PLAN", "CREDENCE_PLANS"),
        ("CREDENCE_WORKERS", "CREDENCE_WORKER"),
        ("CREDENCE_TRUST_HEADERS", "CREDENCE_TRUST_USER_HEADERS"),
        ("CREDENCE_REDIS_URL", "REDIS_URL"),
    ],
)
def test_a_typing_error_gets_a_hint(typed: str, meant: str) -> None:
    """An unknown variable of ours is compared with the known ones."""
    (problem,) = problems({**TEST, typed: "x"})
    assert f"{typed} is not known; did you mean {meant}?" == problem


@pytest.mark.parametrize("typed", ["CREDENCE_FOO", "CREDENCE_HOME", "CREDENCE_RELEASE", "CREDENCE_"])
def test_a_name_like_no_other_gets_no_hint(typed: str) -> None:
    """That all begin alike makes no two of them alike."""
    assert (f"{typed} is not known",) == problems({**TEST, typed: "x"})


def test_a_password_that_was_not_filled_in_is_reported() -> None:
    """An address as Supabase shows it is not called an address of another kind."""
    address = "postgresql://postgres:[YOUR-PASSWORD]@db.project.supabase.co:5432/postgres"
    (problem,) = problems({**TEST, "SUPABASE_DB_URL": address})
    assert problem.startswith("SUPABASE_DB_URL still contains [YOUR-PASSWORD]")


def test_the_own_account_may_be_named() -> None:
    """By its id, and by nothing else."""
    assert read_settings(TEST).stripe_account_id is None
    assert "acct_1Abc" == read_settings({**TEST, "STRIPE_ACCOUNT_ID": " acct_1Abc "}).stripe_account_id
    for wrong in ("1Abc", "acct_", "org_1/acct_1", "acct_1,acct_2"):
        (problem,) = problems({**TEST, "STRIPE_ACCOUNT_ID": wrong})
        assert problem.startswith("STRIPE_ACCOUNT_ID must be an account id")


LIVE_REFUSES: dict[str, dict[str, str]] = {
    "SUPABASE_URL": {"SUPABASE_URL": "", "SUPABASE_SERVICE_ROLE_KEY": ""},
    "REDIS_URL": {"UPSTASH_REDIS_REST_URL": "", "UPSTASH_REDIS_REST_TOKEN": ""},
    "STRIPE_API_BASE": {"STRIPE_API_BASE": "http://127.0.0.1:12111"},
    "CREDENCE_TRUST_USER_HEADERS": {"CREDENCE_TRUST_USER_HEADERS": "true"},
    "CREDENCE_PUBLIC_URL": {"CREDENCE_PUBLIC_URL": "http://credits.example.com"},
}


@pytest.mark.parametrize("name", LIVE_REFUSES)
def test_live_keys_refuse_what_is_for_development(name: str) -> None:
    """Real money meets neither embedded storage, a stand-in, nor headers that anyone may send."""
    (problem,) = problems({**LIVE, **LIVE_REFUSES[name]})
    assert name == problem.split()[0]
    assert "live" in problem


def test_no_secret_is_shown() -> None:
    """Neither the settings' own text nor a refusal has a secret in it."""
    given = {**LIVE, "CREDENCE_SERVICE_KEY": "service-key-of-twenty-chars", "REDIS_URL": "redis://:password@cache"}
    shown = repr(read_settings(given))
    refused = "\n".join(problems({**given, "STRIPE_WEBHOOK_SECRET": "whsec_abc,", "CREDENCE_PORT": "x"}))
    for secret in ("sk_live_51abc", "whsec_abc", "sb_secret_abc", "token'", "service-key-of-twenty-chars", "password"):
        assert secret not in shown
        assert secret not in refused


def test_the_readme_shows_every_setting() -> None:
    """The README's table is the one that the settings make."""
    text = README.read_text(encoding="utf-8")
    shown = text.split("<!-- settings:start -->")[1].split("<!-- settings:end -->")[0]
    assert settings_table() == shown.strip()
