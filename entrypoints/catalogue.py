"""Reads the catalogue: plans in TOML, validated as a whole at startup."""

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from domain.values.free_amounts import FreeAmount
from domain.values.money import Money
from domain.values.plans import MAX_CREDITS, MAX_GRACE, Catalogue, Plan, PlanId, PlanMode, Terms
from entrypoints.checkout_tables import conflicts, option_problems, options_of
from entrypoints.offer_tables import amounts_of, offer_problems, price_problems, prices_of, quantity_of

PACKAGED = Path(__file__).parent / "plans.toml"

_ONE = "one_subscription"
"""The key of the whole catalogue that says whether an account has one live subscription at most."""

_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_TYPES: Mapping[str, type] = {
    "name": str,
    "credits": int,
    "price": int,
    "currency": str,
    "mode": str,
    "interval": str,
    "interval_count": int,
    "prices": dict,
    "amounts": dict,
    "quantity": dict,
    "trial_days": int,
    "checkout": dict,
    "rollover": bool,
    "rollover_cap": int,
    "grace_days": int,
    "trial_credits": int,
    "stripe_prices": list,
    "expires_after_days": int,
    "save_card": bool,
    "retired": bool,
}
_TYPE_NAMES = {
    int: "a whole number",
    str: "text",
    bool: "true or false",
    list: "a list of ids of Stripe prices",
    dict: "a table",
}
_OF_SUBSCRIPTIONS = (
    "interval",
    "interval_count",
    "rollover",
    "rollover_cap",
    "grace_days",
    "trial_credits",
    "trial_days",
)
_TAKEN_OVER = (*_OF_SUBSCRIPTIONS, "expires_after_days", "retired")
"""What a plan has as it stands in the file, and by its own defaults where it does not."""
_INTERVALS = ("day", "week", "month", "year")
_MAX_NAME = 250
_MAX_DAYS = 36_500
_RANGES: Mapping[str, tuple[int, int, str]] = {
    "expires_after_days": (0, _MAX_DAYS, "0, for never,"),
    "grace_days": (0, MAX_GRACE.days, "0"),
    "trial_credits": (0, MAX_CREDITS, "0"),
    "rollover_cap": (0, MAX_CREDITS, "0, for no cap,"),
}
_PRICE = re.compile(r"\S(.{0,253}\S)?")


@attrs.frozen
class InvalidCatalogue(Exception):
    """An invalid catalogue, with every problem found in it."""

    path: str
    problems: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join([f"Invalid plan catalogue {self.path}:", *(f"- {problem}" for problem in self.problems)])


def load_catalogue(path: Path | None) -> Catalogue:
    """Return the plans of a TOML file, in its order; without a path, those of the packaged example.

    :raises InvalidCatalogue: with everything that is wrong with it.
    """
    source = path or PACKAGED
    try:
        content = tomllib.loads(source.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidCatalogue(str(source), (f"the file cannot be read: {error}",)) from error
    except tomllib.TOMLDecodeError as error:
        raise InvalidCatalogue(str(source), (f"the file is not valid TOML: {error}",)) from error
    one = content.get(_ONE, True)
    problems: list[str] = [] if isinstance(one, bool) else [f"{_ONE} must be true or false"]
    tables, defaults = content.get("plans"), content.get("checkout", {})
    if content.keys() - {"plans", "checkout", _ONE} or not isinstance(tables, dict) or not tables:
        wanted = f"one or more [plans.<id>] tables, at most a [checkout] table beside them, and {_ONE} before them"
        raise InvalidCatalogue(str(source), (f"the file must contain {wanted}; nothing else",))
    if found := option_problems(defaults):
        problems += found
        defaults = {}
    plans: dict[PlanId, Plan] = {}
    for plan_id, table in tables.items():
        found = _problems(plan_id, table, defaults)
        problems += [f"plan {plan_id}: {problem}" for problem in found]
        if not found:
            plans[PlanId(plan_id)] = _plan(plan_id, table, defaults)
    problems += _shared_prices(tables)
    if problems:
        raise InvalidCatalogue(str(source), tuple(problems))
    return Catalogue(plans, one_subscription=one)


def _problems(plan_id: str, table: object, defaults: Mapping[str, Any]) -> list[str]:
    if not isinstance(table, dict):
        return ["it must be a table"]
    problems = []
    if not _ID.fullmatch(plan_id):
        problems.append("its id must be 1 to 64 lower-case letters, digits, - and _")
    if "name" not in table:
        problems.append("name is missing")
    problems += price_problems(table)
    problems += [f"{key} is not a known key" for key in table if key not in _TYPES]
    wrong = {key: _TYPES[key] for key, value in table.items() if key in _TYPES and type(value) is not _TYPES[key]}
    problems += [f"{key} must be {_TYPE_NAMES[wanted]}" for key, wanted in wrong.items()]
    problems += offer_problems({key: value for key, value in table.items() if key not in wrong})
    own = {} if "checkout" in wrong else table.get("checkout", {})
    saves_card = table.get("save_card") is True
    problems += option_problems(own) or conflicts(own, defaults, table.get("mode", "payment"), saves_card=saves_card)
    problems += _mode_problems(table)
    problems += _value_problems(table)
    problems += [
        f"{key} must be between {least} and {largest}"
        for key, (smallest, largest, least) in _RANGES.items()
        if type(table.get(key)) is int and not smallest <= table[key] <= largest
    ]
    problems += [
        f"stripe_prices must list Stripe price ids, such as price_1AbC; {price!r} is not one"
        for price in _prices(table)
        if not isinstance(price, str) or not _PRICE.fullmatch(price)
    ]
    name = table.get("name")
    if isinstance(name, str) and not 0 < len(name.strip()) <= _MAX_NAME:
        problems.append(f"name must have between 1 and {_MAX_NAME} characters")
    return problems


def _value_problems(table: Mapping[str, Any]) -> list[str]:
    """Return what the value types refuse. Each field is tried beside valid ones, so that no error hides another."""
    good = Money(amount=0, currency="usd")
    asked: Mapping[str, Callable[[Any], object]] = {
        "credits": lambda value: Terms(credits=value, price=good),
        "price": lambda value: attrs.evolve(good, amount=value),
        "currency": lambda value: attrs.evolve(good, currency=value),
    }
    return [
        refused
        for key, make in asked.items()
        if type(table.get(key)) is _TYPES[key] and (refused := _refused(make, table[key])) is not None
    ]


def _refused(make: Callable[[Any], object], value: object) -> str | None:
    try:
        make(value)
    except ValueError as error:
        return str(error)
    return None


def _mode_problems(table: Mapping[str, Any]) -> list[str]:
    mode, interval = table.get("mode", "payment"), table.get("interval")
    if mode == "subscription":
        problems = [] if interval in _INTERVALS else [f"interval must be one of {', '.join(_INTERVALS)}"]
        if table.get("expires_after_days", 0) != 0:
            problems.append(
                "expires_after_days is only for plans with mode payment; a subscription's expire with its period"
            )
        if "save_card" in table:
            problems.append("save_card is only for plans with mode payment; a subscription always saves the card")
        if table.get("rollover_cap", 0) != 0 and table.get("rollover", False) is False:
            problems.append("rollover_cap is only for plans with rollover = true")
        return problems
    if mode != "payment":
        return ["mode must be payment or subscription"]
    return [f"{key} is only for plans with mode subscription" for key in _OF_SUBSCRIPTIONS if key in table]


def _shared_prices(tables: Mapping[str, object]) -> list[str]:
    """Return a problem for each price that is listed more than once: a price can belong to one plan only."""
    owners: dict[str, list[str]] = {}
    for plan_id, table in tables.items():
        for price in _prices(table):
            owners.setdefault(str(price), []).append(plan_id)
    return [
        f"plan {known[-1]}: stripe_prices lists {price}, which is already listed under plan {known[0]}"
        for price, known in owners.items()
        if len(known) > 1
    ]


def _prices(table: object) -> list[object]:
    prices = table.get("stripe_prices") if isinstance(table, dict) else None
    return prices if isinstance(prices, list) else []


def _plan(plan_id: str, table: Mapping[str, Any], defaults: Mapping[str, Any]) -> Plan:
    amounts = amounts_of(table)
    return Plan(
        id=PlanId(plan_id),
        name=table["name"],
        terms=_terms(table, amounts),
        mode=PlanMode(table.get("mode", "payment")),
        prices=prices_of(table),
        amounts=amounts,
        quantity=quantity_of(table),
        checkout=options_of(table.get("checkout", {}), defaults),
        stripe_prices=tuple(table.get("stripe_prices", ())),
        saves_card=table.get("save_card", False),
        **{key: table[key] for key in _TAKEN_OVER if key in table},
    )


def _terms(table: Mapping[str, Any], amounts: Sequence[FreeAmount]) -> Terms:
    """Return the plan's terms: those of the smallest amount if the buyer chooses it."""
    if not amounts:
        return Terms(credits=table["credits"], price=Money(amount=table["price"], currency=table["currency"]))
    first = amounts[0]
    smallest = Money(amount=first.least, currency=first.currency)
    return Terms(credits=first.credits_for(first.least), price=smallest)
