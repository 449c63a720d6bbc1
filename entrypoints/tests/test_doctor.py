"""What the doctor reads from the settings alone, before anything is asked."""

from pathlib import Path

import pytest

from domain.upkeep.diagnosis import Verdict
from entrypoints.doctor import diagnose_settings
from entrypoints.settings.reader import read_settings

TEST = {
    "STRIPE_SECRET_KEY": "sk_test_51abc",
    "STRIPE_WEBHOOK_SECRET": "whsec_abc",
    "SUPABASE_DB_URL": "postgresql://db.test/postgres",
}
LIVE = {
    **TEST,
    "STRIPE_SECRET_KEY": "sk_live_51abc",
    "REDIS_URL": "redis://cache.test",
    "CREDENCE_PUBLIC_URL": "https://credits.example.com",
}


def verdicts(environ: dict[str, str]) -> dict[str, Verdict]:
    return {one.subject: one.verdict for one in diagnose_settings(read_settings(environ))}


def test_an_example_that_is_for_sale_is_reported(tmp_path: Path) -> None:
    """Where no catalogue is configured the packaged one is sold; with a live key that is bad."""
    assert Verdict.DOUBTFUL == verdicts(TEST)["catalogue"]
    assert Verdict.BAD == verdicts(LIVE)["catalogue"]
    assert "catalogue" not in verdicts({**LIVE, "CREDENCE_PLANS": str(tmp_path / "plans.toml")})


def test_a_deployment_that_nobody_can_sign_in_to_is_reported() -> None:
    """A direct address of the database alone says nothing of tokens; with a live key that is bad."""
    assert Verdict.DOUBTFUL == verdicts(TEST)["signing in"]
    assert Verdict.BAD == verdicts(LIVE)["signing in"]


@pytest.mark.parametrize(
    "setting",
    [
        {"SUPABASE_URL": "https://project.supabase.co"},
        {"SUPABASE_JWKS_URL": "https://auth.test/jwks.json"},
        {"SUPABASE_JWT_SECRET": "s" * 40},
        {"CREDENCE_GATEWAY_SECRET": "g" * 20},
        {"SUPABASE_DB_URL": "", "CREDENCE_TRUST_USER_HEADERS": "true"},
    ],
)
def test_each_way_to_sign_in_is_enough(setting: dict[str, str]) -> None:
    """Access tokens of either kind, a gateway, or headers that are believed."""
    assert "signing in" not in verdicts({**TEST, **setting})
