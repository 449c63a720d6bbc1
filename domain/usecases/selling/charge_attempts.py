"""Take a charge as far as it goes now: ask the provider once, credit what was paid, and record the outcome.

What happens when is decided by :mod:`domain.decisions.charging`. A service's request and the worker go the same way, so
that whoever comes next takes an interrupted charge to its end. Credits are recorded before a charge is final: what has
`succeeded` is credited. A payment that is parked, for example since the user was deleted meanwhile, is kept in the
inbox, and its charge stays `charging` until the credits are added.
"""

import contextlib
from datetime import datetime

import attrs

from domain.changes.inbox import EventStatus
from domain.decisions.charging import LEASE, AfterLookUp, Step, after_look_up, next_step, pause_after
from domain.payments.charges import (
    INTERRUPTED,
    NEVER_MADE,
    NO_PERMISSION,
    NO_SAVED_CARD,
    USER_DELETED,
    Charge,
    ClaimedCharge,
    NotCharged,
    Outcome,
    Paid,
    SavedCard,
    Undecided,
)
from domain.ports.customers import CustomerMissing
from domain.ports.ledger import Accounts, LedgerUnavailable
from domain.ports.payment_provider import PaymentsRefused, PaymentsUnavailable
from domain.ports.saved_cards import ChargeRecords, SavedCards
from domain.usecases.record_payment import CommitRejected, PaymentRecorder
from domain.usecases.selling.customers import CustomerService
from domain.values.accounts import Account

REQUESTS_AT_ONCE = 2
"""The most requests for money in a row, all under one key; the adapter repeats none by itself."""


@attrs.frozen(kw_only=True)
class ChargeAttempts:
    """Advances charges; any number of processes may do so, since each charge has one owner at a time."""

    records: ChargeRecords
    cards: SavedCards
    customers: CustomerService
    accounts: Accounts
    recorder: PaymentRecorder

    async def run_once(self) -> Charge | None:
        """Advance the charge that has been due longest, and return it; None if none is due.

        :raises LedgerUnavailable: if the ledger could not be reached; the claim ends by itself.
        """
        claimed = await self.records.claim_due(lease=LEASE)
        return await self.advance(claimed) if claimed is not None else None

    async def advance(self, claimed: ClaimedCharge) -> Charge:
        """Take a claimed charge as far as it goes now, and return it.

        :raises LedgerUnavailable: if the ledger could not be reached; the claim ends by itself.
        """
        charge = claimed.charge
        outcome: Outcome | None = None
        match next_step(charge, claimed.now):
            case Step.ABANDON:
                outcome = NotCharged(INTERRUPTED)
            case Step.PREPARE:
                charge, outcome = await self._prepared(claimed)
            case Step.LOOK_UP:
                outcome = await self._looked_up(charge, claimed.now, claimed.send_before)
        if outcome is None or isinstance(outcome, Undecided):
            return await self.records.postpone(charge, pause_after(charge.attempts))
        if isinstance(outcome, Paid) and not await self._is_credited(charge, outcome):
            pause = pause_after(charge.attempts, is_parked=True)
            return await self.records.postpone(charge, pause, payment_intent=outcome.payment_intent)
        return await self.records.finish(charge, outcome)

    async def _prepared(self, claimed: ClaimedCharge) -> tuple[Charge, Outcome | None]:
        """Choose the card, record it, and charge it; return the charge as it was recorded."""
        charge = claimed.charge
        account = await self.accounts.account(charge.user_id)
        if account is None:
            return charge, NotCharged(USER_DELETED)
        try:
            card = await self._card(account)
        except PaymentsUnavailable:
            return charge, None
        except PaymentsRefused:
            return charge, NotCharged(NO_PERMISSION)
        if card is None:
            return charge, NotCharged(NO_SAVED_CARD)
        begun = await self.records.begin(claimed, card)
        if not begun.is_owner:
            return charge, None
        return begun.charge, await self._sent(begun.charge, begun.send_before, is_first=True)

    async def _looked_up(self, charge: Charge, now: datetime, send_before: datetime) -> Outcome | None:
        try:
            found = await self.cards.find(charge)
            if found is not None and not isinstance(found, Undecided):
                return found
            match after_look_up(charge, found, now):
                # Nothing is sent for a user who was deleted; what was sent before may still be on its way.
                case AfterLookUp.SEND if await self.accounts.account(charge.user_id) is not None:
                    return await self._sent(charge, send_before, is_first=False)
                case AfterLookUp.ABANDON:
                    return NotCharged(NEVER_MADE)
                case AfterLookUp.CANCEL if found is not None:
                    await self.cards.cancel(found.payment_intent)
                    return await self.cards.find(charge)
        except PaymentsUnavailable:
            return None
        return found

    async def _sent(self, charge: Charge, send_before: datetime, *, is_first: bool) -> Outcome | None:
        """Ask for the money; without an answer, see whether it was taken, and ask once more if it was not."""
        for attempt in range(REQUESTS_AT_ONCE):
            with contextlib.suppress(PaymentsUnavailable):
                return await self.cards.charge(charge, send_before=send_before, is_first=is_first and attempt == 0)
            try:
                found = await self.cards.find(charge)
            except PaymentsUnavailable:
                return None
            if found is not None:
                return found
        return None

    async def _card(self, account: Account) -> SavedCard | None:
        customer = await self.customers.customer_of(account.user_id, account.email)
        try:
            return await self.cards.card_of(customer)
        except CustomerMissing:
            await self.customers.note_deleted(customer)
            return None

    async def _is_credited(self, charge: Charge, paid: Paid) -> bool:
        """Add what was paid to the ledger and return whether it is there; the first time keep what is parked."""
        try:
            recorded = await self.recorder.record(None, paid.report)
            if recorded.status is EventStatus.PARKED and paid.event is not None and charge.payment_intent is None:
                recorded = await self.recorder.record(paid.event, paid.report)
        except CommitRejected as rejected:
            raise LedgerUnavailable(rejected.reason) from rejected
        return recorded.status in {EventStatus.APPLIED, EventStatus.NOTHING_NEW}
