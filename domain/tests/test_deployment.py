"""What a deployment's facts come to."""

from typing import Any

import attrs
import pytest

from domain.upkeep.diagnosis import SchemaFacts, Verdict, WebhookEndpoint, diagnose_endpoints, diagnose_schema

URL = "https://a.test/webhooks/stripe"
WANTED = frozenset({"invoice.paid", "charge.refunded"})
ENDPOINT = WebhookEndpoint(url=URL, is_enabled=True, events=WANTED, api_version=None, livemode=False)
SCHEMA = SchemaFacts(
    role="service_role",
    migrations=("1", "2"),
    unguarded_tables=(),
    writable_tables=(),
    writable_columns=(),
    readable_by_anon=(),
    readable_views=(),
    callable_functions=(),
    trail_is_guarded=True,
)


def worst(*endpoints: WebhookEndpoint) -> tuple[Verdict, str]:
    found = diagnose_endpoints(endpoints, wanted_url=URL, livemode=False, wanted_events=WANTED)
    ranks = list(Verdict)
    bad = max(found, key=lambda one: ranks.index(one.verdict))
    return bad.verdict, bad.seen


def test_a_good_endpoint_is_good() -> None:
    """With its events named, or all of them."""
    assert Verdict.GOOD is worst(ENDPOINT)[0]
    assert Verdict.GOOD is worst(attrs.evolve(ENDPOINT, events=frozenset({"*"}), api_version="2020-08-27"))[0]


@pytest.mark.parametrize(
    ("endpoints", "verdict", "word"),
    [
        ((), Verdict.BAD, "existing endpoints: none"),
        ((attrs.evolve(ENDPOINT, url="https://b.test/"),), Verdict.BAD, "https://b.test/"),
        ((attrs.evolve(ENDPOINT, is_enabled=False),), Verdict.BAD, "disabled"),
        ((attrs.evolve(ENDPOINT, livemode=True),), Verdict.BAD, "live mode"),
        ((attrs.evolve(ENDPOINT, events=frozenset({"invoice.paid"})),), Verdict.BAD, "charge.refunded"),
        ((ENDPOINT, ENDPOINT), Verdict.DOUBTFUL, "2 times"),
    ],
)
def test_what_is_wrong_with_an_endpoint_is_named(
    endpoints: tuple[WebhookEndpoint, ...], verdict: Verdict, word: str
) -> None:
    """And which events are missing, or where others go."""
    found = worst(*endpoints)
    assert verdict is found[0]
    assert word in found[1]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"migrations": ("1",)}, "2"),
        ({"unguarded_tables": ("outbox",)}, "outbox"),
        ({"writable_tables": ("authenticated: purchases",)}, "authenticated: purchases"),
        ({"readable_views": ("anon: public.leaders",)}, "anon: public.leaders"),
        ({"readable_by_anon": ("outbox",)}, "anon can read outbox"),
        ({"writable_columns": ("authenticated: users.credits_balance",)}, "users.credits_balance"),
        ({"callable_functions": ("anon: ledger_commit",)}, "anon: ledger_commit"),
        ({"trail_is_guarded": False}, "can be changed"),
    ],
)
def test_what_is_wrong_with_the_schema_is_named(changes: dict[str, Any], word: str) -> None:
    """One bad finding for one fault, with what to do."""
    assert {Verdict.GOOD} == {one.verdict for one in diagnose_schema(SCHEMA, wanted_migrations=("1", "2"))}
    found = diagnose_schema(attrs.evolve(SCHEMA, **changes), wanted_migrations=("1", "2"))
    (bad,) = [one for one in found if one.verdict is Verdict.BAD]
    assert word in bad.seen
    assert bad.remedy
