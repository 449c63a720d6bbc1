"""Credit notes of a simulated Stripe account: what is taken off invoices after they are final."""

from collections.abc import Mapping, Sequence
from fractions import Fraction

import attrs

from simulators.stripe.account.balances import StripeBalances
from simulators.stripe.account.books import Books
from simulators.stripe.account.collecting import StripeCollecting
from simulators.stripe.account.credit_note_shapes import credit_note, note_line
from simulators.stripe.account.lines import net
from simulators.stripe.account.reversals import StripeReversals
from simulators.stripe.amounts import rounded
from simulators.stripe.objects import Object
from simulators.stripe.requests.refusals import invalid, missing


@attrs.frozen
class CreditedLine:
    """A line of a credit note. It credits the invoice line with that id, or no line; amounts are before discounts."""

    amount: int
    invoice_line_item: str | None = None


class StripeCreditNotes:
    """Credit notes; every method returns the events that it made, in Stripe's order."""

    def __init__(
        self, books: Books, balances: StripeBalances, collecting: StripeCollecting, reversals: StripeReversals
    ) -> None:
        self._books = books
        self._balances = balances
        self._collecting = collecting
        self._reversals = reversals

    def issue(
        self,
        invoice_id: str,
        amount: int | None = None,
        *,
        lines: Sequence[CreditedLine] = (),
        credit: int = 0,
        out_of_band: int = 0,
        refund: int = 0,
        refunds: Sequence[str] = (),
        reason: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> list[Object]:
        """Take an amount, or lines, off an invoice: first off what remains to be paid.

        The rest goes to the customer's balance (`credit`), outside of Stripe (`out_of_band`), and by refunds, a new
        one (`refund`) or such as were made before (`refunds`).

        :raises Refusal: if the invoice is not final, is not worth as much, or the rest goes nowhere.
        """
        with self._books.lock:
            bill = self._final(invoice_id)
            taken = self._taken(bill, lines) if lines else [self._whole(amount or 0)]
            total = sum(one["amount"] - one["discount_amount"] for one in taken)
            if not 0 < total <= bill["total"] - self._credited(bill):
                raise invalid("The credit note is of more than the invoice.", "amount")
            before = min(total, bill["amount_remaining"])
            after = total - before
            linked = [self._books.kept("refund", one) for one in refunds]
            if after != credit + out_of_band + refund + sum(one["amount"] for one in linked):
                message = "The sum of credit amount, refund amount and out of band amount must equal the post payment"
                raise invalid(f"{message} amount ({after}).", "credit_amount")
            given = self._refunded(bill, refund)
            linked += [self._books.kept("refund", given[0]["data"]["object"]["id"])] if given else []
            made = credit_note(
                self._books.new_id("cn_"),
                bill,
                created=self._books.now(),
                amount=total,
                lines=taken,
                metadata=dict(metadata or {}),
                out_of_band_amount=out_of_band or None,
                reason=reason,
                _after_payment=after,
                _before_payment=before,
                _refunds=[_linked(one) for one in linked],
            )
            self._books.keep(made)
            if credit:
                move = self._balances.move(
                    bill["customer"], -credit, bill["currency"], kind="credit_note", credit_note=made["id"]
                )
                made["customer_balance_transaction"] = move["id"]
            return [*given, self._books.report("credit_note.created", made), *self._take(bill, before, after)]

    def update(self, note_id: str, metadata: Mapping[str, str]) -> list[Object]:
        """Give a note other metadata.

        :raises Refusal: if there is none of that id.
        """
        with self._books.lock:
            note = self._books.kept("credit_note", note_id)
            note["metadata"] = dict(metadata)
            return [self._books.report("credit_note.updated", note)]

    def void(self, note_id: str) -> list[Object]:
        """Void a note, while its invoice is open: as much is due again.

        :raises Refusal: if the invoice is not open, or the note is void.
        """
        with self._books.lock:
            note = self._books.kept("credit_note", note_id)
            bill = self._books.kept("invoice", note["invoice"])
            if bill["status"] != "open" or note["status"] == "void":
                raise invalid("Only a credit note of an open invoice can be voided.", "id")
            note |= {"status": "void", "voided_at": self._books.now()}
            events = [self._books.report("credit_note.voided", note)]
            return events + self._take(bill, -note["_before_payment"], -note["_after_payment"])

    def _take(self, bill: Object, before: int, after: int) -> list[Object]:
        """Let an invoice say what notes take off it; with nothing left to pay it is paid."""
        bill["pre_payment_credit_notes_amount"] += before
        bill["post_payment_credit_notes_amount"] += after
        bill["amount_due"] -= before
        bill["amount_remaining"] -= before
        self._books.step("invoice.updated", bill)
        is_over = bill["status"] == "open" and bill["amount_remaining"] == 0
        return self._collecting.settle(bill) if is_over else []

    def _taken(self, bill: Object, lines: Sequence[CreditedLine]) -> list[Object]:
        billed = {one["id"]: one for one in bill["_lines"]}
        taken = []
        for one in lines:
            off = 0
            if one.invoice_line_item is not None:
                of = billed.get(one.invoice_line_item)
                if of is None:
                    raise missing("invoice_line_item", one.invoice_line_item, param="lines")
                if not 0 < one.amount <= of["amount"]:
                    raise invalid("The credit note is of more than the line.", "lines")
                # The credit shares in the line's discounts by its part of the line.
                off = rounded(one.amount * Fraction(of["amount"] - net(of), of["amount"]))
            line_id = self._books.new_id("cnli_")
            taken.append(note_line(line_id, one.amount, of=one.invoice_line_item, discount=off))
        return taken

    def _whole(self, amount: int) -> Object:
        return note_line(self._books.new_id("cnli_"), amount, of=None, quantity=1)

    def _credited(self, bill: Object) -> int:
        return int(bill["pre_payment_credit_notes_amount"]) + int(bill["post_payment_credit_notes_amount"])

    def _refunded(self, bill: Object, amount: int) -> list[Object]:
        return self._reversals.refund(bill["_payment_intent"], amount) if amount else []

    def _final(self, invoice_id: str) -> Object:
        bill = self._books.kept("invoice", invoice_id)
        if bill["status"] not in ("open", "paid", "uncollectible"):
            raise invalid("Credit notes can only be created for open, paid or uncollectible invoices.", "invoice")
        return bill


def _linked(refund: Object) -> Object:
    return {
        "amount_refunded": refund["amount"],
        "payment_record_refund": None,
        "refund": refund["id"],
        "type": "refund",
    }
