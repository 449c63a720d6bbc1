"""A deployment's surroundings: the operator's notification receiver, webhook endpoints, the schema, synthetic users."""

from collections.abc import Sequence
from typing import Protocol

import attrs

from domain.decisions.low_balance import Notice, Undelivered
from domain.upkeep.diagnosis import ConnectionKind, SchemaFacts, WebhookEndpoint
from domain.upkeep.synthetic_users import Removal, SyntheticUser, SyntheticUserGroup, Tag


@attrs.frozen
class SyntheticUsersRefused(Exception):
    """The project's own constraints reject users who did not sign up."""

    cause: str


class SyntheticUsers(Protocol):
    """Groups of synthetic users. Every method raises :class:`domain.ports.ledger.LedgerUnavailable`."""

    async def add(self, tag: Tag, count: int) -> tuple[SyntheticUser, ...]:
        """Create the group's users up to the count, and return all users of the group.

        :raises SyntheticUsersRefused: if one cannot be created; then none is.
        """
        ...

    async def groups(self) -> tuple[SyntheticUserGroup, ...]:
        """Return the groups that have users now, oldest first."""
        ...

    async def remove(self, tag: Tag) -> Removal:
        """Remove the group's users, their parked events and undelivered messages; safe to repeat."""
        ...


class Notifications(Protocol):
    """Delivers notices to the operator's own system. It never raises: rejected notices are sent again later."""

    async def send(self, notices: Sequence[Notice]) -> tuple[Undelivered | None, ...]:
        """Send the notices within a bounded time; return for each, in their order, None or why it was not accepted."""
        ...


class Endpoints(Protocol):
    """The webhook endpoints that are registered with the provider."""

    async def endpoints(self) -> tuple[WebhookEndpoint, ...]:
        """Return all registered webhook endpoints.

        :raises PaymentsUnavailable: if the provider could not be reached.
        :raises PaymentsRefused: if the key lacks the permission.
        """
        ...


class Schema(Protocol):
    """The ledger's schema and the connection to it. Raises :class:`domain.ports.ledger.LedgerUnavailable`."""

    async def schema(self) -> SchemaFacts:
        """Return the schema's migrations, privileges and triggers."""
        ...

    async def connection_kind(self) -> ConnectionKind:
        """Return what is between this process and the ledger."""
        ...
