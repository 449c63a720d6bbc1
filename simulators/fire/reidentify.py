"""A schedule re-identified: played by other users, with ids that nobody saw before, and as if it began now.

A target remembers events by their ids, so the same schedule can be fired at it again only under new ones. The new ids
depend on the old ones and on a word alone; amounts, order and faults stay as they are.
"""

import base64
import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from simulators.schedules.steps import Schedule, Step, User
from simulators.stories.event_readings import CHARGE_KEY
from simulators.stories.events import Event

_KINDS = frozenset({
    "cbtxn", "ch", "cn", "cnli", "cs", "cs_test", "cus", "di", "dp", "du", "evt", "ii", "il", "in", "inpay",
    "inv_payment", "li", "pi", "pm", "price", "prod", "py", "pyr", "re", "seti", "si", "sub", "txn",
})  # fmt: skip
"""The prefixes of Stripe's ids."""
_EPOCH = range(1_000_000_000, 5_000_000_000)
"""Whole numbers of this size are moments: no amount is as large."""
_ID_BYTES = 15


def reidentify(schedule: Schedule, users: Sequence[User], *, word: str, now: int) -> Schedule:
    """Return the schedule with these users in the roles of its own, in their order, from the moment `now` on.

    :raises ValueError: if there are fewer users than roles.
    """
    renamed: dict[str, str] = {}
    for role, user in zip(schedule.users, users[: len(schedule.users)], strict=True):
        renamed[role.id] = user.id
        if role.email and user.email:
            renamed[role.email] = user.email
    casting = _Casting(renamed=renamed, word=word, later=now - schedule.starts_at)
    steps = tuple(casting.step(step) for step in schedule.steps)
    return attrs.evolve(
        schedule,
        starts_at=now,
        users=tuple(users[: len(schedule.users)]),
        events=tuple(
            Event(body=json.dumps(casting.value(json.loads(event.body)), indent=2)) for event in schedule.events
        ),
        acts=tuple(casting.value(act) for act in schedule.acts),
        uses=tuple(casting.value(use) for use in schedule.uses),
        payments=tuple(casting.value(payment) for payment in schedule.payments),
        prices=tuple(casting.value(price) for price in schedule.prices),
        steps=steps,
    )


@attrs.frozen(kw_only=True)
class _Casting:
    renamed: Mapping[str, str]
    word: str
    later: int

    def value(self, given: Any) -> Any:
        """Return a value of JSON with its ids replaced."""
        match given:
            case dict():
                return {
                    name: self.charge(one) if name == CHARGE_KEY else self.value(one) for name, one in given.items()
                }
            case list() | tuple():
                return [self.value(one) for one in given]
            case str():
                return self.text(given)
            case bool():
                return given
            case int() if given in _EPOCH:
                return given + self.later
            case _:
                return given

    def charge(self, given: str) -> str:
        """Return another id of a charge."""
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self.word}:{given}"))

    def step(self, step: Step) -> Step:
        """Return a step, of the event and the user that it names."""
        changed = {name: self.text(getattr(step, name)) for name in ("event", "user") if hasattr(step, name)}
        reidentify_step: Step = attrs.evolve(step, **changed)  # type: ignore[arg-type]  # which fields it has was asked
        return reidentify_step

    def text(self, given: str) -> str:
        """Return a text: a user's name, one of Stripe's ids, or anything else, which stays."""
        if given in self.renamed:
            return self.renamed[given]
        kind, _, rest = given.rpartition("_")
        if kind not in _KINDS or not rest.isalnum():
            return given
        digest = hashlib.blake2b(f"{self.word}:{given}".encode(), digest_size=_ID_BYTES).digest()
        return f"{kind}_{base64.b32encode(digest).decode().rstrip('=')}"
