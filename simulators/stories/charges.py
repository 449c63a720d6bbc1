"""Charges of saved cards, as services ask for them: what Stripe answers is a report beside its events."""

from collections.abc import Iterable, Mapping
from typing import Any

from simulators.stories.credit_operations import Use
from simulators.stories.event_readings import CHARGE_KEY, Reading, reading_of_charge
from simulators.stories.observation import answer_of


def answers(payments: Iterable[Mapping[str, Any]], credits_by_plan: Mapping[str, int]) -> dict[str, Reading]:
    """Return what Stripe's answer to each charge says; `payments` are those that a schedule has."""
    intents = [payment["intent"] for payment in payments if "intent" in payment]
    return {answer_of(one["id"]): reading_of_charge(one, credits_by_plan) for one in intents}


def asked_of(intents: Iterable[Mapping[str, Any]]) -> tuple[Use, ...]:
    """Return what services asked for, by the payments that came of it."""
    return tuple(
        Use(
            act="charge",
            customer=one["metadata"]["userId"],
            key=f"charge-{one['id']}",
            credits=0,
            hold=one["metadata"][CHARGE_KEY],
            plan=one["metadata"]["plan"],
        )
        for one in intents
    )
