"""Translates SQLSTATEs: whether nothing was written, whether the call would fail again, and what helps.

The classes are those of Postgres' appendix "PostgreSQL Error Codes", the codes that begin with PGRST those of
PostgREST's reference. Behind none of them that counts as certain here can a transaction have been committed: Postgres
raises them for a statement, whose transaction it then rolls back, or before there is a session.
"""

from domain.ports.ledger import LedgerKeyRefused, LedgerRefused, LedgerUnavailable, LedgerUntouched

_FAULTS = ("21", "22", "23", "54", "P0")
"""Caused by the content: cardinality, data, constraints, sizes, and what functions raise."""
_MISHAPS = ("40", "55", "57014")
"""The moment is at fault: deadlocks, locks that others hold, statements that were cancelled."""
_UNKNOWN = frozenset({"40003", "PGRST001"})
"""Statement completion unknown; a connection that PostgREST lost while it waited for the answer."""
_STATE = ("0A", "25", "26", "28", "3D", "3F", "42", "53300", "53400", "57P03", "PGRST0", "PGRST2", "PGRST3")
"""The server, the schema or the key is at fault, before anything was written: read-only, no such statement, no such
login, database, schema or function, a privilege missing, no connection free, starting or in recovery. Of PostgREST:
no connection to be had, no such function, a key that it does not believe.
"""
_REMEDIES = (
    (("3F000", "42883", "42P01", "PGRST202"), "run `credence migrate`"),
    (("25006",), "the database is read-only: give the primary's address, or let it take writes again"),
)
_NO_JWT = frozenset({"PGRST301", "PGRST303"})
"""PostgREST cannot read the JWT that it is given, or does not accept it (its documentation, "Errors")."""
_GATEWAYS_WORDS = ("api key", "credentials", "unauthorized")
"""Words by which the gateway in front of PostgREST rejects a key; its answers have no code."""


def ledger_error_from(cause: str, sqlstate: str | None, *, is_untouched: bool = False) -> LedgerUnavailable:
    """Return an error of the database in the domain's words; `is_untouched` tells that nothing had been sent yet."""
    code = sqlstate if sqlstate is not None and (len(sqlstate) == 5 or sqlstate.startswith("PGRST")) else ""
    message = "; ".join([cause, *(remedy for codes, remedy in _REMEDIES if code in codes)])
    if is_untouched:
        return LedgerUntouched(message)
    if code in _UNKNOWN:
        return LedgerUnavailable(message)
    if code.startswith(_FAULTS + _MISHAPS):
        return LedgerRefused(message, is_final=code.startswith(_FAULTS))
    return (LedgerUntouched if code.startswith(_STATE) else LedgerUnavailable)(message)


def key_error_from(code: str | None, message: str, key: str) -> LedgerKeyRefused | None:
    """Return what is the matter with the key, where Supabase's answer says that it is the key; else None."""
    if code in _NO_JWT and key.startswith("sb_secret_"):
        return LedgerKeyRefused(
            f"Supabase: {code}: the API at SUPABASE_URL wants a JWT, and the key begins with sb_secret_: only a "
            "gateway that knows such keys exchanges it for one",
            "Set SUPABASE_SERVICE_ROLE_KEY to the project's service_role JWT and no sb_secret_ key (`supabase status` "
            "prints that of a local project), or set SUPABASE_URL to the address of a gateway that knows the key.",
        )
    if code in _NO_JWT:
        cause = f"Supabase: {code}: the API at SUPABASE_URL does not accept the key: another project's, or expired"
    elif code in {None, "401"} and any(word in message.lower() for word in _GATEWAYS_WORDS):
        cause = "Supabase: the gateway at SUPABASE_URL does not accept the key"
    else:
        return None
    return LedgerKeyRefused(cause, "Copy the secret or service_role key of the project at SUPABASE_URL.")


def no_text() -> LedgerRefused:
    """Return the rejection of a lone surrogate, which JSON cannot carry: as final as the database's own."""
    return LedgerRefused("the text contains a lone surrogate", is_final=True)
