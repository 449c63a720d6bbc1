"""The stand-in's webhooks, against a receiver that verifies them with Stripe's own library."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from queue import SimpleQueue

import attrs
import httpx
import pytest
import stripe

from simulators.http.server import HttpServer, Request, Response
from simulators.stripe.objects import Object
from simulators.stripe.ordering.orders import order
from simulators.stripe.requests.refusals import Refusal
from simulators.stripe.stand_in import StripeStandIn

SECRET = "whsec_of_the_test"


@attrs.define
class Receiver:
    """An endpoint that answers 200 to what verifies, unless other statuses are due first."""

    url: str = ""
    due: list[int] = attrs.field(factory=list)
    requests: list[Request] = attrs.field(factory=list)
    accepted: "SimpleQueue[str]" = attrs.field(factory=SimpleQueue)
    before: Callable[[], object] = int

    def answer(self, request: Request) -> Response:
        self.before()
        self.requests.append(request)
        try:
            event = stripe.Webhook.construct_event(  # type: ignore[no-untyped-call]
                request.body, request.headers.get("stripe-signature"), SECRET
            )
        except stripe.SignatureVerificationError:
            return Response(status=400, body=b"bad signature")
        if self.due:
            return Response(status=self.due.pop(0))
        self.accepted.put(event.id)
        return Response(body=b"thanks")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    with HttpServer(receiver.answer) as server:
        receiver.url = f"{server.url}/hook?from=stripe"
        yield receiver


@pytest.fixture
def stand_in(receiver: Receiver) -> Iterator[StripeStandIn]:
    with StripeStandIn(webhook_url=receiver.url, webhook_secret=SECRET) as stand_in:
        yield stand_in


def opened(stand_in: StripeStandIn) -> str:
    """The id of a fresh session."""
    parameters = {
        "mode": "payment",
        "success_url": "https://shop.test/",
        "line_items": {"0": {"price_data": {"currency": "usd", "unit_amount": "500"}}},
        "metadata": {"name": "Zoë"},
    }
    return str(stand_in.account.create_session(order(parameters), stand_in.url)["id"])


def paid(stand_in: StripeStandIn) -> Object:
    """The event of a fresh payment."""
    return stand_in.pay(opened(stand_in))


def test_a_delivery_verifies_and_is_answered(stand_in: StripeStandIn, receiver: Receiver) -> None:
    """Signed, indented, with Stripe's headers; the answer comes back with its latency."""
    event = paid(stand_in)
    assert [] == receiver.requests
    (delivery,) = stand_in.deliver(event)
    assert (event["id"], 200, b"thanks") == (delivery.event_id, delivery.status, delivery.body)
    assert delivery.is_accepted
    assert delivery.latency > 0
    (request,) = receiver.requests
    assert "/hook?from=stripe" == request.target
    assert "application/json; charset=utf-8" == request.headers["content-type"]
    assert "Stripe/1.0 (+https://stripe.com/docs/webhooks)" == request.headers["user-agent"]
    assert json.dumps(event, indent=2).encode() == request.body


def test_a_forged_or_stale_delivery_does_not_verify(stand_in: StripeStandIn, receiver: Receiver) -> None:
    """Neither by a wrong secret nor by an old time."""
    event = paid(stand_in)
    found = [
        *stand_in.forge(event),
        *stand_in.deliver(event, secret="whsec_other"),
        *stand_in.deliver(event, timestamp=int(time.time()) - 301),
    ]
    assert [400, 400, 400] == [delivery.status for delivery in found]
    assert receiver.accepted.empty()


def test_duplicates_at_once_overlap(stand_in: StripeStandIn, receiver: Receiver) -> None:
    """All copies are in the endpoint's hands before the first is answered."""
    receiver.before = threading.Barrier(8, timeout=20).wait
    events = stand_in.deliver(paid(stand_in), copies=8, simultaneously=True)
    assert [200] * 8 == [delivery.status for delivery in events]
    assert 1 == len({request.body for request in receiver.requests})


def test_a_twin_has_another_id_and_the_same_content(stand_in: StripeStandIn) -> None:
    """As when Stripe makes two events of one thing; it is an event like any other."""
    event = paid(stand_in)
    twin = stand_in.twin(event)
    assert event["id"] != twin["id"]
    assert (event["type"], event["data"]) == (twin["type"], twin["data"])
    assert twin == stand_in.event(twin["id"])
    assert [200] == [delivery.status for delivery in stand_in.deliver(twin)]


def test_an_event_keeps_what_it_reported(stand_in: StripeStandIn) -> None:
    """What is done to a copy of the session changes neither event nor session."""
    event = paid(stand_in)
    session = stand_in.session(event["data"]["object"]["id"])
    assert session is not None
    session["metadata"]["name"] = "Mallory"
    assert "Zoë" == event["data"]["object"]["metadata"]["name"]
    assert stand_in.session(session["id"]) == event["data"]["object"]


def test_nobody_there_is_status_0(stand_in: StripeStandIn) -> None:
    """An endpoint that can't be reached is told apart from one that answers."""
    with HttpServer(lambda _: Response()) as gone:
        stand_in.webhook_url = gone.url
    assert [0] == [delivery.status for delivery in stand_in.deliver(paid(stand_in))]


def test_nothing_is_delivered_without_an_address_or_without_bounds() -> None:
    """It is a mistake of the test that asks for it."""
    with StripeStandIn() as stand_in:
        event = paid(stand_in)
        with pytest.raises(ValueError, match="no webhook address"):
            stand_in.deliver(event)
        stand_in.webhook_url = "http://127.0.0.1:9/"
        for copies in (0, 1001):
            with pytest.raises(ValueError, match="from 1 to"):
                stand_in.deliver(event, copies=copies)


def test_declined_or_repeated_payments_are_refused(stand_in: StripeStandIn) -> None:
    """Without an event, by Stripe's error."""
    session_id = opened(stand_in)
    with pytest.raises(Refusal) as raised:
        stand_in.pay(session_id, "decline")
    assert (402, "card_declined") == (raised.value.status, raised.value.body["error"]["code"])
    stand_in.pay(session_id)
    for refused in (stand_in.pay, stand_in.expire, stand_in.settle, stand_in.fail):
        with pytest.raises(Refusal):
            refused(session_id)
    assert 1 == len(stand_in.events)


def test_events_are_retried_until_they_are_accepted(receiver: Receiver) -> None:
    """By itself, each attempt recorded, and none after the 200."""
    receiver.due = [503, 500]
    with StripeStandIn(
        webhook_url=receiver.url, webhook_secret=SECRET, auto_deliver=True, pauses=(0, 0, 0, 0)
    ) as stand_in:
        event = paid(stand_in)
        assert event["id"] == receiver.accepted.get(timeout=20)
    assert [503, 500, 200] == [delivery.status for delivery in stand_in.recorded()]


def test_retries_are_bounded(receiver: Receiver) -> None:
    """After the last pause an event is given up."""
    third = threading.Event()

    def count() -> None:
        if len(receiver.requests) == 2:
            third.set()

    receiver.due, receiver.before = [503] * 100, count
    with StripeStandIn(webhook_url=receiver.url, webhook_secret=SECRET, auto_deliver=True, pauses=(0, 0)) as stand_in:
        paid(stand_in)
        assert third.wait(20)
    assert [503, 503, 503] == [delivery.status for delivery in stand_in.recorded()]


def test_ending_does_not_wait_for_retries(receiver: Receiver) -> None:
    """What is not delivered at the end is given up at once, though its next attempt is an hour away."""
    first = threading.Event()
    receiver.due, receiver.before = [503] * 100, first.set
    with StripeStandIn(webhook_url=receiver.url, webhook_secret=SECRET, auto_deliver=True, pauses=(3600,)) as stand_in:
        paid(stand_in)
        assert first.wait(20)
    assert 1 == len(stand_in.recorded())


def test_every_way_to_an_event_delivers_it(receiver: Receiver) -> None:
    """The page, the API and the control surface tell as `pay` does."""
    with StripeStandIn(webhook_url=receiver.url, webhook_secret=SECRET, auto_deliver=True) as stand_in:
        transfer, other = opened(stand_in), opened(stand_in)
        httpx.post(f"{stand_in.url}/c/pay/{transfer}", data={"method": "delayed"})
        httpx.post(f"{stand_in.url}/_stand_in/sessions/{transfer}/settle")
        key = {"Authorization": "Bearer sk_test_123456789012"}
        httpx.post(f"{stand_in.url}/v1/checkout/sessions/{other}/expire", headers=key)
        accepted = {receiver.accepted.get(timeout=20) for _ in range(3)}
        assert {event["id"] for event in stand_in.events} == accepted


def test_other_processes_can_deliver_and_read_deliveries(stand_in: StripeStandIn, receiver: Receiver) -> None:
    """Over HTTP: copies at once, a twin, and what was answered."""
    event = paid(stand_in)
    receiver.before = threading.Barrier(3, timeout=20).wait
    with httpx.Client(base_url=f"{stand_in.url}/_stand_in") as http:
        path = f"/events/{event['id']}/deliver"
        answer = http.post(path, data={"copies": "3", "at_once": "true"}).json()["deliveries"]
        assert [(event["id"], 200, "thanks")] * 3 == [(one["event_id"], one["status"], one["body"]) for one in answer]
        receiver.before = int
        (twin,) = http.post(path, data={"twin": "true"}).json()["deliveries"]
        assert event["id"] != twin["event_id"]
        assert [*answer, twin] == http.get("/deliveries").json()["deliveries"]


@pytest.mark.parametrize(
    ("path", "form", "status"),
    [
        ("/events/evt_unknown/deliver", {}, 404),
        ("/events/EVENT/deliver", {"copies": "0"}, 400),
        ("/events/EVENT/deliver", {"copies": "101"}, 400),
        ("/events/EVENT/deliver", {"at_once": "perhaps"}, 400),
        ("/events/EVENT/deliver", {"a[b": "c"}, 400),
        ("/sessions/cs_test_unknown/settle", {}, 404),
        ("/sessions/cs_test_unknown/refund", {}, 404),
        ("/deliveries", {}, 404),
    ],
)
def test_what_can_not_be_done_is_reported_in_json(
    stand_in: StripeStandIn, receiver: Receiver, path: str, form: dict[str, str], status: int
) -> None:
    """With a status and an error, and nothing is delivered."""
    event = paid(stand_in)
    answer = httpx.post(f"{stand_in.url}/_stand_in{path.replace('EVENT', event['id'])}", data=form)
    assert status == answer.status_code
    assert answer.json()["error"]["message"]
    assert [] == receiver.requests
