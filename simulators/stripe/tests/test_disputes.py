"""Disputes of the stand-in that go on after a decision, come back in part, or settle in another currency."""

from typing import Any

import pytest

from simulators.stripe.account.account import StripeAccount
from simulators.stripe.requests.refusals import Refusal


@pytest.fixture
def account() -> StripeAccount:
    return StripeAccount(seed=6, now=1_790_000_000)


def disputed(account: StripeAccount, amount: int, **fields: Any) -> Any:
    """A payment's dispute, as it is kept."""
    price = account.billing.price(amount)
    account.billing.subscribe(account.new_customer(), [(price, 1)])
    events = account.reversals.dispute(account.all_kept("charge")[-1]["id"], **fields)
    return account.kept("dispute", events[0]["data"]["object"]["id"])


def moves(dispute: Any) -> list[tuple[int, str]]:
    return [(move["amount"], move["currency"]) for move in dispute["balance_transactions"]]


@pytest.mark.parametrize(("status", "expected"), [("won", [(-1000, "usd"), (1000, "usd")]), ("lost", [(-1000, "usd")])])
def test_a_lost_dispute_is_appealed(account: StripeAccount, status: str, expected: list[tuple[int, str]]) -> None:
    """It waits for the appeal, then for its decision, and the money is away meanwhile."""
    dispute, reversals = disputed(account, 1000), account.reversals
    with pytest.raises(Refusal):
        reversals.appeal(dispute["id"])
    reversals.respond(dispute["id"])
    reversals.close_dispute(dispute["id"], "lost")
    events = reversals.appeal(dispute["id"]) + reversals.respond(dispute["id"])
    assert ["charge.dispute.updated"] * 2 == [event["type"] for event in events]
    assert ["appeal_needs_response", "appeal_under_review"] == [event["data"]["object"]["status"] for event in events]
    assert [(-1000, "usd")] == moves(dispute)
    reversals.close_dispute(dispute["id"], status)
    assert (status, expected) == (dispute["status"], moves(dispute))


def test_a_part_of_the_money_comes_back(account: StripeAccount) -> None:
    """$4 of $10, and no more than $6 after that."""
    dispute = disputed(account, 1000)
    (given,) = account.reversals.reinstate(dispute["id"], 400)
    assert "charge.dispute.funds_reinstated" == given["type"]
    assert [(-1000, "usd"), (400, "usd")] == moves(dispute)
    with pytest.raises(Refusal):
        account.reversals.reinstate(dispute["id"], 601)
    account.reversals.close_dispute(dispute["id"], "won")
    assert [(-1000, "usd"), (400, "usd"), (600, "usd")] == moves(dispute)


def test_the_money_moves_in_the_currency_of_settlement(account: StripeAccount) -> None:
    """A dispute of $49 takes £38 away; a third and the rest of it bring exactly as much back."""
    dispute = disputed(account, 4900, settled=(3800, "gbp"))
    assert (4900, "usd", [(-3800, "gbp")]) == (dispute["amount"], dispute["currency"], moves(dispute))
    account.reversals.reinstate(dispute["id"], 1633)
    account.reversals.reinstate(dispute["id"])
    assert [(-3800, "gbp"), (1266, "gbp"), (2534, "gbp")] == moves(dispute)
