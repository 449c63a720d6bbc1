"""What Stripe says of a payment's objects while they are followed from one to the next."""

from collections.abc import Mapping
from typing import Any

import attrs

from adapters.stripe.objects import fields
from domain.payments.purchases import Link


@attrs.define
class KnownLinks:
    """What was found out so far."""

    links: set[Link]
    found: bool = False
    ours: bool = False
    pays_invoices: bool = False
    """Whether it pays several invoices, of which none is linked."""

    def add(self, kind: str, id_: str | None) -> None:
        """Link an object of that kind, where there is one."""
        if id_ is not None:
            self.links.add(Link(f"{kind}:{id_}"))

    def add_charge(self, charge: Mapping[str, Any]) -> None:
        """Link what a charge names; an empty one was not found."""
        self.found |= bool(charge)
        self.ours |= fields.is_ours(fields.metadata(charge))
        for kind in ("payment_intent", "invoice"):
            self.add(kind, fields.reference(charge, kind))

    def ids(self, kind: str) -> list[str]:
        """Return the ids of the linked objects of that kind, in their order."""
        return sorted(link.partition(":")[2] for link in self.links if link.startswith(f"{kind}:"))
