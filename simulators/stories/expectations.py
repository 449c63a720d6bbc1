"""Calculates the possible balances: once all of the customers' acts are known, and while some are uncertain."""

import itertools
from collections.abc import Iterable, Mapping, Sequence

import attrs

from simulators.stories.acts import Act, balances, dues, most_ever
from simulators.stories.event_readings import Reading
from simulators.stories.invoice_worth import Due
from simulators.stories.reading_worth import worth


@attrs.frozen(kw_only=True)
class Expectation:
    """The state of the accounts that the customers' acts lead to, once every event is known."""

    balances: Mapping[str, int]
    at_most: Mapping[str, int]
    dues: tuple[Due, ...] = ()

    @classmethod
    def of(cls, acts: Iterable[Act]) -> "Expectation":
        """Return by the acts alone."""
        acts = tuple(acts)
        return cls(balances=balances(acts), at_most=most_ever(acts), dues=tuple(dues(acts)))


def possible_balances(
    known: Sequence[Reading], uncertain: Sequence[Reading], customers: Iterable[str]
) -> dict[str, frozenset[int]]:
    """Return every balance that each customer may have when all of `known` counts, and any of `uncertain`.

    What was answered is known. What is being handled, or was when a process died, is uncertain. The cost doubles with
    each uncertain report.
    """
    open_ = [reading for reading in dict.fromkeys(uncertain) if reading not in known]
    found: dict[str, set[int]] = {customer: set() for customer in customers}
    for size in range(len(open_) + 1):
        for some in itertools.combinations(open_, size):
            totals = worth([*known, *some])
            for customer, balances_ in found.items():
                balances_.add(totals.get(customer, 0))
    return {customer: frozenset(balances_) for customer, balances_ in found.items()}
