"""Whatever disagrees within an account in memory is found, under the name that the schema's own check gives it."""

from typing import Any

import attrs
import pytest

from adapters.memory.audit import first_inconsistency
from domain.credits.grants import Draw, Grant, GrantId
from domain.credits.holds import Hold, HoldId, HoldStatus
from domain.credits.ledger import EntryKind, LedgerEntry, Posting
from domain.credits.records import GrantRecord, RecordedDraw
from domain.tests.examples import ADA, NOON
from domain.values.accounts import Account

GRANTABLE, TAKEN = (
    LedgerEntry(
        posting=Posting(user_id=ADA, amount=amount, kind=kind, idempotency_key=kind),
        version=version,
        balance_before=before,
        balance_after=before + amount,
        created_at=NOON,
    )
    for version, kind, amount, before in ((1, EntryKind.PROMOTION, 50, 0), (2, EntryKind.SPEND, -20, 50))
)
GRANT = Grant(id=GrantId(1), kind="promotion", credits=50, remaining=30, held=10, created_at=NOON)
HOLD = Hold(
    id=HoldId("00000000-0000-0000-0000-000000000001"),
    user_id=ADA,
    credits=10,
    idempotency_key="h",
    expires_at=NOON,
    draws=(Draw(grant_id=GrantId(1), credits=10),),
)
ACCOUNT = Account(user_id=ADA, balance=30, held=10, version=2, revision=3)
GOOD: dict[str, Any] = {
    "account": ACCOUNT,
    "entries": (GRANTABLE, TAKEN),
    "grants": (GrantRecord(grant=GRANT, draws=(RecordedDraw(version=2, credits=20),)),),
    "holds": (HOLD,),
}


def grants(*draws: tuple[int, int], **changes: int) -> dict[str, Any]:
    recorded = tuple(RecordedDraw(version=version, credits=taken) for version, taken in draws)
    return {"grants": (GrantRecord(grant=attrs.evolve(GRANT, **changes), draws=recorded),)}


def test_an_account_that_agrees_is_good() -> None:
    """Entries, grants, draws and holds account for every credit."""
    assert None is first_inconsistency(**GOOD)


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "version_differs_from_ledger": ({"account": attrs.evolve(ACCOUNT, version=3)}, "2", "3"),
    "balance_differs_from_ledger": ({"account": attrs.evolve(ACCOUNT, balance=31)}, "30", "31"),
    "revision_behind_ledger": ({"account": attrs.evolve(ACCOUNT, revision=1)}, "2", "1"),
    "grants_differ_from_balance": (grants((2, 20), remaining=29, credits=49), "30", "29"),
    "held_differs_from_holds": ({"account": attrs.evolve(ACCOUNT, held=0)}, "10", "0"),
    "draws_exceed_entry": (grants((2, 21), credits=51), "20", "21"),
    "grant_differs_from_draws": (grants((2, 19)), "1: 49", "1: 50"),
    "grant_differs_from_holds": (grants((2, 20), held=9), "1: 10", "1: 9"),
    "hold_differs_from_draws": (
        {
            "account": attrs.evolve(ACCOUNT, held=12),
            "holds": (attrs.evolve(HOLD, credits=12),),
        },
        f"{HOLD.id}: 12",
        f"{HOLD.id}: 10",
    ),
    "captured_differs_from_entries": (
        {"holds": (HOLD, attrs.evolve(HOLD, id=HoldId("2"), status=HoldStatus.CAPTURED, captured=3))},
        "0",
        "3",
    ),
}


@pytest.mark.parametrize("problem", WRONG)
def test_each_disagreement_has_its_name(problem: str) -> None:
    """With what should be there, and what is."""
    changes, expected, actual = WRONG[problem]
    found = first_inconsistency(**{**GOOD, **changes})
    assert found is not None
    assert (problem, expected, actual) == (found.problem, found.expected, found.actual)


def test_draws_of_no_entry_are_too_many() -> None:
    """Nothing that took credits may be missing from the entries."""
    found = first_inconsistency(**{**GOOD, **grants((2, 20), (7, 1), credits=51)})
    assert found is not None
    assert ("draws_exceed_entry", 7, "0") == (found.problem, found.version, found.expected)
