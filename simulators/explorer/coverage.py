"""Coverage: which rare things were visited. What never happened in a run proves nothing, so a run counts.

A cell is one handling of a delivery: the event's type, in which order it came, and what befell it. Beside the cells
stand things that must happen sometimes, and the API versions in whose shapes each type was read.
"""

from collections import Counter
from collections.abc import Iterator, Mapping

import attrs

from simulators.explorer.coverage_catalogue import (
    AFTER_CRASH,
    AFTER_LOSS,
    AGAIN,
    ALL,
    ANSWER_FIRST,
    ANSWER_LOST,
    AT_ONCE,
    CACHE_AWAY,
    CACHE_SILENT,
    CHARGED_AT_ONCE,
    CONFLICT,
    DIES_AFTER,
    DIES_BEFORE,
    DIES_CHARGING,
    DISPUTES,
    EARLY,
    EVENT_FIRST,
    FIRST,
    LEDGER_AWAY,
    LEDGER_SILENT,
    NOTHING,
    PUSHED,
    REFUNDS,
    REPLACED,
    RETRIED,
    SALES,
    SOMETIMES,
    SWITCHED,
    TYPES,
    WHILE_PUSHED,
    views,
)
from simulators.explorer.invoice_coverage import cells_of
from simulators.schedules import steps
from simulators.schedules.running import Running
from simulators.schedules.tasks import TaskRunner, Watcher
from simulators.stories.event_readings import Sold
from simulators.stories.invoices import Bill
from simulators.stories.purchase_life import PUSHED_KEY


@attrs.define
class Coverage(Watcher):
    """The counts of what was visited. The counts of two runs can be added."""

    cells: Counter[tuple[str, str, str]] = attrs.field(factory=Counter)
    sometimes: Counter[str] = attrs.field(factory=Counter)
    versions: Counter[tuple[str, str]] = attrs.field(factory=Counter)
    _orders: dict[str, str] = attrs.field(factory=dict)
    _before: dict[str, str] = attrs.field(factory=dict)
    _waiting: set[str] = attrs.field(factory=set)
    _flushed: bool = False

    def counted(self) -> "Coverage":
        """Return the counts alone, to be sent to another process."""
        return Coverage(cells=self.cells, sometimes=self.sometimes, versions=self.versions)

    def add(self, other: "Coverage") -> None:
        """Count what another run visited, too."""
        self.cells += other.cells
        self.sometimes += other.sometimes
        self.versions += other.versions

    def began(self, running: Running, runner: TaskRunner) -> None:
        """Note how a task that began stands to what came before."""
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
            self._count("a refund is reported before its purchase")
        if order == EARLY and event.type in DISPUTES:
            self._count("a dispute is reported before its purchase")
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
        if event.type == "payment_intent.succeeded" and runner.accounting.charge_of(step.event) in _asked(runner):
            self._count(CHARGED_AT_ONCE)

    def ended(self, running: Running, runner: TaskRunner, *, died: bool) -> None:
        """Note what befell a task that ended."""
        step, faults_met = running.step, set(running.faults_met)
        match step:
            case steps.Deliver() if running.name in self._orders:
                self._handled(running, step.event, runner, died=died)
            case steps.Work(job=job) if died:
                doing = {"outbox": "delivers the outbox", "cache": "refreshes the cache"}.get(job, "decides again")
                self._count(f"a worker dies while it {doing}")
            case steps.Work(job="push") if any(isinstance(one.step, steps.Deliver) for one in runner.running.values()):
                self._count(WHILE_PUSHED)
            case steps.Ask(use=use) if died and runner.accounting.uses[use].act == "charge":
                self._count(DIES_CHARGING)
            case steps.Read() if not died:
                if self._flushed:
                    self._count("the cache is flushed between commit and read")
                self._flushed = False
                for part in ("cache", "ledger"):
                    if f"{part} away" in faults_met or part in runner.broken:
                        self._count(f"a read is answered while the {part} is away")

    def happened(self, what: str) -> None:
        """Note what else happened."""
        if what == "flush":
            self._flushed = True

    def recorded(self, events: frozenset[str], runner: TaskRunner) -> None:
        """Note that events were recorded, and decided for good."""
        for event in events:
            if event in self._waiting:
                self._waiting.discard(event)
                self._count("an event is parked, then applied")
            for cell in (*cells_of(runner.accounting.readings[event].claims), *_sold(event, runner)):
                self._count(cell)
            if runner.accounting.joins_apart(event):
                self._count("what was reported apart proves to be one payment")

    def _handled(self, running: Running, event: str, runner: TaskRunner, *, died: bool) -> None:
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

    def _order(self, running: Running, runner: TaskRunner) -> str:
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


def _asked(runner: TaskRunner) -> list[int]:
    """Return the uses that are asked for at the moment, by their places."""
    return [one.step.use for one in runner.running.values() if isinstance(one.step, steps.Ask)]


def _sold(event: str, runner: TaskRunner) -> Iterator[str]:
    """Yield what an event, or an answer to a charge, that was recorded shows of how the plan was sold."""
    books, prices = runner.accounting, {price["id"]: price for price in runner.schedule.prices}
    for claim in books.readings[event].claims:
        for line in claim.sold if isinstance(claim, Bill) else ():
            price = prices.get(line.price)
            if price is not None and price["metadata"].get(PUSHED_KEY):
                yield PUSHED if price["active"] else REPLACED
    if event not in runner.events:
        others = books.payments[event] & runner.events.keys()
        yield EVENT_FIRST if any(runner.events[one].type in SALES for one in others & books.ended) else ANSWER_FIRST
    elif runner.events[event].type == "customer.subscription.updated" and runner.events[event].is_switched:
        yield SWITCHED


@attrs.frozen(kw_only=True)
class Gaps:
    """The things that should have been visited and were not."""

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


def gaps(coverage: Coverage, versions: tuple[str, ...], *, is_long: bool) -> Gaps:
    """Return the entries of the catalogue that stayed empty."""
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
    """Return the counts, for machines."""
    return {
        "cells": {" / ".join(cell): count for cell, count in sorted(coverage.cells.items())},
        "sometimes": {what: coverage.sometimes[what] for what in SOMETIMES},
        "versions": {" / ".join(pair): count for pair, count in sorted(coverage.versions.items())},
    }
