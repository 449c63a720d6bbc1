"""What is fired: made the same by the same seed, and re-identified so that a target has never seen it."""

import json
import re
from collections import Counter

import pytest

from simulators.fire.load_patterns import load_schedule, playable
from simulators.fire.reidentify import reidentify
from simulators.fire.runs import acts_of, attempts_of, customers_of
from simulators.fire.sender import DeliveryAttempt, signed
from simulators.schedules.files import dumped, parsed
from simulators.schedules.steps import GOOD_SIGNATURES, SIGNATURES, Break, Deliver, Mend, Schedule, User
from simulators.stories.catalogue import STORIES
from simulators.stories.customers import Plan

PLANS = (
    Plan(id="pack", credits=50, price=500, currency="usd"),
    Plan(id="monthly", credits=100, price=900, currency="usd", mode="subscription", interval="month"),
)
NOW = 1_800_000_000


LIFE = playable(tuple(STORIES.values()), PLANS)


def made(*, seed: int = 7, count: int = 2 * len(LIFE)) -> Schedule:
    return load_schedule(LIFE, PLANS, count=count, seed=seed)


def bodies(schedule: Schedule) -> str:
    return "".join(event.body for event in schedule.events)


def users(schedule: Schedule) -> list[User]:
    return [
        User(id=f"00000000-0000-0000-0000-{place:012}", email=f"synthetic+a-{place}@example.test")
        for place, _ in enumerate(schedule.users)
    ]


def test_a_seed_decides_everything() -> None:
    """The same seed gives the same file, byte for byte; another gives another."""
    assert dumped(made()) == dumped(made())
    assert dumped(made()) != dumped(made(seed=8))


def test_a_saved_one_is_the_same_one() -> None:
    """What was written is read back as it was."""
    assert made() == parsed(dumped(made()))


def test_it_has_all_that_a_webhook_must_bear() -> None:
    """Every story, every kind of signature, duplicates, disorder, lost answers."""
    schedule = made(count=4 * len(LIFE))
    deliveries = [step for step in schedule.steps if isinstance(step, Deliver)]
    assert set(SIGNATURES) == {delivery.signature for delivery in deliveries}
    assert {"heard", "lost"} == {delivery.answer for delivery in deliveries}
    good = [delivery.event for delivery in deliveries if delivery.signature in GOOD_SIGNATURES]
    assert {event.id for event in schedule.events} == set(good)
    assert max(Counter(good).values()) == 3
    first = list(dict.fromkeys(good))
    assert first != [event.id for event in schedule.events]


def test_reidentified_it_shares_no_id_with_what_was_fired_before() -> None:
    """Not a single id of Stripe's, user or address is left of the one it was made of, and each has one new name."""
    schedule = made()
    cast = reidentify(schedule, users(schedule), word="a", now=NOW)
    ids = re.compile(r'"((?:evt|cs_test|pi|ch|re|dp|in|sub|cus|txn|il|inpay)_[A-Za-z0-9]+)"')
    before, after = (set(ids.findall("".join(event.body for event in one.events))) for one in (schedule, cast))
    assert (len(before), set()) == (len(after), before & after)
    text = "".join(event.body for event in cast.events)
    assert not [user for user in schedule.users if user.id in text or (user.email or "?") in text]
    again = reidentify(schedule, users(schedule), word="b", now=NOW)
    assert not after & set(ids.findall("".join(event.body for event in again.events)))


def test_reidentified_a_charge_has_another_id() -> None:
    """Each charge of a saved card is another one, in each run."""
    schedule = made()
    charges = [
        set(re.findall(r'"credence_charge": "([^"]+)"', one))
        for one in map(
            bodies,
            (
                schedule,
                reidentify(schedule, users(schedule), word="a", now=NOW),
                reidentify(schedule, users(schedule), word="b", now=NOW),
            ),
        )
    ]
    assert len(set().union(*charges)) == sum(map(len, charges)) >= 3


def test_pushed_prices_are_shown() -> None:
    """The target's Stripe does not know them, so invoices that are billed at them show what they sell."""
    (life,) = (one for one in LIFE if one.name == "switched in the portal")
    schedule = load_schedule([life], PLANS, count=8, seed=7)
    invoices = [json.loads(event.body)["data"]["object"] for event in schedule.events if event.type == "invoice.paid"]
    prices = [line["price"] for invoice in invoices for line in invoice["lines"]["data"]]
    assert {"monthly"} == {price["metadata"]["credence_plan"] for price in prices}
    assert {"100", "80"} == {price["metadata"]["credence_credits"] for price in prices}


def test_reidentified_it_begins_now() -> None:
    """Every moment is later by as much; amounts are as they were."""
    schedule = made()
    cast = reidentify(schedule, users(schedule), word="a", now=NOW)
    later = NOW - schedule.starts_at
    assert [event.created + later for event in schedule.events] == [event.created for event in cast.events]
    amounts = [
        [json.loads(event.body)["data"]["object"].get("amount") for event in one.events] for one in (schedule, cast)
    ]
    assert amounts[0] == amounts[1]


def test_reidentified_it_is_worth_the_same() -> None:
    """Each role's acts are the new user's, and their events are known to be theirs."""
    schedule = made()
    cast = reidentify(schedule, users(schedule), word="a", now=NOW)
    roles, runners = customers_of(schedule), customers_of(cast)
    readings = [len(role.readings) for role in roles]
    assert readings == [len(runner.readings) for runner in runners]
    assert min(readings) > 0
    buyers = {getattr(act, "customer", None) for act in acts_of(cast)} - {None}
    assert buyers <= {user.id for user in cast.users}


def test_too_few_users_are_refused() -> None:
    """A role without a user is no schedule to fire."""
    schedule = made()
    with pytest.raises(ValueError, match="shorter"):
        reidentify(schedule, users(schedule)[:-1], word="a", now=NOW)


def test_what_no_step_delivers_is_delivered_at_the_end() -> None:
    """After what is still broken has been mended."""
    schedule = made(count=1)
    first, *_ = schedule.steps
    broken = Schedule(
        title="one", starts_at=0, users=schedule.users, events=schedule.events, steps=(first, Break(port="ledger"))
    )
    attempts = attempts_of(broken)
    assert [Break(port="ledger"), Mend(port="ledger")] == [
        attempt for attempt in attempts if not isinstance(attempt, DeliveryAttempt)
    ]
    good = [attempt.event for attempt in attempts if isinstance(attempt, DeliveryAttempt) and attempt.is_good]
    assert {event.id for event in schedule.events} == set(good)


@pytest.mark.parametrize("signature", SIGNATURES)
def test_each_signature_is_what_its_name_says(signature: str) -> None:
    """By an HMAC of our own: whether a signature of the body with the secret, made within 300 s, is in the header."""
    import hashlib
    import hmac

    body, header = signed(DeliveryAttempt(event="evt_1", body=b"{}", signature=signature), "whsec_ours", NOW)
    parts = [part.partition("=") for part in (header or "").split(",")]
    moment = next((int(value) for name, _, value in parts if name == "t"), 0)
    wanted = hmac.new(b"whsec_ours", f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    is_good = abs(moment - NOW) <= 300 and wanted in [value for name, _, value in parts if name == "v1"]
    assert is_good is (signature in GOOD_SIGNATURES)
