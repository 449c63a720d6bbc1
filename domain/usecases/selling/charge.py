"""Charge a saved card for a pack, once for each key, and say what became of it."""

import attrs

from domain.decisions.charging import LEASE
from domain.payments.charges import Charge, ChargeId, NewCharge
from domain.ports.ledger import Accounts, after_a_commit
from domain.ports.saved_cards import ChargeRecords
from domain.usecases.read_account import UnknownUser
from domain.usecases.selling.charge_attempts import ChargeAttempts
from domain.usecases.selling.sellable_plans import sellable
from domain.values.accounts import UserId
from domain.values.plans import Catalogue, Plan, PlanMode


@attrs.frozen
class NoPack(Exception):
    """No saved card can be charged for the plan.

    It is a subscription or free, its buyers choose the amount or have to buy several, or its tax is computed by the
    provider's checkout alone.
    """

    plan_id: str


@attrs.frozen
class ChargeDiffers(Exception):
    """The key was used for a charge of another user or plan."""

    fields: tuple[str, ...]


@attrs.frozen
class ChargeResult:
    """A charge as it is now, and whether an earlier request under the same key had made it."""

    charge: Charge
    is_repeated: bool


@attrs.frozen(kw_only=True)
class ChargeService:
    """Charges saved cards; any number of processes may be asked under the same key."""

    records: ChargeRecords
    attempts: ChargeAttempts
    accounts: Accounts
    catalogue: Catalogue

    async def charge(self, user_id: UserId, plan_id: str, *, key: str, charge_id: ChargeId) -> ChargeResult:
        """Charge the user's saved card for a pack and return what has become of it so far.

        :raises UnknownPlan: if the plan is not on sale.
        :raises NoPack: if it is no pack that a saved card can be charged for.
        :raises UnknownUser: if the ledger knows no such user.
        :raises ChargeDiffers: if the key was used for another user or plan.
        :raises LedgerUnavailable: if the ledger could not be asked; the card may have been charged.
        """
        claimed = await self.records.claim(key, user_id, plan_id, lease=LEASE)
        if claimed is None:
            wanted = await self._wanted(user_id, plan_id, key, charge_id)
            claimed = await self.records.create(wanted, lease=LEASE)
        charge = claimed.charge
        named = {"user_id": (charge.user_id, user_id), "plan": (charge.plan_id, plan_id)}
        if differing := tuple(name for name, (first, now) in named.items() if first != now):
            raise ChargeDiffers(differing)
        if claimed.is_owner:
            with after_a_commit():
                charge = await self.attempts.advance(claimed)
        return ChargeResult(charge, is_repeated=charge.id != charge_id)

    async def _wanted(self, user_id: UserId, plan_id: str, key: str, charge_id: ChargeId) -> NewCharge:
        plan = self._pack(plan_id)
        if await self.accounts.account(user_id) is None:
            raise UnknownUser(user_id)
        return NewCharge(id=charge_id, key=key, user_id=user_id, plan_id=plan.id, terms=plan.terms)

    def _pack(self, plan_id: str) -> Plan:
        plan = sellable(self.catalogue, plan_id)
        is_priced = plan.mode is PlanMode.PAYMENT and not plan.amounts and plan.terms.price.amount > 0
        is_single = plan.quantity is None or plan.quantity.least == 1
        if not (is_priced and is_single) or plan.checkout.automatic_tax or plan.checkout.managed_payments:
            raise NoPack(plan_id)
        return plan
