"""The hosted checkout page of the stand-in, as plain as it can be and still be pleasant."""

from html import escape
from urllib.parse import parse_qs, quote

from simulators.http.server import Request, Response
from simulators.stripe.account.account import StripeAccount
from simulators.stripe.api import Do
from simulators.stripe.objects import Object
from simulators.stripe.requests.refusals import Refusal, invalid

_STYLE = """
:root{color-scheme:light dark;--ink:#1a1f36;--soft:#697386;--line:#e3e8ee;--card:#fff;--ground:#f6f8fa}
@media(prefers-color-scheme:dark){:root{--ink:#eef;--soft:#99a;--line:#334;--card:#1b2030;--ground:#10141f}}
*{box-sizing:border-box}body{margin:0;font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--ground)}
main{max-width:26rem;margin:3rem auto;padding:2rem;background:var(--card);border:1px solid var(--line);border-radius:14px}
.tag{display:inline-block;font-size:.75rem;font-weight:600;color:#983705;background:#ffde92;padding:.1rem .5rem;border-radius:4px}
h1{font-size:1rem;color:var(--soft);font-weight:500;margin:1rem 0 0}.amount{font-size:2.4rem;font-weight:700;margin:0}
.part{color:var(--soft);margin:0}input{font:inherit}.email{color:var(--soft);margin:.25rem 0 1.5rem;overflow-wrap:anywhere}.error{color:#c0362c}
button,a.button{display:block;width:100%;margin:.6rem 0;padding:.75rem;border-radius:8px;border:1px solid var(--line);
font:inherit;font-weight:600;text-align:center;cursor:pointer;background:transparent;color:inherit;text-decoration:none}
button.main{background:#635bff;border-color:#635bff;color:#fff}
table{width:100%;border-collapse:collapse}td,th{text-align:left;padding:.4rem;border-bottom:1px solid var(--line)}
"""
_TAG = '<span class="tag">SIMULATED STRIPE CHECKOUT</span>'
_ENTERED = ("consent", "promotion_code", "quantity")
"""What the customer enters on the page: they read why it is refused."""

_UNTOUCHED = "%/:=&?~#+!$,;'@()*[]"


class CheckoutPages:
    """Answers `/c/pay/...`, where customers pay a merchant; `do` changes the account."""

    def __init__(self, account: StripeAccount, *, merchant: str, do: Do) -> None:
        self._account = account
        self._merchant = merchant
        self._do = do

    def answer(self, request: Request) -> Response:
        """Return the page; or, where a button did its work, the way back to the merchant."""
        session_id = request.path.removeprefix("/c/pay/")
        if request.method not in ("GET", "HEAD", "POST"):
            return Response(status=405, headers={"Allow": "GET, HEAD, POST"})
        session = self._account.session(session_id)
        if session is None:
            return html_answer(framed("No such checkout", f"{_TAG}<h1>There is no such checkout.</h1>"), 404)
        if request.method != "POST":
            return html_answer(self._show(session))
        entered = {name: found[0] for name, found in parse_qs(request.body.decode(errors="replace")).items()}
        try:
            if entered.get("method") == "update":
                return self._change_order(session_id, entered)
            self._pay(session, entered)
        except Refusal as refused:
            return self._refused(self._account.session(session_id) or session, refused)
        # An embedded page leads back to `return_url`.
        address = (session["success_url"] or session["return_url"]).replace("{CHECKOUT_SESSION_ID}", session_id)
        return Response(status=303, headers={"Location": quote(address, safe=_UNTOUCHED)})

    def _pay(self, session: Object, entered: dict[str, str]) -> None:
        session_id, method = session["id"], entered.get("method", "")
        ends = {"settle": self._account.settle, "fail": self._account.fail}
        consent = session["consent_collection"]
        if consent and consent["terms_of_service"] == "required" and method not in ends and "terms" not in entered:
            raise invalid("Agree to the terms of service to pay.", "consent")
        self._do(lambda: ends[method](session_id) if method in ends else self._account.pay(session_id, method))

    def _change_order(self, session_id: str, entered: dict[str, str]) -> Response:
        """Apply a promotion code or a quantity, and show the page with what it costs then."""
        quantity = entered.get("quantity")
        if quantity is not None and not (quantity.isascii() and quantity.isdecimal() and len(quantity) < 7):
            raise invalid("This quantity can't be chosen.", "quantity")
        self._account.change_order(
            session_id, code=entered.get("code"), quantity=None if quantity is None else int(quantity)
        )
        return Response(status=303, headers={"Location": f"/c/pay/{session_id}"})

    def _refused(self, session: Object, refused: Refusal) -> Response:
        if session["status"] != "open":
            return html_answer(self._show(session))
        is_shown = refused.status == 402 or refused.body["error"].get("param") in _ENTERED
        given = refused.body["error"]["message"] if is_shown else "Choose how to pay."
        return html_answer(self._show(session, error=given), 402)

    def _show(self, session: Object, *, error: str = "") -> bytes:
        if session["status"] == "open":
            product, address = self._account.product(session["id"]), self._account.address_of(session)
            sold = self._account.line_items(session["id"])
            return checkout_page(session, product, self._merchant, sold, error=error, address=address)
        return awaiting_page(session) if self._account.is_awaited(session["id"]) else closed_page(session)


def html_answer(body: bytes, status: int = 200) -> Response:
    """Return an answer for a browser."""
    return Response(status=status, headers={"Content-Type": "text/html; charset=utf-8"}, body=body)


def framed(title: str, content: str) -> bytes:
    """Return a page of that title with that content, as HTML."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<style>{_STYLE}</style></head><body><main>{content}</main></body></html>"
    ).encode()


def money(minor: int, currency: str) -> str:
    """Return an amount as people read it."""
    if currency in {"jpy", "krw", "vnd", "clp"}:
        return f"{minor:,} {currency.upper()}"
    whole, part = divmod(abs(minor), 100)
    return f"{'-' if minor < 0 else ''}{whole:,}.{part:02} {currency.upper()}"


def checkout_page(
    session: Object, product: str, merchant: str, sold: list[Object], *, error: str = "", address: str | None = None
) -> bytes:
    """Return an open session as the customer sees it, with what it sells."""
    complaint = f'<p class="error" role="alert">{escape(error)}</p>' if error else ""
    cancel = session["cancel_url"]
    back = f'<a class="button" href="{escape(cancel)}">Cancel</a>' if cancel else ""
    return framed(
        "Checkout (simulated)",
        f"{_TAG}<h1>{escape(merchant)}</h1><h1>{escape(product)}</h1>"
        f'<p class="amount">{escape(money(session["amount_total"], session["currency"]))}</p>'
        f"{_parts(session)}"
        f'<p class="email">{escape(address or "")}</p>{complaint}{_choices(session, sold)}'
        f'<form method="post">{_terms(session)}'
        '<button class="main" name="method" value="card">Pay by card</button>'
        '<button name="method" value="delayed">Pay by bank transfer (arrives later)</button>'
        '<button name="method" value="decline">Pay with a card that is declined</button>'
        f"</form>{back}",
    )


def _parts(session: Object) -> str:
    """Return the discount and the tax in the amount, where there are any."""
    details = session["total_details"]
    named = {"Discount": -details["amount_discount"], "Tax": details["amount_tax"]}
    return "".join(
        f'<p class="part">{name} {escape(money(amount, session["currency"]))}</p>'
        for name, amount in named.items()
        if amount
    )


def _choices(session: Object, sold: list[Object]) -> str:
    """Return the forms in which the customer enters a promotion code and changes the quantity."""
    forms = ""
    if session["allow_promotion_codes"]:
        forms += _form("Promotion code", "code", 'name="code" required')
    if sold and sold[0]["adjustable_quantity"]:
        forms += _form("Quantity", "quantity", f'name="quantity" type="number" value="{sold[0]["quantity"]}"')
    return forms


def _form(label: str, field: str, attributes: str) -> str:
    return (
        f'<form method="post"><label for="{field}">{label}</label> <input id="{field}" {attributes}>'
        f'<button name="method" value="update">Apply {label.lower()}</button></form>'
    )


def _terms(session: Object) -> str:
    consent = session["consent_collection"]
    if not consent or consent["terms_of_service"] != "required":
        return ""
    return '<label><input type="checkbox" name="terms"> I agree to the terms of service</label>'


def closed_page(session: Object) -> bytes:
    """Return what the customer sees of a session that is over."""
    text = "This checkout has expired."
    if session["status"] == "complete":
        failed = session["payment_status"] == "unpaid"
        text = "The bank transfer of this checkout failed." if failed else "This checkout is already paid."
    return framed("Checkout (simulated)", f"{_TAG}<h1>{text}</h1>")


def awaiting_page(session: Object) -> bytes:
    """Return a session whose bank transfer is under way, with what may become of it."""
    return framed(
        "Checkout (simulated)",
        f"{_TAG}<h1>The bank transfer is under way.</h1>"
        f'<p class="amount">{escape(money(session["amount_total"], session["currency"]))}</p><form method="post">'
        '<button class="main" name="method" value="settle">Let the transfer arrive</button>'
        '<button name="method" value="fail">Let the transfer fail</button></form>',
    )


def index_page(sessions: list[Object]) -> bytes:
    """Return every session with its state."""
    rows = "".join(
        f'<tr><td><a href="/c/pay/{escape(session["id"])}">{escape(session["id"][:24])}…</a></td>'
        f"<td>{escape(session['status'])}</td><td>{escape(session['payment_status'])}</td></tr>"
        for session in sessions
    )
    return framed(
        "Stripe stand-in",
        '<span class="tag">STRIPE STAND-IN</span><h1>Checkout sessions</h1>'
        f"<table><tr><th>Session</th><th>Status</th><th>Payment</th></tr>{rows}</table>",
    )
