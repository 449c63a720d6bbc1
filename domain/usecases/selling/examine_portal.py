"""Examine the portal: may customers switch to prices that the deployment does not know?"""

import attrs

from domain.changes.changes import SnapshotQuery
from domain.ports.customers import CustomerLinks
from domain.ports.ledger import Ledger, LedgerUnavailable
from domain.ports.payment_provider import Payments, PaymentsRefused, PaymentsUnavailable
from domain.ports.portal import PortalConfigurations
from domain.upkeep.diagnosis import Diagnosis, Verdict
from domain.upkeep.portal import SUBJECT, diagnose_portal, offered_prices
from domain.values.plans import Catalogue


@attrs.frozen(kw_only=True)
class PortalExaminer:
    """Examines the configurations of the portal that customers meet."""

    configurations: PortalConfigurations
    ledger: Ledger
    links: CustomerLinks
    payments: Payments
    catalogue: Catalogue

    async def examine(self) -> tuple[Diagnosis, ...]:
        """Return the findings; what is unreachable is reported elsewhere."""
        try:
            ledger_id = await self.links.ledger_id()
            found = await self.configurations.active()
            known = await self._known(offered_prices(found, ledger_id))
        except PaymentsRefused as refused:
            remedy = "Let the restricted key read the customer portal, or check it yourself in the Dashboard."
            return (Diagnosis(SUBJECT, Verdict.DOUBTFUL, f"cannot be read: {refused.cause}", remedy),)
        except (LedgerUnavailable, PaymentsUnavailable):
            return ()
        return diagnose_portal(found, ledger_id=ledger_id, known_prices=known)

    async def _known(self, price_ids: frozenset[str]) -> frozenset[str]:
        """Return those of the prices that the catalogue lists, the ledger keeps, or whose metadata names a plan."""
        if not price_ids:
            return frozenset()
        made = (await self.ledger.read(SnapshotQuery(price_ids=price_ids))).made_prices
        known = {one for one in price_ids if self.catalogue.of_price(one)} | {price.id for price in made}
        for price_id in sorted(price_ids - known):
            price = await self.payments.price(price_id)
            if price is not None and price.plan_id is not None and self.catalogue.find(price.plan_id):
                known.add(price_id)
        return frozenset(known)
