"""The interface to call the database's functions, over either transport."""

from collections.abc import Mapping
from typing import Any, Protocol

from domain.upkeep.diagnosis import ConnectionKind


class Rpc(Protocol):
    """Calls a function of the schema `public` by name; msgspec encodes its arguments.

    All methods raise :class:`domain.ports.ledger.LedgerUnavailable` if there is no reliable answer.
    """

    async def value(self, function: str, arguments: Mapping[str, object]) -> Any:
        """Return the one JSON value that the function returns."""
        ...

    async def rows(self, function: str, arguments: Mapping[str, object]) -> list[dict[str, Any]]:
        """Return the rows that the function returns."""
        ...

    async def connection_kind(self) -> ConnectionKind:
        """Return what is between this process and the database."""
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...
