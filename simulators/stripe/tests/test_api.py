"""The stand-in's API, as Stripe's own library sees it."""

import contextlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import stripe

from simulators.stripe.stand_in import StripeStandIn

KEY = "sk_test_123456789012"


@pytest.fixture
def stand_in() -> Iterator[StripeStandIn]:
    with StripeStandIn(seed=7) as stand_in:
        yield stand_in


@pytest.fixture
def client(stand_in: StripeStandIn) -> Iterator[stripe.StripeClient]:
    with connected(stand_in, KEY) as client:
        yield client


@contextlib.contextmanager
def connected(stand_in: StripeStandIn, key: str) -> Iterator[stripe.StripeClient]:
    """Stripe's client, whose connections end with the test."""
    http = stripe.HTTPXClient(allow_sync_methods=True)
    try:
        yield stripe.StripeClient(key, base_addresses={"api": stand_in.url}, http_client=http)
    finally:
        http._client.close()


def asked(**changes: Any) -> Any:
    """Parameters of a checkout; a change to None leaves one out."""
    price = {"currency": "usd", "unit_amount": 500, "product_data": {"name": "50 credits"}}
    fields: dict[str, Any] = {
        "mode": "payment",
        "line_items": [{"quantity": 1, "price_data": price}],
        "success_url": "https://shop.test/ok?id={CHECKOUT_SESSION_ID}",
        "cancel_url": "https://shop.test/",
        **changes,
    }
    return {name: value for name, value in fields.items() if value is not None}


def line(**changes: Any) -> dict[str, Any]:
    """A line item with another price."""
    price = {"currency": "usd", "unit_amount": 500, "product_data": {"name": "50 credits"}, **changes}
    return {"quantity": 1, "price_data": price}


def test_a_session_is_made_and_retrieved(stand_in: StripeStandIn, client: stripe.StripeClient) -> None:
    """It holds what was asked, is open and unpaid, has no payment intent yet, and reads the same later."""
    made = client.v1.checkout.sessions.create(
        asked(
            line_items=[line(), {**line(unit_amount=250), "quantity": 3}],
            metadata={"userId": "ada", "note": "a&b=[c] ü"},
            client_reference_id="ada",
            customer_email="ada@example.com",
            allow_promotion_codes=True,
            invoice_creation={"enabled": True},
            ui_mode="hosted_page",
        )
    ).to_dict()
    assert made["id"].startswith("cs_test_")
    assert f"{stand_in.url}/c/pay/{made['id']}" == made["url"]
    assert (1250, 1250, "usd") == (made["amount_subtotal"], made["amount_total"], made["currency"])
    assert ("open", "unpaid", None) == (made["status"], made["payment_status"], made["payment_intent"])
    assert {"userId": "ada", "note": "a&b=[c] ü"} == made["metadata"]
    assert ("ada", "ada@example.com", True) == (
        made["client_reference_id"],
        made["customer_email"],
        made["allow_promotion_codes"],
    )
    assert made["invoice_creation"]["enabled"] is True
    assert not made["livemode"]
    assert made == client.v1.checkout.sessions.retrieve(made["id"]).to_dict()


def test_a_subscription_is_an_object_of_its_own_mode(stand_in: StripeStandIn, client: stripe.StripeClient) -> None:
    """Paid, it names a subscription and no payment intent."""
    price = line(recurring={"interval": "month"})
    made = client.v1.checkout.sessions.create(asked(mode="subscription", line_items=[price]))
    session = stand_in.pay(made.id)["data"]["object"]
    assert ("subscription", "paid", None) == (session["mode"], session["payment_status"], session["payment_intent"])
    assert session["subscription"].startswith("sub_")


def test_a_payment_intent_is_made_by_paying(stand_in: StripeStandIn, client: stripe.StripeClient) -> None:
    """It carries its own metadata, amount and charge, and can be retrieved."""
    intent_data = {"metadata": {"userId": "ada"}}
    made = client.v1.checkout.sessions.create(asked(payment_intent_data=intent_data))
    stand_in.pay(made.id)
    session = client.v1.checkout.sessions.retrieve(made.id)
    assert ("complete", "paid", None) == (session.status, session.payment_status, session.url)
    intent = client.v1.payment_intents.retrieve(str(session.payment_intent)).to_dict()
    assert ("succeeded", 500, 500) == (intent["status"], intent["amount"], intent["amount_received"])
    assert {"userId": "ada"} == intent["metadata"]
    assert intent["latest_charge"].startswith("ch_")


def test_a_free_order_has_no_payment(stand_in: StripeStandIn, client: stripe.StripeClient) -> None:
    """Nothing is to be paid, so there is no intent, and nothing arrives later."""
    for method in ("card", "delayed"):
        made = client.v1.checkout.sessions.create(asked(line_items=[line(unit_amount=0)]))
        session = stand_in.pay(made.id, method)["data"]["object"]
        assert ("no_payment_required", None) == (session["payment_status"], session["payment_intent"])


def test_an_open_session_can_be_expired_once(stand_in: StripeStandIn, client: stripe.StripeClient) -> None:
    """Its event is reported, and a second time it is refused."""
    made = client.v1.checkout.sessions.create(asked())
    assert "expired" == client.v1.checkout.sessions.expire(made.id).status
    assert ["checkout.session.expired"] == [event["type"] for event in stand_in.events]
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.checkout.sessions.expire(made.id)
    with pytest.raises(stripe.InvalidRequestError, match="No such"):
        client.v1.checkout.sessions.expire("cs_test_unknown")


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"mode": None}, "mode"),
        ({"mode": "setup"}, "mode"),
        ({"success_url": None}, "success_url"),
        ({"success_url": "javascript:alert(1)"}, "success_url"),
        ({"success_url": "https://shop.test/\r\nX-Injected: 1"}, "success_url"),
        ({"cancel_url": "javascript:alert(1)"}, "cancel_url"),
        ({"line_items": None}, "line_items"),
        ({"line_items": "one"}, "line_items"),
        ({"line_items": [{"quantity": 1}]}, "line_items[0]"),
        ({"line_items": [line(currency="xxx")]}, "line_items[0][price_data][currency]"),
        ({"line_items": [line(unit_amount=-1)]}, "line_items[0][price_data][unit_amount]"),
        ({"line_items": [line(unit_amount="4.50")]}, "line_items[0][price_data][unit_amount]"),
        ({"line_items": [line(unit_amount="9" * 5000)]}, "line_items[0][price_data][unit_amount]"),
        ({"line_items": [line(), line(currency="eur")]}, "line_items"),
        ({"ui_mode": "hosted"}, "ui_mode"),
        ({"metadata": "words"}, "metadata"),
        ({"metadata": {"a": {"b": "c"}}}, "metadata[a]"),
        ({"metadata": {"a": "x" * 501}}, "metadata[a]"),
        ({"metadata": {f"key{number}": "x" for number in range(51)}}, "metadata"),
        ({"payment_intent_data": {"metadata": {"a": "x" * 501}}}, "payment_intent_data[metadata][a]"),
        ({"payment_method_types": ["card"]}, "payment_method_types"),
    ],
)
def test_wrong_parameters_are_refused_by_name(
    stand_in: StripeStandIn, client: stripe.StripeClient, changes: dict[str, Any], param: str
) -> None:
    """400 names the parameter, and no session is made."""
    with pytest.raises(stripe.InvalidRequestError) as raised:
        client.v1.checkout.sessions.create(asked(**changes))
    assert (400, param) == (raised.value.http_status, raised.value.param)
    assert [] == stand_in.account.sessions()


def test_the_limits_of_metadata_are_allowed(client: stripe.StripeClient) -> None:
    """50 keys and values of 500 characters are accepted."""
    metadata = {f"key{number}": "x" * 500 for number in range(50)}
    assert metadata == client.v1.checkout.sessions.create(asked(metadata=metadata)).to_dict()["metadata"]


def test_an_unknown_parameter_has_a_code(client: stripe.StripeClient) -> None:
    """It is told apart from a wrong one."""
    with pytest.raises(stripe.InvalidRequestError) as raised:
        client.v1.checkout.sessions.create(asked(colour="red"))
    assert ("parameter_unknown", "colour") == (raised.value.code, raised.value.param)


def test_an_unknown_object_is_missing(client: stripe.StripeClient) -> None:
    """404 with Stripe's code, for each kind; the request has an id."""
    for retrieve in (
        client.v1.checkout.sessions.retrieve,
        client.v1.payment_intents.retrieve,
        client.v1.events.retrieve,
    ):
        with pytest.raises(stripe.InvalidRequestError) as raised:
            retrieve("unknown_1")
        assert (404, "resource_missing") == (raised.value.http_status, raised.value.code)
        assert str(raised.value.request_id).startswith("req_")


@pytest.mark.parametrize("key", ["sk_test_", "sk_live_123456789012", "pk_test_123456789012"])
def test_another_key_is_not_let_in(stand_in: StripeStandIn, key: str) -> None:
    """A key that is no test key, or too short, is an authentication error."""
    with connected(stand_in, key) as client, pytest.raises(stripe.AuthenticationError):
        client.v1.checkout.sessions.create(asked())


def test_the_same_key_and_parameters_give_the_first_answer(
    stand_in: StripeStandIn, client: stripe.StripeClient
) -> None:
    """It is the first answer to the letter, though the session was paid meanwhile, and is marked as repeated."""
    first = client.v1.checkout.sessions.create(asked(), {"idempotency_key": "key-1"})
    stand_in.pay(first.id)
    again = client.v1.checkout.sessions.create(asked(), {"idempotency_key": "key-1"})
    assert first.to_dict() == again.to_dict()
    assert 1 == len(stand_in.account.sessions())
    assert again.last_response is not None
    assert "true" == again.last_response.headers["idempotent-replayed"]
    assert first.last_response is not None
    assert "idempotent-replayed" not in first.last_response.headers


def test_the_same_key_with_other_parameters_is_an_error(stand_in: StripeStandIn, client: stripe.StripeClient) -> None:
    """Stripe refuses, and makes nothing."""
    client.v1.checkout.sessions.create(asked(), {"idempotency_key": "key-1"})
    with pytest.raises(stripe.IdempotencyError):
        client.v1.checkout.sessions.create(asked(cancel_url=None), {"idempotency_key": "key-1"})
    assert 1 == len(stand_in.account.sessions())


def test_a_refused_request_does_not_use_up_its_key(client: stripe.StripeClient) -> None:
    """Stripe remembers no answer that its validation gave."""
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.checkout.sessions.create(asked(mode=None), {"idempotency_key": "key-1"})
    assert client.v1.checkout.sessions.create(asked(), {"idempotency_key": "key-1"}).id


def test_events_are_listed_newest_first_in_pages(stand_in: StripeStandIn, client: stripe.StripeClient) -> None:
    """Pages follow each other by the last id; kinds and times choose."""
    made = [client.v1.checkout.sessions.create(asked()) for _ in range(5)]
    reported = [stand_in.pay(session.id)["id"] for session in made[:4]]
    expired = stand_in.expire(made[4].id)
    newest_first = [expired["id"], *reversed(reported)]
    page = client.v1.events.list({"limit": 2})
    assert (newest_first[:2], True) == ([event.id for event in page.data], page.has_more)
    assert newest_first == [event.id for event in page.auto_paging_iter()]
    kind = client.v1.events.list({"type": "checkout.session.expired"})
    assert [expired["id"]] == [event.id for event in kind.data]
    assert 4 == len(client.v1.events.list({"types": ["checkout.session.completed"]}).data)
    assert 5 == len(client.v1.events.list({"created": {"gte": expired["created"] - 60}}).data)
    assert [] == client.v1.events.list({"created": {"gt": expired["created"]}}).data
    assert expired == client.v1.events.retrieve(expired["id"]).to_dict()
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.events.list({"limit": 101})
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.events.list({"starting_after": "evt_unknown"})


def test_an_event_is_of_the_version_that_was_asked_for(stand_in: StripeStandIn) -> None:
    """The version header of the session's request shows in its events; today's API is the default."""
    form = {
        "mode": "payment",
        "success_url": "https://shop.test/",
        "line_items[0][price_data][currency]": "usd",
        "line_items[0][price_data][unit_amount]": "500",
    }
    versions = []
    for headers in ({}, {"Stripe-Version": "2025-03-31.basil"}):
        answer = httpx.post(
            f"{stand_in.url}/v1/checkout/sessions", data=form, headers={"Authorization": f"Bearer {KEY}", **headers}
        )
        versions.append(stand_in.pay(answer.json()["id"])["api_version"])
    assert ["2026-10-28.endive", "2025-03-31.basil"] == versions


def test_an_event_has_the_shape_of_stripes(stand_in: StripeStandIn, client: stripe.StripeClient) -> None:
    """Envelope and object are as Stripe sends them."""
    event = stand_in.pay(client.v1.checkout.sessions.create(asked()).id)
    assert {
        "api_version",
        "created",
        "data",
        "id",
        "livemode",
        "object",
        "pending_webhooks",
        "request",
        "type",
    } == set(event)
    assert ("event", False, int) == (event["object"], event["livemode"], type(event["created"]))
    assert "checkout.session" == event["data"]["object"]["object"]


def test_a_seed_makes_ids_repeatable() -> None:
    """Two accounts of one seed give the same ids, another seed others."""

    def ids(seed: int) -> list[str]:
        with StripeStandIn(seed=seed) as stand_in, connected(stand_in, KEY) as client:
            session = client.v1.checkout.sessions.create(asked())
            event = stand_in.pay(session.id)
            return [session.id, event["id"], event["data"]["object"]["payment_intent"]]

    assert ids(1) == ids(1) != ids(2)


def test_other_methods_and_addresses_are_refused(stand_in: StripeStandIn) -> None:
    """With Stripe's error object, whatever is asked."""
    headers = {"Authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=stand_in.url, headers=headers) as http:
        for method in ("PUT", "PATCH", "HEAD"):
            assert 405 == http.request(method, "/v1/checkout/sessions").status_code
        for path in ("/v1/quotes", "/v2/core/events", "/favicon.ico"):
            answer = http.get(path)
            assert (404, "invalid_request_error") == (answer.status_code, answer.json()["error"]["type"])
        for form in ("a[b=c", "a=1&a[b]=2", "a[b]=2&a=1", "[a]=1", "a" + "[b]" * 5000 + "=1", "\udcff"):
            body = form.encode(errors="surrogateescape")
            assert 400 == http.post("/v1/checkout/sessions", content=body).status_code
