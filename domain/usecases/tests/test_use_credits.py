"""What is asked of credits, over the ledger in memory: done once, and answered the same for ever."""

from datetime import timedelta

import attrs
import pytest

from adapters.memory.cache import MemoryQuotaCache
from domain.changes.changes import Holdings, HoldingsQuery, IdempotencyRecord
from domain.credits.grants import GOODWILL_PRIORITY, PROMOTION_PRIORITY
from domain.credits.ledger import EntryKind
from domain.credits.wallets import BalanceMismatch, Insufficient
from domain.decisions.batches import Done, IdempotencyKeyReused, NoSuchHold, NoSuchUser
from domain.decisions.operations import AdjustCredits, CaptureHold, EntryAnswer, Spend, answer_of
from domain.decisions.spending import ExpiryInPast
from domain.tests.examples import ADA, BOB
from domain.usecases.tests.shop import HOLD, NOBODY, NOW, CountingLedger, give, hold, open_shop, spend
from domain.usecases.use_credits import MAX_ROUNDS, CreditService


async def test_a_repetition_gets_the_first_answer_for_ever() -> None:
    """Also when the balance is another by then, and when there would not be enough any more."""
    shop = await open_shop()
    (first,) = await shop.ask(spend(60, "a"))
    assert isinstance(first, Done)
    assert (
        EntryAnswer(
            user_id=ADA,
            kind="spend",
            credits=-60,
            version=2,
            balance=40,
            held=0,
            available=40,
            created_at=NOW.isoformat(),
        )
        == first.answer
    )
    (again,) = await shop.ask(spend(60, "a"), now=NOW + timedelta(days=400))
    assert attrs.evolve(first, repeated=True) == again
    assert (40, 0) == await shop.balance()


@pytest.mark.parametrize(
    ("other", "fields"),
    [
        (spend(61, "a", metadata={"job": "7"}), ("credits",)),
        (spend(60, "a", user=BOB, metadata={"job": "7"}), ("user_id",)),
        (spend(60, "a", metadata={"job": "8", "more": "x"}), ("metadata.job", "metadata.more")),
        (spend(60, "a", description="images"), ("description", "metadata.job")),
    ],
)
async def test_a_key_names_one_intent(other: Spend, fields: tuple[str, ...]) -> None:
    """Another operation under it is told what differs, and does nothing."""
    shop = await open_shop()
    await shop.ask(spend(60, "a", metadata={"job": "7"}))
    assert (IdempotencyKeyReused(fields),) == await shop.ask(other)
    assert (40, 0) == await shop.balance()


async def test_a_key_is_of_one_kind_of_intent() -> None:
    """A hold under a spend's key is another operation."""
    shop = await open_shop()
    await shop.ask(spend(60, "a"))
    (outcome,) = await shop.ask(hold(60, "a"))
    assert isinstance(outcome, IdempotencyKeyReused)
    assert "operation" in outcome.fields


async def test_a_refusal_is_not_kept() -> None:
    """What was refused for want of credits is done once there are enough."""
    shop = await open_shop()
    assert (Insufficient(100),) == await shop.ask(spend(150, "a"))
    await shop.ask(give(100, key="more"))
    (outcome,) = await shop.ask(spend(150, "a"))
    assert isinstance(outcome, Done)


async def test_the_same_key_twice_at_once_is_one_spend() -> None:
    """The second gets the first one's answer."""
    shop = await open_shop()
    first, second, other = await shop.ask(spend(60, "a"), spend(60, "a"), spend(50, "a"))
    assert isinstance(first, Done)
    assert attrs.evolve(first, repeated=True) == second
    assert IdempotencyKeyReused(("credits",)) == other
    assert (40, 0) == await shop.balance()


async def test_one_intent_harms_no_other() -> None:
    """Each gets an outcome of its own."""
    shop = await open_shop()
    outcomes = await shop.ask(
        spend(10, "a"),
        spend(10, "b", user=NOBODY),
        spend(10, "c", user=BOB),
        CaptureHold(hold_id=HOLD),
        spend(10, "d"),
    )
    assert [Done, NoSuchUser, Insufficient, NoSuchHold, Done] == [type(outcome) for outcome in outcomes]
    assert (80, 0) == await shop.balance()


@pytest.mark.parametrize(
    ("kind", "priority"), [(EntryKind.PROMOTION, PROMOTION_PRIORITY), (EntryKind.GOODWILL, GOODWILL_PRIORITY)]
)
async def test_what_an_operator_gives_is_a_grant(kind: EntryKind, priority: int) -> None:
    """With its reason, the operator's name, and the priority of its kind."""
    shop = await open_shop()
    (given,) = await shop.ask(give(40, key="g", kind=kind, user=BOB))
    assert isinstance(given, Done)
    (grant,) = shop.ledger.grants.of(BOB)
    assert (kind.value, priority, 40) == (grant.kind, grant.priority, grant.remaining)
    (entry,) = await shop.ledger.entries(BOB, before_version=None, limit=9)
    assert ("thanks", {"operator": "Grace"}) == (entry.posting.description, entry.posting.metadata)


async def test_an_adjustment_takes_no_more_than_is_available() -> None:
    """Nor what a hold sets aside."""
    shop = await open_shop()
    await shop.ask(hold(60))
    adjustment = AdjustCredits(user_id=ADA, credits=-41, key="j", reason="recount", operator="Grace")
    assert (Insufficient(40),) == await shop.ask(adjustment)
    (done,) = await shop.ask(attrs.evolve(adjustment, credits=-40))
    assert isinstance(done, Done)
    assert (60, 60) == await shop.balance()


async def test_what_was_given_can_be_spent_in_the_same_moment() -> None:
    """The ledger names a new grant, so what needs it is decided after."""
    shop = await open_shop()
    outcomes = await shop.ask(give(40, key="g", user=BOB), spend(40, "a", user=BOB))
    assert [Done, Done] == [type(outcome) for outcome in outcomes]
    assert (0, 0) == await shop.balance(BOB)


async def test_falling_below_the_threshold_makes_one_message() -> None:
    """Hovering below makes no second; rising and falling again does."""
    shop = await open_shop()

    async def messages() -> list[str]:
        claimed = await shop.ledger.outbox.claim("low_balance", 100, lease_seconds=1000)
        return [message.payload["available"] for message in claimed]

    await shop.ask(spend(80, "a"))
    assert [] == await messages()
    await shop.ask(spend(1, "b"), spend(1, "c"))
    assert ["19"] == await messages()
    await shop.ask(spend(1, "d"))
    await shop.ask(give(10, key="g"))
    assert [] == await messages()
    await shop.ask(hold(20))
    assert ["7"] == await messages()


async def test_what_is_over_is_swept() -> None:
    """By itself, an account at a time; what is not over stays."""
    shop = await open_shop()
    await shop.ask(attrs.evolve(give(30, key="l", user=BOB), expires_at=NOW + timedelta(days=1)))
    await shop.ask(attrs.evolve(give(30, key="g", user=BOB), expires_at=NOW), now=NOW - timedelta(seconds=1))
    assert [BOB] == [*await shop.service.execute_overdue(NOW)]
    assert (30, 0) == await shop.balance(BOB)
    assert {} == await shop.service.execute_overdue(NOW)
    assert (100, 0) == await shop.balance()


async def test_more_gifts_than_rounds_are_all_given() -> None:
    """Each needs a round of its own, and each round does something."""
    shop = await open_shop()
    outcomes = await shop.ask(*(give(1, key=f"gift {number}") for number in range(MAX_ROUNDS + 5)), spend(120, "a"))
    assert {Done} == {type(outcome) for outcome in outcomes}
    assert (100 + MAX_ROUNDS + 5 - 120, 0) == await shop.balance()


async def test_first_answers_outlive_the_user() -> None:
    """Who asks again after the user has left is told what was done."""
    shop = await open_shop()
    await shop.ask(hold(50))
    asked = (CaptureHold(hold_id=HOLD, credits=20), spend(10, "a"))
    first = [(await shop.ask(one))[0] for one in asked]
    shop.ledger.delete_user(ADA)
    again = [(await shop.ask(one))[0] for one in asked]
    assert [attrs.evolve(one, repeated=True) for one in first if isinstance(one, Done)] == again


async def test_a_gift_is_repeated_after_its_end() -> None:
    """The first answer stands; a new one that ends in the past is refused."""
    shop = await open_shop()
    ends = NOW + timedelta(hours=1)
    gift = attrs.evolve(give(5, key="g"), expires_at=ends)
    (first,) = await shop.ask(gift)
    assert isinstance(first, Done)
    assert (attrs.evolve(first, repeated=True),) == await shop.ask(gift, now=ends)
    assert (ExpiryInPast(expires_at=ends),) == await shop.ask(attrs.evolve(gift, key="other"), now=ends)


class StingyLedger(CountingLedger):
    """A ledger that leaves out every grant, unless all are asked for, and remembers which of both it was."""

    def __init__(self) -> None:
        super().__init__()
        self.read_all: list[bool] = []

    async def holdings(self, query: HoldingsQuery) -> Holdings:
        found = await super().holdings(query)
        self.read_all.append(found.has_all_grants)
        if found.has_all_grants:
            return found
        return attrs.evolve(
            found, wallets={user: attrs.evolve(wallet, grants=()) for user, wallet in found.wallets.items()}
        )


async def test_nobody_is_refused_for_grants_that_were_not_read() -> None:
    """It is decided again on all of them; what was done meanwhile is not done twice."""
    ledger = StingyLedger()
    ledger.add_user(ADA)
    ledger.add_user(BOB)
    service = CreditService(ledger=ledger, wallets=ledger, cache=MemoryQuotaCache())
    await service.execute([give(100, key="welcome")], NOW)
    ledger.read_all.clear()
    outcomes = await service.execute([spend(30, "a"), give(5, key="b", user=BOB), hold(20)], NOW, patience=3)
    assert [Done, Done, Done] == [type(outcome) for outcome in outcomes]
    account = await ledger.account(ADA)
    assert account is not None
    assert (70, 20) == (account.balance, account.held)
    assert [False, False, True] == ledger.read_all, "Bob's was done in the first round"


async def test_a_balance_that_no_grants_are_behind_is_refused_after_a_look_at_all() -> None:
    """Something other than the ledger wrote it: that is found out once, and not looked at for ever."""
    ledger = StingyLedger()
    ledger.add_user(ADA)
    ledger.accounts.keep(attrs.evolve(ledger.accounts.get(ADA), balance=10))
    service = CreditService(ledger=ledger, wallets=ledger, cache=MemoryQuotaCache())
    assert (BalanceMismatch(0),) == await service.execute([spend(3, "a")], NOW)
    assert [False, True] == ledger.read_all


def test_what_was_kept_years_ago_is_answered_as_it_was() -> None:
    """These are answers as the ledger has them; to change what can be read here would change old answers."""
    entry = {
        "kind": "spend", "held": 0, "balance": 70, "credits": -30, "user_id": ADA, "version": 2, "available": 70,
        "created_at": "2026-11-24T21:27:55.316687+00:00", "expires_at": None,
    }  # fmt: skip
    held = {
        "id": HOLD, "held": 50, "status": "open", "balance": 70, "credits": 50, "user_id": ADA, "captured": 0,
        "available": 20, "expires_at": "2026-11-24T21:42:55.336300+00:00",
    }  # fmt: skip
    for kept in (entry, held):
        answer = answer_of(IdempotencyRecord(key="key:k", user_id=ADA, content={}, answer=kept))
        assert kept == attrs.asdict(answer)
        assert sorted(kept) == sorted(field.name for field in attrs.fields(type(answer)))
