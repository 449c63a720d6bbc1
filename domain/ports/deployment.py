"""What surrounds one deployment: the operator's system, webhook endpoints, the schema, synthetic users."""

from collections.abc import Sequence
from typing import Protocol

import attrs

from domain.decisions.low_balance import Notice, Undelivered
from domain.upkeep.diagnosis import SchemaFacts, WebhookEndpoint
from domain.upkeep.synthetic_users import Removal, SyntheticUser, SyntheticUserGroup, Tag


@attrs.frozen
class SyntheticUsersRefused(Exception):
    """The project's own constraints refuse users that nobody signed up."""

    cause: str


class SyntheticUsers(Protocol):
    """The users of rehearsals. Every method raises :class:`domain.ports.ledger.LedgerUnavailable`."""

    async def add(self, tag: Tag, count: int) -> tuple[SyntheticUser, ...]:
        """Let the rehearsal have users numbered up to the count; gives all that it has.

        :raises SyntheticUsersRefused: if one can't be made; then none is.
        """
        ...

    async def groups(self) -> tuple[SyntheticUserGroup, ...]:
        """The rehearsals that have users now, oldest first."""
        ...

    async def remove(self, tag: Tag) -> Removal:
        """Remove the rehearsal's users, and what waits for them; may be repeated."""
        ...


class Notifications(Protocol):
    """The way to the operator's own system. It raises nothing: what is not taken is told again later."""

    async def send(self, notices: Sequence[Notice]) -> tuple[Undelivered | None, ...]:
        """Tell all of them, within a bounded time; for each, in their order, None where it was taken."""
        ...


class Endpoints(Protocol):
    """Where the provider delivers its events."""

    async def endpoints(self) -> tuple[WebhookEndpoint, ...]:
        """The addresses to which the provider delivers events.

        :raises PaymentsUnavailable: if it could not be asked.
        :raises PaymentsRefused: if the key may not ask.
        """
        ...


class Schema(Protocol):
    """How the ledger's schema is set up. Raises :class:`domain.ports.ledger.LedgerUnavailable`."""

    async def schema(self) -> SchemaFacts:
        """What the schema says of itself."""
        ...
