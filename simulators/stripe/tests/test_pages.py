"""The stand-in's pages, as a customer's browser sees them."""

from collections.abc import Iterator

import httpx
import pytest

from simulators.stripe.ordering.orders import order
from simulators.stripe.stand_in import StripeStandIn

HOSTILE = "<script>alert('1')</script> & \"Söhne\""


@pytest.fixture
def stand_in() -> Iterator[StripeStandIn]:
    with StripeStandIn(merchant=f"Shop of {HOSTILE}") as stand_in:
        yield stand_in


def opened(stand_in: StripeStandIn, *, amount: str = "123456", currency: str = "usd", **changes: str) -> str:
    """The address of a fresh checkout."""
    price = {"currency": currency, "unit_amount": amount, "product_data": {"name": HOSTILE}}
    parameters = {
        "mode": "payment",
        "success_url": "https://shop.test/ok?id={CHECKOUT_SESSION_ID}&q=ü",
        "cancel_url": 'https://shop.test/back?"><b>',
        "line_items": {"0": {"quantity": "2", "price_data": price}},
        **changes,
    }
    return str(stand_in.account.create_session(order(parameters), stand_in.url)["url"])


def id_of(page: str) -> str:
    return page.rpartition("/")[2]


def press(page: str, method: str) -> httpx.Response:
    """Press one of the page's buttons."""
    return httpx.post(page, data={"method": method})


def test_the_page_shows_what_is_sold_and_that_it_is_simulated(stand_in: StripeStandIn) -> None:
    """Amount, merchant and product are on it; nothing comes from elsewhere."""
    page = httpx.get(opened(stand_in))
    assert "text/html; charset=utf-8" == page.headers["content-type"]
    assert "SIMULATED" in page.text
    assert "2,469.12 USD" in page.text
    assert "Shop of" in page.text
    assert "viewport" in page.text
    assert not {"src=", "@import", "url("} & set(page.text.split())
    assert "5,000 JPY" in httpx.get(opened(stand_in, amount="2500", currency="jpy")).text


def test_hostile_words_are_shown_and_not_run(stand_in: StripeStandIn) -> None:
    """Product, merchant, email and addresses are escaped on every page."""
    page = opened(stand_in, customer_email="<i>@example.com")
    for text in (httpx.get(page).text, press(page, "decline").text, httpx.get(stand_in.url).text):
        assert not [tag for tag in ("<script", "<i>", "<b>") if tag in text]
    assert "&lt;script&gt;alert(&#x27;1&#x27;)" in httpx.get(page).text


def test_paying_leads_back_to_the_shop(stand_in: StripeStandIn) -> None:
    """303 to the shop's address with the session's id in it, and one event."""
    page = opened(stand_in)
    answer = press(page, "card")
    assert (303, f"https://shop.test/ok?id={id_of(page)}&q=%C3%BC") == (answer.status_code, answer.headers["location"])
    (event,) = stand_in.events
    session = event["data"]["object"]
    assert ("checkout.session.completed", "paid") == (event["type"], session["payment_status"])
    assert session == stand_in.session(id_of(page))


def test_a_second_payment_charges_nothing(stand_in: StripeStandIn) -> None:
    """The page says that it is paid, however it is asked."""
    page = opened(stand_in)
    press(page, "card")
    for answer in (press(page, "card"), press(page, "delayed"), press(page, "decline"), httpx.get(page)):
        assert 200 == answer.status_code
        assert "already paid" in answer.text
    assert 1 == len(stand_in.events)


def test_a_decline_can_be_tried_again(stand_in: StripeStandIn) -> None:
    """It is reported, nothing happens, and another card pays."""
    page = opened(stand_in)
    declined = press(page, "decline")
    assert (402, True) == (declined.status_code, "Your card was declined." in declined.text)
    assert [] == stand_in.events
    assert 402 == press(page, "<b>").status_code
    assert 303 == press(page, "card").status_code


@pytest.mark.parametrize(
    ("end", "kind", "status", "intent_status", "received"),
    [
        ("settle", "async_payment_succeeded", "paid", "succeeded", 246912),
        ("fail", "async_payment_failed", "unpaid", "requires_payment_method", 0),
    ],
)
def test_a_transfer_ends_days_later(
    stand_in: StripeStandIn, end: str, kind: str, status: str, intent_status: str, received: int
) -> None:
    """First the checkout is complete but unpaid; then the money comes, or does not, once."""
    page = opened(stand_in)
    assert 303 == press(page, "delayed").status_code
    first = stand_in.events[0]["data"]["object"]
    assert ("complete", "unpaid") == (first["status"], first["payment_status"])
    for answer in (httpx.get(page), press(page, "card")):
        assert "under way" in answer.text
    assert 303 == press(page, end).status_code
    assert f"checkout.session.{kind}" == stand_in.events[1]["type"]
    assert status == stand_in.events[1]["data"]["object"]["payment_status"]
    assert "unpaid" == first["payment_status"]
    intent = stand_in.account.intent(first["payment_intent"])
    assert intent is not None
    assert (intent_status, received) == (intent["status"], intent["amount_received"])
    for again in ("settle", "fail"):
        assert 200 == press(page, again).status_code
        assert 400 == httpx.post(f"{stand_in.url}/_stand_in/sessions/{id_of(page)}/{again}").status_code
    assert 2 == len(stand_in.events)


def test_an_expired_checkout_says_so(stand_in: StripeStandIn) -> None:
    """It can't be paid."""
    page = opened(stand_in)
    stand_in.expire(id_of(page))
    assert "expired" in press(page, "card").text
    assert ["checkout.session.expired"] == [event["type"] for event in stand_in.events]


def test_an_unknown_checkout_is_missing(stand_in: StripeStandIn) -> None:
    """404, and other methods than a browser's are refused."""
    assert 404 == httpx.get(f"{stand_in.url}/c/pay/cs_test_<b>").status_code
    assert 405 == httpx.delete(opened(stand_in)).status_code


def test_the_index_lists_the_sessions(stand_in: StripeStandIn) -> None:
    """Newest first, each with its link and state."""
    first, second = opened(stand_in), opened(stand_in)
    press(first, "card")
    text = httpx.get(stand_in.url).text
    assert text.index(f"/c/pay/{id_of(second)}") < text.index(f"/c/pay/{id_of(first)}")
    assert "complete" in text
