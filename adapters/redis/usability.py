"""Checks that a Redis can be used as a cache: it takes writes and has all keys."""

from adapters.redis.client import Ask
from adapters.redis.errors import NodeOfCluster

WRITE = ("SET", "credence:usable", "1", "EX", 60)
"""Refused by a replica, by a full Redis and by most nodes of a cluster."""

SLOTS = 16384
"""The number of slots into which a cluster divides its keys."""


async def make_sure_of(ask: Ask) -> None:
    """Return if the Redis can be used.

    :raises redis.exceptions.RedisError: if not; the error says why, as :class:`NodeOfCluster` does.
    """
    await make_sure_of_all_keys(ask)
    (written,) = await ask([WRITE])
    if isinstance(written, Exception):
        raise written


async def make_sure_of_all_keys(ask: Ask) -> None:
    """Return if the Redis has all keys, or does not let us know: then the first key on another node tells.

    :raises NodeOfCluster: if it has only part of a cluster's keys.
    :raises redis.exceptions.RedisError: if it did not answer.
    """
    (info,) = await ask([("INFO", "cluster")])
    if isinstance(info, dict) and info.get("cluster_enabled") == 1:
        (ranges,) = await ask([("CLUSTER", "SLOTS")])
        if not _has_all_keys(ranges):
            raise NodeOfCluster("CLUSTER SLOTS names other nodes, or none, for some of the keys")


def _has_all_keys(ranges: object) -> bool:
    """Return whether one primary has every slot; a range is its first and its last slot, the primary, its replicas."""
    if not isinstance(ranges, list):
        return True
    primaries = {str(primary) for _, _, primary, *_ in ranges}
    return len(primaries) == 1 and sum(last - first + 1 for first, last, *_ in ranges) == SLOTS
