"""Credit notes of a simulated Stripe account: what is taken off invoices after they are final."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import attrs

from simulators.stripe.account.credit_note_shapes import credit_note, note_line
from simulators.stripe.account.lines import net
from simulators.stripe.amounts import rounded
from simulators.stripe.objects import Object
from simulators.stripe.requests.parameters import count, mapping, metadata, refuse_unknown, require, text
from simulators.stripe.requests.refusals import invalid, missing

if TYPE_CHECKING:
    from simulators.stripe.account.account import StripeAccount


_AMOUNTS = ("amount", "credit_amount", "out_of_band_amount", "refund_amount")


def change(account: "StripeAccount", method: str, path: list[str], parameters: Mapping[str, Any]) -> Object | None:
    """Issue, change or void a credit note; None where there is no such route.

    :raises Refusal: if Stripe would refuse it.
    """
    match method, path:
        case "POST", ["credit_notes"]:
            return _issued(account, parameters)
        case "POST", ["credit_notes", wanted]:
            refuse_unknown(parameters, ("metadata",))
            account.credit_notes.update(wanted, metadata(parameters))
        case "POST", ["credit_notes", wanted, "void"]:
            account.credit_notes.void(wanted)
        case _:
            return None
    return account.kept("credit_note", wanted)


@attrs.frozen
class CreditedLine:
    """What a note takes off: of an invoice's line, by its id, or of none; amounts are before discounts."""

    amount: int
    invoice_line_item: str | None = None


class StripeCreditNotes:
    """Credit notes; every method returns the events that it made, in Stripe's order."""

    def __init__(self, account: "StripeAccount") -> None:
        self._account = account

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
        with self._account.lock:
            bill = self._final(invoice_id)
            taken = self._taken(bill, lines) if lines else [self._whole(amount or 0)]
            total = sum(one["amount"] - one["discount_amount"] for one in taken)
            if not 0 < total <= bill["total"] - self._credited(bill):
                raise invalid("The credit note is of more than the invoice.", "amount")
            before = min(total, bill["amount_remaining"])
            after = total - before
            linked = [self._account.kept("refund", one) for one in refunds]
            if after != credit + out_of_band + refund + sum(one["amount"] for one in linked):
                message = "The sum of credit amount, refund amount and out of band amount must equal the post payment"
                raise invalid(f"{message} amount ({after}).", "credit_amount")
            given = self._refunded(bill, refund)
            linked += [self._account.kept("refund", given[0]["data"]["object"]["id"])] if given else []
            made = credit_note(
                self._account.new_id("cn_"),
                bill,
                created=self._account.now(),
                amount=total,
                lines=taken,
                metadata=dict(metadata or {}),
                out_of_band_amount=out_of_band or None,
                reason=reason,
                _after_payment=after,
                _before_payment=before,
                _refunds=[_linked(one) for one in linked],
            )
            self._account.keep(made)
            if credit:
                move = self._account.balances.move(
                    bill["customer"], -credit, bill["currency"], kind="credit_note", credit_note=made["id"]
                )
                made["customer_balance_transaction"] = move["id"]
            return [*given, self._account.report("credit_note.created", made), *self._take(bill, before, after)]

    def update(self, note_id: str, metadata: Mapping[str, str]) -> list[Object]:
        """Give a note other metadata.

        :raises Refusal: if there is none of that id.
        """
        with self._account.lock:
            note = self._account.kept("credit_note", note_id)
            note["metadata"] = dict(metadata)
            return [self._account.report("credit_note.updated", note)]

    def void(self, note_id: str) -> list[Object]:
        """Void a note, while its invoice is open: as much is due again.

        :raises Refusal: if the invoice is not open, or the note is void.
        """
        with self._account.lock:
            note = self._account.kept("credit_note", note_id)
            bill = self._account.kept("invoice", note["invoice"])
            if bill["status"] != "open" or note["status"] == "void":
                raise invalid("Only a credit note of an open invoice can be voided.", "id")
            note |= {"status": "void", "voided_at": self._account.now()}
            events = [self._account.report("credit_note.voided", note)]
            return events + self._take(bill, -note["_before_payment"], -note["_after_payment"])

    def _take(self, bill: Object, before: int, after: int) -> list[Object]:
        """Let an invoice say what notes take off it; with nothing left to pay it is paid."""
        bill["pre_payment_credit_notes_amount"] += before
        bill["post_payment_credit_notes_amount"] += after
        bill["amount_due"] -= before
        bill["amount_remaining"] -= before
        self._account.step("invoice.updated", bill)
        is_over = bill["status"] == "open" and bill["amount_remaining"] == 0
        return self._account.collecting.settle(bill) if is_over else []

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
            line_id = self._account.new_id("cnli_")
            taken.append(note_line(line_id, one.amount, of=one.invoice_line_item, discount=off))
        return taken

    def _whole(self, amount: int) -> Object:
        return note_line(self._account.new_id("cnli_"), amount, of=None, quantity=1)

    def _credited(self, bill: Object) -> int:
        return int(bill["pre_payment_credit_notes_amount"]) + int(bill["post_payment_credit_notes_amount"])

    def _refunded(self, bill: Object, amount: int) -> list[Object]:
        return self._account.reversals.refund(bill["_payment_intent"], amount) if amount else []

    def _final(self, invoice_id: str) -> Object:
        bill = self._account.kept("invoice", invoice_id)
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


def _issued(account: "StripeAccount", parameters: Mapping[str, Any]) -> Object:
    refuse_unknown(parameters, (*_AMOUNTS, "invoice", "lines", "metadata", "reason", "refunds"))
    require(parameters, "invoice")
    amounts = {name: count(parameters.get(name, "0"), name) for name in _AMOUNTS}
    refunds = [str(text(one, "refund", "refunds")) for one in mapping(parameters, "refunds").values()]
    events = account.credit_notes.issue(
        str(parameters["invoice"]),
        amounts["amount"],
        lines=[_credited_line(one, index) for index, one in mapping(parameters, "lines").items()],
        credit=amounts["credit_amount"],
        out_of_band=amounts["out_of_band_amount"],
        refund=amounts["refund_amount"],
        refunds=refunds,
        reason=text(parameters, "reason"),
        metadata=metadata(parameters),
    )
    made = next(event["data"]["object"] for event in events if event["type"] == "credit_note.created")
    return account.kept("credit_note", made["id"])


def _credited_line(fields: Mapping[str, Any], index: str) -> CreditedLine:
    place = f"lines[{index}]"
    if text(fields, "type", place) == "invoice_line_item":
        return CreditedLine(
            count(fields.get("amount", ""), f"{place}[amount]"), text(fields, "invoice_line_item", place)
        )
    unit_amount = count(fields.get("unit_amount", ""), f"{place}[unit_amount]")
    return CreditedLine(unit_amount * count(fields.get("quantity", "1"), f"{place}[quantity]"))
