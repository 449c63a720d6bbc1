"""Purchases, invoices and entries, as the contracts of ledgers write them."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.changes.changes import Change, Committed, PurchaseRevision, SnapshotQuery
from domain.changes.inbox import EventDecision, EventStatus
from domain.credits.idempotency import key_of_revision
from domain.credits.ledger import EntryKind, Posting, period_metadata
from domain.payments.invoices import Bill, Line, LineKind, UnusedTime
from domain.payments.purchases import Link, Order, PaymentStatus, Purchase, PurchaseId, Refund
from domain.payments.reports import InboxEvent
from domain.values.accounts import UserId


def new_id(prefix: str) -> str:
    return f"{prefix}_{uuid.uuid4().hex}"


def event(status: EventStatus = EventStatus.APPLIED, *, event_id: str | None = None, body: str = "{}") -> EventDecision:
    return EventDecision(
        event=InboxEvent(
            id=event_id or new_id("evt"),
            type="checkout.session.completed",
            body=body,
            livemode=False,
            created=datetime(2026, 5, 1, tzinfo=UTC),
            session_id="cs_1",
        ),
        status=status,
        reason="because" if status is EventStatus.PARKED else None,
    )


def bought(user_id: UserId, payment: str, *, amount: int = 500, refunds: tuple[Refund, ...] = ()) -> Purchase:
    return Purchase(
        order=Order(user_id=user_id, plan_id="starter", credits=50, amount=amount, currency="usd"),
        payment=PaymentStatus.PAID,
        refunds=refunds,
        links=frozenset({Link(f"payment_intent:{payment}"), Link(f"session:cs_{payment}")}),
    )


MAY, JUNE, JULY, AUGUST = (datetime(2100, month, 1, 12, tzinfo=UTC) for month in (5, 6, 7, 8))
UNUSED = UnusedTime(id="il_9", amount=100, starts_at=MAY, ends_at=JUNE, credited_invoice="in_0", credited_lines=("a",))


def period(begins: datetime, ends: datetime, *, brings: int = 50, **how: Any) -> Line:
    """A line of an invoice for a period of so many credits."""
    known: dict[str, Any] = {"kind": LineKind.PERIOD, "unit_amount": "500", "plan_id": "monthly", "parts": 1, **how}
    return Line(
        id=f"il_{ends:%m}",
        credits=brings,
        plan_credits=50,
        amount=500,
        net=400,
        starts_at=begins,
        ends_at=ends,
        subscription_item="si_1",
        price_id="price_1",
        **known,
    )


def billed(*lines: Line, unused: tuple[UnusedTime, ...] = (), subscription: str = "sub_1") -> Bill:
    total = sum(line.net for line in lines)
    return Bill(subscription_id=subscription, lines=lines, unused=unused, total=total, issued_at=MAY)


def invoiced(user_id: UserId, invoice: str, bill: Bill, **how: Any) -> Purchase:
    """A paid invoice of a subscription."""
    order = Order(user_id=user_id, plan_id="monthly", credits=50, amount=bill.total, currency="usd")
    links = frozenset({Link(f"invoice:{invoice}")})
    return Purchase(order=order, payment=PaymentStatus.PAID, links=links, bill=bill, **how)


def of_period(user_id: UserId, invoice: str, amount: int, ends: datetime, at: int = 1, **how: Any) -> Posting:
    """An entry of the grant of a period, decided at a revision of its invoice."""
    return Posting(
        user_id=user_id,
        amount=amount,
        kind=how.pop("kind", EntryKind.PURCHASE if amount > 0 else EntryKind.CLAWBACK),
        idempotency_key=key_of_revision(invoice, at, user_id, ends),
        purchase_id=PurchaseId(invoice),
        metadata=period_metadata(ends),
        expires_at=ends + timedelta(days=3) if amount > 0 else None,
        **how,
    )


async def pay(world: Any, user: UserId, invoice: str, bill: Bill) -> None:
    """Let an invoice be paid; each period is a grant of 50 credits."""
    change = Change(
        revision=revision(invoice, invoiced(user, invoice, bill)),
        postings=tuple(of_period(user, invoice, 50, line.ends_at) for line in bill.lines),
    )
    assert [Committed] == [type(result) for result in await world.ledger.commit([change])]


async def recorded(world: Any, *invoices: str) -> Any:
    links = frozenset(Link(f"invoice:{invoice}") for invoice in invoices)
    return (await world.ledger.read(SnapshotQuery(links=links))).purchases


async def grants_of(world: Any, user: UserId) -> list[tuple[datetime | None, int, datetime | None]]:
    """Period, what remains, and until when, of each grant, oldest first."""
    record = await world.audit.record_of(user)
    grants = [known.grant for known in record.grants]
    return [(grant.period_ends_at, grant.remaining, grant.expires_at) for grant in grants]


def revision(payment: str, purchase: Purchase, *, expected: int = 0) -> PurchaseRevision:
    return PurchaseRevision(id=PurchaseId(payment), expected_revision=expected, purchase=purchase)


def posting(user_id: UserId, amount: int, key: str, payment: str | None = None) -> Posting:
    return Posting(
        user_id=user_id,
        amount=amount,
        kind=EntryKind.PURCHASE if amount >= 0 else EntryKind.CLAWBACK,
        idempotency_key=key,
        purchase_id=payment,
        stripe_session_id=f"cs_{payment}",
        stripe_event_id="evt_1",
        description="starter plan",
        event_at=datetime(2026, 5, 1, 12, 30, tzinfo=UTC),
    )


def buying(user_id: UserId, payment: str, *, decision: EventDecision | None = None) -> Change:
    return Change(
        event=decision,
        revision=revision(payment, bought(user_id, payment)),
        postings=(posting(user_id, 50, f"{payment}:revision=1:{user_id}", payment),),
    )


GRACE = timedelta(days=3)
