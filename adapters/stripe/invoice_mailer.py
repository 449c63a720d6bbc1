"""Invoices sent to customers by Stripe, by email."""

from adapters.stripe.connection import StripeConnection, translated


class StripeInvoices:
    """Implements the port Invoices."""

    def __init__(self, connection: StripeConnection) -> None:
        self._v1 = connection.client.v1

    async def send(self, invoice_id: str, *, idempotency_key: str) -> None:
        """Send the invoice; repeating it with the same key has no further effect.

        :raises PaymentsUnavailable: if Stripe cannot be reached; retry later.
        :raises PaymentsRefused: if Stripe rejects it permanently.
        """
        with translated(refusals=True):
            await self._v1.invoices.send_invoice_async(invoice_id, {}, {"idempotency_key": idempotency_key})
