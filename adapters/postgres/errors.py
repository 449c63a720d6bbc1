"""What an SQLSTATE says of a call: that nothing was written, whether it would fail again, and what helps.

The classes are those of Postgres' appendix "PostgreSQL Error Codes".
"""

from domain.ports.ledger import LedgerRefused, LedgerUnavailable

_FAULTS = ("21", "22", "23", "54", "P0")
"""The content is at fault: cardinality, data, constraints, sizes, and what functions raise."""
_MISHAPS = ("40", "55", "57014")
"""The moment is at fault: deadlocks, locks that others hold, statements that were cancelled."""
_LACKING = frozenset({"3F000", "42883", "42P01", "PGRST202"})
"""The schema is at fault: a schema, a function or a table is not there; PostgREST has a word of its own for that."""


def ledger_error_from(cause: str, sqlstate: str | None) -> LedgerUnavailable:
    """An error of the database in the domain's words.

    What is the server's or the schema's fault (connections, resources, privileges) says nothing of the call.
    """
    if sqlstate is not None and sqlstate.startswith(_FAULTS + _MISHAPS) and len(sqlstate) == 5:
        return LedgerRefused(cause, is_final=sqlstate.startswith(_FAULTS))
    return LedgerUnavailable(f"{cause}; run `credence migrate`" if sqlstate in _LACKING else cause)


def no_text() -> LedgerRefused:
    """Half of a character, which no JSON can carry, in the domain's words: as final as what the database would say."""
    return LedgerRefused("half of a character is no text", is_final=True)
