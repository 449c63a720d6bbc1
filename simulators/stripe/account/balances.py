"""The balances of a simulated Stripe account's customers: below zero is what they have to their credit."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from simulators.stripe.objects import Object
from simulators.stripe.requests.parameters import count, currency, refuse_unknown, require
from simulators.stripe.requests.refusals import invalid

if TYPE_CHECKING:
    from simulators.stripe.account.account import StripeAccount


def change(account: "StripeAccount", method: str, path: list[str], parameters: Mapping[str, Any]) -> Object | None:
    """Move a customer's balance; None where there is no such route.

    :raises Refusal: if Stripe would refuse it.
    """
    match method, path:
        case "POST", ["customers", wanted, "balance_transactions"]:
            refuse_unknown(parameters, ("amount", "currency"))
            require(parameters, "amount")
            text = str(parameters["amount"])
            amount = count(text.removeprefix("-"), "amount")
            return account.balances.move(wanted, -amount if text.startswith("-") else amount, currency(parameters))
        case _:
            return None


class StripeBalances:
    """What customers have or owe beside their invoices; each movement is kept as a transaction."""

    def __init__(self, account: "StripeAccount") -> None:
        self._account = account

    def of(self, customer_id: str | None) -> int:
        """A customer's balance; 0 where an invoice has no customer."""
        return int(self._account.kept("customer", customer_id)["balance"]) if customer_id else 0

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
        account, customer = self._account, self._account.kept("customer", customer_id)
        customer["balance"] += amount
        made: Object = {
            "id": account.new_id("cbtxn_"),
            "object": "customer_balance_transaction",
            "amount": amount,
            "created": account.now(),
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
        account.keep(made)
        account.step("customer.updated", customer)
        return made

    def refund_to_card(self, payment: str, amount: int) -> list[Object]:
        """Pay out what a customer has to their credit: a refund of an earlier payment, and the balance is adjusted.

        :raises Refusal: if the customer has not as much, or the payment has not as much left.
        """
        account = self._account
        with account.lock:
            charge = account.reversals.charge_of(payment)
            customer_id = charge["customer"]
            if not 0 < amount <= -self.of(customer_id):
                raise invalid("More than the customer's credit can't be paid out", "amount")
            events = account.reversals.refund(payment, amount)
            self.move(customer_id, amount, charge["currency"])
            return events
