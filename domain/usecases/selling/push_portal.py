"""Push the portal's configuration: customers may switch between the plans of the catalogue, and to nothing else."""

from collections.abc import Sequence

import attrs

from domain.ports.customers import CustomerLinks
from domain.ports.portal import PortalConfigurations
from domain.values.plans import PlanId
from domain.values.portal import MAX_PRODUCTS, PortalConfiguration, PortalProduct, PortalSettings, TrialsOnSwitch


@attrs.frozen(kw_only=True)
class PortalPlan:
    """A subscription on sale, with its product and its current prices at the provider."""

    plan_id: PlanId
    product_id: str
    price_ids: frozenset[str]


@attrs.frozen
class PortalChange:
    """One thing that is changed, in words: what it was before, and what it is afterwards."""

    what: str
    before: str
    after: str


@attrs.frozen(kw_only=True)
class PortalPushed:
    """The result of a push, or of a dry run."""

    configuration_id: str | None
    """None if it would be made and was not, because the push was a dry run."""
    changes: tuple[PortalChange, ...]
    left_out: tuple[PlanId, ...]
    """Plans to which customers cannot switch, because a portal offers at most ten products."""


@attrs.frozen(kw_only=True)
class PortalPusher:
    """Makes the deployment's configuration of the portal, and changes it when the catalogue does."""

    configurations: PortalConfigurations
    links: CustomerLinks
    return_url: str

    async def push(
        self,
        plans: Sequence[PortalPlan],
        *,
        downgrades_wait: bool = True,
        trials: TrialsOnSwitch = TrialsOnSwitch.CONTINUE,
        dry_run: bool = False,
    ) -> PortalPushed:
        """Let customers switch between the first ten of the plans, which are in the catalogue's order.

        Safe to repeat: what is as it should be is not written.

        :raises PaymentsUnavailable: if the provider could not be reached.
        :raises PaymentsRefused: if the provider refuses, for example because the key lacks the permission.
        :raises LedgerUnavailable: if the ledger could not be read.
        """
        wanted = PortalSettings(
            products=frozenset(
                PortalProduct(product_id=plan.product_id, price_ids=plan.price_ids) for plan in plans[:MAX_PRODUCTS]
            ),
            downgrades_wait=downgrades_wait,
            trials=trials,
            return_url=self.return_url,
        )
        ledger_id = await self.links.ledger_id()
        active = await self.configurations.active()
        own = next((one for one in active if one.ledger_id == ledger_id), None)
        changes = _changes(own, wanted, {plan.product_id: plan.plan_id for plan in plans})
        configuration_id = own.id if own is not None else None
        if changes and not dry_run:
            if configuration_id is None:
                configuration_id = await self.configurations.create(wanted, ledger_id=ledger_id)
            else:
                await self.configurations.update(configuration_id, wanted)
        left_out = tuple(plan.plan_id for plan in plans[MAX_PRODUCTS:])
        return PortalPushed(configuration_id=configuration_id, changes=changes, left_out=left_out)


def _changes(
    own: PortalConfiguration | None, wanted: PortalSettings, plans: dict[str, PlanId]
) -> tuple[PortalChange, ...]:
    before = _in_words(own.settings, plans) if own is not None else {}
    after = _in_words(wanted, plans)
    changes = [
        PortalChange(what, before.get(what, ""), said) for what, said in after.items() if before.get(what) != said
    ]
    if own is not None and not own.is_standard:
        changes.append(PortalChange("other features", "changed by somebody else", "as Credence sets them"))
    return tuple(changes)


def _in_words(settings: PortalSettings, plans: dict[str, PlanId]) -> dict[str, str]:
    offered = (
        f"{plans.get(one.product_id, one.product_id)} ({', '.join(sorted(one.price_ids))})" for one in settings.products
    )
    words = {
        "plans to switch to": ", ".join(sorted(offered)) or "none",
        "return address": settings.return_url or "none",
    }
    if settings.products:
        words["downgrades"] = "at the period's end" if settings.downgrades_wait else "at once"
        words["trials on a switch"] = settings.trials.value
    return words
