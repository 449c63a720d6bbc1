"""Builds the deliveries to fire at a target: many customers' stories at once, with everything that a webhook must bear.

The seed, the stories, the number of customers and the plans determine every byte. Events come twice or three times, out
of order and between other customers' events; some answers are lost; and some deliveries are not Stripe's at all.
"""

import contextlib
import itertools
import random
from collections.abc import Iterator, Sequence

from simulators.schedules.steps import GOOD_SIGNATURES, SIGNATURES, Break, Crash, Deliver, Mend, Schedule, Step, User
from simulators.stories.acts import act_as_json
from simulators.stories.catalogue import Lived, Story, live, plan_for
from simulators.stories.customers import Plan, customers
from simulators.stories.seeds import fork, shown
from simulators.stripe.objects import API_VERSION

BEGINNING = 1_767_225_600
"""New Year 2026: when every schedule is made to begin; it is re-identified to begin when it is fired."""
VERSIONS = ("2019-12-03", "2022-11-15", "2024-06-20", "2025-03-31.basil", API_VERSION, API_VERSION)
SHOWING = VERSIONS[:3]
"""Those in which the lines of an invoice show their prices, which the target's Stripe does not know."""
COPIES = (1, 1, 1, 2, 2, 3)
DISORDER = 3.0
"""Standard deviation of an event's place, in places: neighbours change often, far ones seldom."""
FORGED_PART = 0.12
LOST_PART = 0.04
OUTAGE = 20
"""How many deliveries a part that was killed stays away."""
PORT_OF = {"redis": "cache", "postgres": "ledger"}
"""The port behind which each part is."""
SPREAD = 6.0
"""How many places of their own time customers begin apart."""


def load_schedule(
    stories: Sequence[Story], plans: Sequence[Plan], *, count: int, seed: int, kills: Sequence[str] = ()
) -> Schedule:
    """Return a schedule of so many customers, each with one of the stories; `kills` are parts of the stack.

    :raises LookupError: if a story needs a plan that is not for sale.
    """
    chance = fork(seed, "load")
    cast, first = customers(count), chance.randrange(len(stories))
    lived = [
        live(
            story,
            customer,
            _shuffled(plans, chance),
            seed=chance.getrandbits(64),
            now=BEGINNING,
            api_version=chance.choice(SHOWING if story.shows_prices else VERSIONS),
        )
        for customer, story in zip(cast, _in_turn(stories, first), strict=False)
    ]
    ordered = sorted(_deliveries(lived, chance), key=lambda one: one[0])
    deliveries = tuple(
        Deliver(task=f"d{place}", on="a", event=event, signature=signature, answer=answer)
        for place, (_, event, signature, answer) in enumerate(ordered, start=1)
    )
    return Schedule(
        title=f"{count} customers, {len(stories)} stories, seed {shown(seed)}",
        seed=shown(seed),
        starts_at=BEGINNING,
        users=tuple(User(id=customer.user_id, email=customer.email) for customer in cast),
        plans=tuple(_sold(plan) for plan in plans),
        events=tuple(event for life in lived for event in life.events),
        acts=tuple(act_as_json(act) for life in lived for act in life.acts),
        prices=tuple(price for life in lived for price in life.prices),
        steps=_with_kills(deliveries, kills),
    )


def playable(stories: Sequence[Story], plans: Sequence[Plan]) -> tuple[Story, ...]:
    """Return the stories for which there is a plan, and which need no price that the target's Stripe can't know."""
    found = []
    for story in stories:
        with contextlib.suppress(LookupError):
            plan_for(story, plans)
            found += [] if story.has_other_prices else [story]
    return tuple(found)


def _in_turn(stories: Sequence[Story], first: int) -> Iterator[Story]:
    return itertools.islice(itertools.cycle(stories), first, None)


def _deliveries(lived: Sequence[Lived], chance: random.Random) -> Iterator[tuple[float, str, str, str]]:
    """Yield each with its place in time, its event, its signature, and what becomes of its answer."""
    bad = [signature for signature in SIGNATURES if signature not in GOOD_SIGNATURES]
    for number, life in enumerate(lived):
        begins = number * SPREAD * chance.random()
        for place, event in enumerate(life.events):
            for _ in range(chance.choice(COPIES)):
                lost = chance.random() < LOST_PART
                signature = "rolled" if chance.random() < 0.1 else "good"
                yield begins + chance.gauss(place, DISORDER), event.id, signature, "lost" if lost else "heard"
            if chance.random() < FORGED_PART:
                yield begins + chance.gauss(place, DISORDER), event.id, chance.choice(bad), "heard"


def _shuffled(plans: Sequence[Plan], chance: random.Random) -> list[Plan]:
    """Return the plans in another order: a story is played with the first that fits."""
    return chance.sample(list(plans), len(plans))


def _with_kills(deliveries: Sequence[Step], kills: Sequence[str]) -> tuple[Step, ...]:
    """Return the deliveries, with the kills spread evenly among them."""
    steps = list(deliveries)
    gap = len(deliveries) // (len(kills) + 1)
    for place in range(len(kills), 0, -1):
        killed = kills[place - 1]
        if killed == "service":
            steps.insert(place * gap, Crash(on="a"))
            continue
        port = PORT_OF[killed]
        steps.insert(place * gap + min(OUTAGE, gap // 2), Mend(port=port))
        steps.insert(place * gap, Break(port=port))
    return tuple(steps)


def _sold(plan: Plan) -> dict[str, object]:
    return {
        "id": plan.id,
        "credits": plan.credits,
        "price": plan.price,
        "currency": plan.currency,
        "mode": plan.mode,
        "interval": plan.interval,
    }
