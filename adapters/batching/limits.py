"""The limits of a batcher, and its errors."""

import attrs


@attrs.frozen
class QueueFull(Exception):
    """The queue is full; the request was not sent."""


@attrs.frozen
class Closed(Exception):
    """The batcher is closed; the request was not sent."""


@attrs.frozen
class Interrupted(Exception):
    """The call was aborted in mid-flight; whether it took effect is unknown."""


@attrs.frozen(kw_only=True)
class Limits:
    """The maximum of requests in flight and waiting. Weights are in the unit of the requests' weight function."""

    calls: int = 2
    """The maximum number of calls in flight."""
    requests: int = 100
    """The maximum number of requests per call."""
    weight: int = 1_000_000
    """The maximum weight of a call with more than one request."""
    waiting: int = 2_000
    """The maximum number of waiting requests."""
    waiting_weight: int = 64_000_000
    """The maximum weight of all waiting requests."""
    repeats: int = 64
    """The maximum number of calls to find the bad requests of a failed call."""
    closing_seconds: float = 15.0
    """How long :meth:`adapters.batching.batcher.Batcher.aclose` lets calls finish."""
