"""Bugs in what is used of credits."""

import attrs

from domain import spending
from domain.accounts import Account
from features.explorer.bugs.bug import Bug
from features.explorer.planting import Patch
from simulators.checkers import Checker

BUGS = (
    Bug(
        name="the first answer is not kept",
        told="A repetition of a spend is not told what was told the first time.",
        case="spend",
        checker=Checker.ANSWER,
        patches=(Patch(spending, "_kept", lambda _: lambda *_told: None),),
    ),
    Bug(
        name="what is held may be spent",
        told="A spend looks at the balance, not at what is available of it.",
        case="hold and spend",
        checker=Checker.OVERDRAWN,
        patches=(Patch(Account, "available", lambda _: property(lambda account: account.balance)),),
    ),
    Bug(
        name="a capture takes all that was held",
        told="The part that was not needed is taken too.",
        case="hold and capture",
        checker=Checker.USED,
        patches=(
            Patch(
                spending,
                "capture",
                lambda capture: (
                    lambda wallet, hold_id, debit, now: capture(
                        wallet, hold_id, attrs.evolve(debit, credits=wallet.holds[0].credits), now
                    )
                ),
            ),
        ),
    ),
)
"""Each of one line."""
