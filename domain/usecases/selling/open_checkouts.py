"""Open checkouts at the provider: the same one for the same key, and one without what the provider has no longer."""

import contextlib

import attrs

from domain.changes.changes import Change, Duplicate, IdempotencyRecord
from domain.ports.customers import CustomerMissing
from domain.ports.ledger import Ledger, LedgerUnavailable
from domain.ports.payment_provider import Checkout, CheckoutRequest, Checkouts, PriceNotSold
from domain.usecases.selling.customers import CustomerService
from domain.usecases.selling.read_subscriptions import SubscriptionReader
from domain.usecases.selling.sellable_plans import HasSubscription
from domain.values.customers import CustomerId
from domain.values.return_pages import ReturnPages

REFUSALS_MAX = 2
"""How often a request is changed: once for its price, and once for its customer."""


@attrs.frozen(kw_only=True)
class CheckoutOpener:
    """Opens checkout sessions as the provider accepts them."""

    checkouts: Checkouts
    ledger: Ledger
    customers: CustomerService
    subscriptions: SubscriptionReader

    async def begin(self, request: CheckoutRequest, *, is_repeatable: bool) -> Checkout:
        """Open the session; `is_repeatable` says that the caller knows the key.

        :raises PaymentsUnavailable: if no session could be opened.
        :raises CheckoutDiffers: if the key was used with different parameters.
        """
        return await self._opened(await self._as_first_asked(request) if is_repeatable else request)

    async def _as_first_asked(self, asked: CheckoutRequest) -> CheckoutRequest:
        """Return the request with what was chosen when its key came first: the provider compares them.

        That is kept in the ledger before the session is opened, so that clicks at the same moment agree as well, and
        those before and after a push. A ledger that takes no writes prevents no checkout.
        """
        sold = _sold(asked)
        ours = {
            "success_url": asked.pages.success_url,
            "cancel_url": asked.pages.cancel_url,
            "customer_id": asked.customer_id,
            "price_id": asked.price_id,
            "sold": sold,
            **({"trial_days": asked.trial_days} if asked.plan.trial_days else {}),
        }
        kept = IdempotencyRecord(
            key=asked.idempotency_key, user_id=asked.user_id, content={"operation": "checkout"}, answer=ours
        )
        with contextlib.suppress(LedgerUnavailable):
            (result,) = await self.ledger.commit((Change(request=kept),))
            if isinstance(result, Duplicate) and result.request and result.request.content == kept.content:
                first = result.request.answer
                customer = first.get("customer_id")
                # A price of other terms is not what the customer asks for now.
                price = first.get("price_id") if first.get("sold") == sold else asked.price_id
                return attrs.evolve(
                    asked,
                    pages=ReturnPages(success_url=str(first["success_url"]), cancel_url=str(first["cancel_url"])),
                    customer_id=CustomerId(str(customer)) if customer else None,
                    price_id=str(price) if price else None,
                    # The account may have had the plan's trial since, and the provider forgets its keys.
                    trial_days=min(int(str(first.get("trial_days", 0))), asked.trial_days),
                )
        return asked

    async def _opened(self, request: CheckoutRequest) -> Checkout:
        """Open the session, without a price or with another customer where the provider has them no longer.

        The key is then another one, since the provider may repeat its refusal under the first.
        """
        for _ in range(REFUSALS_MAX):
            try:
                return await self.checkouts.create(request)
            except PriceNotSold:
                # It was archived since the ledger was asked, or in the Dashboard: the terms are written out instead.
                request = attrs.evolve(request, price_id=None, idempotency_key=f"{request.idempotency_key}-inline")
            except CustomerMissing as missing:
                made = await self.customers.for_checkout(request.user_id, request.email, gone=missing.customer_id)
                key = f"{request.idempotency_key}-{made or 'alone'}"
                request = attrs.evolve(request, customer_id=made, idempotency_key=key)
        return await self.checkouts.create(request)

    async def close_others(self, checkout: Checkout) -> None:
        """Close the customer's earlier checkouts of subscriptions; if one of them was just paid, close this one.

        What remains: two that begin within the same second, and checkouts without a customer at the provider.

        :raises HasSubscription: if one of them was paid.
        :raises PaymentsUnavailable: if they could not be closed.
        """
        if checkout.customer_id is None:
            return
        for subscription_id in await self.checkouts.close_earlier(checkout.session_id, checkout.customer_id):
            if await self.subscriptions.is_live(subscription_id):
                await self.checkouts.close(checkout.session_id)
                raise HasSubscription(subscription_id)


def _sold(request: CheckoutRequest) -> str:
    """Return the terms that a checkout sells, in a text that differs where they differ."""
    terms, plan = request.terms, request.plan
    tax = plan.checkout.tax_behavior
    return f"{terms.credits}/{terms.price.amount}/{terms.price.currency}/{plan.interval}/{plan.interval_count}/{tax}"
