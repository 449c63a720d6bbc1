"""One word for one thing: names that were replaced do not come back."""

import ast
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
    told Told _told tell tells telling tellings Telling Sale PaymentNews SubscriptionNews told_by user_told links_of
    told_by_session told_by_invoice told_by_refund told_by_charge told_by_dispute
    Naming names_nobody owner_named foreign is_whole TOLD_IN_PART Intent decide_intent settle_dues SettleDues
    _then_dues settle_due Settled Gatherer Crowd ask_all joining worth_a_call divisible GatheredCredits Overlap
    SystemOverlap Turns RedisTurns Pauses SystemPauses Callers Hopes Hoped rests_on found_at _Asked _Chain _Link
    for_one_commit hoped_of outcome_of Unfounded TooMuch EndIsOver AlreadySettled Unsettled KeyReused KeptRequest
    KeptEvent Flat Move Debit Lapse stood CheckoutDesk CreditDesk InboxDesk RehearsalDesk BalanceWatch hasten Handled
    Rehearsal Stuck Gift GiveCredits GIVEN WAYS_TO_SHOW_WHO_CALLS account_asked_for signed_in one_key ALSO_OTHERS
    _that_may_be in_words no_moment WholeAnswers settle_memory BalanceThen QuotaThen LAST_SALE hasty_stripe
    told_plainly Seen Gun Shot Strike Stage Course Player befell recast volley
    credence_intents_total gathering gathered_credits PARTS comes_after decide_again rehearse rehearsal rehearsals
    has_turns hasty desk Asked gifts lapsed wallets_read credit_departures volleys recasting
    credence_write_together credence_judge credence_refuse credence_put credence_take credence_draw credence_standing
    """.split()  # noqa: SIM905 - a list of words reads better than a list of strings
)
"""The names that docs/glossary.md replaced: of modules, in Python, SQL and JavaScript, and as keys in JSON."""

REPLACED_IN_SQL = frozenset({"amiss", "astray", "broken", "busy", "left_over", "standing", "touched"})
"""Names that are replaced in SQL alone; elsewhere they are plain English."""

REPLACED_IN_TEXT = re.compile(r"\b(?:rehears\w+|volleys?|recast\w*|credit_departures)\b", re.IGNORECASE)
"""What neither a document, nor a help text, nor a comment says any more."""

_SPEAKERS = r"(?:events?|Stripe|sessions?|invoices?|charges?|notes?|objects?)"
TOLD = re.compile(
    rf"\btellings?\b|\btells? of\b|\ball told\b|\b{_SPEAKERS} tells?\b(?![^.;]*\b(?:apart|from)\b)"
    r"|\btold (?:again|twice|once|first|last|later|in|by|as|so far|at once|before|after)\b",
    re.IGNORECASE,
)
"""What an event does is called report; that somebody is told something, or tells two apart, is plain English."""

RIDDLES = re.compile(r"(?:What|Who|Whom|Whose|How|Where|When|Whether|Which|Why)(?:ever)?\b(?!-)")
"""The words with which a docstring asks instead of saying what a thing does or is."""

WORD = re.compile(r"\w+")
SQL_COMMENT = re.compile(r"--[^\n]*|^comment on (?:[^;']|'[^']*')*;", re.MULTILINE)
JS_PROSE = re.compile(r"//[^\n]*|`[^`]*`|'[^'\n]* [^'\n]*'")


def files(*suffixes: str) -> Iterator[Path]:
    """Give the files of the rooms with these suffixes, but this one, which names what it looks for."""
    for room in ROOMS:
        found = (path for suffix in suffixes for path in sorted((ROOT / room).rglob(f"*{suffix}")))
        yield from (path for path in found if path != Path(__file__) and "__pycache__" not in path.parts)


def names_of(source: str) -> set[str]:
    """Return the identifiers of a source, and its strings of one word, such as keys; not what is prose."""
    tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    names = {token.string for token in tokens if token.type == tokenize.NAME}
    strings = (node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant))
    return names | {value for value in strings if isinstance(value, str) and WORD.fullmatch(value)}


def names_in(path: Path) -> set[str]:
    """Return the names in a file of the house, that of the module included."""
    source = path.read_text()
    if path.suffix == ".py":
        return names_of(source) | {path.stem}
    return set(WORD.findall((SQL_COMMENT if path.suffix == ".sql" else JS_PROSE).sub("", source)))


def exceptions() -> set[tuple[str, str]]:
    """Return the words that the glossary lets stand, each with the files in which it may."""
    glossary = (ROOT / "docs" / "glossary.md").read_text()
    section = glossary.partition("## Replaced words that stay")[2]
    return {(row["word"], row["where"]) for row in TABLE_ROW.finditer(section)}


def survivors() -> set[tuple[str, str]]:
    return {
        (name, path.relative_to(ROOT).as_posix())
        for path in files(".py", ".sql", ".js")
        for name in names_in(path) & (REPLACED | REPLACED_IN_SQL if path.suffix == ".sql" else REPLACED)
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


def test_no_text_says_a_replaced_word() -> None:
    """Neither the documents, nor a command, a page, a feature or a comment; the changelog says what was renamed."""
    documents = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
    texts = [*files(".py", ".sql", ".js", ".html", ".feature", ".toml"), *documents]
    assert [] == [
        (word, path.relative_to(ROOT).as_posix())
        for path in texts
        for word in REPLACED_IN_TEXT.findall(path.read_text())
    ]


def prose_of(source: str) -> str:
    """Return the docstrings and comments of a source, a space between their lines."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = [token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT]
    statements = [node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Expr)]
    docstrings = [node.value for node in statements if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return " ".join(" ".join([*docstrings, *comments]).split())


def riddles_in(source: str) -> list[str]:
    """Return the first lines of those docstrings of a module, its classes and functions that begin with a question."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = (node for node in ast.walk(ast.parse(source)) if isinstance(node, documented))
    said = (ast.get_docstring(node) or "" for node in nodes)
    return [text.splitlines()[0] for text in said if RIDDLES.match(text)]


def test_a_docstring_says_what_a_thing_does_or_is() -> None:
    """Outside of tests, whose docstrings state claims: "Return ..." or "A ...", not "What ..." or "Where ..."."""
    relative = {path.relative_to(ROOT): path for path in files(".py") if not path.name.startswith("test_")}
    sources = {one: path for one, path in relative.items() if "tests" not in one.parts}
    assert {Path("domain/ports/coordination.py"), Path("features/steps/story.py")} < set(sources)
    assert [] == [(one.as_posix(), said) for one, path in sources.items() for said in riddles_in(path.read_text())]


def test_a_riddle_is_seen() -> None:
    """In a module, a class and both kinds of functions; a word within a docstring is no riddle, nor is a comment."""
    functions = 'def f():\n    """Which of both.\n\n    More."""\n\n\nasync def g():\n    """Whatever it is."""\n'
    source = f'"""How it is."""\n\n\nclass A:\n    """Who pays."""\n\n\n{functions}'
    assert ["How it is.", "Who pays.", "Which of both.", "Whatever it is."] == sorted(
        riddles_in(source), key=source.index
    )
    assert [] == riddles_in('"""Say what it is."""\n# What\n\n\nclass A:\n    """Whole numbers."""\n')


def test_an_event_reports_and_does_not_tell() -> None:
    """In the docstrings and comments of all that is ours, tests included."""
    assert [] == [
        (said, path.relative_to(ROOT).as_posix())
        for path in files(".py")
        for said in TOLD.findall(prose_of(path.read_text()))
    ]


def test_prose_in_the_source_is_seen() -> None:
    """A docstring counts, of a value too, and a comment; neither a name nor a text does."""
    source = 'told = "told twice"\n"""All told."""\n\n\ndef f():\n    """Stripe\n    tells."""  # a telling\n'
    assert ["All told", "Stripe tells", "telling"] == TOLD.findall(prose_of(source))
    assert [] == TOLD.findall("The caller is told why. Two events tell the sale from its payment. Nobody can tell.")


def test_a_name_in_the_source_is_seen() -> None:
    """A name counts wherever it is bound or used, and so does a key; prose does not."""
    source = 'def told(x):\n    """Say Gun."""\n    return x["stood"]  # hoped\n'
    assert {"def", "told", "x", "return", "stood"} == names_of(source)


def test_a_name_in_sql_is_seen(tmp_path: Path) -> None:
    """Names and keys count, comments do not."""
    path = tmp_path / "some.sql"
    path.write_text("select 'stood', t.busy -- hoped\nfrom t;\ncomment on table t is 'It''s told; Gun.';\n")
    assert {"select", "stood", "t", "busy", "from"} == names_in(path)
