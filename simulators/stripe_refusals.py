"""What Stripe answers when it refuses, as statuses and error objects of its API."""

import attrs

from simulators.stripe_objects import Object


@attrs.frozen
class Refusal(Exception):
    """A request that Stripe would refuse, with the status and the error object of its answer."""

    status: int
    body: Object


def error(kind: str, message: str, *, code: str | None = None, param: str | None = None) -> Object:
    """An API error."""
    told = {"type": kind, "message": message, "code": code, "param": param}
    return {"error": {name: value for name, value in told.items() if value is not None}}


def refusal(status: int, message: str, *, code: str | None = None, param: str | None = None) -> Refusal:
    """A refusal of a whole request."""
    return Refusal(status, error("invalid_request_error", message, code=code, param=param))


def invalid(message: str, param: str, *, code: str | None = None) -> Refusal:
    """A refusal of one parameter."""
    return refusal(400, message, code=code, param=param)


def missing(kind: str, wanted: str, *, param: str = "id", status: int = 404) -> Refusal:
    """A refusal because there is no such object."""
    return refusal(status, f"No such {kind}: '{wanted}'", code="resource_missing", param=param)


def declined() -> Refusal:
    """A refusal by the customer's bank."""
    return Refusal(402, error("card_error", "Your card was declined.", code="card_declined"))
