"""A plain request, which goes beside Litestar, is answered, counted and logged as one that goes through it."""

import json
import re
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs
import httpx
import pytest

from entrypoints.http import app
from entrypoints.http.routes import webhooks
from entrypoints.http.routes.quota import _PLAIN
from entrypoints.http.short_way import NO_QUERY
from features.harness.own_service import Serve, Serving
from features.harness.service import eventually
from features.http.signed_events import paid_session
from simulators.stripe.signatures import mint_token, sign_webhook

ORIGIN = "https://app.example.com"
NOBODY = "6f1e0a52-0000-4000-8000-00000000000a"
SECRET = "a-secret-of-forty-characters-for-tokens!"
FAR_FUTURE = 4_102_444_800
SERVICE = {"Authorization": "Bearer service-key-of-the-edge"}
OPERATOR = {"Authorization": "Bearer operator-key-of-the-edge"}
SETTINGS = {
    "CREDENCE_REQUEST_LOG": "all",
    "CREDENCE_ALLOWED_ORIGINS": ORIGIN,
    "CREDENCE_OPERATOR_KEY": "operator-key-of-the-edge",
    "SUPABASE_JWT_SECRET": SECRET,
}


@pytest.fixture(scope="module")
def service(serve: Serve) -> Iterator[Serving]:
    """A service that logs all requests."""
    with serve(**SETTINGS) as serving:
        yield serving


@pytest.fixture(scope="module")
def known(service: Serving) -> str:
    """A user whose quota the cache has."""
    made = service.http.post("/ops/synthetic-users", json={"tag": "short-way", "count": 1}, headers=OPERATOR)
    user_id: str = made.json()["users"][0]["user_id"]
    assert 200 == service.http.get(f"/quota?user_id={user_id}", headers=SERVICE).status_code
    return user_id


def token(user_id: str, **claims: object) -> dict[str, str]:
    usual = {"role": "authenticated", "aud": "authenticated", "sub": user_id, "exp": FAR_FUTURE}
    return {"Authorization": f"Bearer {mint_token(SECRET, {**usual, **claims})}"}


CASES: dict[str, tuple[int, str, dict[str, str]]] = {
    "a service": (200, "user_id=KNOWN", SERVICE),
    "a page of another origin": (200, "user_id=KNOWN", {**SERVICE, "Origin": ORIGIN}),
    "an operator": (200, "user_id=KNOWN", OPERATOR),
    "a user": (200, "", {"as": "KNOWN"}),
    "a user who names themselves": (200, "user_id=KNOWN", {"as": "KNOWN"}),
    "a user in capital letters": (200, "user_id=KNOWN", SERVICE),
    "a user who names another": (403, f"user_id={NOBODY}", {"as": "KNOWN"}),
    "a user whose header contradicts": (403, "", {"as": "KNOWN", "X-User-Id": NOBODY}),
    "a user whose token is too old": (401, "", {"as": "KNOWN", "exp": "1"}),
    "a malformed email": (400, "user_id=KNOWN", {**SERVICE, "X-User-Email": "a" * 321}),
    "nobody": (401, "user_id=KNOWN", {}),
    "a wrong key": (401, "user_id=KNOWN", {"Authorization": "Bearer wrong"}),
    "a service that names nobody": (400, "", SERVICE),
    "no UUID": (400, f"user_id={'-' * 36}", SERVICE),
    "an unknown user": (404, f"user_id={NOBODY}", SERVICE),
}


@attrs.frozen(kw_only=True)
class PreparedRequest:
    """A request; `content` in several pieces is sent without its length."""

    method: str = "POST"
    path: str
    headers: dict[str, str] | Sequence[tuple[str, str]]
    content: bytes | Sequence[bytes] = b""


def requests(service: Serving, path: str, status: int) -> float:
    """How many were counted, and timed, with that status."""
    lines = service.http.get("/metrics").text.splitlines()
    named = [line for line in lines if f'path="{path}"' in line and f'status_code="{status}"' in line]
    kinds = ("credence_requests_total{", "credence_request_duration_seconds_count{")
    return sum(float(line.rsplit(" ", 1)[1]) for line in named if line.startswith(kinds))


def happened(service: Serving) -> dict[str, float]:
    """What was counted of webhooks and credits."""
    kinds = ("credence_webhook_", "credence_parked_", "credence_credit_")
    lines = [line for line in service.http.get("/metrics").text.splitlines() if line.startswith(kinds)]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def ask(service: Serving, asked: PreparedRequest, query: str, status: int, *masked: str) -> dict[str, Any]:
    """Ask, and return all that is left of it but times and what is masked; "counted" are those with the status."""
    request_id, path = f"req_{uuid.uuid4()}", asked.path
    counted, before = requests(service, path, status), happened(service)
    content = asked.content if isinstance(asked.content, bytes) else iter(asked.content)
    headers = [*httpx.Headers(asked.headers, encoding="latin-1").raw, (b"X-Request-Id", request_id.encode())]
    answer = service.http.request(asked.method, f"{path}?{query}", headers=headers, content=content)

    def lines() -> list[dict[str, Any]]:
        return [json.loads(line) for line in service.log.read_text().splitlines() if request_id in line]

    assert eventually(lambda: any("duration_ms" in line for line in lines()), True) is True
    after = happened(service)
    left = {
        "status": answer.status_code,
        "headers": sorted((name.decode(), value.decode()) for name, value in answer.headers.raw if name != b"date"),
        "body": answer.text,
        "log": [{name: one for name, one in line.items() if name not in {"time", "duration_ms"}} for line in lines()],
        "counted": requests(service, path, status) - counted,
        "happened": {name: value - before.get(name, 0) for name, value in after.items() if value != before.get(name)},
    }
    text = json.dumps(left)
    if status == 429:
        text = re.sub(r'(in |"retry-after", "|"content-length", ")[0-9]+', r"\1N", text)
    for one in (request_id, *masked):
        text = text.replace(one, "ID")
    named: dict[str, Any] = json.loads(re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+", "TIME", text))
    return named


@pytest.mark.parametrize("case", CASES)
def test_both_ways_agree_on_a_quota(service: Serving, known: str, case: str) -> None:
    """In all that a caller and an operator see; the query that goes through Litestar asks for the same."""
    status, query, headers = CASES[case]
    query = query.replace("KNOWN", known.upper() if "capital" in case else known)
    given = {name: value for name, value in headers.items() if name not in {"as", "exp"}}
    if "as" in headers:
        given |= token(known, exp=int(headers.get("exp", FAR_FUTURE)))
    queries = (query, f"{query}&")
    assert [True, False] == [_PLAIN.fullmatch(one.encode()) is not None for one in queries]
    short, usual = (
        ask(service, PreparedRequest(method="GET", path="/quota", headers=given), one, status) for one in queries
    )
    assert usual == short
    assert (status, 2) == (short["status"], short["counted"])
    assert ["x-request-id", "ID"] in short["headers"]


def test_methods_are_the_route_s(service: Serving, known: str) -> None:
    """What is not a GET is refused or described, whatever its query."""
    answers = [
        service.http.request(method, f"/quota?user_id={known}", headers=SERVICE)
        for method in ("HEAD", "OPTIONS", "POST")
    ]
    assert [405, 204, 405] == [answer.status_code for answer in answers]
    assert ["GET", "OPTIONS"] == sorted(answers[1].headers["allow"].split(", "))


@attrs.frozen
class Customer:
    """A user of their own for one request, with 40 credits, and a name that nothing else has."""

    id: str
    name: str


@pytest.fixture
def customers(service: Serving) -> tuple[Customer, Customer]:
    """One for each way."""
    tag = f"ways-{uuid.uuid4().hex[:12]}"
    made = service.http.post("/ops/synthetic-users", json={"tag": tag, "count": 2}, headers=OPERATOR).json()
    found = [Customer(user["user_id"], uuid.uuid4().hex) for user in made["users"]]
    for one in found:
        grant = {"kind": "goodwill", "credits": 40, "reason": "to spend", "operator": "Grace"}
        headers = {**OPERATOR, "Idempotency-Key": f"gift-{one.name}"}
        service.http.post(f"/ops/accounts/{one.id}/grants", json=grant, headers=headers).raise_for_status()
    return found[0], found[1]


def event_of(customer: Customer, **changes: object) -> dict[str, Any]:
    """An event by which the customer paid; `changes` are to the event."""
    session = paid_session(metadata={"userId": customer.id, "plan": "starter"})
    session |= {"id": f"cs_test_{customer.name}", "payment_intent": f"pi_{customer.name}"}
    return {
        "id": f"evt_{customer.name}",
        "object": "event",
        "type": "checkout.session.completed",
        "created": int(time.time()),
        "livemode": False,
        "api_version": "2026-10-28.dahlia",
        "data": {"object": session},
        **changes,
    }


def delivered(
    body: bytes, headers: dict[str, str] | None = None, *, signed: str = "whsec_1", age: int = 0
) -> PreparedRequest:
    signature = sign_webhook(body, signed, int(time.time()) - age)
    named = {"Stripe-Signature": signature, "Content-Type": "application/json", **(headers or {})}
    return PreparedRequest(path="/webhooks/stripe", headers=named, content=body)


def in_pieces(whole: PreparedRequest) -> PreparedRequest:
    """The same, its body in two pieces and without its length."""
    body = b"".join([whole.content] if isinstance(whole.content, bytes) else whole.content)
    return attrs.evolve(whole, content=[body[:9], body[9:]])


def body_of(customer: Customer, **changes: object) -> bytes:
    return json.dumps(event_of(customer, **changes)).encode()


def spoilt(old: bytes, new: bytes) -> Callable[[Customer], PreparedRequest]:
    """A delivery whose signed body has something else in one place."""

    def made(customer: Customer) -> PreparedRequest:
        body = body_of(customer)
        assert old in body
        return delivered(body.replace(old, new))

    return made


def with_signatures(*signatures: str) -> Callable[[Customer], PreparedRequest]:
    """A delivery with these headers; GOOD stands for a good one."""

    def made(customer: Customer) -> PreparedRequest:
        body = body_of(customer)
        good = sign_webhook(body, "whsec_1", int(time.time()))
        headers = [("Stripe-Signature", signature.replace("GOOD", good)) for signature in signatures]
        return PreparedRequest(path="/webhooks/stripe", headers=headers, content=body)

    return made


TOO_LARGE = b" " * (webhooks.MAX_BODY_BYTES + 1)

DELIVERIES: dict[str, tuple[int, Callable[[Customer], PreparedRequest]]] = {
    "a sale": (200, lambda customer: delivered(body_of(customer))),
    "a type that is not read": (200, lambda customer: delivered(body_of(customer, type="plan.created"))),
    "an unknown plan": (200, spoilt(b'"starter"', b'"gold"')),
    "a thin event": (200, lambda one: delivered(body_of(one, object="v2.core.event", created=None))),
    "no signature": (400, with_signatures()),
    "an empty signature": (400, with_signatures("")),
    "a malformed signature": (400, with_signatures("v1=abc")),
    "a signature beyond ASCII": (400, with_signatures("GOOD,x=\u00ff")),
    "two signatures, the first good": (200, with_signatures("GOOD", "t=1,v1=0")),
    "two signatures, the second good": (400, with_signatures("t=1,v1=0", "GOOD")),
    "another secret": (400, lambda customer: delivered(body_of(customer), signed="whsec_2")),
    "stale": (400, lambda customer: delivered(body_of(customer), age=400)),
    "from the future": (400, lambda customer: delivered(body_of(customer), age=-400)),
    "no body": (400, lambda _: delivered(b"")),
    "not UTF-8": (400, lambda _: delivered(b"\xff")),
    "not JSON": (400, lambda _: delivered(b"{")),
    "NaN": (400, spoilt(b'"amount_total": 500', b'"amount_total": NaN')),
    "a huge number": (200, spoilt(b'"amount_total": 500', b'"amount_total": ' + b"9" * 400)),
    "a number of 5000 digits": (400, spoilt(b'"amount_total": 500', b'"amount_total": ' + b"9" * 5000)),
    "a lone surrogate": (200, spoilt(b'"mode"', b'"other": "\\ud800", "mode"')),
    "a name twice": (200, spoilt(b'"mode"', b'"amount_total": 1, "amount_total": 500, "mode"')),
    "deep": (400, lambda _: delivered(b'{"a":' * 50_000)),
    "no event": (400, lambda _: delivered(b"{}")),
    "called a text": (200, lambda one: delivered(body_of(one), {"Content-Type": "text/plain"})),
    "called a form": (200, lambda one: delivered(body_of(one), {"Content-Type": "multipart/form-data"})),
    "too large": (413, lambda _: delivered(TOO_LARGE)),
    "too large, in pieces": (413, lambda _: in_pieces(delivered(TOO_LARGE))),
    "in pieces": (200, lambda one: in_pieces(delivered(body_of(one)))),
    "with a key and a token of nobody's": (
        200,
        lambda one: delivered(body_of(one), {"Idempotency-Key": "a b", "Authorization": "Basic x"}),
    ),
}


def agreed(
    service: Serving, made: Callable[[Customer], PreparedRequest], status: int, customers: Sequence[Customer]
) -> Any:
    """Ask by the short way for one customer and by Litestar's for the other; return what both came to."""
    queries = ("", "&")
    assert [True, False] == [NO_QUERY.fullmatch(one.encode()) is not None for one in queries]
    short, usual = (
        ask(service, made(customer), query, status, customer.id, customer.name)
        for customer, query in zip(customers, queries, strict=True)
    )
    assert usual == short
    assert (status, 2) == (short["status"], short["counted"])
    assert ["x-request-id", "ID"] in short["headers"]
    return short


@pytest.mark.parametrize("case", DELIVERIES)
def test_both_ways_agree_on_a_delivery(service: Serving, customers: tuple[Customer, Customer], case: str) -> None:
    """In all that Stripe and an operator see, and again when it is repeated."""
    status, made = DELIVERIES[case]
    first = agreed(service, made, status, customers)
    assert (status != 413) == bool(first["happened"])
    again = agreed(service, made, status, customers)
    assert (status == 200) == (again["body"] == '{"status":"nothing_new"}' or case in UNDECIDED)


UNDECIDED = {"an unknown plan", "a huge number"}
"""What is decided again when it is repeated."""


def spend(customer: Customer, content: bytes | None = None, headers: dict[str, str] | None = None) -> PreparedRequest:
    body = json.dumps({"user_id": customer.id, "credits": 5}).encode() if content is None else content
    named = {"Content-Type": "application/json", "Idempotency-Key": customer.name, **SERVICE}
    return PreparedRequest(path="/usage", headers={**named, **(headers or {})}, content=body)


def wished(**changes: object) -> Callable[[Customer], PreparedRequest]:
    return lambda customer: spend(customer, json.dumps({"user_id": customer.id, "credits": 5, **changes}).encode())


def with_keys(*keys: str) -> Callable[[Customer], PreparedRequest]:
    def made(customer: Customer) -> PreparedRequest:
        headers = [*SERVICE.items(), *(("Idempotency-Key", key) for key in keys)]
        return attrs.evolve(spend(customer), headers=headers)

    return made


def in_body(text: str) -> Callable[[Customer], PreparedRequest]:
    """A spend with something else in the body beside its user."""
    return lambda customer: spend(customer, f'{{"user_id": "{customer.id}", {text}}}'.encode())


LONG = b'{"description": "' + b"x" * app.MAX_BODY_BYTES + b'"}'

SPENDS: dict[str, tuple[int, Callable[[Customer], PreparedRequest]]] = {
    "a spend": (200, spend),
    "with all there can be": (200, wished(description="a job", metadata={"job": "\u20ac", "of": "Ada"})),
    "in pieces": (200, lambda one: in_pieces(spend(one))),
    "called a text": (200, lambda one: spend(one, headers={"Content-Type": "text/plain"})),
    "called a form": (200, lambda one: spend(one, headers={"Content-Type": "multipart/form-data"})),
    "a name twice": (200, in_body('"credits": 1, "credits": 5')),
    "more than there is": (402, wished(credits=41)),
    "an unknown user": (404, wished(user_id=NOBODY)),
    "no UUID": (400, wished(user_id="ada")),
    "nobody": (401, lambda one: spend(one, headers={"Authorization": ""})),
    "a wrong key of a service": (401, lambda one: spend(one, headers={"Authorization": "Bearer wrong"})),
    "an operator": (403, lambda one: spend(one, headers=OPERATOR)),
    "a user": (403, lambda one: spend(one, headers=token(one.id))),
    "a malformed email": (400, lambda one: spend(one, headers={"X-User-Email": "a" * 321})),
    "no key": (400, with_keys()),
    "an empty key": (400, with_keys("")),
    "a key with a space": (400, with_keys("a b")),
    "a key that is too long": (400, with_keys("x" * 256)),
    "two keys": (400, with_keys("a", "b")),
    "one key twice": (400, with_keys("a", "a")),
    "no body": (400, lambda one: spend(one, b"")),
    "null": (400, lambda one: spend(one, b"null")),
    "a list": (400, lambda one: spend(one, b"[]")),
    "a form": (400, lambda one: spend(one, b"credits=1")),
    "cut off": (400, lambda one: spend(one, b'{"credits"')),
    "not UTF-8": (400, lambda one: spend(one, b'{"description": "\xff"}')),
    "deep": (400, lambda one: spend(one, b'{"a":' * 5_000)),
    "no credits": (400, in_body('"description": "a job"')),
    "no number": (400, wished(credits="5")),
    "no whole number": (400, wished(credits=5.0)),
    "nothing": (400, wished(credits=0)),
    "NaN": (400, in_body('"credits": NaN')),
    "a huge number": (400, in_body('"credits": ' + "9" * 5000)),
    "a float beyond range": (400, in_body('"credits": 1e400')),
    "a lone surrogate": (400, in_body('"credits": 5, "description": "\\ud800"')),
    "a NUL": (400, wished(description="\x00")),
    "an unknown field": (400, wished(credit=1)),
    "bad metadata": (400, wished(metadata={"job": 7})),
    "too large": (413, lambda one: spend(one, LONG)),
    "too large, in pieces": (413, lambda one: in_pieces(spend(one, LONG))),
}


@pytest.mark.parametrize("case", SPENDS)
def test_both_ways_agree_on_a_spend(service: Serving, customers: tuple[Customer, Customer], case: str) -> None:
    """In all that a backend and an operator see, and again when it is repeated."""
    status, made = SPENDS[case]
    first = agreed(service, made, status, customers)
    again = agreed(service, made, status, customers)
    assert first["body"] == again["body"]
    marked = [["idempotent-replayed", "true"] in one["headers"] for one in (first, again)]
    assert [False, status == 200] == marked


def test_both_ways_agree_on_a_key_that_was_used(service: Serving, customers: tuple[Customer, Customer]) -> None:
    """For another request."""
    agreed(service, spend, 200, customers)
    refused = agreed(service, wished(credits=6), 422, customers)
    assert "urn:credence:key-reused" == json.loads(refused["body"])["type"]


def test_each_way_counts_a_spend_once(serve: Serve) -> None:
    """In what a service may ask for in a minute; past it both refuse alike."""
    with serve(CREDENCE_SERVICE_REQUESTS_PER_MINUTE="4", CREDENCE_REQUEST_LOG="all") as limited:
        nobody = [Customer(NOBODY, uuid.uuid4().hex) for _ in range(2)]
        for _ in range(2):
            agreed(limited, spend, 404, nobody)
        refused = agreed(limited, spend, 429, nobody)
    assert "urn:credence:too-many-requests" == json.loads(refused["body"])["type"]
