"""Coverage: which rare things were visited. What never happened in a run proves nothing, so a run counts.

A cell is one handling of a delivery: the event's type, in which order it came, and what befell it. Beside the cells
stand things that must happen sometimes, and the API versions in whose shapes each type was read.
"""

from collections import Counter
from collections.abc import Mapping

import attrs

from simulators.explorer.invoice_coverage import CELLS, cells_of
from simulators.schedules import steps
from simulators.schedules.runner import Running, ScheduleRunner, Watcher
from simulators.stories.event_readings import Sold
from simulators.stories.invoices import Bill

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
         "invoice.payment_succeeded")  # fmt: skip
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

SOMETIMES = (
    "a refund is told before its purchase",
    "a dispute is told before its purchase",
    "a duplicate arrives during the first handling",
    "a process dies between commit and acknowledgement",
    "an event is delivered again after a crash",
    "the cache is flushed between commit and read",
    "a conflict is decided again",
    "an event is parked, then applied",
    "what was told apart proves to be one payment",
    "two processes handle one customer at once",
    "a worker dies while it delivers the outbox",
    "a worker dies while it decides again",
    "a read is answered while the cache is away",
    "a read is answered while the ledger is away",
    "an event arrives three days late",
    *CELLS,
    *(f"a delivery is signed: {signature}" for signature in steps.SIGNATURES),
)


@attrs.define
class Coverage(Watcher):
    """What was visited, counted; two runs' add up."""

    cells: Counter[tuple[str, str, str]] = attrs.field(factory=Counter)
    sometimes: Counter[str] = attrs.field(factory=Counter)
    versions: Counter[tuple[str, str]] = attrs.field(factory=Counter)
    _orders: dict[str, str] = attrs.field(factory=dict)
    _before: dict[str, str] = attrs.field(factory=dict)
    _waiting: set[str] = attrs.field(factory=set)
    _flushed: bool = False

    def counted(self) -> "Coverage":
        """The counts alone, to be sent to another process."""
        return Coverage(cells=self.cells, sometimes=self.sometimes, versions=self.versions)

    def add(self, other: "Coverage") -> None:
        """Count what another run visited, too."""
        self.cells += other.cells
        self.sometimes += other.sometimes
        self.versions += other.versions

    def began(self, running: Running, runner: ScheduleRunner) -> None:
        """A task began: how does it stand to what came before?"""
        step = running.step
        if not isinstance(step, steps.Deliver):
            return
        self._count(f"a delivery is signed: {step.signature}")
        if step.signature not in steps.GOOD_SIGNATURES:
            return
        event = runner.events[step.event]
        order = self._order(running, runner)
        self._orders[running.name] = order
        self.versions[event.type, event.api_version] += 1
        if order == EARLY and event.type in REFUNDS:
            self._count("a refund is told before its purchase")
        if order == EARLY and event.type in DISPUTES:
            self._count("a dispute is told before its purchase")
        if order == AT_ONCE:
            self._count("a duplicate arrives during the first handling")
        if order == AFTER_CRASH:
            self._count("an event is delivered again after a crash")
        if order in (FIRST, EARLY) and runner.world.now() - event.created >= 3 * 86400:
            self._count("an event arrives three days late")
        buyer = runner.accounting.customers.get(step.event)
        others = [other for other in runner.running.values() if other.process != running.process]
        events = [other.step.event for other in others if isinstance(other.step, steps.Deliver)]
        if buyer is not None and buyer in map(runner.accounting.customers.get, events):
            self._count("two processes handle one customer at once")

    def ended(self, running: Running, runner: ScheduleRunner, *, died: bool) -> None:
        """A task ended: what befell it?"""
        step, faults_met = running.step, set(running.faults_met)
        match step:
            case steps.Deliver() if running.name in self._orders:
                self._handled(running, step.event, runner, died=died)
            case steps.Work(job=job) if died:
                self._count(f"a worker dies while it {'delivers the outbox' if job == 'outbox' else 'decides again'}")
            case steps.Read() if not died:
                if self._flushed:
                    self._count("the cache is flushed between commit and read")
                self._flushed = False
                for part in ("cache", "ledger"):
                    if f"{part} away" in faults_met or part in runner.broken:
                        self._count(f"a read is answered while the {part} is away")

    def happened(self, what: str) -> None:
        """Something else happened."""
        if what == "flush":
            self._flushed = True

    def recorded(self, events: frozenset[str], runner: ScheduleRunner) -> None:
        """Events were recorded, and decided for good."""
        for event in events:
            if event in self._waiting:
                self._waiting.discard(event)
                self._count("an event is parked, then applied")
            for cell in cells_of(runner.accounting.readings[event].claims):
                self._count(cell)
            if runner.accounting.joins_apart(event):
                self._count("what was told apart proves to be one payment")

    def _handled(self, running: Running, event: str, runner: ScheduleRunner, *, died: bool) -> None:
        kind, order, faults_met = runner.events[event].type, self._orders.pop(running.name), set(running.faults_met)
        faults = faults_met & {CONFLICT, ANSWER_LOST, LEDGER_AWAY, LEDGER_SILENT, CACHE_AWAY, CACHE_SILENT}
        if died:
            faults.add(DIES_AFTER if running.committed else DIES_BEFORE)
            if running.committed:
                self._count("a process dies between commit and acknowledgement")
        if CONFLICT in faults_met and running.committed:
            self._count("a conflict is decided again")
        for fault in sorted(faults) or [NOTHING]:
            self.cells[kind, order, fault] += 1
        accepted = event in runner.acknowledged
        if accepted and event not in runner.accounting.ended:
            self._waiting.add(event)
        refused = LEDGER_AWAY in faults_met or LEDGER_SILENT in faults_met
        lost = ANSWER_LOST in faults_met
        self._before[event] = AFTER_CRASH if died else AFTER_LOSS if lost else RETRIED if refused else AGAIN

    def _order(self, running: Running, runner: ScheduleRunner) -> str:
        step = running.step
        event = step.event if isinstance(step, steps.Deliver) else ""
        for other in runner.running.values():
            if other is not running and isinstance(other.step, steps.Deliver) and other.step.event == event:
                return AT_ONCE
        if event in self._before:
            return AGAIN if event in runner.acknowledged else self._before[event]
        sales = runner.accounting.sales_of(event)
        is_sale = any(isinstance(claim, Sold | Bill) for claim in runner.accounting.readings[event].claims)
        return EARLY if sales and not is_sale and not sales & runner.accounting.ended else FIRST

    def _count(self, what: str) -> None:
        self.sometimes[what] += 1


@attrs.frozen(kw_only=True)
class Gaps:
    """What should have been visited, and was not."""

    cells: tuple[tuple[str, str, str], ...]
    sometimes: tuple[str, ...]
    versions: tuple[tuple[str, str], ...]

    def __bool__(self) -> bool:
        return bool(self.cells or self.sometimes or self.versions)

    def __str__(self) -> str:
        lines = [f"{kind}, {order}, {fault}" for kind, order, fault in self.cells]
        lines += self.sometimes
        lines += [f"{kind} in the shape of {version}" for kind, version in self.versions]
        return "\n".join(f"never: {line}" for line in lines)


def possible(cell: tuple[str, str, str]) -> bool:
    """Whether a cell can be visited at all."""
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
    """The entries of the catalogue that a cell fills.

    Each type must come in each order, and each fault must befall some; in a long run each fault must befall sales,
    and what is taken back, in each order.
    """
    kind, order, fault = cell
    if not is_long:
        return (kind, order, ANY), (ANY, ANY, fault)
    families = [name for name, kinds in FAMILIES.items() if kind in kinds]
    return (kind, order, ANY), (ANY, ANY, fault), *((family, order, fault) for family in families)


def gaps(coverage: Coverage, versions: tuple[str, ...], *, is_long: bool) -> Gaps:
    """The entries of the catalogue that stayed empty."""
    wanted = {view: None for cell in ALL for view in views(cell, is_long=is_long)}
    seen = {view for cell in coverage.cells for view in views(cell, is_long=is_long)}
    return Gaps(
        cells=tuple(view for view in wanted if view not in seen),
        sometimes=tuple(what for what in SOMETIMES if not coverage.sometimes[what]),
        versions=tuple(
            (kind, version) for kind in TYPES for version in versions if not coverage.versions[kind, version]
        ),
    )


def as_json(coverage: Coverage) -> Mapping[str, object]:
    """The counts, for machines."""
    return {
        "cells": {" / ".join(cell): count for cell, count in sorted(coverage.cells.items())},
        "sometimes": {what: coverage.sometimes[what] for what in SOMETIMES},
        "versions": {" / ".join(pair): count for pair, count in sorted(coverage.versions.items())},
    }
