"""`credence plans push` at the terminal: what it shows, and what it says when it can't."""

from pathlib import Path

import pytest

from features.harness.deployment import Deployment

PLANS = """
[plans.starter]
name = "50 credits [red]"
credits = 50
price = 500
currency = "usd"

[plans.monthly]
name = "1,000 credits a month"
credits = 1000
price = 900
currency = "jpy"
mode = "subscription"
interval = "month"
"""


@pytest.fixture
def shop(tmp_path: Path, database_url: str) -> dict[str, str]:
    """The settings of a shop with two plans."""
    file = tmp_path / "plans.toml"
    file.write_text(PLANS)
    return {"CREDENCE_PLANS": str(file), "SUPABASE_DB_URL": database_url}


def test_a_dry_run_shows_a_table_and_changes_nothing(deployment: Deployment, shop: dict[str, str]) -> None:
    """Each step with its plan, where it is, and the terms in words; then the same table when it is done."""
    code, said = deployment.command("plans", "push", "--dry-run", **shop)
    assert (0, True) == (code, said.startswith("Would be changed")), said
    shown = (
        "create product “50 credits [red]”",
        "create, 50 credits for 5.00 USD, lookup key credence_starter_usd",
        "create, 1,000 credits for 900 JPY per month, lookup key credence_monthly_jpy",
        "for sale, 1,000 credits for 900 JPY per month",
        "default price (new credence_starter_usd)",
    )
    assert [] == [words for words in shown if words not in said], said
    assert ([], []) == (deployment.stripe.account.all_kept("product"), deployment.stripe.events)

    code, said = deployment.command("plans", "push", **shop)
    assert (0, True, True) == (code, said.startswith("Changed"), shown[1] in said), said
    nothing = "Nothing to change: products and prices at Stripe match the catalogue."
    again = [deployment.command("plans", "push", *how, **shop) for how in (("--no-portal",), ("--dry-run",))]
    assert [(0, nothing), (0, f"{nothing} The customer portal is up to date.")] == again


def test_the_portal_offers_what_was_pushed(deployment: Deployment, shop: dict[str, str]) -> None:
    """Subscriptions alone, at the prices that are for sale now; a dry run shows it, and it can be left alone."""
    code, said = deployment.command("plans", "push", "--dry-run", **shop)
    assert (0, True) == (code, "monthly ((new credence_monthly_jpy))" in said), said
    assert "portal" not in deployment.command("plans", "push", "--no-portal", **shop)[1]
    code, said = deployment.command("plans", "push", "--downgrades", "at-once", "--trials", "end", **shop)
    (price,) = [one for one in deployment.stripe.account.all_kept("price") if one["recurring"]]
    shown = (f"monthly ({price['id']})", "at once", "end")
    assert (0, []) == (code, [words for words in shown if words not in said]), said


def test_what_is_changed_and_archived_is_shown(deployment: Deployment, shop: dict[str, str]) -> None:
    """Another name, another price, and a plan that is retired."""
    assert 0 == deployment.command("plans", "push", **shop)[0]
    old = {one["metadata"]["credence_plan"]: one["id"] for one in deployment.stripe.account.all_kept("price")}
    file = Path(shop["CREDENCE_PLANS"])
    file.write_text(
        PLANS.replace("1,000 credits a month", "Much").replace("900", "800").replace('"usd"', '"usd"\nretired = true')
    )
    code, said = deployment.command("plans", "push", **shop)
    assert 0 == code, said
    expected = (
        f"{old['starter']} │ no longer for sale, 50 credits for 5.00 USD",
        "credence_starter │ archive product",
        "credence_monthly │ rename to “Much”",
        "create, 1,000 credits for 800 JPY per month",
        f"{old['monthly']} │ no longer for sale, 1,000 credits for 900 JPY per month",
        f"{old['monthly']} │ archive",
    )
    assert [] == [words for words in expected if words not in said], said


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"STRIPE_SECRET_KEY": "sk_test_x"}, "Stripe rejects STRIPE_SECRET_KEY"),
        ({"STRIPE_API_BASE": "http://127.0.0.1:1"}, "Cannot reach Stripe: APIConnectionError (no answer)"),
        ({"SUPABASE_DB_URL": "postgresql://postgres@127.0.0.1:1/postgres"}, "annot connect to the database"),
        ({"CREDENCE_PLANS": "/nowhere.toml"}, "Invalid plan catalogue /nowhere.toml"),
        (
            {
                "STRIPE_SECRET_KEY": "sk_live_of_a_shop",
                "STRIPE_API_BASE": "",
                "CREDENCE_PUBLIC_URL": "https://shop.test",
                "CREDENCE_PLANS": "",
            },
            "CREDENCE_PLANS is not set: the packaged example is not pushed with a live key.",
        ),
    ],
)
def test_what_prevents_a_push_is_said(
    deployment: Deployment, shop: dict[str, str], settings: dict[str, str], problem: str
) -> None:
    """In one message, with exit code 1; nothing was made."""
    code, said = deployment.command("plans", "push", **shop | settings)
    assert (1, True) == (code, problem in said), said
    assert [] == deployment.stripe.account.all_kept("product")


@pytest.mark.parametrize("path", ["/v1/products", "/v1/prices"])
def test_a_permission_that_is_missing_is_named(deployment: Deployment, shop: dict[str, str], path: str) -> None:
    """As the Dashboard names it: to find a product is to read. Once the key has it, the push goes on."""
    deployment.stripe.fail_next(status=403, path=path)
    code, said = deployment.command("plans", "push", **shop)
    permission = "Prices: Write" if path == "/v1/prices" else "Products: Read"
    assert (1, True) == (code, f"STRIPE_SECRET_KEY: it lacks the permission {permission}." in said), said
    assert 0 == deployment.command("plans", "push", **shop)[0]


def test_a_plan_that_stripe_refuses_is_said_in_its_words(deployment: Deployment, shop: dict[str, str]) -> None:
    """What was pushed before it is shown."""
    file = Path(shop["CREDENCE_PLANS"])
    file.write_text(PLANS.replace("jpy", "xxx"))
    code, said = deployment.command("plans", "push", **shop)
    assert (1, True) == (code, "Stripe refused: Invalid currency: xxx." in said), said
    assert "Pushed before it failed" in said
