"""Changes of subscriptions at Stripe: how one stands, previews of its invoices, another plan, and its end."""

import contextlib
import hashlib
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import attrs
import stripe

from adapters.stripe.connection import StripeConnection, dated, is_missing, pages, plain, read_at, translated
from adapters.stripe.objects import fields
from adapters.stripe.objects.fields import PLAN_KEY, TERMS_KEY, USER_ID_KEY, UnreadableField, terms_text
from adapters.stripe.objects.invoice_previews import read_preview
from adapters.stripe.objects.invoices import is_paid
from adapters.stripe.objects.lines import read_lines
from adapters.stripe.objects.prices import read_price
from adapters.stripe.objects.subscriptions import read_subscription
from adapters.stripe.price_parameters import metadata_of, terms_of
from domain.payments.line_terms import MadePrice, made_price
from domain.payments.reports import SubscriptionReport
from domain.payments.subscription_changes import (
    Cancellation,
    InvoicePreview,
    LatestInvoice,
    PlanChange,
    ProviderSubscription,
    SubscribedItem,
)
from domain.payments.subscriptions import SubscriptionId
from domain.ports.payment_provider import PaymentsUnavailable
from domain.ports.subscription_changes import ChangeDeclined, ChangeRefused
from domain.values.plans import Plan
from domain.values.prices import PlanPrice

if TYPE_CHECKING:
    from stripe.params import InvoiceCreatePreviewParams, PriceCreateParams, SubscriptionUpdateParams

NO_INVOICE = "invoice_upcoming_none"


class StripeSubscriptionChanges:
    """Implements the port SubscriptionChanges."""

    def __init__(self, connection: StripeConnection) -> None:
        self._v1 = connection.client.v1

    async def find(self, subscription_id: SubscriptionId) -> ProviderSubscription | None:
        """Return the subscription as it is now, or None if there is none.

        :raises PaymentsUnavailable: if Stripe cannot be reached, or rejects the request.
        """
        with _readable():
            found = await dated(self._v1.subscriptions.retrieve_async, subscription_id, {"expand": ["latest_invoice"]})
            if found is None:
                return None
            invoice = fields.expanded(found[0], "latest_invoice")
            billed = await self._billed(dict(invoice)) if invoice else None
            return attrs.evolve(_subscription(*found), billed=billed)

    async def make_price(self, plan: Plan, sells: PlanPrice) -> MadePrice:
        """Return a price of the plan, of a product with the plan's name; within a day it is the same one.

        :raises PaymentsUnavailable: if Stripe cannot be reached, or rejects the request.
        """
        parameters = _of_price(plan, sells)
        key = hashlib.sha256(repr(parameters).encode()).hexdigest()
        with translated(refusals=True), _readable():
            answer = await self._v1.prices.create_async(parameters, {"idempotency_key": f"price-{key}"})
            return made_price(fields.own_id(plain(answer)), sells)

    async def preview(self, wanted: PlanChange | Cancellation) -> InvoicePreview | None:
        """Return the invoice that would follow: at once, or else the next one. None if none would.

        :raises ChangeRefused: if Stripe would refuse the change.
        :raises PaymentsUnavailable: if Stripe cannot be reached.
        """
        details = _of_change(wanted) if isinstance(wanted, PlanChange) else _of_cancellation(wanted)
        parameters = {"subscription": wanted.subscription_id, "subscription_details": details}
        with _readable(), translated(refusals=True), _changing():
            try:
                answer = await self._v1.invoices.create_preview_async(cast("InvoiceCreatePreviewParams", parameters))
            except stripe.InvalidRequestError as error:
                if error.code == NO_INVOICE:
                    return None
                raise
            return read_preview(await self._whole(plain(answer)), is_at_once=wanted.at_once)

    async def change(self, wanted: PlanChange, *, idempotency_key: str) -> ProviderSubscription:
        """Change the subscription and charge what is due; the same key changes it once.

        :raises ChangeDeclined: if the bank does not pay.
        :raises ChangeRefused: if Stripe refuses.
        :raises PaymentsUnavailable: if Stripe cannot be reached.
        """
        metadata = {USER_ID_KEY: wanted.user_id, PLAN_KEY: wanted.plan_id, TERMS_KEY: terms_text(wanted.terms)}
        parameters = {**_of_change(wanted), "metadata": metadata, "payment_behavior": "error_if_incomplete"}
        with _readable(), translated(refusals=True), _changing(wanted.schedule_id):
            await self._release(wanted.schedule_id)
            answer = await self._v1.subscriptions.update_async(
                wanted.subscription_id,
                cast("SubscriptionUpdateParams", parameters),
                {"idempotency_key": idempotency_key},
            )
            return _subscription(plain(answer), read_at(answer, 0))

    async def cancel(self, wanted: Cancellation) -> ProviderSubscription | None:
        """Cancel the subscription; None if it is gone, or was canceled before.

        :raises ChangeRefused: if Stripe refuses.
        :raises PaymentsUnavailable: if Stripe cannot be reached.
        """
        v1, subscription_id = self._v1.subscriptions, wanted.subscription_id
        with _readable(), translated(refusals=True), _changing(wanted.schedule_id):
            await self._release(wanted.schedule_id)
            try:
                if wanted.at_once:
                    gives_back = wanted.gives_back
                    answer = await v1.cancel_async(subscription_id, {"prorate": gives_back, "invoice_now": gives_back})
                else:
                    answer = await v1.update_async(subscription_id, {"cancel_at_period_end": True})
            except stripe.InvalidRequestError as error:
                if is_missing(error):
                    return None
                raise
            return _subscription(plain(answer), read_at(answer, 0))

    async def _billed(self, invoice: dict[str, Any]) -> LatestInvoice:
        is_void = invoice.get("status") == "void"
        return LatestInvoice(
            made_at=fields.reported_at(fields.moment(invoice.get("created", invoice.get("date")))),
            is_owed=not is_void and not is_paid(invoice),
            lines=() if is_void else read_lines(await self._whole(invoice)),
        )

    async def _whole(self, invoice: dict[str, Any]) -> dict[str, Any]:
        """Return an invoice with all its lines."""
        if not fields.has_more(invoice, "lines"):
            return invoice
        lines = pages(partial(self._v1.invoices.line_items.list_async, fields.own_id(invoice)), {})
        return {**invoice, "lines": {"data": [line async for line in lines]}}

    async def _release(self, schedule_id: str | None) -> None:
        """Let a schedule end, so that the subscription can be changed; one that has ended stays as it is."""
        if schedule_id is not None:
            with contextlib.suppress(stripe.InvalidRequestError):
                await self._v1.subscription_schedules.release_async(schedule_id)


def _of_change(wanted: PlanChange) -> dict[str, Any]:
    if not wanted.is_switch:
        return {"cancel_at_period_end": False}
    parameters: dict[str, Any] = {
        "items": [{"id": wanted.item_id, "price": wanted.price_id, "quantity": wanted.quantity}],
        "cancel_at_period_end": False,
        "proration_behavior": "always_invoice" if wanted.at_once else "none",
    }
    if wanted.at_once and wanted.prorated_at is not None:
        parameters["proration_date"] = int(wanted.prorated_at.timestamp())
    return parameters


def _of_cancellation(wanted: Cancellation) -> dict[str, Any]:
    if not wanted.at_once:
        return {"cancel_at_period_end": True}
    return {"cancel_now": True, "proration_behavior": "always_invoice" if wanted.gives_back else "none"}


def _subscription(found: dict[str, Any], moment: Any) -> ProviderSubscription:
    report = read_subscription(found, moment)
    if not isinstance(report, SubscriptionReport) or report.state is None:
        raise PaymentsUnavailable("the response is not a subscription")
    return ProviderSubscription(
        id=report.subscription_id,
        state=report.state,
        items=tuple(
            SubscribedItem(
                id=fields.own_id(item),
                price=read_price(fields.expanded(item, "price")),
                quantity=fields.amount(item, "quantity") if item.get("quantity") is not None else 1,
            )
            for item in fields.items(found, "items")
        ),
        latest_invoice=fields.reference(found, "latest_invoice"),
        schedule_id=fields.reference(found, "schedule"),
    )


@contextlib.contextmanager
def _readable() -> Iterator[None]:
    """Turn an answer of unknown structure into :class:`PaymentsUnavailable`."""
    try:
        yield
    except UnreadableField as unreadable:
        raise PaymentsUnavailable(f"unreadable response: {unreadable.reason}") from unreadable


@contextlib.contextmanager
def _changing(released: str | None = None) -> Iterator[None]:
    """Turn refusals of a change for good, by Stripe or by the bank, into the domain's errors.

    `released` is the schedule that is released before: Stripe has nothing that puts it back.
    """
    is_dropped = released is not None
    try:
        yield
    except stripe.CardError as declined:
        error = declined.error
        raise ChangeDeclined(str((error.decline_code if error else None) or declined.code), is_dropped) from declined
    except stripe.InvalidRequestError as refused:
        raise ChangeRefused(" ".join(str(refused.user_message or refused.code).split())[:300], is_dropped) from refused


def _of_price(plan: Plan, sells: PlanPrice) -> "PriceCreateParams":
    product: dict[str, Any] = {"name": plan.name}
    if plan.checkout.tax_code is not None:
        product["tax_code"] = plan.checkout.tax_code
    parameters = {**terms_of(sells), "product_data": product, "metadata": metadata_of(sells)}
    return cast("PriceCreateParams", parameters)
