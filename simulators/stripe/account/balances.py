"""The balances of a simulated Stripe account's customers: below zero is what they have to their credit."""

from simulators.stripe.account.books import Books
from simulators.stripe.account.reversals import StripeReversals
from simulators.stripe.objects import Object
from simulators.stripe.requests.refusals import invalid


class StripeBalances:
    """The amounts that customers have or owe beside their invoices; each movement is kept as a transaction."""

    def __init__(self, books: Books, reversals: StripeReversals) -> None:
        self._books = books
        self._reversals = reversals

    def of(self, customer_id: str | None) -> int:
        """Return a customer's balance; 0 where an invoice has no customer."""
        return int(self._books.kept("customer", customer_id)["balance"]) if customer_id else 0

    def move(
        self,
        customer_id: str,
        amount: int,
        currency: str,
        *,
        kind: str = "adjustment",
        invoice: str | None = None,
        credit_note: str | None = None,
    ) -> Object:
        """Move a balance: below zero gives the customer credit; returns the transaction."""
        books, customer = self._books, self._books.kept("customer", customer_id)
        customer["balance"] += amount
        made: Object = {
            "id": books.new_id("cbtxn_"),
            "object": "customer_balance_transaction",
            "amount": amount,
            "created": books.now(),
            "credit_note": credit_note,
            "currency": currency,
            "customer": customer_id,
            "description": None,
            "ending_balance": customer["balance"],
            "invoice": invoice,
            "livemode": False,
            "metadata": {},
            "type": kind,
        }
        books.keep(made)
        books.step("customer.updated", customer)
        return made

    def refund_to_card(self, payment: str, amount: int) -> list[Object]:
        """Pay out what a customer has to their credit: a refund of an earlier payment, and the balance is adjusted.

        :raises Refusal: if the customer has not as much, or the payment has not as much left.
        """
        with self._books.lock:
            charge = self._reversals.charge_of(payment)
            customer_id = charge["customer"]
            if not 0 < amount <= -self.of(customer_id):
                raise invalid("More than the customer's credit can't be paid out", "amount")
            events = self._reversals.refund(payment, amount)
            self.move(customer_id, amount, charge["currency"])
            return events
