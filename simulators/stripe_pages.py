"""The hosted checkout page of the stand-in, as plain as it can be and still be pleasant."""

from html import escape

from simulators.stripe_objects import Object

_STYLE = """
:root{color-scheme:light dark;--ink:#1a1f36;--soft:#697386;--line:#e3e8ee;--card:#fff;--ground:#f6f8fa}
@media(prefers-color-scheme:dark){:root{--ink:#eef;--soft:#99a;--line:#334;--card:#1b2030;--ground:#10141f}}
*{box-sizing:border-box}body{margin:0;font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--ground)}
main{max-width:26rem;margin:3rem auto;padding:2rem;background:var(--card);border:1px solid var(--line);border-radius:14px}
.tag{display:inline-block;font-size:.75rem;font-weight:600;color:#983705;background:#ffde92;padding:.1rem .5rem;border-radius:4px}
h1{font-size:1rem;color:var(--soft);font-weight:500;margin:1rem 0 0}.amount{font-size:2.4rem;font-weight:700;margin:0}
.email{color:var(--soft);margin:.25rem 0 1.5rem;overflow-wrap:anywhere}.error{color:#c0362c}
button,a.button{display:block;width:100%;margin:.6rem 0;padding:.75rem;border-radius:8px;border:1px solid var(--line);
font:inherit;font-weight:600;text-align:center;cursor:pointer;background:transparent;color:inherit;text-decoration:none}
button.main{background:#635bff;border-color:#635bff;color:#fff}
table{width:100%;border-collapse:collapse}td,th{text-align:left;padding:.4rem;border-bottom:1px solid var(--line)}
"""


def _page(title: str, content: str) -> bytes:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<style>{_STYLE}</style></head><body><main>{content}</main></body></html>"
    ).encode()


def money(minor: int, currency: str) -> str:
    """An amount as people read it."""
    digits = 0 if currency in {"jpy", "krw", "vnd", "clp"} else 2
    return f"{minor / 10**digits:,.{digits}f} {currency.upper()}"


def checkout_page(session: Object, product: str, *, error: str = "") -> bytes:
    """What the customer sees of an open session."""
    complaint = f'<p class="error" role="alert">{escape(error)}</p>' if error else ""
    cancel = session["cancel_url"]
    back = f'<a class="button" href="{escape(cancel)}">Cancel</a>' if cancel else ""
    return _page(
        "Checkout (simulated)",
        f'<span class="tag">SIMULATED STRIPE CHECKOUT</span><h1>{escape(product)}</h1>'
        f'<p class="amount">{escape(money(session["amount_total"], session["currency"]))}</p>'
        f'<p class="email">{escape(session["customer_email"] or "")}</p>{complaint}'
        '<form method="post">'
        '<button class="main" name="method" value="card">Pay by card</button>'
        '<button name="method" value="delayed">Pay by bank transfer (arrives later)</button>'
        '<button name="method" value="decline">Pay with a card that is declined</button>'
        f"</form>{back}",
    )


def closed_page(session: Object) -> bytes:
    """What the customer sees of a session that is over."""
    told = "This checkout is already paid." if session["status"] == "complete" else "This checkout has expired."
    return _page("Checkout (simulated)", f'<span class="tag">SIMULATED STRIPE CHECKOUT</span><h1>{told}</h1>')


def awaiting_page(session: Object) -> bytes:
    """A session whose bank transfer is under way, with what may become of it."""
    return _page(
        "Checkout (simulated)",
        '<span class="tag">SIMULATED STRIPE CHECKOUT</span><h1>The bank transfer is under way.</h1>'
        f'<p class="amount">{escape(money(session["amount_total"], session["currency"]))}</p><form method="post">'
        '<button class="main" name="method" value="settle">Let the transfer arrive</button>'
        '<button name="method" value="fail">Let the transfer fail</button></form>',
    )


def index_page(sessions: list[Object]) -> bytes:
    """Every session with its state."""
    rows = "".join(
        f'<tr><td><a href="/c/pay/{escape(session["id"])}">{escape(session["id"][:24])}…</a></td>'
        f"<td>{escape(session['status'])}</td><td>{escape(session['payment_status'])}</td></tr>"
        for session in sessions
    )
    return _page(
        "Stripe stand-in",
        '<span class="tag">STRIPE STAND-IN</span><h1>Checkout sessions</h1>'
        f"<table><tr><th>Session</th><th>Status</th><th>Payment</th></tr>{rows}</table>",
    )
