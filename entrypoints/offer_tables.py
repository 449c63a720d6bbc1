"""Reads how a plan of the catalogue is offered: currencies, quantity, free amounts, the length of a period, a trial."""

from collections.abc import Mapping
from typing import Any

from domain.values.checkout_options import MAX_QUANTITY, Quantity
from domain.values.free_amounts import Bonus, FreeAmount
from domain.values.money import MAX_AMOUNT, Money
from domain.values.plans import MAX_CREDITS

_MAX_INTERVALS = {"day": 1_095, "week": 156, "month": 36, "year": 3}
"""The longest period that Stripe bills is three years."""

MAX_TRIAL_DAYS = 730
"""The longest trial that Stripe Checkout starts, in days."""

_PRICED = ("credits", "price", "currency")
"""The keys of a plan with a fixed price, all of which it needs."""

_NOT_FREE = ("prices", "quantity", "stripe_prices")
_QUANTITY = {"min": int, "max": int, "adjustable": bool}
_AMOUNT = {"min": int, "max": int, "credits": int, "per": int, "bonuses": list}
_BONUS = {"from": int, "percent": int}


def offer_problems(table: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the offer of a plan; all values have the types that the catalogue wants."""
    return [*_currencies(table), *_quantity(table), *_amounts(table), *_periods(table)]


def price_problems(table: Mapping[str, Any]) -> list[str]:
    """Return which keys of a plan's price are missing, or are not for plans whose buyer chooses the amount."""
    if "amounts" not in table:
        return [f"{key} is missing" for key in _PRICED if key not in table]
    return [f"{key} is not for plans with amounts" for key in (*_PRICED, *_NOT_FREE) if key in table]


def prices_of(table: Mapping[str, Any]) -> tuple[Money, ...]:
    """Return the plan's prices in further currencies."""
    return tuple(Money(amount=amount, currency=code) for code, amount in table.get("prices", {}).items())


def quantity_of(table: Mapping[str, Any]) -> Quantity | None:
    """Return how many of the plan a checkout may sell."""
    given = table.get("quantity")
    if given is None:
        return None
    return Quantity(least=given.get("min", 1), most=given["max"], adjustable=given.get("adjustable", False))


def amounts_of(table: Mapping[str, Any]) -> tuple[FreeAmount, ...]:
    """Return the amounts among which a buyer may choose."""
    return tuple(_amount(code, given) for code, given in table.get("amounts", {}).items())


def _currencies(table: Mapping[str, Any]) -> list[str]:
    problems = []
    for code, amount in table.get("prices", {}).items():
        if type(amount) is not int:
            problems.append(f"prices.{code} must be a whole number")
            continue
        try:
            Money(amount=amount, currency=code)
        except ValueError as error:
            problems.append(f"prices.{code}: {error}")
        if code == table.get("currency"):
            problems.append(f"prices.{code} is the plan's own currency, whose price is price")
        elif (amount == 0) is not (table.get("price") == 0):
            problems.append(f"prices.{code}: a plan costs nothing in all of its currencies, or in none")
    return problems


def _quantity(table: Mapping[str, Any]) -> list[str]:
    given = table.get("quantity")
    if given is None:
        return []
    if problems := _shape("quantity", given, _QUANTITY, required=("max",)):
        return problems
    least, most = given.get("min", 1), given["max"]
    if not 1 <= least <= most <= MAX_QUANTITY:
        return [f"quantity.min must be at least 1, and quantity.max between it and {MAX_QUANTITY}"]
    if table.get("price") == 0:
        return ["quantity is not for plans that cost nothing: they bring their credits once"]
    credits_, prices = table.get("credits"), [table.get("price"), *table.get("prices", {}).values()]
    problems = []
    if type(credits_) is int and credits_ * most > MAX_CREDITS:
        problems.append(f"quantity.max times credits must be at most {MAX_CREDITS}")
    if any(type(price) is int and price * most > MAX_AMOUNT for price in prices):
        problems.append(f"quantity.max times the price must be at most {MAX_AMOUNT} minor units")
    return problems


def _amounts(table: Mapping[str, Any]) -> list[str]:
    given = table.get("amounts")
    if given is None:
        return []
    problems = [] if given else ["amounts must have a table for each currency, such as amounts.usd"]
    if table.get("mode", "payment") != "payment":
        problems.append("amounts is only for plans with mode payment")
    for code, one in given.items():
        place = f"amounts.{code}"
        found = _shape(place, one, _AMOUNT, required=("min", "max", "credits", "per"))
        if not found:
            for bonus in one.get("bonuses", ()):
                found += _shape(f"{place}.bonuses", bonus, _BONUS, required=tuple(_BONUS))
        problems += found or _amount_problems(place, code, one)
    return problems


def _amount_problems(place: str, code: str, given: Mapping[str, Any]) -> list[str]:
    try:
        amount = _amount(code, given)
        Money(amount=amount.least, currency=code)
    except ValueError as error:
        return [f"{place}: {error}"]
    if amount.credits_for(amount.most) > MAX_CREDITS:
        return [f"{place}: the largest amount must bring at most {MAX_CREDITS} credits"]
    return []


def _amount(code: str, given: Mapping[str, Any]) -> FreeAmount:
    return FreeAmount(
        currency=code,
        least=given["min"],
        most=given["max"],
        credits=given["credits"],
        per=given["per"],
        bonuses=tuple(Bonus(amount=one["from"], percent=one["percent"]) for one in given.get("bonuses", ())),
    )


def _periods(table: Mapping[str, Any]) -> list[str]:
    problems = []
    count, most = table.get("interval_count", 1), _MAX_INTERVALS.get(str(table.get("interval")))
    if most is not None and not 1 <= count <= most:
        problems.append(f"interval_count must be between 1 and {most} for the interval {table['interval']}")
    days = table.get("trial_days", 0)
    if not 0 <= days <= MAX_TRIAL_DAYS:
        problems.append(f"trial_days must be between 0, for no trial, and {MAX_TRIAL_DAYS}")
    elif days and table.get("price") == 0:
        problems.append("trial_days is not for plans that cost nothing")
    return problems


def _shape(place: str, given: object, types: Mapping[str, type], *, required: tuple[str, ...]) -> list[str]:
    """Return what is wrong with the keys of a table and their types."""
    if not isinstance(given, Mapping):
        return [f"{place} must be a table"]
    names = {int: "a whole number", bool: "true or false", list: "a list of tables"}
    return [
        *(f"{place}.{key} is missing" for key in required if key not in given),
        *(f"{place}.{key} is not a known key" for key in given if key not in types),
        *(
            f"{place}.{key} must be {names[types[key]]}"
            for key, value in given.items()
            if key in types and type(value) is not types[key]
        ),
    ]
