"""Stripe Checkout: hosted sessions that carry who buys what, so that their webhooks need no memory of ours."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, cast

import stripe
from stripe.params.checkout import SessionCreateParams

from adapters.stripe_sales import TERMS_KEY, terms_text, told_by_session
from domain.plans import PlanMode
from domain.ports import Checkout, CheckoutRequest, PaymentsUnavailable

ANSWER_SECONDS = 15
RETRIES = 2


class StripeCheckouts:
    """Implements the port Checkouts; `api_base` is another address than Stripe's, for tests."""

    def __init__(self, *, api_key: str, success_url: str, cancel_url: str, api_base: str | None = None) -> None:
        self._http = stripe.HTTPXClient(timeout=ANSWER_SECONDS, allow_sync_methods=False)
        self._client = stripe.StripeClient(
            api_key,
            base_addresses={"api": api_base} if api_base else {},
            http_client=self._http,
            max_network_retries=RETRIES,
        )
        self._success_url = success_url
        self._cancel_url = cancel_url

    async def create(self, request: CheckoutRequest) -> Checkout:
        """Open a session; the same idempotency key gives the same session.

        :raises PaymentsUnavailable: if Stripe can't be reached, or refuses.
        """
        parameters = self._parameters(request)
        with _translated():
            answer = await self._client.v1.checkout.sessions.create_async(
                parameters, {"idempotency_key": request.idempotency_key}
            )
        return _checkout(answer)

    async def retrieve(self, session_id: str) -> Checkout | None:
        """The session, or None when there is none of that id.

        :raises PaymentsUnavailable: if Stripe can't be reached, or refuses.
        """
        with _translated():
            try:
                answer = await self._client.v1.checkout.sessions.retrieve_async(session_id)
            except stripe.InvalidRequestError as error:
                if error.code == "resource_missing":
                    return None
                raise
        return _checkout(answer)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.close_async()  # type: ignore[no-untyped-call]  # stripe leaves it untyped

    def _parameters(self, request: CheckoutRequest) -> SessionCreateParams:
        plan = request.plan
        metadata = {"userId": request.user_id, "plan": plan.id, TERMS_KEY: terms_text(plan.terms)}
        if request.email:
            metadata["userEmail"] = request.email
        price: dict[str, Any] = {
            "currency": plan.terms.price.currency,
            "unit_amount": plan.terms.price.amount,
            "product_data": {"name": plan.name},
        }
        parameters: dict[str, Any] = {
            "mode": plan.mode.value,
            "line_items": [{"quantity": 1, "price_data": price}],
            "success_url": self._success_url,
            "cancel_url": self._cancel_url,
            "client_reference_id": request.user_id,
            "metadata": metadata,
        }
        if request.email:
            parameters["customer_email"] = request.email
        if plan.mode is PlanMode.PAYMENT:
            parameters["payment_intent_data"] = {"metadata": metadata}
            parameters["invoice_creation"] = {"enabled": True, "invoice_data": {"metadata": metadata}}
        else:
            price["recurring"] = {"interval": plan.interval}
            parameters["subscription_data"] = {"metadata": metadata}
        return cast("SessionCreateParams", parameters)


def _checkout(answer: object) -> Checkout:
    # The library promises a session, and gives whatever JSON was answered.
    session: Mapping[str, Any] = answer.to_dict() if isinstance(answer, stripe.StripeObject) else {}
    session_id, status, url = session.get("id"), session.get("status"), session.get("url")
    if not isinstance(session_id, str) or not isinstance(status, str) or not isinstance(url, str | None):
        raise PaymentsUnavailable("the answer is no checkout session")
    return Checkout(session_id=session_id, url=url, status=status, told=told_by_session(session))


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except stripe.AuthenticationError as error:
        raise PaymentsUnavailable("Stripe refuses STRIPE_SECRET_KEY") from error
    except stripe.StripeError as error:
        told = [text for text in (error.code, error.request_id) if text]
        cause = f"{type(error).__name__} ({', '.join([str(error.http_status or 'no answer'), *told])})"
        raise PaymentsUnavailable(cause) from error
    except (AttributeError, UnicodeError) as error:
        # The library trips over errors and bodies in a shape that is not Stripe's: something else answered.
        raise PaymentsUnavailable("the answer is not Stripe's") from error
