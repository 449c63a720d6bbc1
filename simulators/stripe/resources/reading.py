"""Answers requests that read: single objects, lists of them, and objects expanded within others."""

from collections.abc import Mapping
from typing import Any

from simulators.stripe.account.account import StripeAccount
from simulators.stripe.account.invoice_shapes import lines_of
from simulators.stripe.account.shapes import balance
from simulators.stripe.objects import Object, listed
from simulators.stripe.requests.lists import page
from simulators.stripe.requests.refusals import invalid, missing
from simulators.stripe.resources.payment_pages import shown_page
from simulators.stripe.selling import portal
from simulators.stripe.selling.searches import found_customers

_KINDS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "charges": ("charge", ("customer", "payment_intent")),
    "coupons": ("coupon", ()),
    "credit_notes": ("credit_note", ("customer", "invoice")),
    "customers": ("customer", ("email",)),
    "disputes": ("dispute", ("charge", "payment_intent")),
    "invoice_payments": ("invoice_payment", ("invoice", "status")),
    "invoiceitems": ("invoiceitem", ("customer", "invoice")),
    "invoices": ("invoice", ("customer", "status", "subscription")),
    "payment_intents": ("payment_intent", ("customer",)),
    "payment_methods": ("payment_method", ("customer", "type")),
    "prices": ("price", ("currency", "product", "type")),
    "products": ("product", ()),
    "promotion_codes": ("promotion_code", ("code",)),
    "refunds": ("refund", ("charge", "payment_intent")),
    "subscriptions": ("subscription", ("customer", "status")),
}
_SESSION_FILTERS = ("customer", "payment_intent", "status", "subscription")


class StripeReading:
    """Answers what is read, in the shape of an API version."""

    def __init__(self, account: StripeAccount) -> None:
        self._account = account

    def show(  # noqa: PLR0911, PLR0912 - one for each route
        self, path: list[str], parameters: Mapping[str, Any], version: str
    ) -> Object | None:
        """Return what stands at a path below `/v1/`; None where there is no such route.

        :raises Refusal: if Stripe would refuse it.
        """
        match path:
            case ["checkout", "sessions"]:
                sessions = page(
                    self._account.sessions()[::-1], "/v1/checkout/sessions", parameters, filters=_SESSION_FILTERS
                )
                return self._each_expanded(sessions, parameters, version)
            case ["checkout", "sessions", session_id]:
                session = self._account.session(session_id)
                return self._expanded(_found("checkout.session", session_id, session), parameters, version)
            case ["checkout", "sessions", session_id, "line_items"]:
                items = self._account.line_items(session_id)
                return page(items[::-1], f"/v1/checkout/sessions/{session_id}/line_items", parameters)
            case ["payment_pages", session_id]:
                return shown_page(self._account, session_id)
            case ["events"]:
                return self._events(parameters)
            case ["events", event_id]:
                return _found("event", event_id, self._account.event(event_id))
            case ["account"]:
                return {"id": "acct_simulated", "object": "account", "livemode": False}
            case ["balance"]:
                return balance()
            case ["webhook_endpoints"]:
                return page(self._account.endpoints, "/v1/webhook_endpoints", parameters)
            case ["invoice_payments"]:
                return self._invoice_payments(parameters, version)
            case ["invoices", wanted, "lines"]:
                lines = lines_of(self._account.kept("invoice", wanted), version)
                return page(lines[::-1], f"/v1/invoices/{wanted}/lines", parameters)
            case ["credit_notes", wanted, "lines"]:
                note = self._account.shown(self._account.kept("credit_note", wanted), version)
                return page(note["lines"]["data"][::-1], f"/v1/credit_notes/{wanted}/lines", parameters)
            case ["customers", wanted, "balance_transactions"]:
                every = self._account.all_kept("customer_balance_transaction")
                moves = [one for one in every if one["customer"] == self._account.kept("customer", wanted)["id"]]
                return page(moves, f"/v1/customers/{wanted}/balance_transactions", parameters)
            case ["billing_portal", *_]:
                return portal.show(self._account, path, parameters)
            case ["customers", "search"]:
                return found_customers(self._account, parameters)
            case ["customers", wanted] if self._account.has("deleted_customer", wanted):
                return {"id": wanted, "object": "customer", "deleted": True}
            case [kind] if kind in _KINDS:
                name, filters = _KINDS[kind]
                if kind == "subscriptions" and parameters.get("status") == "all":
                    parameters = {key: value for key, value in parameters.items() if key != "status"}
                found = page(self._account.all_kept(name), f"/v1/{kind}", parameters, filters=filters)
                found |= {"data": [self._account.shown(one, version) for one in found["data"]]}
                return self._each_expanded(found, parameters, version)
            case [kind, wanted] if kind in _KINDS:
                kept = self._account.kept(_KINDS[kind][0], wanted)
                return self._expanded(self._account.shown(kept, version), parameters, version)
            case _:
                return None

    def _events(self, parameters: Mapping[str, Any]) -> Object:
        several = parameters.get("types", {})
        if not isinstance(several, Mapping):
            raise invalid("Invalid array", "types")
        kinds = {str(kind) for kind in (parameters.get("type"), *several.values()) if kind}
        chosen = [event for event in self._account.events if not kinds or event["type"] in kinds]
        after = parameters.get("starting_after")
        if after and all(event["id"] != after for event in self._account.events):
            raise missing("event", str(after), param="starting_after", status=400)
        others = {name: value for name, value in parameters.items() if name not in ("type", "types")}
        return page(chosen, "/v1/events", others)

    def _invoice_payments(self, parameters: Mapping[str, Any], version: str) -> Object:
        payment = parameters.get("payment", {})
        if not isinstance(payment, Mapping):
            raise invalid("Invalid object", "payment")
        intent = payment.get("payment_intent")
        chosen = [
            one
            for one in self._account.all_kept("invoice_payment")
            if intent is None or one["payment"]["payment_intent"] == intent
        ]
        others = {name: value for name, value in parameters.items() if name != "payment"}
        found = page(chosen, "/v1/invoice_payments", others, filters=_KINDS["invoice_payments"][1])
        return found | {"data": [self._account.shown(one, version) for one in found["data"]]}

    def _expanded(self, fields: Object, parameters: Mapping[str, Any], version: str) -> Object:
        wanted = parameters.get("expand", {})
        for name in sorted(wanted.values()) if isinstance(wanted, Mapping) else []:
            fields = self._expand(fields, str(name).split("."), version)
        return fields

    def _each_expanded(self, found: Object, parameters: Mapping[str, Any], version: str) -> Object:
        """Return a list, with what is expanded within each of its objects."""
        wanted = parameters.get("expand", {})
        names = [str(name) for name in wanted.values()] if isinstance(wanted, Mapping) else []
        within = {str(place): name.removeprefix("data.") for place, name in enumerate(names)}
        return found | {"data": [self._expanded(one, {"expand": within}, version) for one in found["data"]]}

    def _expand(self, fields: Object, path: list[str], version: str) -> Object:
        name, *rest = path
        if name == "payments" and fields["object"] == "invoice":
            paid = [one for one in self._account.all_kept("invoice_payment") if one["invoice"] == fields["id"]]
            shown = [self._account.shown(one, version) for one in paid]
            return fields | {"payments": listed(shown, "/v1/invoice_payments")}
        if name == "line_items" and fields["object"] == "checkout.session":
            url = f"/v1/checkout/sessions/{fields['id']}/line_items"
            return fields | {"line_items": listed(self._account.line_items(fields["id"]), url)}
        kind = {"latest_charge": "charge", "latest_invoice": "invoice"}.get(name, name)
        within = fields.get(name)
        if isinstance(within, str):
            within = self._account.shown(self._account.kept(kind, within), version)
        if within is None:
            return fields
        return fields | {name: self._expand(within, rest, version) if rest else within}


def _found(kind: str, wanted: str, found: Object | None) -> Object:
    if found is None:
        raise missing(kind, wanted)
    return found
