"""Reads database addresses as people have them, with parameters that other programs added."""

from collections.abc import Mapping
from urllib.parse import SplitResult, parse_qsl, quote, urlsplit, urlunsplit

import attrs

_SHARING_PORT = 6543
"""Supabase's pooler shares connections between transactions there."""
MAX_CONNECTIONS = 100
_YES, _NO = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off"})
_HINTS = ("pgbouncer", "pool_mode", "connection_limit")
_FOR_OTHERS = frozenset(
    {"connect_timeout", "pool_timeout", "schema", "socket_timeout", "statement_cache_size", "workaround"}
)
"""Parameters of Prisma and libpq, left out because asyncpg would pass them on to Postgres, which rejects them."""
_MODES = frozenset({"transaction", "session"})


@attrs.frozen
class InvalidAddress(Exception):
    """A database URL that cannot be used; its message shows no secret."""

    problem: str

    def __str__(self) -> str:
        return f"Invalid database URL: {self.problem}."


@attrs.frozen(kw_only=True)
class Address:
    """A database's address, and what it says about a pooler in front of it."""

    url: str = attrs.field(repr=False)
    """The URL for asyncpg, without Prisma's parameters."""
    shares_connections: bool
    """True if the address names a transaction pooler; False does not rule one out."""
    connection_limit: int | None


def read_address(url: str) -> Address:
    """Read an address; its parameters `pgbouncer`, `pool_mode` and `connection_limit` mean the same as in Prisma.

    :raises InvalidAddress: if one of them has an invalid value, or the URL cannot be parsed.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise InvalidAddress("it can't be read") from error
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    kept = {name: value for name, value in given.items() if name not in _FOR_OTHERS and name not in _HINTS}
    query = "&".join(f"{quote(name)}={quote(value)}" for name, value in kept.items())
    hints = (_flag(given, "pgbouncer"), _mode(given) == "transaction", _port(parts) == _SHARING_PORT)
    return Address(
        url=urlunsplit(parts._replace(query=query)) if kept != given else url,
        shares_connections=any(hints),
        connection_limit=_limit(given),
    )


def server_of(url: str) -> str:
    """Return the host and port that an address names, without user and password, to show to a person.

    Where one of these may have been written without quoting, so that nobody can say where it ends, nothing is shown.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return "the given address"
    is_clear = "@" not in f"{parts.path}{parts.query}{parts.fragment}"
    return (parts.netloc.rpartition("@")[2] if is_clear else "") or "the given address"


def _port(parts: SplitResult) -> int | None:
    try:
        return parts.port
    except ValueError:
        return None  # of several hosts


def _flag(given: Mapping[str, str], name: str) -> bool:
    value = given.get(name, "false").lower()
    if value not in _YES | _NO:
        raise InvalidAddress(f"{name} must be true or false")
    return value in _YES


def _mode(given: Mapping[str, str]) -> str:
    mode = given.get("pool_mode", "session").lower()
    if mode not in _MODES:
        raise InvalidAddress("pool_mode must be transaction or session")
    return mode


def _limit(given: Mapping[str, str]) -> int | None:
    value = given.get("connection_limit")
    if value is None:
        return None
    if value.isascii() and value.isdecimal() and 1 <= int(value[:4]) <= MAX_CONNECTIONS:
        return int(value)
    raise InvalidAddress(f"connection_limit must be a number between 1 and {MAX_CONNECTIONS}")
