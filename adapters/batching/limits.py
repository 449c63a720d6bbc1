"""What a batcher may have in flight and waiting, and how it refuses what is more."""

import attrs


@attrs.frozen
class QueueFull(Exception):
    """As much waits as may; nothing of the request was sent."""


@attrs.frozen
class Closed(Exception):
    """No more is sent; nothing of the request was."""


@attrs.frozen
class Interrupted(Exception):
    """The call was given up in mid-flight: whether it took effect is unknown."""


@attrs.frozen(kw_only=True)
class Limits:
    """What may be in flight, and what may wait. Weights are in the unit of the requests' weight."""

    calls: int = 2
    """Calls in flight."""
    requests: int = 100
    """Requests in one call."""
    batch_size_min: int | None = None
    """So many are worth a call of their own: what waits is spread over the calls that are free, in parts that are no
    smaller. None where a call does better for being given all.
    """
    weight: int = 1_000_000
    """The weight of one call, unless it is of one request."""
    waiting: int = 2_000
    """Requests that wait to be sent."""
    waiting_weight: int = 64_000_000
    """The weight of what waits."""
    repeats: int = 64
    """Calls made to find what is bad in one that failed as a whole."""
    closing_seconds: float = 15.0
    """How long :meth:`adapters.batching.batcher.Batcher.aclose` lets calls finish."""
