"""Decides what a checkout sells: on which terms, in which currency, and how many."""

import attrs

from domain.values.checkout_options import Quantity
from domain.values.money import Money
from domain.values.plans import Plan, Terms

_ONE = Quantity(most=1)


@attrs.frozen(kw_only=True)
class Wish:
    """A buyer's choice; the amount is in minor units, and None leaves the choice to the plan."""

    quantity: int | None = None
    amount: int | None = None
    currency: str | None = None


AS_OFFERED = Wish()
"""One of the plan, in its own currency."""


class Unsellable(Exception):
    """The plan is not sold so."""


@attrs.frozen
class QuantityRefused(Unsellable):
    """The plan is not sold in that quantity."""

    least: int
    most: int


@attrs.frozen
class AmountRefused(Unsellable):
    """The buyer chooses this plan's amount, within limits in minor units of the currency."""

    least: int
    most: int
    currency: str


@attrs.frozen
class AmountIsFixed(Unsellable):
    """The plan has a fixed price."""


@attrs.frozen
class CurrencyRefused(Unsellable):
    """The plan is not sold in that currency."""

    currencies: tuple[str, ...]

    @property
    def listed(self) -> str:
        """Return the currencies in which it is sold, separated by commas."""
        return ", ".join(self.currencies)


@attrs.frozen(kw_only=True)
class Quote:
    """The terms on which one of a plan is sold, and how many of it."""

    terms: Terms
    quantity: int = 1


def quote(plan: Plan, wish: Wish) -> Quote:
    """Return what a checkout of the plan sells: one, in its own currency, unless the buyer wishes otherwise.

    :raises CurrencyRefused: if it is not sold in that currency.
    :raises QuantityRefused: if it is not sold in that quantity.
    :raises AmountRefused: if the buyer chooses the amount, and it is missing or not within its limits.
    :raises AmountIsFixed: if an amount is chosen for a plan that has a price.
    """
    currency = plan.currencies[0] if wish.currency is None else wish.currency
    if currency not in plan.currencies:
        raise CurrencyRefused(plan.currencies)
    limits = plan.quantity or _ONE
    quantity = limits.least if wish.quantity is None else wish.quantity
    if not limits.least <= quantity <= limits.most:
        raise QuantityRefused(limits.least, limits.most)
    return Quote(terms=_terms(plan, wish.amount, currency), quantity=quantity)


def _terms(plan: Plan, amount: int | None, currency: str) -> Terms:
    free = plan.amount_in(currency)
    if free is None:
        if amount is not None:
            raise AmountIsFixed
        return plan.terms_in(currency) or plan.terms
    terms = None
    if amount is not None and free.least <= amount <= free.most:
        terms = plan.terms_at(Money(amount=amount, currency=currency))
    if terms is None:
        raise AmountRefused(free.least, free.most, currency)
    return terms
