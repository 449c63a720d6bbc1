"""The billing portal's page of the stand-in: customers cancel a subscription, switch to another plan, and go back."""

from html import escape
from urllib.parse import parse_qs

from simulators.http.server import Request, Response
from simulators.stripe.account.account import StripeAccount
from simulators.stripe.api import Do
from simulators.stripe.objects import Object
from simulators.stripe.pages import framed, html_answer, money
from simulators.stripe.requests.refusals import Refusal, invalid
from simulators.stripe.selling.portal import CONFIGURATION, SESSION
from simulators.stripe.selling.schedules import schedule

_TAG = '<span class="tag">SIMULATED STRIPE PORTAL</span>'
_LIVE = ("active", "trialing", "past_due")


class PortalPages:
    """Answers `/p/session/...`, where a merchant's customers manage what they pay for; `do` changes the account."""

    def __init__(self, account: StripeAccount, *, merchant: str, do: Do) -> None:
        self._account = account
        self._merchant = merchant
        self._do = do

    def answer(self, request: Request) -> Response:
        """Return the page, after what its button does."""
        if request.method not in ("GET", "HEAD", "POST"):
            return Response(status=405, headers={"Allow": "GET, HEAD, POST"})
        session = self._session(request.path)
        if session is None:
            return html_answer(framed("No such portal", f"{_TAG}<h1>This link is no longer valid.</h1>"), 404)
        if request.method != "POST":
            return html_answer(self._show(session))
        asked = {name: values[0] for name, values in parse_qs(request.body.decode(errors="replace")).items()}
        try:
            self._do(lambda: self._changed(session, asked))
        except Refusal as refused:
            return html_answer(self._show(session, error=str(refused.body["error"]["message"])), 400)
        return Response(status=303, headers={"Location": request.path})

    def _session(self, path: str) -> Object | None:
        every = self._account.all_kept(SESSION)
        return next((one for one in every if str(one["url"]).endswith(path)), None)

    def _changed(self, session: Object, asked: dict[str, str]) -> Object:
        """Do what a button asks, as far as the configuration lets customers do it."""
        account, billing = self._account, self._account.billing
        features = account.kept(CONFIGURATION, session["configuration"])["features"]
        found = account.kept("subscription", asked.get("subscription", ""))
        if found["customer"] != session["customer"]:
            raise invalid("This subscription is another customer's.", "subscription")
        if asked.get("act") == "cancel" and features["subscription_cancel"]["enabled"]:
            at_period_end = features["subscription_cancel"]["mode"] == "at_period_end"
            billing.cancel(found["id"], at_period_end=at_period_end)
            return found
        if asked.get("price") not in _offered(features):
            raise invalid("The portal does not offer this.", "price")
        self._switch(found, asked["price"], features["subscription_update"])
        return found

    def _switch(self, found: Object, price_id: str, switching: Object) -> None:
        now, then = found["_items"][0]["_price"], self._account.kept("price", price_id)
        waits = {one["type"] for one in switching["schedule_at_period_end"]["conditions"]}
        if then["unit_amount"] < now["unit_amount"] and "decreasing_item_amount" in waits:
            schedule(self._account, found, then)
            return
        prorates = switching["proration_behavior"] != "none"
        at_once = switching["proration_behavior"] == "always_invoice"
        self._account.billing.change(found["id"], price=price_id, prorate=prorates, invoice_now=at_once)

    def _show(self, session: Object, *, error: str = "") -> bytes:
        account = self._account
        features = account.kept(CONFIGURATION, session["configuration"])["features"]
        live = [
            one
            for one in account.all_kept("subscription")
            if one["customer"] == session["customer"] and one["status"] in _LIVE
        ]
        complaint = f'<p class="error" role="alert">{escape(error)}</p>' if error else ""
        back = session["return_url"]
        link = f'<a class="button" href="{escape(back)}">Return to {escape(self._merchant)}</a>' if back else ""
        shown = "".join(self._subscription(one, features) for one in live) or "<p>No current subscription.</p>"
        return framed(
            "Customer portal (simulated)",
            f"{_TAG}<h1>{escape(self._merchant)}</h1>"
            f'<p class="email">{escape(account.kept("customer", session["customer"])["email"] or "")}</p>'
            f"{complaint}{shown}{link}",
        )

    def _subscription(self, found: Object, features: Object) -> str:
        price = found["_items"][0]["_price"]
        follows = found.get("_next_price")
        note = "<p>Canceled; it ends with its period.</p>" if found["cancel_at_period_end"] else ""
        note += f"<p>Then {escape(self._named(follows))}.</p>" if follows else ""
        hidden = f'<input type="hidden" name="subscription" value="{escape(found["id"])}">'
        buttons = "".join(
            f'<button name="price" value="{escape(price_id)}">Switch to '
            f"{escape(self._named(self._account.kept('price', price_id)))}</button>"
            for price_id in _offered(features)
            if price_id != price["id"]
        )
        if features["subscription_cancel"]["enabled"] and not found["cancel_at_period_end"]:
            buttons += '<button name="act" value="cancel">Cancel subscription</button>'
        return f'<h1>{escape(self._named(price))}</h1>{note}<form method="post">{hidden}{buttons}</form>'

    def _named(self, price: Object) -> str:
        name = self._account.kept("product", price["product"])["name"]
        return f"{name}, {money(price['unit_amount'], price['currency'])} a {price['recurring']['interval']}"


def _offered(features: Object) -> list[str]:
    """Return the prices to which customers may switch."""
    switching = features["subscription_update"]
    if not switching["enabled"] or "price" not in switching["default_allowed_updates"]:
        return []
    return [price for product in switching["products"] for price in product["prices"]]
