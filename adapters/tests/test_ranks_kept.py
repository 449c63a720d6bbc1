"""The rank of an order in the ledger's JSON."""

import attrs
import msgspec

from domain.payments.purchases import Order, OrderRank, Purchase
from domain.values.accounts import UserId
from domain.values.plans import PlanId

ORDER = Order(
    user_id=UserId("00000000-0000-0000-0000-00000000000a"),
    plan_id=PlanId("starter"),
    credits=50,
    amount=500,
    currency="usd",
)


def test_a_rank_is_read_as_it_was_written() -> None:
    """And one that was never written is a session's."""
    for rank in OrderRank:
        kept = msgspec.to_builtins(Purchase(order=attrs.evolve(ORDER, rank=rank)))
        assert attrs.evolve(ORDER, rank=rank) == msgspec.convert(kept, Purchase).order
        del kept["order"]["rank"]
        assert msgspec.convert(kept, Purchase).order == ORDER
