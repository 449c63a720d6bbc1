"""Diagnoses the portal: what customers may switch to has to be what the deployment sells."""

from collections.abc import Iterable

from domain.upkeep.diagnosis import Diagnosis, Verdict
from domain.values.portal import PortalConfiguration

SUBJECT = "customer portal"


def offered_prices(configurations: Iterable[PortalConfiguration], ledger_id: str) -> frozenset[str]:
    """Return the prices to which customers may switch, in every configuration that they can meet."""
    return frozenset().union(*(_prices(one) for one in _met(configurations, ledger_id)))


def diagnose_portal(
    configurations: Iterable[PortalConfiguration], *, ledger_id: str, known_prices: frozenset[str]
) -> tuple[Diagnosis, ...]:
    """Return a finding about each configuration that customers can meet."""
    met = _met(configurations, ledger_id)
    if not met:
        remedy = "Run `credence plans push`, or save its settings in the Dashboard under Settings, Billing."
        return (Diagnosis(SUBJECT, Verdict.DOUBTFUL, "not set up: POST /portal is refused", remedy),)
    return tuple(_diagnose(one, ledger_id, known_prices) for one in met)


def _diagnose(one: PortalConfiguration, ledger_id: str, known_prices: frozenset[str]) -> Diagnosis:
    name = "configuration of `credence plans push`" if one.ledger_id == ledger_id else "default configuration"
    offered = _prices(one)
    unknown = sorted(offered - known_prices)
    if unknown:
        seen = f"the {name} ({one.id}) lets customers switch to what Credence does not know: {', '.join(unknown)}"
        remedy = (
            "An invoice of such a price is parked, so the customer pays and gets nothing. Run `credence plans push`, "
            "or remove these prices in the Dashboard under Settings, Billing, Customer portal."
        )
        return Diagnosis(SUBJECT, Verdict.BAD, seen, remedy)
    if not offered:
        return Diagnosis(SUBJECT, Verdict.GOOD, f"the {name} lets customers switch to nothing else")
    return Diagnosis(SUBJECT, Verdict.GOOD, f"the {name} offers only prices that Credence knows")


def _met(configurations: Iterable[PortalConfiguration], ledger_id: str) -> tuple[PortalConfiguration, ...]:
    """Return the deployment's own configuration, and the default one if customers can get there."""
    found = tuple(configurations)
    own = [one for one in found if one.ledger_id == ledger_id][:1]
    default = [one for one in found if one.is_default and one not in own and (one.has_login_page or not own)]
    return (*own, *default)


def _prices(one: PortalConfiguration) -> frozenset[str]:
    return frozenset().union(*(product.price_ids for product in one.settings.products))
