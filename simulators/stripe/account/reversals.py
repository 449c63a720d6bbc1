"""Refunds and disputes of a simulated Stripe account: how they begin, and every way in which they end."""

from collections.abc import Mapping
from fractions import Fraction

from simulators.stripe.account.books import Books
from simulators.stripe.account.shapes import dispute, money_move, refund
from simulators.stripe.amounts import rounded
from simulators.stripe.objects import Object
from simulators.stripe.requests.refusals import invalid, missing, refusal

REFUND_STATUSES = ("succeeded", "pending")


class StripeReversals:
    """Money that goes back; every method returns the events that it made, in Stripe's order."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def refund(
        self,
        payment: str,
        amount: int | None = None,
        *,
        status: str = "succeeded",
        metadata: Mapping[str, str] | None = None,
    ) -> list[Object]:
        """Refund a payment intent or a charge, all that is left of it or a part.

        :raises Refusal: if there is no such payment, or not as much is left.
        """
        with self._books.lock:
            charge = self.charge_of(payment)
            left = charge["amount"] - charge["amount_refunded"]
            amount = left if amount is None else amount
            if left == 0:
                raise refusal(
                    400,
                    f"Charge {charge['id']} has already been refunded.",
                    code="charge_already_refunded",
                    param="charge",
                )
            if not 0 < amount <= left:
                raise invalid(
                    f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})", "amount"
                )
            if status not in REFUND_STATUSES:
                raise invalid(f"Invalid status: must be one of {', '.join(REFUND_STATUSES)}", "status")
            return self._give_back(charge, amount, status, metadata or {})

    def release(self, charge: Object, amount: int) -> list[Object]:
        """Let go what is authorized and was not captured, which Stripe shows as a refund."""
        with self._books.lock:
            return self._give_back(charge, amount, "succeeded", {})

    def charge_of(self, payment: str) -> Object:
        """Return the charge of a payment intent that succeeded, or of a charge's own id, as it is kept.

        :raises Refusal: if there is no such payment.
        """
        if payment.startswith("ch_"):
            return self._books.kept("charge", payment)
        charges = [
            one
            for one in self._books.all_kept("charge")
            if one["payment_intent"] == payment and one["status"] == "succeeded"
        ]
        if not charges:
            raise missing("payment_intent", payment, param="payment_intent")
        return charges[-1]

    def fate(self, payment: str) -> str:
        """Return what becomes of a refund of this payment, by its test card: `succeeded`, `pending` or `failed`.

        :raises Refusal: if there is no such payment.
        """
        return str(self.charge_of(payment).get("_refund_becomes", "succeeded"))

    def settle_refund(self, refund_id: str) -> list[Object]:
        """Let a pending refund succeed.

        :raises Refusal: if it is not pending.
        """
        return self._end_refund(refund_id, "succeeded", among=("pending",))

    def fail_refund(self, refund_id: str) -> list[Object]:
        """Let a refund fail, also after it had succeeded: the customer's bank sent the money back.

        :raises Refusal: if it has failed or was canceled.
        """
        return self._end_refund(refund_id, "failed", among=("pending", "succeeded"))

    def cancel_refund(self, refund_id: str) -> list[Object]:
        """Cancel a pending refund.

        :raises Refusal: if it is not pending.
        """
        return self._end_refund(refund_id, "canceled", among=("pending",))

    def dispute(
        self,
        payment: str,
        amount: int | None = None,
        *,
        inquiry: bool = False,
        reason: str = "fraudulent",
        settled: tuple[int, str] | None = None,
    ) -> list[Object]:
        """Let the customer's bank dispute a payment, or only inquire; a dispute takes the money away at once.

        Where the account settles in another currency, `settled` is what the amount is in it: the money moves so.

        :raises Refusal: if there is no such payment, or the amount is more than was paid.
        """
        with self._books.lock:
            charge = self.charge_of(payment)
            paid = charge["amount_captured"]
            amount = paid if amount is None else amount
            if not 0 < amount <= paid:
                raise invalid("More than was paid can't be disputed", "amount")
            made = dispute(
                self._books.new_id("dp_"),
                charge,
                created=self._books.now(),
                amount=amount,
                status="warning_needs_response" if inquiry else "needs_response",
                reason=reason,
            )
            made["_settled"] = settled or made["_settled"]
            self._books.keep(made)
            charge["disputed"] = True
            events = [self._books.report("charge.dispute.created", made)]
            return events if inquiry else [*events, *self._move(made, -amount)]

    def respond(self, dispute_id: str) -> list[Object]:
        """Hand in evidence, or appeal; the bank looks at it.

        :raises Refusal: if the dispute is closed.
        """
        with self._books.lock:
            found = self._open(dispute_id)
            found["status"] = found["status"].replace("needs_response", "under_review")
            return [self._books.report("charge.dispute.updated", found)]

    def escalate(self, dispute_id: str) -> list[Object]:
        """Let an inquiry become a dispute.

        :raises Refusal: if it is none.
        """
        with self._books.lock:
            found = self._open(dispute_id)
            if not found["status"].startswith("warning_"):
                raise invalid("Only an inquiry can become a dispute.", "dispute")
            found["status"] = "needs_response"
            return [self._books.report("charge.dispute.updated", found), *self._move(found, -found["amount"])]

    def appeal(self, dispute_id: str) -> list[Object]:
        """Let a dispute that was lost, or is looked at, go on: its decision may be appealed, and is by a response.

        :raises Refusal: if it is won, an inquiry, or appealed already.
        """
        with self._books.lock:
            found = self._dispute(dispute_id)
            if found["status"] not in ("under_review", "lost"):
                raise invalid("The decision of this dispute can't be appealed.", "dispute")
            found["status"] = "appeal_needs_response"
            return [self._books.report("charge.dispute.updated", found)]

    def reinstate(self, dispute_id: str, amount: int | None = None) -> list[Object]:
        """Let the money come back, or a part of it, although the dispute is not decided.

        :raises Refusal: if it is with us already.
        """
        with self._books.lock:
            found = self._dispute(dispute_id)
            if not 0 < (amount or 1) <= found["_away"]:
                raise invalid("The money of this dispute is not away.", "dispute")
            return self._move(found, amount or found["_away"])

    def close_dispute(self, dispute_id: str, status: str) -> list[Object]:
        """Decide a dispute: `won`, `lost` or `prevented`; an inquiry becomes `warning_closed`.

        :raises Refusal: if it is closed.
        """
        with self._books.lock:
            found = self._open(dispute_id)
            if status not in ("won", "lost", "prevented", "warning_closed"):
                raise invalid("Invalid status: must be one of won, lost, prevented or warning_closed", "status")
            found["status"] = status
            events = [self._books.report("charge.dispute.closed", found)]
            away = found["_away"]
            return [*events, *self._move(found, away)] if status != "lost" and away > 0 else events

    def _end_refund(self, refund_id: str, status: str, *, among: tuple[str, ...]) -> list[Object]:
        with self._books.lock:
            found = self._books.kept("refund", refund_id)
            if found["status"] not in among:
                raise invalid(f"A refund that is {found['status']} can't become {status}.", "refund")
            found["status"] = status
            self._count(self._books.kept("charge", found["charge"]))
            events = [
                self._books.report("refund.updated", found),
                self._books.report("charge.refund.updated", found),
            ]
            return [*events, self._books.report("refund.failed", found)] if status == "failed" else events

    def _move(self, found: Object, amount: int) -> list[Object]:
        settled, currency = found["_settled"]
        # Each balance is rounded, not each move: so all that comes back is all that went.
        before, after = (
            rounded(Fraction(away * settled, found["amount"])) for away in (found["_away"], found["_away"] - amount)
        )
        found["_away"] -= amount
        found["balance_transactions"].append(
            money_move(self._books.new_id("txn_"), found["id"], before - after, currency, self._books.now())
        )
        kind = "funds_withdrawn" if amount < 0 else "funds_reinstated"
        return [self._books.report(f"charge.dispute.{kind}", found)]

    def _give_back(self, charge: Object, amount: int, status: str, metadata: Mapping[str, str]) -> list[Object]:
        books = self._books
        made = refund(books.new_id("re_"), charge, created=books.now(), amount=amount, status=status, metadata=metadata)
        books.keep(made)
        charge["_refunds"].insert(0, made)
        self._count(charge)
        return [
            books.report("refund.created", made),
            books.report("charge.refunded", charge),
            books.report("charge.refund.updated", made),
        ]

    def _count(self, charge: Object) -> None:
        live = sum(one["amount"] for one in charge["_refunds"] if one["status"] in REFUND_STATUSES)
        charge["amount_refunded"], charge["refunded"] = live, live == charge["amount"]

    def _dispute(self, dispute_id: str) -> Object:
        return self._books.kept("dispute", dispute_id)

    def _open(self, dispute_id: str) -> Object:
        found = self._dispute(dispute_id)
        if not found["status"].endswith(("needs_response", "under_review")):
            raise invalid("This dispute is closed.", "dispute")
        return found
