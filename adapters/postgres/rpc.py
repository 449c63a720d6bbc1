"""Calls of the database's functions, whichever way they go."""

from collections.abc import Mapping
from typing import Any, Protocol


class Rpc(Protocol):
    """Calls a function of the schema `public` by name; msgspec encodes its arguments.

    Both methods raise :class:`domain.ports.ledger.LedgerUnavailable` when there is no answer to trust.
    """

    async def value(self, function: str, arguments: Mapping[str, object]) -> Any:
        """The one JSON value that the function returns."""
        ...

    async def rows(self, function: str, arguments: Mapping[str, object]) -> list[dict[str, Any]]:
        """The rows that the function returns."""
        ...
