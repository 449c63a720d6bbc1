"""Translates SQLSTATEs: whether nothing was written, whether the call would fail again, and what helps.

The classes are those of https://www.postgresql.org/docs/current/errcodes-appendix.html.
"""

from domain.ports.ledger import LedgerRefused, LedgerUnavailable

_FAULTS = ("21", "22", "23", "54", "P0")
"""Caused by the content: cardinality, data, constraints, sizes, and what functions raise."""
_MISHAPS = ("40", "55", "57014")
"""Caused by the moment: deadlocks, locks held by others, cancelled statements."""
_LACKING = frozenset({"3F000", "42883", "42P01", "PGRST202"})
"""Caused by the schema: a schema, function or table is missing; PostgREST has its own code for that."""


def ledger_error_from(cause: str, sqlstate: str | None) -> LedgerUnavailable:
    """Return the domain's error for an error of the database.

    Errors of the server or the schema (connections, resources, privileges) say nothing about the call.
    """
    if sqlstate is not None and sqlstate.startswith(_FAULTS + _MISHAPS) and len(sqlstate) == 5:
        return LedgerRefused(cause, is_final=sqlstate.startswith(_FAULTS))
    return LedgerUnavailable(f"{cause}; run `credence migrate`" if sqlstate in _LACKING else cause)


def no_text() -> LedgerRefused:
    """Return the rejection of a lone surrogate, which JSON cannot carry: as final as the database's own."""
    return LedgerRefused("the text contains a lone surrogate", is_final=True)
