"""A biller with arithmetic of its own, to which the laws of invoices are held: it knows prices, times and a coupon."""

import calendar
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Literal

import attrs
from hypothesis import strategies as st

from domain.payments.invoices import Bill
from domain.payments.line_terms import LineTerms
from domain.payments.line_values import value_lines
from domain.payments.purchases import Link, Order, PaymentStatus, Purchase, PurchaseId, learn
from domain.payments.reports import Attribution, InvoiceLine, Price, SaleReport
from domain.tests.examples import ADA
from domain.values.money import Money
from domain.values.plans import Catalogue, Plan, PlanId, PlanMode, Terms

START = datetime(2026, 4, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)

Mode = Literal["classic", "included", "itemized"]


def _plan(id_: str, credits_: int, price: int, interval: str) -> Plan:
    terms = Terms(credits=credits_, price=Money(amount=price, currency="usd"))
    return Plan(id=PlanId(id_), name=id_, terms=terms, mode=PlanMode.SUBSCRIPTION, interval=interval)


MONTHLY, PRO, ANNUAL = (
    _plan("monthly", 100, 900, "month"),
    _plan("pro", 1000, 4900, "month"),
    _plan("annual", 1200, 9000, "year"),
)
CATALOGUE = Catalogue({plan.id: plan for plan in (MONTHLY, PRO, ANNUAL)})


@attrs.frozen
class Change:
    """So many hours later the subscription is of another plan, or of more or fewer seats."""

    hours: int
    plan: Plan
    seats: int
    bills_now: bool


changes = st.lists(
    st.builds(
        Change,
        hours=st.one_of(st.just(0), st.integers(0, 24 * 40)),
        plan=st.sampled_from([MONTHLY, PRO, ANNUAL]),
        seats=st.sampled_from([1, 1, 1, 3]),
        bills_now=st.booleans(),
    ),
    max_size=8,
)


@attrs.frozen
class BilledInvoice:
    """A paid invoice of the subscription, with Stripe's times."""

    id: str
    issued_at: datetime
    paid_at: datetime
    lines: tuple[InvoiceLine, ...]


@attrs.define
class Biller:
    """Bills one subscription as Stripe does, and integrates what was in force: credits a second, over time."""

    coupon: int
    mode: Mode
    names_credited: bool
    now: datetime = START
    plan: Plan = MONTHLY
    seats: int = 1
    period: tuple[datetime, datetime] = (START, START)
    invoices: list[BilledInvoice] = attrs.field(factory=list)
    in_force: Fraction = Fraction(0)
    pending: list[InvoiceLine] = attrs.field(factory=list)
    credited: tuple[str, str] | None = None
    numbers: int = 0

    def begin(self) -> None:
        self.period = (self.now, _after(self.now, self.plan))
        self._bill([self._period_line()], self.now)

    def change(self, change: Change) -> None:
        until = self.now + change.hours * HOUR
        while self.period[1] <= until:
            self._pass(self.period[1])
            self.period = (self.period[1], _after(self.period[1], self.plan))
            lines, self.pending = [*self.pending, self._period_line()], []
            self._bill(lines, self.now + HOUR)
        self._pass(until)
        if (change.plan, change.seats) == (self.plan, self.seats):
            return
        has_new_period = change.plan.interval != self.plan.interval
        self.pending.append(self._proration(-1))
        self.plan, self.seats = change.plan, change.seats
        if has_new_period:
            self.period = (self.now, _after(self.now, self.plan))
            lines = [*self.pending, self._period_line()]
        else:
            self.pending.append(self._proration(1))
            lines = self.pending
        if has_new_period or change.bills_now:
            self.pending = []
            self._bill(lines, self.now)

    def end(self) -> None:
        """What was paid for goes on to the period's end; what is still to be billed is billed then."""
        self._pass(self.period[1])
        if self.pending:
            self._bill(self.pending, self.now)

    def _pass(self, until: datetime) -> None:
        part = Fraction((until - self.now) / HOUR) / Fraction((self.period[1] - self.period[0]) / HOUR)
        self.in_force += self.plan.terms.credits * self.seats * part
        self.now = until

    def _period_line(self) -> InvoiceLine:
        amount = self.plan.terms.price.amount * self.seats
        return self._line(amount, self.period, is_proration=False, discount=round(amount * self.coupon / 100))

    def _proration(self, sign: int) -> InvoiceLine:
        rest = Fraction((self.period[1] - self.now) / HOUR) / Fraction((self.period[1] - self.period[0]) / HOUR)
        amount = sign * round(self.plan.terms.price.amount * self.seats * rest)
        discount = sign * round(abs(amount) * self.coupon / 100)
        if self.mode != "itemized":
            amount, discount = amount - discount, 0
        line = self._line(amount, (self.now, self.period[1]), is_proration=True, discount=discount)
        if sign > 0:
            self.credited = None  # what is not invoiced yet can't be named
            return line
        invoice, credited = self.credited or (None, None)
        named = {"credited_invoice": invoice, "credited_lines": (credited,)} if self.names_credited and credited else {}
        return attrs.evolve(line, gives_back=True, **named)

    def _line(
        self, amount: int, period: tuple[datetime, datetime], *, is_proration: bool, discount: int
    ) -> InvoiceLine:
        self.numbers += 1
        price = self.plan.terms.price
        return InvoiceLine(
            id=f"il_{self.numbers}",
            amount=amount,
            net=amount - discount,
            gross=amount - discount,
            quantity=Fraction(self.seats),
            starts_at=period[0],
            ends_at=period[1],
            is_proration=is_proration,
            is_shown_after_discounts=is_proration and self.coupon > 0 and self.mode != "itemized",
            subscription_item="si_1",
            price=Price(
                id=f"price_{self.plan.id}",
                unit_amount=Fraction(price.amount),
                currency=price.currency,
                interval=self.plan.interval,
                is_complete=True,
            ),
        )

    def _bill(self, lines: Sequence[InvoiceLine], paid_at: datetime) -> None:
        id_ = f"in_{len(self.invoices)}"
        self.invoices.append(BilledInvoice(id_, self.now, paid_at, tuple(lines)))
        self.credited = next(((id_, line.id) for line in reversed(lines) if not line.gives_back), self.credited)


def _after(start: datetime, plan: Plan) -> datetime:
    year, month = divmod(start.year * 12 + start.month - 1 + (12 if plan.interval == "year" else 1), 12)
    return start.replace(year=year, month=month + 1, day=min(start.day, calendar.monthrange(year, month + 1)[1]))


def bill_of(lines: Sequence[InvoiceLine], issued_at: datetime) -> Bill:
    sale = SaleReport(
        purchase_id=PurchaseId("in"),
        links=frozenset(),
        mode=PlanMode.SUBSCRIPTION,
        facts=Purchase(),
        subtotal=Money(amount=0, currency="usd"),
        paid=Money(amount=0, currency="usd"),
        attribution=Attribution(),
        lines=tuple(lines),
        issued_at=issued_at,
    )
    valued = value_lines(sale, "sub_1", LineTerms(catalogue=CATALOGUE, attribution=Attribution()))
    assert isinstance(valued, Bill)
    return valued


def facts_of(invoice: BilledInvoice) -> tuple[Purchase, ...]:
    bill = bill_of(invoice.lines, invoice.issued_at)
    order = Order(user_id=ADA, plan_id=PlanId("monthly"), credits=1, amount=bill.total, currency="usd")
    links = frozenset({Link(f"invoice:{invoice.id}")})
    return (
        Purchase(order=order),
        Purchase(bill=bill),
        Purchase(payment=PaymentStatus.PAID),
        Purchase(paid_at=invoice.paid_at),
        Purchase(links=links),
    )


def billed(steps: Sequence[Change], coupon: int, mode: Mode, *, names_credited: bool) -> Biller:
    biller = Biller(coupon=coupon, mode=mode, names_credited=names_credited)
    biller.begin()
    for step in steps:
        biller.change(step)
    biller.end()
    return biller


def purchases_of(biller: Biller) -> list[Purchase]:
    return [learn(Purchase(), facts_of(invoice)) for invoice in biller.invoices]


def others(purchases: Sequence[Purchase], place: int) -> list[Purchase]:
    return [one for number, one in enumerate(purchases) if number != place]
