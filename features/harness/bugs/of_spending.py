"""Bugs in what is used of credits."""

from datetime import timedelta

import attrs

from domain.credits.grants import Grant
from domain.decisions import batches, spending
from domain.decisions.operations import CaptureHold
from domain.values.accounts import Account
from features.harness.bugs.bug import Bug
from features.harness.planting import Patch
from simulators.stories.checkers import Checker

BUGS = (
    Bug(
        name="the first answer is not kept",
        description="A repetition of a spend does not get the first answer.",
        case="spend",
        checker=Checker.ANSWER,
        patches=(Patch(spending, "_kept", lambda _: lambda *_report: None),),
    ),
    Bug(
        name="what is held may be spent",
        description="A spend looks at the balance and at what remains of grants, not at what is available of them.",
        case="hold and spend",
        checker=Checker.OVERDRAWN,
        patches=(
            Patch(Account, "available", lambda _: property(lambda account: account.balance)),
            Patch(Grant, "free", lambda _: property(lambda grant: grant.remaining)),
        ),
    ),
    Bug(
        name="a capture takes all that was held",
        description="The part that was not needed is taken too.",
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
    Bug(
        name="the end of a hold is not looked at",
        description="A hold that nobody freed yet can be captured after its end.",
        case="hold captured too late",
        checker=Checker.USED,
        patches=(
            Patch(
                batches,
                "decide_operation",
                lambda decide: (
                    lambda operation, wallet, now, **options: decide(
                        operation, wallet, now - timedelta(days=isinstance(operation, CaptureHold)), **options
                    )
                ),
            ),
        ),
    ),
    Bug(
        name="what will end has ended",
        description="Credits of a period that is not over expire.",
        case="period over",
        checker=Checker.EXPIRED,
        patches=(Patch(Grant, "has_expired", lambda _: lambda grant, _now: grant.expires_at is not None),),
    ),
)
"""Each of one line."""
