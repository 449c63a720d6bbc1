"""`stripe listen` and `stripe events resend` of the real Stripe CLI, against the stand-in."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import stripe

from features.harness.service import eventually
from features.harness.stripe_cli import StripeCli
from simulators.http.server import HttpServer, Request, Response
from simulators.stack.stack import running
from simulators.stripe.listening import LISTEN_PATH
from simulators.stripe.stand_in import StripeStandIn

SECRET = "whsec_of_a_listener"
OLD = "2020-08-27"


class Endpoint:
    """Keeps what is posted to it, and answers with a status."""

    def __init__(self) -> None:
        self.status = 200
        self.posted: list[Request] = []
        self._changed = threading.Condition()

    def __call__(self, request: Request) -> Response:
        with self._changed:
            self.posted.append(request)
            self._changed.notify_all()
        return Response(status=self.status, body=b"thank you")

    def wait_for(self, count: int) -> list[Request]:
        """The first so many posts; waits for them, up to a minute."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.posted) >= count, 60)
            return self.posted[:count]


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint()


@pytest.fixture
def address(endpoint: Endpoint) -> Iterator[str]:
    with HttpServer(endpoint) as server:
        yield f"{server.url}/webhooks"


@pytest.fixture
def stand_in() -> Iterator[StripeStandIn]:
    with StripeStandIn(seed=6, webhook_secret=SECRET) as running:
        yield running


@pytest.fixture
def cli(stand_in: StripeStandIn, stripe_cli: Callable[[str], StripeCli]) -> StripeCli:
    return stripe_cli(stand_in.url)


def test_events_are_forwarded_with_the_secret_that_it_says(
    stand_in: StripeStandIn, cli: StripeCli, endpoint: Endpoint, address: str
) -> None:
    """Each once, signed so that Stripe's own library believes it; the answers come back to the stand-in."""
    with cli.listening("--all-snapshot", "--forward-to", address) as listening:
        (ready,) = listening.wait_for(r"signing secret is (whsec_\w+)")
        assert SECRET == ready.group(1)
        assert 0 == cli.run("trigger", "charge.refunded").returncode
        count = len(stand_in.events)
        listening.wait_for(r"<--  \[200\] POST", count)
        posted = endpoint.wait_for(count)
        listening.wait_for(r"   --> ", count)
    for request in posted:
        stripe.WebhookSignature.verify_header(request.body, request.headers["stripe-signature"], SECRET, 300)
    found = [json.loads(request.body) for request in posted]
    assert sorted(event["id"] for event in stand_in.events) == sorted(event["id"] for event in found)
    assert [stand_in.event(event["id"]) for event in found] == found


def test_what_the_endpoint_answers_is_recorded(
    stand_in: StripeStandIn, cli: StripeCli, endpoint: Endpoint, address: str
) -> None:
    """With its status and body, beside the stand-in's own deliveries."""
    endpoint.status = 503
    with cli.listening("--all-snapshot", "--forward-to", address) as listening:
        assert 0 == cli.run("trigger", "customer.created").returncode
        listening.wait_for(r"<--  \[503\] POST")
        expected = [(stand_in.events[0]["id"], 503, b"thank you")]
        # The CLI writes its line before it tells.
        assert expected == eventually(
            lambda: [(one.event_id, one.status, one.body) for one in stand_in.recorded()], expected
        )


def test_a_declined_payment_is_reported_too(stand_in: StripeStandIn, cli: StripeCli) -> None:
    """The request is refused, and its events are sent."""
    with cli.listening("--events", "charge.failed,payment_intent.payment_failed") as listening:
        assert 0 == cli.run("trigger", "charge.failed").returncode
        listening.wait_for(r"--> charge.failed")
        listening.wait_for(r"--> payment_intent.payment_failed")
    assert [] == [line for line in listening.lines if "payment_intent.created" in line]


@pytest.mark.parametrize("flags", [(), ("--latest",)])
def test_it_is_reported_in_one_version(
    flags: tuple[str, ...], stripe_cli: Callable[[str], StripeCli], endpoint: Endpoint, address: str
) -> None:
    """In the account's own, or with `--latest` in the newest."""
    with StripeStandIn(api_version=OLD) as stand_in:
        cli = stripe_cli(stand_in.url)
        asked = ("--events", "charge.refunded", "--forward-to", address, *flags)
        with cli.listening(*asked) as listening:
            assert 0 == cli.run("trigger", "charge.refunded").returncode
            listening.wait_for(r"<--  \[200\] POST")
        (request,) = endpoint.posted
        event = json.loads(request.body)
        assert (not flags) is ("refunds" in event["data"]["object"])
        assert (OLD == event["api_version"]) is not bool(flags)


def test_the_secret_is_printed_alone(cli: StripeCli) -> None:
    """For scripts."""
    done = cli.run("listen", "--print-secret", "--skip-update")
    assert (0, SECRET) == (done.returncode, done.stdout.strip())


def test_thin_events_are_refused_by_name(cli: StripeCli) -> None:
    """They are not simulated."""
    done = cli.run("listen", "--all-thin", "--skip-update", "--forward-to", "127.0.0.1:9")
    assert (1, True) == (done.returncode, "Only the feature webhooks is simulated" in done.stdout + done.stderr)


def test_an_event_is_resent_to_listeners(
    stand_in: StripeStandIn, cli: StripeCli, endpoint: Endpoint, address: str
) -> None:
    """The same event once more, with a signature of its own; no new event is made."""
    with cli.listening("--all-snapshot", "--forward-to", address) as listening:
        assert 0 == cli.run("trigger", "customer.created").returncode
        (event,) = stand_in.events
        endpoint.wait_for(1)
        done = cli.run("events", "resend", event["id"])
        assert event == json.loads(done.stdout)
        listening.wait_for(rf"--> customer.created \[{event['id']}\]", 2)
        first, second = endpoint.wait_for(2)
    assert first.body == second.body
    assert [event] == stand_in.events
    refused = cli.run("events", "resend", "evt_unknown")
    assert "No such event: 'evt_unknown'" in refused.stdout + refused.stderr


def test_an_event_is_resent_to_a_registered_endpoint(
    stand_in: StripeStandIn, cli: StripeCli, endpoint: Endpoint, address: str
) -> None:
    """To its address; one that is not registered is refused."""
    assert 0 == cli.run("trigger", "customer.created").returncode
    made = stand_in.account.add_endpoint({"url": address, "enabled_events": {"0": "*"}})
    event_id = stand_in.events[0]["id"]
    assert event_id in cli.run("events", "resend", event_id, "--webhook-endpoint", made["id"]).stdout
    (posted,) = endpoint.wait_for(1)
    stripe.WebhookSignature.verify_header(posted.body, posted.headers["stripe-signature"], SECRET, 300)
    refused = cli.run("events", "resend", event_id, "--webhook-endpoint", "we_unknown")
    assert "No such webhook_endpoint" in refused.stdout + refused.stderr


def test_a_listener_of_an_earlier_life_must_open_a_session_again(stand_in: StripeStandIn) -> None:
    """In the words by which the CLI knows that it must."""
    answer = httpx.get(f"{stand_in.url}{LISTEN_PATH}", headers={"Websocket-Id": "cliws_unknown"})
    assert (400, "Unknown WebSocket ID.") == (answer.status_code, answer.json()["error"]["message"])


def test_the_service_is_driven_by_the_cli(
    new_server_folder: Callable[[], Path], stripe_cli: Callable[[str], StripeCli]
) -> None:
    """A sale of nobody is ignored; one with our metadata is credited, once; a refund takes back."""
    with running(new_server_folder(), auto_deliver=False) as stack:
        cli, ada = stripe_cli(stack.stripe.url), stack.sign_up("ada@example.com")

        def entries() -> list[int]:
            return [row["amount"] for row in stack.rows("select amount from public.credit_transactions order by id")]

        with cli.listening("--all-snapshot", "--forward-to", f"{stack.url}/webhooks/stripe") as listening:

            def answered(kind: str, times: int = 1) -> str:
                """Wait for the service's 200 to the last event of a kind; gives its id."""
                event_id = next(event["id"] for event in reversed(stack.stripe.events) if event["type"] == kind)
                listening.wait_for(rf"<--  \[200\] POST \S+ \[{event_id}\]", times)
                return str(event_id)

            assert 0 == cli.run("trigger", "checkout.session.completed").returncode
            ignored = answered("checkout.session.completed")
            query = "select status from public.webhook_events where id = $1"
            assert (["ignored"], []) == ([row["status"] for row in stack.rows(query, ignored)], entries())

            fields = {"userId": ada, "userEmail": "ada@example.com", "plan": "starter"}
            sale = ["--override", "price:unit_amount=250", "--override", "payment_page_confirm:expected_amount=500"]
            for name, value in fields.items():
                sale += ["--add", f"checkout_session:metadata[{name}]={value}"]
            done = cli.run("trigger", "checkout.session.completed", *sale)
            assert 0 == done.returncode, done.stdout + done.stderr
            credited = answered("checkout.session.completed")
            assert [50] == entries()

            assert credited in cli.run("events", "resend", credited).stdout
            answered("checkout.session.completed", 2)
            assert [50] == entries()

            intent = stack.stripe.event(credited)
            assert intent is not None
            paid_by = intent["data"]["object"]["payment_intent"]
            assert 0 == cli.run("post", "/v1/refunds", "-d", f"payment_intent={paid_by}", "-d", "amount=250").returncode
            answered("charge.refunded")
            answered("refund.created")
            assert [50, -25] == entries()
