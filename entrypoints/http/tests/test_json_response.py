"""Answers that leave by the short way are what Litestar would have sent; the rest goes Litestar's way."""

import pytest
from litestar import Response, get
from litestar.testing import create_test_client

from domain.usecases.read_account import QuotaSource
from entrypoints.http.json_response import FastJsonResponse
from entrypoints.http.routes.quota import QuotaAnswer

QUOTA = QuotaAnswer(user_id="ü", balance=-5, held=0, available=-5, version=7, source=QuotaSource.CACHE)


@get("/value")
async def value() -> QuotaAnswer:
    return QUOTA


@get("/nothing", status_code=204)
async def nothing() -> None:
    return None


@get("/text", media_type="text/plain")
async def text() -> str:
    return "a, b"


@get("/headers")
async def headers() -> Response[dict[str, int]]:
    return Response({"a": 1}, headers={"Retry-After": "5"}, status_code=503)


@pytest.mark.parametrize("path", ["/value", "/nothing", "/text", "/headers", "/missing"])
def test_an_answer_is_what_litestar_would_have_sent(path: str) -> None:
    handlers = [value, nothing, text, headers]
    with (
        create_test_client(handlers, logging_config=None) as usual,
        create_test_client(handlers, logging_config=None, response_class=FastJsonResponse) as ours,
    ):
        expected, sent = usual.get(path), ours.get(path)
    assert (sent.status_code, sent.content, dict(sent.headers)) == (
        expected.status_code,
        expected.content,
        dict(expected.headers),
    )
