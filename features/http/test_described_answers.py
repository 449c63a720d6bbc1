"""What the service sends is what its OpenAPI description says, over HTTP on the real stack."""

import json
import uuid
from typing import Any

import httpx
import pytest

from features.billing.payloads import MONTHLY, invoice, line
from features.billing.reversals import credit_note, dispute
from features.harness.service import OPERATOR_KEY, SERVICE_KEY, Service
from features.http.description import Description
from features.steps.story import Story


@pytest.fixture
def story(service: Service) -> Story:
    """Ada, who bought 50 credits and was given 100 more; and Bob, who has nothing."""
    reported = Story(service)
    ada = reported.sign_up("Ada")
    reported.sign_up("Bob")
    reported.buy(ada, "starter")
    assert 201 == give(reported, kind="promotion").status_code
    return reported


@pytest.fixture
def description(service: Service) -> Description:
    return Description.of(service.http)


def user_id(story: Story, name: str = "Ada") -> str:
    return str(story.customers[name].user_id)


def ask(story: Story, method: str, path: str, body: object = None, **headers: str) -> httpx.Response:
    """Ask as a service, with a key of its own, unless others are given."""
    known = {"Authorization": f"Bearer {SERVICE_KEY}", "Idempotency-Key": uuid.uuid4().hex, **headers}
    answer: httpx.Response = story.service.http.request(method, path, json=body, headers=known)
    return answer


def as_operator(story: Story, method: str, path: str, body: object = None) -> httpx.Response:
    return ask(story, method, f"/ops{path}", body, Authorization=f"Bearer {OPERATOR_KEY}")


def give(story: Story, **changes: Any) -> httpx.Response:
    gift = {"kind": "goodwill", "credits": 100, "reason": "welcome", "operator": "Grace", **changes}
    return as_operator(story, "POST", f"/accounts/{user_id(story)}/grants", gift)


def spend(story: Story, credits: object = 5, **headers: str) -> httpx.Response:  # noqa: A002 - the word for it
    return ask(story, "POST", "/usage", {"user_id": user_id(story), "credits": credits}, **headers)


def hold(story: Story) -> str:
    answer = ask(story, "POST", "/holds", {"user_id": user_id(story), "credits": 10, "description": "a film"})
    assert 201 == answer.status_code, answer.text
    return f"/holds/{answer.json()['id']}"


def are_as_described(description: Description, *answers: httpx.Response) -> list[int]:
    """Fails where one is not; returns the statuses."""
    assert [] == [fault for answer in answers for fault in description.faults(answer)]
    return [answer.status_code for answer in answers]


def _in_zulu_time(value: Any) -> Any:
    """Return JSON with its times as the service writes them."""
    return json.loads(json.dumps(value).replace("+00:00", "Z"))


def test_first_answers_and_repetitions_are_as_described(story: Story, description: Description) -> None:
    """Of spends, holds and their ends, gifts and corrections."""
    key, wish = uuid.uuid4().hex, {"user_id": user_id(story), "credits": 10}
    correction = {"credits": -3, "reason": "recount", "operator": "Grace"}
    taken, freed = hold(story), hold(story)
    answers = [
        *(spend(story, **{"Idempotency-Key": key}) for _ in range(2)),
        *(ask(story, "POST", "/holds", wish, **{"Idempotency-Key": f"{key}:hold"}) for _ in range(2)),
        *(ask(story, "POST", f"{taken}/capture", {"credits": 4}) for _ in range(2)),
        *(ask(story, "POST", f"{freed}/void") for _ in range(2)),
        ask(story, "GET", taken),
        give(story),
        give(story, expires_at="2999-01-01T00:00:00+01:00"),
        as_operator(story, "POST", f"/accounts/{user_id(story)}/adjustments", correction),
    ]
    assert [200, 200, 201, 201, 200, 200, 200, 200, 200, 201, 201, 201] == are_as_described(description, *answers)
    assert 4 == sum(answer.headers.get("Idempotent-Replayed") == "true" for answer in answers)


def test_what_is_read_is_as_described(story: Story, description: Description) -> None:
    """One quota, that of a moment, many; entries, as CSV too; the catalogue, and what became of every credit."""
    ada, bob, nobody = user_id(story), user_id(story, "Bob"), uuid.uuid4()
    spend(story)
    path = hold(story)
    ask(story, "POST", f"{path}/capture", {})
    hold(story)
    answers = [
        ask(story, "GET", f"/quota?user_id={ada}"),
        ask(story, "GET", f"/quota?user_id={ada}&at=2026-01-31T00:00:00Z"),
        ask(story, "GET", f"/quota?user_id={ada}&user_id={bob}&user_id={nobody}"),
        ask(story, "GET", f"/transactions?user_id={ada}&limit=2"),
        ask(story, "GET", f"/transactions?user_id={ada}"),
        ask(story, "GET", f"/transactions?user_id={ada}", Accept="text/csv"),
        ask(story, "GET", f"/accounts/{ada}/explanation"),
        ask(story, "PUT", f"/accounts/{ada}/low-balance", {"threshold": 5}),
        ask(story, "GET", "/plans"),
        ask(story, "GET", "/healthz"),
        ask(story, "GET", "/readyz"),
    ]
    assert {200} == {*are_as_described(description, *answers)}
    explained = answers[6].json()
    assert [] == [part for part in ("purchases", "other_transactions", "grants", "holds") if not explained[part]]
    assert explained["grants"][1]["draws"], "the promotion burns first"


def test_a_checkout_is_as_described(story: Story, description: Description) -> None:
    """Opened, not yet paid, and credited."""
    ada = story.customers["Ada"]
    started = ask(story, "POST", "/checkout/sessions", {"plan": "starter"}, **ada.headers)
    path = f"/checkout/sessions/{started.json()['id']}"
    waits = story.get(path, ada)
    assert 303 == story.pay(started.json()["id"])
    reported = story.get(path, ada)
    assert [201, 200, 200] == are_as_described(description, started, waits, reported)
    assert ["open", "credited"] == [waits.json()["status"], reported.json()["status"]]


def test_what_operators_see_is_as_described(story: Story, description: Description) -> None:
    """The inbox, what waits, and the synthetic users."""
    event, tag = story.events[0]["id"], f"described-{uuid.uuid4().hex[:8]}"
    answers = [
        as_operator(story, "GET", "/events?limit=5"),
        as_operator(story, "GET", f"/events/{event}"),
        as_operator(story, "POST", f"/events/{event}/replay"),
        as_operator(story, "GET", "/parked"),
        as_operator(story, "POST", "/parked/retry"),
        as_operator(story, "GET", "/outbox/failures"),
        as_operator(story, "POST", "/outbox/1/retry"),
        as_operator(story, "GET", "/consistency"),
        as_operator(story, "GET", "/backlog"),
        as_operator(story, "POST", f"/accounts/{user_id(story)}/sync"),
        as_operator(story, "POST", "/synthetic-users", {"tag": tag, "count": 1}),
        as_operator(story, "GET", "/synthetic-users"),
        as_operator(story, "DELETE", f"/synthetic-users/{tag}"),
    ]
    assert {200, 201} == {*are_as_described(description, *answers)}


def test_refusals_are_as_described(story: Story, description: Description) -> None:
    """Each for its reason, with what it tells beside the sentence."""
    ada, path, key = user_id(story), hold(story), uuid.uuid4().hex
    assert 200 == ask(story, "POST", f"{path}/void").status_code
    assert 200 == spend(story, **{"Idempotency-Key": key}).status_code
    answers = {
        "bad-request": spend(story, credits="5"),
        "invalid-idempotency-key": spend(story, **{"Idempotency-Key": "a b"}),
        "invalid-time": ask(story, "GET", f"/quota?user_id={ada}&at=yesterday"),
        "invalid-user-id": ask(story, "GET", "/quota?user_id=ada"),
        "invalid-signature": ask(story, "POST", "/webhooks/stripe", {}),
        "unauthenticated": spend(story, Authorization="Bearer guessed"),
        "not-enough-credits": spend(story, credits=10**9),
        "forbidden": spend(story, **story.customers["Ada"].headers),
        "unknown-user": ask(story, "GET", f"/quota?user_id={uuid.uuid4()}"),
        "unknown-hold": ask(story, "GET", f"/holds/{uuid.uuid4()}"),
        "unknown-plan": ask(
            story, "POST", "/checkout/sessions", {"plan": "of nobody"}, **story.customers["Ada"].headers
        ),
        "already-settled": ask(story, "POST", f"{path}/capture", {}),
        "not-claimable": as_operator(story, "POST", f"/events/{story.events[0]['id']}/claim", {"user_id": ada}),
        "request-entity-too-large": spend(story, credits="5" * 170_000),
        "key-reused": spend(story, credits=6, **{"Idempotency-Key": key}),
        "more-than-held": ask(story, "POST", f"{hold(story)}/capture", {"credits": 11}),
    }
    statuses = are_as_described(description, *answers.values())
    assert [f"urn:credence:{kind}" for kind in answers] == [answer.json()["type"] for answer in answers.values()]
    assert [400, 400, 400, 400, 400, 401, 402, 403, 404, 404, 404, 409, 409, 413, 422, 422] == statuses


def test_outages_are_as_described(story: Story, description: Description) -> None:
    """Of the ledger, which readiness tells in its own way."""
    story.service.supabase.gateway.down()
    try:
        answers = [spend(story), ask(story, "GET", f"/transactions?user_id={user_id(story)}")]
        answers.append(ask(story, "GET", "/readyz"))
    finally:
        story.service.supabase.gateway.up()
    assert [503, 503, 503] == are_as_described(description, *answers)


def test_a_subscriptions_explanation_is_as_described(story: Story, description: Description) -> None:
    """Line by line, with what its invoices give back, a credit note and a dispute; the command prints the same."""
    ada, tag = user_id(story), uuid.uuid4().hex[:12]
    ids = [f"{tag}{number}" for number in range(3)]
    item, subscription = f"si_{tag}", f"sub_{tag}"
    # In times that are not over: what expires meanwhile would be reported by one of the two only.
    begins, changes, ends = 27_000, 27_015, 27_030
    first = line(f"il_{ids[0]}", 900, MONTHLY, days=(begins, ends), item=item, subscription=subscription)
    unused = line(
        f"il_{ids[1]}",
        -450,
        MONTHLY,
        days=(changes, ends),
        item=item,
        subscription=subscription,
        proration=True,
        gives_back=(f"in_{ids[0]}", f"il_{ids[0]}"),
    )
    rest = line(
        f"il_{ids[2]}",
        900,
        MONTHLY,
        days=(changes, ends),
        item=item,
        subscription=subscription,
        proration=True,
        quantity=2,
    )
    whose: Any = {"metadata": {"userId": ada}, "subscription": subscription}
    fields = {
        "invoice.paid": [
            invoice(f"in_{ids[0]}", first, paid=begins, **whose),
            invoice(f"in_{ids[1]}", unused, rest, paid=changes, **whose),
        ],
        "credit_note.created": [credit_note(f"cn_{tag}", f"in_{ids[0]}", after=90, lines={f"il_{ids[0]}": 90})],
        "charge.dispute.created": [dispute(f"dp_{tag}", 90, f"in_{ids[0]}")],
    }
    events = [
        {
            "id": f"evt_{uuid.uuid4().hex}",
            "object": "event",
            "type": kind,
            "created": 1767268800,
            "livemode": False,
            "data": {"object": about},
        }
        for kind, abouts in fields.items()
        for about in abouts
    ]
    story.deliver(*events)
    assert {200} == {delivery.status for delivery in story.deliveries}
    answer = ask(story, "GET", f"/accounts/{ada}/explanation")
    assert [200] == are_as_described(description, answer)
    explained = {purchase["id"]: purchase for purchase in answer.json()["purchases"]}
    (line_,) = explained[f"in_{ids[0]}"]["lines"]
    assert (100.0, "100 credits", 0.5, 0.1, 0.1, 40.0) == tuple(
        line_[key] for key in ("brought", "why", "unused_part", "refunded_part", "disputed_part", "worth")
    )
    assert ["100 credits x 9.00 of 9.00 USD"] == [one["why"] for one in explained[f"in_{ids[1]}"]["lines"]]
    assert [[f"il_{ids[0]}"]] == [one["of_lines"] for one in explained[f"in_{ids[1]}"]["unused_time"]]
    assert [f"cn_{tag}"] == [note["id"] for note in explained[f"in_{ids[0]}"]["credit_notes"]]
    printed = json.loads(story.service.command("explain", ada, "--json").stdout)
    assert answer.json().keys() == printed.keys()
    assert [*map(_in_zulu_time, explained.values())] == [*map(_in_zulu_time, printed["purchases"])]
    said = story.service.command("explain", ada).stdout
    gone = "granted 100 (100 credits), taken back: unused time 50.00%, refunded 10.00%, disputed 10.00%, 40 due now"
    for words in (
        gone,
        f"4.50 USD of in_{ids[0]}; deducted from il_{ids[0]}",
        f"credit note cn_{tag}: 0.90 USD after it",
    ):
        assert words in said, said
