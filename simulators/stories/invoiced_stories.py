"""Stories of subscriptions: what customers change within a period, what invoices make of it, and what is credited."""

from collections.abc import Callable

from simulators.stories.customers import Customer, Plan
from simulators.stories.life import DAY, HOUR, Life
from simulators.stripe.account.subscription_shapes import Terms


def a_period(plan: Plan) -> int:
    """Return the seconds until the next period is paid: an hour after this one ends."""
    return _length(plan) + HOUR


def _length(plan: Plan) -> int:
    return {"day": 1, "week": 7, "month": 30, "year": 365}[plan.interval or "month"] * DAY


def _part(plan: Plan, thirds: int = 1) -> int:
    return _length(plan) * thirds // 3


def _other(life: Life, plan: Plan, *, is_longer: bool = False) -> Plan:
    """Return another plan on sale, with the same period or a longer one.

    :raises LookupError: if there is none.
    """
    for other in life.plans:
        is_as_long = _length(other) == _length(plan)
        if other.mode == "subscription" and other.price > plan.price and is_longer != is_as_long:
            return other
    raise LookupError(
        f"the story needs a larger plan beside {plan.id!r}, of {'a longer' if is_longer else 'its'} period"
    )


def _upgrade_at_once(life: Life, customer: Customer, plan: Plan) -> None:
    subscription = life.subscribe(customer, plan)
    life.wait(_part(plan))
    life.change(subscription, _other(life, plan), at_once=True)


def _upgrade_later(life: Life, customer: Customer, plan: Plan) -> None:
    subscription = life.subscribe(customer, plan)
    life.wait(_part(plan))
    life.change(subscription, _other(life, plan))
    life.wait(a_period(plan))


def _downgrade_at_once(life: Life, customer: Customer, plan: Plan) -> None:
    subscription = life.subscribe(customer, _other(life, plan))
    life.wait(_part(plan))
    life.change(subscription, plan, at_once=True)


def _downgrade_later(life: Life, customer: Customer, plan: Plan) -> None:
    subscription = life.subscribe(customer, _other(life, plan))
    life.wait(_part(plan))
    life.change(subscription, plan)
    life.wait(a_period(plan))


def _to_and_fro(life: Life, customer: Customer, plan: Plan) -> None:
    subscription = life.subscribe(customer, plan)
    life.wait(_part(plan))
    life.change(subscription, _other(life, plan, is_longer=True))
    life.wait(_part(plan))
    life.change(subscription, plan)


def _half_off_to_and_fro(life: Life, customer: Customer, plan: Plan) -> None:
    subscription = life.agree(customer, plan, percent_off=50)
    life.wait(_part(plan))
    life.change(subscription, _other(life, plan), at_once=True)
    life.wait(_part(plan))
    life.change(subscription, plan, at_once=True)


def _itemized(life: Life, customer: Customer, plan: Plan) -> None:
    terms = Terms(billing_mode="flexible", proration_discounts="itemized")
    subscription = life.agree(customer, plan, percent_off=50, terms=terms)
    life.wait(_part(plan))
    life.change(subscription, _other(life, plan), at_once=True)


def _unnamed(life: Life, customer: Customer, plan: Plan) -> None:
    subscription = life.agree(customer, plan, quantity=2, terms=Terms(names_credited=False))
    life.wait(_part(plan))
    life.change(subscription, quantity=4, at_once=True)
    life.wait(_part(plan))
    life.change(subscription, quantity=1, at_once=True)


def _seats(life: Life, customer: Customer, plan: Plan) -> None:
    subscription = life.agree(customer, plan, quantity=3)
    life.wait(_part(plan))
    life.change(subscription, quantity=5, at_once=True)


def _free_period(life: Life, customer: Customer, plan: Plan) -> None:
    life.agree(customer, plan, percent_off=100, duration="once")
    life.wait(a_period(plan))


def _canceled_with_proration(life: Life, customer: Customer, plan: Plan) -> None:
    subscription = life.subscribe(customer, plan)
    life.wait(_part(plan))
    life.cancel(subscription, prorate=True, invoice_now=True)


def _back_by_balance(life: Life, customer: Customer, plan: Plan) -> None:
    larger = _other(life, plan)
    subscription = life.subscribe(customer, larger)
    life.wait(_part(plan))
    life.change(subscription, plan, at_once=True)
    life.wait(a_period(plan))


def _canceled_after_refund(life: Life, customer: Customer, plan: Plan) -> None:
    subscription = life.subscribe(customer, plan)
    life.wait(_part(plan, 2))
    life.refund(life.period(subscription), plan.price // 2)
    life.cancel(subscription, prorate=True, invoice_now=True)


def _credited(way: str, *, by_line: bool = False) -> Callable[[Life, Customer, Plan], None]:
    def play(life: Life, customer: Customer, plan: Plan) -> None:
        invoice = life.period(life.subscribe(customer, plan)).id
        life.wait(DAY)
        ((line, amount),) = life.lines(invoice)
        life.credit(invoice, amount // 3, way=way, line=line if by_line else None)

    return play


def _one_line_credited(life: Life, customer: Customer, plan: Plan) -> None:
    subscription = life.subscribe(customer, plan)
    life.wait(_part(plan))
    life.change(subscription, _other(life, plan))
    life.wait(a_period(plan))
    invoice = life.period(subscription).id
    line, amount = life.lines(invoice)[-1]
    life.credit(invoice, amount // 2, way="balance", line=line)


def _one_line_credited_another_unused(life: Life, customer: Customer, plan: Plan) -> None:
    subscription = life.subscribe(customer, plan)
    life.wait(_part(plan))
    life.change(subscription, _other(life, plan))
    life.wait(a_period(plan))
    invoice = life.period(subscription).id
    line, amount = life.lines(invoice)[0]
    life.credit(invoice, amount // 2, way="balance", line=line)
    life.change(subscription, plan, at_once=True)


def _credited_before_payment(life: Life, customer: Customer, plan: Plan) -> None:
    subscription = life.subscribe(customer, plan)
    life.decline(subscription)
    life.wait(a_period(plan))
    (invoice,) = life.open_bills(subscription)
    life.credit(invoice, plan.price // 3)
    life.wait(HOUR)
    life.pay(invoice)


def _late_renewal(life: Life, customer: Customer, plan: Plan) -> None:
    subscription = life.subscribe(customer, plan)
    life.decline(subscription)
    life.wait(a_period(plan))
    life.wait(5 * DAY)
    (invoice,) = life.open_bills(subscription)
    life.pay(invoice)


def _something_else(life: Life, customer: Customer, plan: Plan) -> None:
    subscription = life.subscribe(customer, plan)
    life.charge_fee(subscription, 1500)
    life.add_something_else(subscription, 700)
    life.wait(a_period(plan))
    life.refund(life.period(subscription), 800)


def _partly_reinstated(life: Life, customer: Customer, plan: Plan) -> None:
    subscription = life.subscribe(customer, plan)
    payment = life.period(subscription)
    life.wait()
    dispute = life.dispute(payment)
    life.wait(DAY)
    life.reinstate(dispute, payment.amount // 3)


INVOICED = (
    ("upgrade at once", "changes to a larger plan, charged at once", _upgrade_at_once),
    ("upgrade at the renewal", "changes to a larger plan, charged with the renewal", _upgrade_later),
    ("downgrade at once", "changes to a smaller plan, credited at once", _downgrade_at_once),
    ("downgrade at the renewal", "changes to a smaller plan, credited with the renewal", _downgrade_later),
    ("to and fro", "changes to a longer period, and back", _to_and_fro),
    ("to and fro at half the price", "has a coupon of 50 %, changes to a larger plan, and back", _half_off_to_and_fro),
    ("itemized discount", "has a coupon that lines show, and changes to a larger plan", _itemized),
    ("credited by nobody's name", "changes seats twice, and no line says which it credits", _unnamed),
    ("seats", "takes three seats, then five", _seats),
    ("free period", "has the first period free, and pays for the second", _free_period),
    ("canceled with proration", "cancels at once, and gets unused time back", _canceled_with_proration),
    ("paid by the balance", "changes to a smaller plan, and renews by the balance", _back_by_balance),
    ("refunded, then canceled", "is refunded a half, then cancels with a third unused", _canceled_after_refund),
    ("credited to the balance", "gets a third of a period credited to the balance", _credited("balance")),
    ("credited out of band", "gets a third of a period back outside of Stripe", _credited("out of band")),
    ("credited to the card", "gets a third of a period back by a credit note", _credited("card", by_line=True)),
    ("one line credited", "gets half of one line of an invoice credited", _one_line_credited),
    (
        "one line credited, another unused",
        "gets half of one line credited, and the time of another back",
        _one_line_credited_another_unused,
    ),
    ("credited before payment", "gets a third off before a renewal is paid", _credited_before_payment),
    ("late renewal", "pays for a renewal five days late", _late_renewal),
    ("something else", "pays a fee and for something else, and is refunded a part", _something_else),
    ("dispute partly reinstated", "disputes a period, and a third comes back", _partly_reinstated),
)
"""Each story's name, its description, and how it is played."""

OF_OTHER_PRICES = frozenset(
    {
        "upgrade at once",
        "upgrade at the renewal",
        "downgrade at once",
        "downgrade at the renewal",
        "to and fro",
        "to and fro at half the price",
        "itemized discount",
        "credited by nobody's name",
        "seats",
        "paid by the balance",
        "one line credited",
        "one line credited, another unused",
        "something else",
    }
)
"""Those whose invoices have lines at prices, or parts of prices, that Stripe must be asked for."""
