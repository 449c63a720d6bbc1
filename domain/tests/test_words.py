"""One word for one thing: names that were replaced do not come back."""

import fnmatch
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = ("domain", "adapters", "entrypoints", "features", "migrations", "simulators")
TABLE_ROW = re.compile(r"^\| `(?P<word>\w+)` \| `(?P<where>[^`]+)` \| .+ \|$", re.MULTILINE)

REPLACED = frozenset(
    """
    told Told tell tells telling tellings Telling Sale PaymentNews SubscriptionNews told_by user_told links_of
    Naming names_nobody owner_named foreign is_whole TOLD_IN_PART Intent decide_intent settle_dues SettleDues
    _then_dues settle_due Settled Gatherer Crowd ask_all joining worth_a_call divisible GatheredCredits Overlap
    SystemOverlap Turns RedisTurns Pauses SystemPauses Callers Hopes Hoped rests_on found_at _Asked _Chain _Link
    for_one_commit hoped_of outcome_of Unfounded TooMuch EndIsOver AlreadySettled Unsettled KeyReused KeptRequest
    KeptEvent Flat Move Debit Lapse stood CheckoutDesk CreditDesk InboxDesk RehearsalDesk BalanceWatch hasten Handled
    Rehearsal Stuck Gift GiveCredits GIVEN WAYS_TO_SHOW_WHO_CALLS account_asked_for signed_in one_key ALSO_OTHERS
    _that_may_be in_words no_moment WholeAnswers settle_memory BalanceThen QuotaThen LAST_SALE hasty_stripe
    told_plainly Seen Gun Shot Strike Stage Course Player befell recast volley
    """.split()  # noqa: SIM905 - a list of words reads better than a list of strings
)
"""The names that docs/glossary.md replaced."""


def sources() -> Iterator[Path]:
    for room in ROOMS:
        yield from (path for path in sorted((ROOT / room).rglob("*.py")) if "__pycache__" not in path.parts)


def names_of(source: str) -> set[str]:
    """Return the identifiers of a source, not those in its strings and comments."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.string for token in tokens if token.type == tokenize.NAME}


def exceptions() -> set[tuple[str, str]]:
    """Return the words that the glossary lets stand, each with the files in which it may."""
    glossary = (ROOT / "docs" / "glossary.md").read_text()
    section = glossary.partition("## Replaced words that stay")[2]
    return {(row["word"], row["where"]) for row in TABLE_ROW.finditer(section)}


def survivors() -> set[tuple[str, str]]:
    return {
        (name, path.relative_to(ROOT).as_posix())
        for path in sources()
        for name in names_of(path.read_text()) & REPLACED
    }


def test_replaced_words_do_not_come_back() -> None:
    """But where the glossary says why one stays."""
    allowed = exceptions()
    assert [] == sorted(
        (word, path)
        for word, path in survivors()
        if not any(word == other and fnmatch.fnmatch(path, where) for other, where in allowed)
    )


def test_every_exception_is_needed() -> None:
    """One that nothing uses any more leaves the glossary."""
    found = survivors()
    unused = {
        (word, where)
        for word, where in exceptions()
        if not any(word == name and fnmatch.fnmatch(path, where) for name, path in found)
    }
    assert set() == unused


def test_a_name_in_the_source_is_seen() -> None:
    """A name counts wherever it is bound or used; prose does not."""
    assert {"def", "told", "x", "return"} == names_of('def told(x):\n    """Say Gun."""\n    return x  # hoped\n')
