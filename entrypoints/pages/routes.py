"""The routes of the pages, their styles and scripts.

The pages are static; their scripts call the public API. A product replaces the first two with its own
(`CREDENCE_SUCCESS_URL`, `CREDENCE_CANCEL_URL`).
"""

from pathlib import Path

from litestar import Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

_FOLDER = Path(__file__).parent
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def _file(name: str, media_type: str) -> Response[bytes]:
    return Response((_FOLDER / name).read_bytes(), media_type=media_type, headers=_HEADERS)


@get("/", include_in_schema=False, sync_to_thread=False)
def pricing_page() -> Response[bytes]:
    """Return the pricing page."""
    return _file("pricing.html", "text/html")


@get("/return", include_in_schema=False, sync_to_thread=False)
def return_page() -> Response[bytes]:
    """Return the page to which Stripe sends the customer after the payment."""
    return _file("return.html", "text/html")


@get("/ops", include_in_schema=False, sync_to_thread=False)
def operator_page() -> Response[bytes]:
    """Return the operator's page. It contains no data: its script asks for the operator's key."""
    return _file("ops.html", "text/html")


@get("/pages/{name:str}", include_in_schema=False, sync_to_thread=False)
def page_asset(name: FromPath[str]) -> Response[bytes]:
    """Return a style or script of the pages."""
    match name:
        case "pages.css":
            return _file(name, "text/css")
        case "ops.js" | "pricing.js" | "return.js" | "session.js":
            return _file(name, "text/javascript")
        case _:
            raise NotFoundException


page_handlers = [pricing_page, return_page, operator_page, page_asset]
