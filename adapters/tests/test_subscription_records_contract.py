"""One contract for what every ledger says of a subscription's invoices: all that explains what each is worth."""

import json
import uuid
from datetime import timedelta
from typing import Any

from adapters.memory.cache import MemoryQuotaCache, MemorySessionMarkers
from adapters.memory.payments import MemoryPayments
from adapters.stripe.envelope import delivery_of
from adapters.stripe.objects.prices import read_price
from adapters.system.clock import SystemClock
from domain.credits.explanation import explain
from domain.payments.subscriptions import HeldSubscription, SubscriptionId, SubscriptionStatus
from domain.usecases.record_payment import PaymentRecorder
from domain.values.accounts import UserId
from domain.values.plans import Catalogue
from features.billing.payloads import MONTHLY, Payload, ended, invoice, line
from features.billing.reversals import credit_note
from features.billing.world import PLANS


async def deliver(world: Any, kind: str, about: Payload) -> None:
    """Report one event."""
    payments = MemoryPayments()
    payments.teach_price(read_price(MONTHLY.payload))
    recorder = PaymentRecorder(
        ledger=world.ledger,
        cache=MemoryQuotaCache(),
        markers=MemorySessionMarkers(SystemClock(), MemoryQuotaCache()),
        payments=payments,
        catalogue=Catalogue({plan.id: plan for plan in PLANS}),
        livemode=False,
    )
    body = {
        "id": f"evt_{uuid.uuid4().hex}",
        "object": "event",
        "type": kind,
        "created": 1767268800,
        "livemode": False,
        "data": {"object": about},
    }
    await recorder.receive(delivery_of(json.dumps(body)))


async def test_an_invoice_that_only_gives_unused_time_back_is_reported_to_whom_it_concerns(open_world: Any) -> None:
    """Though it is nobody's order; the credits are explained by it, and nobody else is told of it."""
    async with open_world() as world:
        ada, bob, tag = await world.sign_up(None), await world.sign_up(None), uuid.uuid4().hex[:12]
        item, subscription = f"si_{tag}", f"sub_{tag}"
        bought = line(f"il_{tag}a", 900, MONTHLY, days=(0, 30), item=item, subscription=subscription)
        unused = line(
            f"il_{tag}b",
            -300,
            MONTHLY,
            days=(20, 30),
            proration=True,
            item=item,
            subscription=subscription,
            gives_back=(f"in_{tag}a", f"il_{tag}a"),
        )
        whose: Any = {"metadata": {"userId": ada}, "subscription": subscription}
        await deliver(world, "invoice.paid", invoice(f"in_{tag}b", unused, paid=20, **whose))
        await deliver(world, "invoice.paid", invoice(f"in_{tag}a", bought, paid=0, **whose))
        note = credit_note(f"cn_{tag}", f"in_{tag}a", before=90)
        await deliver(world, "credit_note.created", note)
        explained = explain(await world.audit.record_of(ada))
        purchases = {purchase.id: purchase for purchase in explained.purchases}
        (balance,) = purchases[f"in_{tag}a"].lines
        assert (100, 66) == (balance.worth, purchases[f"in_{tag}a"].worth)
        assert [f"cn_{tag}"] == [known.id for known in purchases[f"in_{tag}a"].purchase.credit_notes]
        (returned,) = purchases[f"in_{tag}b"].unused
        assert (f"in_{tag}a", (f"il_{tag}a",)) == (returned.invoice_id, returned.line_ids)
        assert timedelta(days=10) == returned.unused.ends_at - returned.unused.starts_at
        assert await world.audit.record_of(bob) is None or () == (await world.audit.record_of(bob)).purchases


async def test_the_subscriptions_of_an_account_are_those_that_name_it_and_those_that_it_pays(open_world: Any) -> None:
    """Newest first, each with the plan of its newest invoice and its last state; nobody else's is among them."""
    async with open_world() as world:
        ada, bob, tag = await world.sign_up(None), await world.sign_up(None), uuid.uuid4().hex[:12]
        named, billed, of_bob = f"sub_{tag}a", f"sub_{tag}b", f"sub_{tag}c"
        for subscription, user, plan in ((named, ada, "weekly"), (of_bob, bob, "monthly")):
            about = ended(30, status="past_due", subscription=subscription)
            metadata = {"userId": user, "plan": plan}
            await deliver(world, "customer.subscription.updated", {**about, "metadata": metadata})
        assert [(named, "weekly")] == [(one.id, one.plan_id) for one in await world.ledger.subscriptions_of(ada)]
        for id_, subscription, price in ((f"{tag}d", named, MONTHLY), (f"{tag}e", billed, MONTHLY)):
            bought = line(f"il_{id_}", 900, price, days=(0, 30), item=f"si_{id_}", subscription=subscription)
            whose: Any = {"metadata": {"userId": ada}, "subscription": subscription}
            await deliver(world, "invoice.paid", invoice(f"in_{id_}", bought, paid=0, **whose))
        newest, oldest = await world.ledger.subscriptions_of(ada)
        assert HeldSubscription(id=SubscriptionId(billed), plan_id="monthly", state=None) == newest
        assert (named, "monthly", SubscriptionStatus.PAST_DUE) == (oldest.id, oldest.plan_id, oldest.state.status)
        assert [of_bob] == [one.id for one in await world.ledger.subscriptions_of(bob)]
        assert () == await world.ledger.subscriptions_of(UserId(str(uuid.uuid4())))
