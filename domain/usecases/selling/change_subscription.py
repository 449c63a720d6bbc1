"""Change an account's subscription to another plan, with a preview of money and credits.

The credits never come from the change itself: Stripe reports the invoices that follow, as it reports all others. A
change is committed to the ledger, in all its parameters, before it is made; so a repeated request makes the same one.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

import attrs

from domain.changes.changes import Change, Committed, Duplicate, FlatJson, HoldingsQuery, IdempotencyRecord
from domain.decisions.previews import CreditsPreview
from domain.payments.subscription_changes import InvoicePreview, PlanChange, ProviderSubscription
from domain.payments.subscriptions import SubscriptionId
from domain.ports.ledger import Ledger, LedgerUntouched, Wallets
from domain.ports.subscription_changes import SubscriptionChanges
from domain.usecases.selling.foresight import CreditsForeseer
from domain.usecases.selling.plan_changes import AlreadyOnPlan, ChangeWish, PlanChanger
from domain.values.accounts import UserId
from domain.values.money import Money
from domain.values.plans import PlanId, Terms

KEY_LASTS = timedelta(hours=20)
"""The time in which a repeated request is made again at the provider, which forgets keys after 24 hours."""


@attrs.frozen
class ChangeKeyReused(Exception):
    """The idempotency key was already used for another change."""

    fields: tuple[str, ...]


@attrs.frozen
class ChangeKeyExpired(Exception):
    """The key's change does not stand, and the subscription was changed or billed since, or a day has passed."""


@attrs.frozen(kw_only=True)
class SubscriptionPreview:
    """The money of a change or a cancellation, and the credits once that money is paid."""

    subscription_id: SubscriptionId
    plan_id: str | None
    """The plan afterwards; None if the subscription would end."""
    price_id: str | None
    """The price afterwards; None if the subscription would end."""
    invoice: InvoicePreview | None
    """The invoice that would follow; None if none would."""
    credits: CreditsPreview


@attrs.frozen(kw_only=True)
class SubscriptionChanger:
    """Changes subscriptions, and previews the changes."""

    plan_changer: PlanChanger
    provider: SubscriptionChanges
    ledger: Ledger
    requests: Wallets
    foreseer: CreditsForeseer

    async def preview(self, wish: ChangeWish) -> SubscriptionPreview:
        """Return what the change would bring if it was made now; nothing is changed.

        :raises ChangeRefused: if the provider would refuse it; further as `change`, but for its keys and cards.
        :raises Unforeseeable: if an operator would have to decide about its invoice.
        """
        prepared = await self.plan_changer.prepare(wish)
        wanted = prepared.change
        invoice = await self.provider.preview(wanted)
        state = attrs.evolve(prepared.found.state, cancels_at_period_end=False)
        credits_ = await self.foreseer.foresee(wish.user_id, prepared.held, state, invoice, plan=wanted)
        return SubscriptionPreview(
            subscription_id=wanted.subscription_id,
            plan_id=wanted.plan_id,
            price_id=wanted.price_id,
            invoice=invoice,
            credits=credits_,
        )

    async def change(self, wish: ChangeWish, *, key: str) -> ProviderSubscription:
        """Change the subscription; repeated with the same key, it is changed once.

        :raises ChangeKeyReused: if the key was used for another change.
        :raises ChangeKeyExpired: if the key's change does not stand, and the subscription was changed or billed since,
            or the key was used more than 20 hours ago.
        :raises ChangeDeclined: if the bank does not pay; nothing is changed, but a schedule is dropped.
        :raises ChangeRefused: if the provider refuses; likewise.
        :raises PaymentsUnavailable: if the provider could not be reached.
        :raises LedgerUnavailable: if the ledger could not be asked; nothing is changed. Further as `PlanChanger`.
        """
        content = _content_of(wish)
        known = await self._known(key)
        record = known or await self._recorded(wish, key, content)
        if record.content != content:
            raise ChangeKeyReused(tuple(sorted(name for name in content if record.content.get(name) != content[name])))
        wanted = _change_from(wish.user_id, record.answer)
        if known is not None:
            found = await self.provider.find(wanted.subscription_id)
            if found is not None and _stands(found, wanted):
                return found
            if found is None or not _is_as_before(found, wanted, record.answer):
                raise ChangeKeyExpired
        return await self.provider.change(wanted, idempotency_key=key)

    async def _known(self, key: str) -> IdempotencyRecord | None:
        return (await self.requests.holdings(HoldingsQuery(keys=frozenset({key})))).requests.get(key)

    async def _recorded(self, wish: ChangeWish, key: str, content: FlatJson) -> IdempotencyRecord:
        """Commit the change in all its parameters before it is made; return what the ledger has under the key."""
        try:
            prepared = await self.plan_changer.prepare(wish)
        except AlreadyOnPlan:
            # Perhaps by this very request, if it was sent twice at once.
            if (first := await self._known(key)) is None:
                raise
            return first
        answer = _answer_of(prepared.change, prepared.found)
        record = IdempotencyRecord(key=key, user_id=wish.user_id, content=content, answer=answer)
        made = (prepared.price,) if prepared.price is not None else ()
        (result,) = await self.ledger.commit((Change(request=record, made_prices=made),))
        match result:
            case Committed():
                return record
            case Duplicate(request=IdempotencyRecord() as first):
                return first
            case _:
                raise LedgerUntouched("the change could not be recorded")


def _content_of(wish: ChangeWish) -> FlatJson:
    return {
        "operation": "change_subscription",
        "plan": wish.plan_id,
        "subscription": wish.subscription_id,
        "when": "now" if wish.at_once else "period_end",
        "proration_date": wish.prorated_at.isoformat() if wish.prorated_at else None,
        "price": wish.price_id,
    }


def _answer_of(wanted: PlanChange, found: ProviderSubscription) -> FlatJson:
    return {
        "at": found.state.occurred_at.isoformat(),
        "price_before": _price_of(found, wanted),
        "invoice_before": found.latest_invoice,
        "subscription": wanted.subscription_id,
        "item": wanted.item_id,
        "price": wanted.price_id,
        "quantity": wanted.quantity,
        "plan": wanted.plan_id,
        "credits": wanted.terms.credits,
        "amount": wanted.terms.price.amount,
        "currency": wanted.terms.price.currency,
        "when": "now" if wanted.at_once else "period_end",
        "switch": "yes" if wanted.is_switch else "no",
        "schedule": wanted.schedule_id,
        "prorated_at": wanted.prorated_at.isoformat() if wanted.prorated_at else None,
    }


def _change_from(user_id: UserId, answer: Mapping[str, str | int | None]) -> PlanChange:
    prorated_at, schedule_id = answer["prorated_at"], answer["schedule"]
    return PlanChange(
        user_id=user_id,
        subscription_id=SubscriptionId(str(answer["subscription"])),
        item_id=str(answer["item"]),
        price_id=str(answer["price"]),
        quantity=int(answer["quantity"] or 0),
        plan_id=PlanId(str(answer["plan"])),
        terms=Terms(
            credits=int(answer["credits"] or 0),
            price=Money(amount=int(answer["amount"] or 0), currency=str(answer["currency"])),
        ),
        at_once=answer["when"] == "now",
        is_switch=answer["switch"] == "yes",
        prorated_at=_moment(prorated_at) if prorated_at is not None else None,
        schedule_id=str(schedule_id) if schedule_id is not None else None,
    )


def _stands(found: ProviderSubscription, wanted: PlanChange) -> bool:
    """Return whether the subscription is what the change makes of it."""
    return _price_of(found, wanted) == wanted.price_id and not found.state.cancels_at_period_end


def _is_as_before(found: ProviderSubscription, wanted: PlanChange, answer: Mapping[str, str | int | None]) -> bool:
    """Return whether the subscription is as it was when the change was decided, less than 20 hours ago."""
    before = (answer["price_before"], answer["invoice_before"])
    is_recent = found.state.occurred_at - _moment(answer["at"]) <= KEY_LASTS
    return is_recent and before == (_price_of(found, wanted), found.latest_invoice)


def _price_of(found: ProviderSubscription, wanted: PlanChange) -> str | None:
    return next((one.price.id for one in found.items if one.id == wanted.item_id), None)


def _moment(text: str | int | None) -> datetime:
    return datetime.fromisoformat(str(text))
