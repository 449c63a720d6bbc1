"""Connects to Stripe's API: one client per purpose, with its timeouts, and with errors translated into the domain's."""

import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from decimal import Decimal
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
    cursor: dict[str, str] = {}
    while True:
        with translated():
            answer = await lister({"limit": PAGE, **parameters, **cursor})
            found = [plain(item) for item in answer.data]
        for item in found:
            yield item
        if not answer.has_more or not found:
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


async def retrieved(retrieve: Retriever, id_: str, parameters: Any = None) -> dict[str, Any] | None:
    """Return the object of that id, or None where Stripe has none.

    :raises PaymentsUnavailable: if Stripe can't be reached, or refuses.
    """
    with translated():
        try:
            return plain(await retrieve(id_, parameters))
        except stripe.InvalidRequestError as error:
            if is_missing(error):
                return None
            raise


def is_missing(error: stripe.InvalidRequestError) -> bool:
    """Return whether Stripe has no such object."""
    return error.code == "resource_missing"


def _cause(error: stripe.StripeError) -> str:
    details = [text for text in (error.code, error.request_id) if text]
    return f"{type(error).__name__} ({', '.join([str(error.http_status or 'no answer'), *details])})"
