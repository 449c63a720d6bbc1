"""Bad wishes for credits, over HTTP, on the real stack: a refusal that says what to do, and nothing written."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.harness.service import OPERATOR_KEY, SERVICE_KEY, Service
from features.steps.story import Story

PROBLEM = "application/problem+json"
JARGON = ("enum value", "matching regex", "msgspec", "Traceback", "$.", "Expected `")


@pytest.fixture
def story(service: Service) -> Iterator[Story]:
    """Ada has 50 credits, of which 10 are on hold; whatever is asked in vain, she has them at the end."""
    story = Story(service)
    story.sign_up("Ada")
    given = ask(story, f"/ops/accounts/{ada(story)}/grants", gift(), token=OPERATOR_KEY)
    assert 201 == given.status_code, given.text
    held = ask(story, "/holds", {"user_id": ada(story), "credits": 10})
    assert 201 == held.status_code, held.text
    story.remembered["hold"] = held.json()["id"]
    before = _written(story)
    yield story
    assert before == _written(story), "a refusal writes nothing"
    assert [] == story.rows("select * from public.validate_credits_consistency()")


def ada(story: Story) -> str:
    user_id: str = story.customers["Ada"].user_id
    return user_id


def gift(**changes: Any) -> dict[str, Any]:
    return {"kind": "goodwill", "credits": 50, "reason": "sorry", "operator": "Grace", **changes}


def ask(story: Story, path: str, body: object, *, token: str = SERVICE_KEY, **headers: str) -> httpx.Response:
    """Ask with a key of its own, unless another is given."""
    known = {"Authorization": f"Bearer {token}", "Idempotency-Key": uuid.uuid4().hex, **headers}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer: httpx.Response = story.service.http.post(
        path, content=content, headers={"Content-Type": "application/json", **known}
    )
    return answer


def _written(story: Story) -> list[object]:
    user_id = uuid.UUID(ada(story))
    queries = (
        "select credits_balance, credits_held, credits_version, credits_revision from public.users where id = $1",
        "select id, status, captured from public.credit_holds where user_id = $1",
        "select key_digest from public.credit_requests where user_id = $1 order by key_digest",
    )
    return [story.rows(query, user_id) for query in queries]


def is_refused(answer: httpx.Response, status: int) -> None:
    """A problem of this status, in words for people."""
    assert status == answer.status_code, answer.text
    assert PROBLEM == answer.headers["content-type"]
    body = answer.json()
    assert {"type", "title", "status", "detail"} <= body.keys()
    assert body["detail"]
    assert [] == [word for word in JARGON if word in answer.text], answer.text


def path_of(story: Story, route: str) -> str:
    return route.format(user=ada(story), hold=story.remembered["hold"])


GRANTS, ADJUSTMENTS = "/ops/accounts/{user}/grants", "/ops/accounts/{user}/adjustments"
CAPTURE, VOID = "/holds/{hold}/capture", "/holds/{hold}/void"
KEYED = {"/usage": SERVICE_KEY, "/holds": SERVICE_KEY, GRANTS: OPERATOR_KEY, ADJUSTMENTS: OPERATOR_KEY}


def good(story: Story, route: str) -> dict[str, Any]:
    """A body that the route would take."""
    bodies: dict[str, dict[str, Any]] = {
        "/usage": {"user_id": ada(story), "credits": 1},
        "/holds": {"user_id": ada(story), "credits": 1},
        GRANTS: gift(),
        ADJUSTMENTS: {"credits": 1, "reason": "recount", "operator": "Grace"},
        CAPTURE: {"credits": 1},
        VOID: {},
    }
    return bodies[route]


NO_AMOUNTS = [0, -1, 0.5, 1.0, True, False, "", "one", "1", [], {}, 10**12 + 1, 2**63, 2**64, 10**30, -(2**63)]


# By their text, since False == 0: it is no amount where 0 is one.
AMOUNTS_SOMEWHERE = {(CAPTURE, "0"), (ADJUSTMENTS, "-1")}
NO_AMOUNT_OF = [
    (route, amount)
    for route in (*KEYED, CAPTURE)
    for amount in NO_AMOUNTS
    if (route, repr(amount)) not in AMOUNTS_SOMEWHERE
]


@pytest.mark.parametrize(("route", "amount"), NO_AMOUNT_OF, ids=repr)
def test_what_is_no_number_of_credits_is_refused(story: Story, route: str, amount: object) -> None:
    """Neither none, fewer, fractions, truths, texts nor more than there can be; 0 may be captured, less adjusted."""
    body = {**good(story, route), "credits": amount}
    is_refused(ask(story, path_of(story, route), body, token=KEYED.get(route, SERVICE_KEY)), 400)


TOO_MUCH = [
    ("/usage", 41, 402, "not-enough-credits"),
    ("/usage", 10**12, 402, "not-enough-credits"),
    ("/holds", 41, 402, "not-enough-credits"),
    ("/holds", 10**12, 402, "not-enough-credits"),
    (ADJUSTMENTS, -41, 402, "not-enough-credits"),
    (ADJUSTMENTS, -(10**12), 402, "not-enough-credits"),
    (CAPTURE, 11, 422, "more-than-held"),
    (CAPTURE, 10**12, 422, "more-than-held"),
]


@pytest.mark.parametrize(("route", "amount", "status", "kind"), TOO_MUCH)
def test_more_than_there_is_is_refused(story: Story, route: str, amount: int, status: int, kind: str) -> None:
    """Ada has 40 to spend, and 10 on hold: an amount that could be, but not here, is told from one that could not."""
    body = {**good(story, route), "credits": amount}
    answer = ask(story, path_of(story, route), body, token=KEYED.get(route, SERVICE_KEY))
    is_refused(answer, status)
    assert f"urn:credence:{kind}" == answer.json()["type"]


@pytest.mark.parametrize("value", ["5", "5.0", 5.0, 1e3, True], ids=repr)
@pytest.mark.parametrize("route", [*KEYED, CAPTURE])
def test_a_number_is_no_text_fraction_or_truth(story: Story, route: str, value: object) -> None:
    """Nobody's money hangs on a guess: the problem names the field, and what is wanted of it."""
    body = {**good(story, route), "credits": value}
    answer = ask(story, path_of(story, route), body, token=KEYED.get(route, SERVICE_KEY))
    is_refused(answer, 400)
    assert "credits must be a whole number" in answer.json()["detail"]


FIELDS: list[tuple[str, str, object]] = [
    *[
        (route, name, value)
        for route in ("/usage", "/holds")
        for name, value in [
            ("user_id", None),
            ("user_id", 7),
            ("user_id", ""),
            ("user_id", "ada"),
            ("user_id", "\x00"),
            ("user_id", "\ud800"),
            ("user_id", ["6f1e0a52-3f0e-4d7c-9a55-0d5f6a1b2c3d"]),
            ("credits", None),
            ("description", 7),
            ("description", "a\x00b"),
            ("description", "\ud800"),
            ("description", "x" * 501),
            ("metadata", None),
            ("metadata", "job"),
            ("metadata", ["job"]),
            ("metadata", {"job": 7}),
            ("metadata", {"job": None}),
            ("metadata", {"job": {"of": "Ada"}}),
            ("metadata", {"": "job"}),
            ("metadata", {"x" * 41: "job"}),
            ("metadata", {"j\x00b": "job"}),
            ("metadata", {"job": "a\x00b"}),
            ("metadata", {"job": "\ud800"}),
            ("metadata", {"\ud800": "job"}),
            ("metadata", {"job": "x" * 501}),
            ("metadata", {str(number): "job" for number in range(21)}),
        ]
    ],
    *[
        ("/holds", "expires_in", value)
        for value in (0, -1, 0.5, 60.0, True, "soon", "60", None, 604_801, 2**63, 10**30)
    ],
    ("/holds", "metadata", {"hold_id": "mine"}),
    *[
        (GRANTS, name, value)
        for name, value in [
            ("kind", "purchase"),
            ("kind", ""),
            ("kind", 7),
            ("kind", None),
            ("expires_at", "tomorrow"),
            ("expires_at", "2001-01-01T00:00:00Z"),
            ("expires_at", "2999-01-01T00:00:00"),
            ("expires_at", "2999-13-01T00:00:00Z"),
            ("expires_at", "9999-12-31T23:59:59-14:00"),
            ("expires_at", "0001-01-01T00:00:00+14:00"),
            ("expires_at", "2999-01-01"),
            ("expires_at", "2999-01-01 00:00:00Z"),
            ("expires_at", "2999-01-01T24:00:00Z"),
            ("expires_at", ""),
            ("expires_at", 32_503_680_000),
            ("expires_at", True),
        ]
    ],
    *[
        (route, name, value)
        for route in (GRANTS, ADJUSTMENTS)
        for name in ("reason", "operator")
        for value in (None, 7, "", "  ", "a\x00b", "\ud800", "x" * 501)
    ],
]


@pytest.mark.parametrize(("route", "name", "value"), FIELDS, ids=lambda value: ascii(value)[:40])
def test_a_field_that_can_not_be_is_refused(story: Story, route: str, name: str, value: object) -> None:
    """And the problem names it."""
    body = {**good(story, route), name: value}
    answer = ask(story, path_of(story, route), body, token=KEYED[route])
    is_refused(answer, 400)


@pytest.mark.parametrize("number", ["1e400", "-1e400", "1" * 5000])
@pytest.mark.parametrize("route", [*KEYED, CAPTURE])
def test_a_number_beyond_all_range_is_refused_in_words(story: Story, route: str, number: str) -> None:
    """Without the notation of whoever read the body."""
    body = json.dumps({**good(story, route), "credits": 1}).replace(": 1", f": {number}").encode()
    assert number.encode() in body
    answer = ask(story, path_of(story, route), body, token=KEYED.get(route, SERVICE_KEY))
    is_refused(answer, 400)
    assert "[...]" not in answer.text


@pytest.mark.parametrize("route", [*KEYED, CAPTURE])
def test_a_misspelt_field_is_refused(story: Story, route: str) -> None:
    """A capture would take all of the hold, a promotion would never end, a spend would say nothing of itself."""
    answer = ask(story, path_of(story, route), {**good(story, route), "credit": 1}, token=KEYED.get(route, SERVICE_KEY))
    is_refused(answer, 400)
    assert "credit is not a known field." == answer.json()["detail"]


@pytest.mark.parametrize("route", ["/ops/events/%00", "/ops/events/evt_1%00/replay", "/ops/events?cursor=%00"])
def test_an_event_that_no_ledger_can_know_is_unknown(story: Story, route: str) -> None:
    """It is not for asking again."""
    asked = story.service.http.post if route.endswith("replay") else story.service.http.get
    answer = asked(route, headers={"Authorization": f"Bearer {OPERATOR_KEY}"})
    is_refused(answer, 404)
    assert "urn:credence:unknown-event" == answer.json()["type"]


@pytest.mark.parametrize("kind", ["purchase", "", 7, None, ["goodwill"]], ids=repr)
def test_what_may_be_given_is_listed(story: Story, kind: object) -> None:
    """For a kind that is none."""
    answer = ask(story, path_of(story, GRANTS), gift(kind=kind), token=OPERATOR_KEY)
    is_refused(answer, 400)
    assert "kind must be promotion or goodwill." == answer.json()["detail"]


@pytest.mark.parametrize("route", [*KEYED])
def test_a_field_that_lacks_is_named(story: Story, route: str) -> None:
    """Each that must be there."""
    for name in good(story, route):
        body = {key: value for key, value in good(story, route).items() if key != name}
        answer = ask(story, path_of(story, route), body, token=KEYED[route])
        is_refused(answer, 400)
        assert name in answer.text


KEYS = ["", "a b", "x" * 256, "k\u00e9"]


@pytest.mark.parametrize("key", KEYS, ids=ascii)
@pytest.mark.parametrize("route", [*KEYED])
def test_a_key_that_is_none_is_refused(story: Story, route: str, key: str) -> None:
    """What is wanted of an Idempotency-Key is said."""
    headers = [
        (b"Authorization", f"Bearer {KEYED[route]}".encode()),
        (b"Content-Type", b"application/json"),
        (b"Idempotency-Key", key.encode()),
    ]
    answer = story.service.http.post(path_of(story, route), content=json.dumps(good(story, route)), headers=headers)
    is_refused(answer, 400)
    assert "Idempotency-Key" in answer.text


@pytest.mark.parametrize("keys", [(), ("one", "another"), ("one", "one"), ("one, another",)], ids=repr)
@pytest.mark.parametrize("route", [*KEYED])
def test_there_is_one_key(story: Story, route: str, keys: tuple[str, ...]) -> None:
    """Without one a repetition would be done twice; with two it is not clear which counts."""
    headers = [("Authorization", f"Bearer {KEYED[route]}"), *(("Idempotency-Key", key) for key in keys)]
    answer = story.service.http.post(path_of(story, route), json=good(story, route), headers=headers)
    is_refused(answer, 400)
    assert "Idempotency-Key" in answer.text


BODIES = {
    "empty": b"",
    "null": b"null",
    "a list": b"[]",
    "a text": b'"usage"',
    "a number": b"1",
    "not JSON": b"credits=1",
    "cut off": b'{"user_id": "',
    "not UTF-8": b'{"user_id": "\xff\xfe", "credits": 1}',
    "NaN": b'{"user_id": "x", "credits": NaN}',
    "deep": b'{"metadata":' * 5_000 + b"1" + b"}" * 5_000,
    "a huge number": b'{"credits":' + b"9" * 5_000 + b"}",
}


@pytest.mark.parametrize("how", BODIES)
@pytest.mark.parametrize("route", [*KEYED, CAPTURE])
def test_a_body_that_is_no_wish_is_refused(story: Story, route: str, how: str) -> None:
    """What can't be parsed, or is no object."""
    if (route, how) == (CAPTURE, "a huge number"):
        return
    is_refused(ask(story, path_of(story, route), BODIES[how], token=KEYED.get(route, SERVICE_KEY)), 400)


def test_a_huge_body_is_refused(story: Story) -> None:
    """More than the longest texts need, however they are written, is not read."""
    body = {**good(story, "/usage"), "description": "x" * 170_000}
    is_refused(ask(story, "/usage", body), 413)


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "application/xml", "json"])
@pytest.mark.parametrize("route", [*KEYED])
def test_what_is_not_called_json_is_refused_or_read_as_json(story: Story, route: str, content_type: str) -> None:
    """A form is never guessed at."""
    body = b"user_id=" + ada(story).encode() + b"&credits=1"
    answer = ask(story, path_of(story, route), body, token=KEYED[route], **{"Content-Type": content_type})
    is_refused(answer, 400)


@pytest.mark.parametrize("route", [*KEYED])
def test_an_unknown_user_has_nothing(story: Story, route: str) -> None:
    """404, and no account comes into being."""
    nobody = str(uuid.uuid4())
    body = good(story, route)
    if "user_id" in body:
        body["user_id"] = nobody
    is_refused(ask(story, route.format(user=nobody), body, token=KEYED[route]), 404)
    assert [] == story.rows("select id from public.users where id = $1", uuid.UUID(nobody))


@pytest.mark.parametrize(
    "hold", ["ada", "5d2f7a34-0c1e-4a6b-9f0d-1b2c3d4e5f60", "%00", "x" * 300, "'; drop table", "%ff"]
)
@pytest.mark.parametrize("what", ["", "/capture", "/void"])
def test_an_unknown_hold_is_not_found(story: Story, hold: str, what: str) -> None:
    """404, whatever is in its place."""
    path = f"/holds/{hold}{what}"
    if what:
        answer = ask(story, path, {})
    else:
        answer = story.service.http.get(path, headers={"Authorization": f"Bearer {SERVICE_KEY}"})
    is_refused(answer, 404)


@pytest.mark.parametrize("route", [*KEYED, CAPTURE, VOID, "/holds/{hold}"])
def test_only_who_may_reaches_the_credits(story: Story, route: str) -> None:
    """Not a stranger, not a user, not even the account's own; a service gives nothing, an operator spends nothing."""
    users, strangers = story.customers["Ada"].token, "guessed"
    other = SERVICE_KEY if KEYED.get(route) == OPERATOR_KEY else OPERATOR_KEY
    anon = story.service.supabase.anon_key
    for token, status in ((users, 403), (other, 403), (strangers, 401), (anon, 401), ("", 401)):
        headers = {"Authorization": f"Bearer {token}".strip(), "Idempotency-Key": uuid.uuid4().hex}
        path = path_of(story, route)
        if route == "/holds/{hold}":
            answer = story.service.http.get(path, headers=headers)
        else:
            answer = story.service.http.post(path, json=good(story, route), headers=headers)
        is_refused(answer, status)
        assert SERVICE_KEY not in answer.text


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)
wishes = st.dictionaries(
    st.sampled_from(["user_id", "credits", "expires_in", "description", "metadata", "kind", "reason", "expires_at"]),
    json_values,
    max_size=5,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(route=st.sampled_from([*KEYED]), wish=wishes)
def test_no_wish_without_a_good_user_is_a_fault_of_ours(story: Story, route: str, wish: dict[str, Any]) -> None:
    """Whatever stands in the body, it is refused, never 500."""
    path = route.format(user="nobody")
    is_refused(ask(story, path, wish, token=KEYED[route]), 400)
