"""Whose order counts, where several objects of one payment make one."""

import itertools
from functools import reduce

import attrs

from domain.payments.purchases import OrderRank, Purchase, merge
from domain.tests.examples import ORDER


def test_an_order_is_a_session_s_unless_it_says_otherwise() -> None:
    """So are all that were recorded before orders had a rank."""
    assert OrderRank.SESSION is ORDER.rank


def test_the_order_of_the_highest_rank_counts_in_any_order() -> None:
    """However many credits the others promise."""
    orders = [attrs.evolve(ORDER, rank=rank, credits=100 - 10 * rank) for rank in OrderRank]
    for reported in itertools.permutations(Purchase(order=order) for order in orders):
        assert OrderRank.CONFIRMED is (reduce(merge, reported).order or ORDER).rank
        without_person = [one for one in reported if one.order and one.order.rank is not OrderRank.CONFIRMED]
        assert orders[OrderRank.SESSION] == reduce(merge, without_person).order
