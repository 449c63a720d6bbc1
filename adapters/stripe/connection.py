"""Connects to Stripe's API: one client per purpose, with its timeouts, and with errors translated into the domain's."""

import contextlib
import math
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any

import stripe

from domain.ports.payment_provider import PaymentsRefused, PaymentsUnavailable

ANSWER_SECONDS = 15
RETRIES = 2
PAGE = 100

Lister = Callable[[Any], Coroutine[Any, Any, Any]]
"""A `list_async` of the stripe package."""

Retriever = Callable[..., Coroutine[Any, Any, Any]]
"""A `retrieve_async` of the stripe package."""


class StripeConnection:
    """A client and its connections; `api_base` replaces Stripe's URL in tests."""

    def __init__(
        self, *, api_key: str, api_base: str | None = None, seconds: float = ANSWER_SECONDS, retries: int = RETRIES
    ) -> None:
        self._http = stripe.HTTPXClient(timeout=seconds, allow_sync_methods=False)
        self.client = stripe.StripeClient(
            api_key,
            base_addresses={"api": api_base} if api_base else {},
            http_client=self._http,
            max_network_retries=retries,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.close_async()  # type: ignore[no-untyped-call]  # stripe leaves it untyped


async def pages(lister: Lister, parameters: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """Yield every object of a list, page by page, newest first.

    :raises PaymentsUnavailable: if Stripe cannot be reached, or rejects the request.
    """
    async for found, _, _ in _answers(lister, parameters):
        for item in found:
            yield item


async def dated_pages(lister: Lister, parameters: Mapping[str, Any]) -> AsyncIterator[tuple[dict[str, Any], datetime]]:
    """Yield every object of a list likewise, each with a time as by :func:`read_at`.

    :raises PaymentsUnavailable: if Stripe cannot be reached, or rejects the request.
    """
    async for found, answer, waited in _answers(lister, parameters):
        moment = read_at(answer, waited)
        for item in found:
            yield item, moment


async def _answers(
    lister: Lister, parameters: Mapping[str, Any]
) -> AsyncIterator[tuple[list[dict[str, Any]], Any, float]]:
    """Yield the objects of each page of a list, with its answer and for how many seconds that was waited for."""
    cursor: dict[str, str] = {}
    while True:
        began = time.monotonic()
        with translated():
            answer = await lister({"limit": PAGE, **parameters, **cursor})
            found, is_last = [plain(item) for item in answer.data], not answer.has_more
        yield found, answer, time.monotonic() - began
        if is_last or not found:
            return
        cursor = {"starting_after": str(found[-1].get("id"))}


def plain(answer: object) -> dict[str, Any]:
    """Return a response as plain JSON; the library promises an object but returns any JSON."""
    details = answer.to_dict() if isinstance(answer, stripe.StripeObject) else {}
    return {key: _as_sent(value) for key, value in details.items()}


def _as_sent(value: object) -> object:
    # The library turns the decimals that Stripe sends as text into numbers.
    match value:
        case Decimal():
            return format(value, "f")
        case dict():
            return {key: _as_sent(within) for key, within in value.items()}
        case list():
            return [_as_sent(within) for within in value]
        case _:
            return value


@contextlib.contextmanager
def translated(*, refusals: bool = False) -> Iterator[None]:
    """Turn the library's errors into :class:`PaymentsUnavailable`, or, for requests refused for good and where
    `refusals` are wanted, into :class:`PaymentsRefused`."""
    try:
        yield
    except stripe.AuthenticationError as error:
        raise PaymentsUnavailable("Stripe rejects STRIPE_SECRET_KEY") from error
    except (stripe.InvalidRequestError, stripe.PermissionError) as error:
        if refusals:
            raise PaymentsRefused(_cause(error)) from error
        raise PaymentsUnavailable(_cause(error)) from error
    except stripe.StripeError as error:
        raise PaymentsUnavailable(_cause(error)) from error
    except (AttributeError, UnicodeError) as error:
        # The library raises these for responses that are not Stripe's: something else answered.
        raise PaymentsUnavailable("the response is not from Stripe") from error


def read_at(answer: Any, waited: float) -> datetime:
    """Return a time in whole seconds that is before Stripe read what it answered, by Stripe's clock.

    Events are dated by the same clock: what happened after the answer was read has a later second, however long the
    answer took of the `waited` seconds, and whatever our own clock says. What is dated a little too early gives way to
    an event that says the same, or is about to come.

    :raises PaymentsUnavailable: if the answer has no `Date` (RFC 9110, 6.6.1: whoever has a clock sends it).
    """
    try:
        sent = parsedate_to_datetime(answer.last_response.headers["date"])
    except (AttributeError, KeyError, ValueError) as error:
        raise PaymentsUnavailable("the response has no date") from error
    return sent.astimezone(UTC) - timedelta(seconds=math.ceil(waited) + 1)


async def retrieved(retrieve: Retriever, id_: str, parameters: Any = None) -> dict[str, Any] | None:
    """Return the object of that id, or None where Stripe has none.

    :raises PaymentsUnavailable: if Stripe can't be reached, or refuses.
    """
    found = await _asked(retrieve, id_, parameters)
    return plain(found[0]) if found else None


async def dated(retrieve: Retriever, id_: str, parameters: Any = None) -> tuple[dict[str, Any], datetime] | None:
    """Return the object of that id with a time as by :func:`read_at`, or None where Stripe has none.

    :raises PaymentsUnavailable: if Stripe can't be reached, or refuses.
    """
    found = await _asked(retrieve, id_, parameters)
    return (plain(found[0]), read_at(*found)) if found else None


async def _asked(retrieve: Retriever, id_: str, parameters: Any) -> tuple[Any, float] | None:
    """Return an answer, and for how many seconds it was waited for; None where Stripe has no such object."""
    began = time.monotonic()
    with translated():
        try:
            return await retrieve(id_, parameters), time.monotonic() - began
        except stripe.InvalidRequestError as error:
            if is_missing(error):
                return None
            raise


def is_missing(error: stripe.InvalidRequestError) -> bool:
    """Return whether Stripe has no such object."""
    return error.code == "resource_missing"


def _cause(error: stripe.StripeError) -> str:
    # The parameter says what is in the way, and unlike the message it shows nobody's data.
    details = [text for text in (error.code, getattr(error, "param", None), error.request_id) if text]
    return f"{type(error).__name__} ({', '.join([str(error.http_status or 'no answer'), *details])})"
