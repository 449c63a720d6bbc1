"""Lists what a run should visit: every possible cell, and the rare things that must happen sometimes."""

from simulators.explorer.invoice_coverage import CELLS
from simulators.schedules import steps

FIRST, EARLY, AT_ONCE, AGAIN = "first", "before its sale", "at once", "again"
AFTER_CRASH, AFTER_LOSS, RETRIED = "after a crash", "after a lost answer", "after a refusal"
ORDERS = (FIRST, EARLY, AT_ONCE, AGAIN, AFTER_CRASH, AFTER_LOSS, RETRIED)
"""How a delivery stands to what came before it."""

NOTHING, CONFLICT, ANSWER_LOST = "nothing", "conflict", "answer lost"
DIES_BEFORE, DIES_AFTER = "dies before commit", "dies after commit"
LEDGER_AWAY, LEDGER_SILENT = "ledger away", "ledger silent"
CACHE_AWAY, CACHE_SILENT = "cache away", "cache silent"
FAULTS = (
    NOTHING, DIES_BEFORE, DIES_AFTER, LEDGER_AWAY, LEDGER_SILENT, CACHE_AWAY, CACHE_SILENT, CONFLICT, ANSWER_LOST
)  # fmt: skip
"""What befell it. A part is silent if it did what it was asked, and its answer was lost."""

SALES = ("checkout.session.completed", "checkout.session.async_payment_succeeded", "invoice.paid",
         "invoice.payment_succeeded", "payment_intent.succeeded")  # fmt: skip
UNPAID = ("checkout.session.async_payment_failed", "checkout.session.expired")
SUBSCRIPTIONS = ("customer.subscription.created", "customer.subscription.updated", "customer.subscription.deleted")
REFUNDS = ("refund.created", "refund.updated", "refund.failed", "charge.refunded", "charge.refund.updated")
DISPUTES = tuple(
    f"charge.dispute.{what}" for what in ("created", "updated", "closed", "funds_withdrawn", "funds_reinstated")
)
PAYMENTS = ("invoice_payment.paid",)
NOTES = ("credit_note.created",)
FAMILIES = {"a sale": SALES, "what is taken back": (*REFUNDS, *DISPUTES, *NOTES)}
"""What moves credits, and so must meet each fault in each order."""

TYPES = (*SALES, *UNPAID, *SUBSCRIPTIONS, *PAYMENTS, *REFUNDS, *DISPUTES, *NOTES)

PUSHED, REPLACED = "a period is paid at a pushed price", "a period is paid at a price that a later push replaced"
WHILE_PUSHED = "a push goes on while an event is handled"
SWITCHED = "a subscription is of another plan than its metadata names"
ANSWER_FIRST, EVENT_FIRST = "a charge is credited by its answer", "a charge is credited by its event"
CHARGED_AT_ONCE = "a charge's event arrives while its answer is awaited"
DIES_CHARGING = "a process dies while it charges a card"
SELLING = (
    PUSHED, REPLACED, WHILE_PUSHED, SWITCHED, ANSWER_FIRST, EVENT_FIRST, CHARGED_AT_ONCE, DIES_CHARGING
)  # fmt: skip
"""What must happen to pushed prices, to subscriptions in the portal, and to charges of saved cards."""

SOMETIMES = (
    "a refund is reported before its purchase",
    "a dispute is reported before its purchase",
    "a duplicate arrives during the first handling",
    "a process dies between commit and acknowledgement",
    "an event is delivered again after a crash",
    "the cache is flushed between commit and read",
    "a conflict is decided again",
    "an event is parked, then applied",
    "what was reported apart proves to be one payment",
    "two processes handle one customer at once",
    "a worker dies while it delivers the outbox",
    "a worker dies while it refreshes the cache",
    "a worker dies while it decides again",
    "a read is answered while the cache is away",
    "a read is answered while the ledger is away",
    "an event arrives three days late",
    *CELLS,
    *SELLING,
    *(f"a delivery is signed: {signature}" for signature in steps.SIGNATURES),
)


def possible(cell: tuple[str, str, str]) -> bool:
    """Return whether a cell can be visited at all."""
    kind, order, fault = cell
    # Where no account is concerned a commit is the last await: nothing is cached, and nothing follows in which to die.
    touches_no_account = order == EARLY or kind in PAYMENTS
    if touches_no_account and fault in (CACHE_AWAY, CACHE_SILENT, DIES_AFTER):
        return False
    if order == EARLY:
        # Nothing that is itself a sale comes before its sale.
        return kind not in (*SALES, *UNPAID, *SUBSCRIPTIONS)
    # What was committed before is a duplicate, whatever else moves.
    return fault != CONFLICT or order not in (AGAIN, AFTER_LOSS)


ALL = tuple(cell for kind in TYPES for order in ORDERS for fault in FAULTS if possible(cell := (kind, order, fault)))
"""Every cell that can be visited."""

ANY = "any"


def views(cell: tuple[str, str, str], *, is_long: bool) -> tuple[tuple[str, str, str], ...]:
    """Return the entries of the catalogue that a cell fills.

    Each type must come in each order, and each fault must befall some; in a long run each fault must befall sales,
    and what is taken back, in each order.
    """
    kind, order, fault = cell
    if not is_long:
        return (kind, order, ANY), (ANY, ANY, fault)
    families = [name for name, kinds in FAMILIES.items() if kind in kinds]
    return (kind, order, ANY), (ANY, ANY, fault), *((family, order, fault) for family in families)
