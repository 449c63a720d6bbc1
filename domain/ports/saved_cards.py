"""Saved cards at the payment provider, and the ledger's records of what they are charged."""

from datetime import datetime, timedelta
from typing import Protocol

from domain.payments.charges import Charge, ClaimedCharge, FinalOutcome, NewCharge, Outcome, SavedCard
from domain.values.accounts import UserId
from domain.values.customers import CustomerId


class SavedCards(Protocol):
    """The cards that customers saved at the provider. Every method raises :class:`PaymentsUnavailable`."""

    async def card_of(self, customer_id: CustomerId) -> SavedCard | None:
        """Return the customer's default card, otherwise the newest; None if no card is saved.

        :raises CustomerMissing: if the provider has no such customer any more.
        :raises PaymentsRefused: if the key may not read customers or cards.
        """
        ...

    async def charge(self, charge: Charge, *, send_before: datetime, is_first: bool) -> Outcome:
        """Charge the recorded card. Repeated within the provider's memory of keys, it returns the same payment.

        Nothing is sent from `send_before` on, by this process's clock. `is_first` says that the provider was never
        asked before, so that its refusal of the request is final.

        :raises PaymentsUnavailable: if nobody knows whether the card was charged.
        """
        ...

    async def find(self, charge: Charge) -> Outcome | None:
        """Return the outcome of the payment that has the charge's id, or None if there is no such payment.

        The answer is consistent: it shows every payment that was made before the question.
        """
        ...

    async def cancel(self, payment_intent: str) -> None:
        """Cancel a payment that did not succeed; no effect on one that is final."""
        ...


class ChargeRecords(Protocol):
    """The ledger's records of charges. Every method raises :class:`LedgerUnavailable`.

    A charge belongs to its last claim until the lease is over. Only that claim's owner writes, but for the outcome of a
    payment, which anybody may write who knows it.
    """

    async def claim(self, key: str, user_id: UserId, plan_id: str, *, lease: timedelta) -> ClaimedCharge | None:
        """Return the charge under a key, or None if there is none.

        It is claimed if it is of this user and plan, not final, and nobody else has it.
        """
        ...

    async def create(self, wanted: NewCharge, *, lease: timedelta) -> ClaimedCharge:
        """Record a charge and claim it; if there is one under its key, return that one as `claim` does."""
        ...

    async def claim_due(self, *, lease: timedelta) -> ClaimedCharge | None:
        """Claim the charge that has been due longest, or return None if none is due."""
        ...

    async def begin(self, claimed: ClaimedCharge, card: SavedCard) -> ClaimedCharge:
        """Record what the provider is going to be asked; if others have claimed the charge, return it unchanged."""
        ...

    async def finish(self, charge: Charge, outcome: FinalOutcome) -> Charge:
        """Record what became of a charge; return it as it is then."""
        ...

    async def postpone(self, charge: Charge, seconds: int, *, payment_intent: str | None = None) -> Charge:
        """Let go of a charge that is to be looked at again in so many seconds; return it as it is then.

        `payment_intent` is a payment that was made and whose credits could not be added yet.
        """
        ...
