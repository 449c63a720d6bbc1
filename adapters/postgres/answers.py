"""Checks the shape of each ledger function's answer, so that another program's answer is not taken for it.

A maintenance page, a proxy or another program at the address answers 200 too.
"""

import httpx
import msgspec

from adapters.postgres.answer_shapes import SHAPES
from domain.ports.ledger import LedgerUnavailable

SHOWN_CHARACTERS = 80

_DECODERS = {function: msgspec.json.Decoder(shape) for function, shape in SHAPES.items()}


async def refuse_other_answers(response: httpx.Response) -> None:
    """See that a call that is said to have succeeded is answered as its function answers; a hook of httpx's.

    :raises LedgerUnavailable: if not, with the status, the content type and the first characters of what came.
    """
    if not response.is_success:
        return
    content = await response.aread()
    function = response.request.url.path.rpartition("/")[2]
    kind = response.headers.get("content-type", "no content type")[:SHOWN_CHARACTERS]
    problem = None if kind.startswith("application/json") else "no JSON"
    try:
        _DECODERS[function].decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        problem = problem or str(error)
    if problem is not None:
        raise LedgerUnavailable(
            f"Supabase: {function} was answered {response.status_code} ({kind}) with {_start(response)}, "
            f"which is not PostgREST's answer ({problem}); check SUPABASE_URL, and whether the project is up"
        )


def _start(response: httpx.Response) -> str:
    """Return the first characters of an answer, without the key, which some servers repeat."""
    text = " ".join(response.text.split())
    for header in ("apikey", "authorization"):
        secret = response.request.headers.get(header, "").removeprefix("Bearer ")
        text = text.replace(secret, "…") if secret else text
    return repr(text[:SHOWN_CHARACTERS]) if text else "an empty body"
