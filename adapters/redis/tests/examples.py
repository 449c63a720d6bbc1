"""A ledger's keys in Redis, for tests that have no ledger."""

from adapters.redis.ledger_keys import LedgerKeys

LEDGER = "6a0c2f1e"
"""What the keys of the ledger begin with."""


async def identity() -> str:
    return f"{LEDGER}-8f6b-4f0e-9b7a-1d2c3b4a5f60"


def ledger_keys() -> LedgerKeys:
    return LedgerKeys(identity)


class HandClock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now
