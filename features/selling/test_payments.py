"""`POST /payments` over HTTP on the real stack: charges, declines, bad requests, and answers as they are described."""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import attrs
import httpx
import pytest

from features.harness.service import OPERATOR_KEY, SERVICE_KEY, Service, eventually
from features.http.description import Description
from features.steps.story import Customer, Story
from simulators.stripe.api import NO_ANSWER
from simulators.stripe.resources.payment_methods import save

PROBLEM = "application/problem+json"
CREATE = "/v1/payment_intents"
NOBODY = "00000000-0000-4000-8000-00000000dead"


@attrs.frozen
class Shop:
    """Ada, at a service; what comes of her card."""

    story: Story
    ada: Customer
    description: Description

    def pay(self, key: str | None = None, *, plan: object = "starter", **changes: Any) -> httpx.Response:
        """Charge Ada's card as her backend does; each answer must be as it is described."""
        body = {"user_id": self.ada.user_id, "plan": plan, **changes}
        return self.ask(body, **{"Idempotency-Key": key or uuid.uuid4().hex})

    def ask(self, body: object, **headers: str) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        known = {"Authorization": f"Bearer {SERVICE_KEY}", "Content-Type": "application/json", **headers}
        answer: httpx.Response = self.story.service.http.post("/payments", content=content, headers=known)
        assert [] == self.description.faults(answer)
        return answer

    def save_card(self, name: str = "visa", *, decline: str | None = None) -> None:
        """Let Ada have a card at Stripe, whose customer is made if need be."""
        account = self.story.service.stripe.account
        if not self.customers:
            self.pay()
        for old in account.all_kept("payment_method"):
            if old["customer"] in self.customers:
                old["customer"] = None
        save(account, self.customers[0], name, decline=decline)

    @property
    def customers(self) -> list[str]:
        kept = self.story.service.stripe.account.all_kept("customer")
        return [one["id"] for one in kept if one["metadata"].get("userId") == self.ada.user_id]

    @property
    def intents(self) -> list[dict[str, Any]]:
        kept = self.story.service.stripe.account.all_kept("payment_intent")
        return [one for one in kept if one["metadata"].get("userId") == self.ada.user_id]

    @property
    def taken(self) -> list[int]:
        """Return what Ada's bank paid."""
        kept = self.story.service.stripe.account.all_kept("charge")
        own = [one for one in kept if one["metadata"].get("userId") == self.ada.user_id]
        return [one["amount"] for one in own if one["status"] == "succeeded"]

    @property
    def balance(self) -> int:
        headers = {"Authorization": f"Bearer {SERVICE_KEY}"}
        quota = self.story.service.http.get(f"/quota?user_id={self.ada.user_id}", headers=headers)
        balance: int = quota.json()["balance"]
        return balance

    def make_due(self) -> None:
        """Let time pass for what is unclear: a lease or a pause ends."""
        query = "update public.charges set due_at = now() where user_id = $1 and status in ('created', 'charging')"
        self.story.rows(query, uuid.UUID(self.ada.user_id))

    def statuses(self) -> list[str]:
        query = "select status from public.charges where user_id = $1 order by created_at"
        return [row["status"] for row in self.story.rows(query, uuid.UUID(self.ada.user_id))]


@pytest.fixture
def shop(service: Service) -> Shop:
    story = Story(service)
    return Shop(story, story.sign_up("Ada"), Description.of(service.http))


def is_refused(answer: httpx.Response, status: int, kind: str) -> None:
    assert (status, PROBLEM, f"urn:credence:{kind}") == (
        answer.status_code,
        answer.headers["content-type"],
        answer.json().get("type"),
    ), answer.text


def test_a_saved_card_is_charged_and_credited_at_once(shop: Shop) -> None:
    """Repeated, it is the first answer; Stripe's event changes nothing any more; the ledger agrees with itself."""
    shop.save_card()
    first, again = shop.pay("key-1" + shop.ada.user_id), shop.pay("key-1" + shop.ada.user_id)
    assert (201, 201) == (first.status_code, again.status_code), first.text
    assert first.json() == again.json()
    assert (None, "true") == (first.headers.get("Idempotent-Replayed"), again.headers.get("Idempotent-Replayed"))
    (intent,) = shop.intents
    assert {
        "id": intent["metadata"]["credence_charge"],
        "user_id": shop.ada.user_id,
        "plan": "starter",
        "status": "succeeded",
        "credits": 50,
        "amount": 500,
        "currency": "usd",
        "payment_intent": intent["id"],
    } == first.json()
    assert ([500], 50) == (shop.taken, shop.balance)

    events = [one for one in shop.story.service.stripe.events if one["data"]["object"]["id"] == intent["id"]]
    shop.story.deliver(*events, copies=2)
    assert [200] == sorted({delivery.status for delivery in shop.story.deliveries})
    assert 50 == shop.balance
    assert [] == shop.story.rows("select * from public.validate_credits_consistency()")


def test_another_key_is_another_payment(shop: Shop) -> None:
    """And another plan is worth its own credits."""
    shop.save_card()
    assert [201, 201] == [shop.pay().status_code, shop.pay(plan="pro").status_code]
    assert ([500, 2000], 300) == (sorted(shop.taken), shop.balance)


def test_a_refund_takes_the_credits_back(shop: Shop) -> None:
    """What a saved card paid is a purchase as any other."""
    shop.save_card()
    made = shop.pay().json()
    service = shop.story.service
    events = service.stripe.account.reversals.refund(made["payment_intent"], 250)
    shop.story.deliver(*events)
    assert 25 == shop.balance


def test_many_requests_under_one_key_charge_once(shop: Shop) -> None:
    """Those that come while the first is at work are told to repeat; nobody is told anything else."""
    shop.save_card()
    key = uuid.uuid4().hex
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: shop.pay(key), range(16)))
    assert {201} <= {answer.status_code for answer in answers} <= {201, 503}
    assert {"urn:credence:payment-unclear"} >= {
        answer.json()["type"] for answer in answers if answer.status_code == 503
    }
    assert 1 == len({answer.json()["payment_intent"] for answer in answers if answer.status_code == 201})
    assert 201 == shop.pay(key).status_code
    assert ([500], 50) == (shop.taken, shop.balance)


DECLINES = {
    "soft": (("visa", "insufficient_funds"), "card-declined-for-now", "insufficient_funds", "insufficient funds"),
    "of no reason": (("chargeCustomerFail", None), "card-declined-for-now", "generic_decline", "no reason"),
    "hard": (("visa", "expired_card"), "card-declined", "expired_card", "has expired"),
    "suspected": (("visa", "stolen_card"), "card-declined", "generic_decline", "no reason"),
}


@pytest.mark.parametrize("decline", DECLINES)
def test_a_decline_says_why_and_what_to_do(shop: Shop, decline: str) -> None:
    """In words, with Stripe's code unless it is a suspicion; the same key says it again, and nothing is charged."""
    (card, code), kind, shown, words = DECLINES[decline]
    shop.save_card(card, decline=code)
    key = uuid.uuid4().hex
    first, again = shop.pay(key), shop.pay(key)
    is_refused(first, 402, kind)
    assert shown == first.json()["decline_code"]
    assert words in first.json()["detail"]
    assert "stolen" not in first.text
    without_id = {"request_id": None}
    assert first.json() | without_id == again.json() | without_id
    assert ([], 0, 1) == (shop.taken, shop.balance, len(shop.intents))


def test_after_a_soft_decline_a_new_key_may_succeed(shop: Shop) -> None:
    """The old key stays declined."""
    shop.save_card(decline="insufficient_funds")
    key = uuid.uuid4().hex
    is_refused(shop.pay(key), 402, "card-declined-for-now")
    shop.save_card()
    assert 201 == shop.pay().status_code
    is_refused(shop.pay(key), 402, "card-declined-for-now")
    assert ([500], 50) == (shop.taken, shop.balance)


def test_a_bank_that_wants_the_customer_is_said_so(shop: Shop) -> None:
    """A checkout is the way then."""
    shop.save_card("authenticationRequired")
    answer = shop.pay()
    is_refused(answer, 402, "authentication-required")
    assert "checkout" in answer.json()["detail"]
    assert ([], 0) == (shop.taken, shop.balance)


def test_a_customer_without_a_card_is_said_to_have_none(shop: Shop) -> None:
    """Under this key for good; under a new one they may have saved a card."""
    key = uuid.uuid4().hex
    is_refused(shop.pay(key), 402, "no-saved-card")
    shop.save_card()
    is_refused(shop.pay(key), 402, "no-saved-card")
    assert 201 == shop.pay().status_code


@pytest.mark.parametrize("is_stored", [False, True])
def test_a_lost_answer_is_found(shop: Shop, *, is_stored: bool) -> None:
    """Stripe charged the card and said nothing, or an error for ever: the look-up finds the payment at once."""
    shop.save_card()
    fault = {"status": 500, "is_stored": True} if is_stored else {"status": NO_ANSWER}
    shop.story.service.stripe.fail_next(3, path=CREATE, is_applied=True, **fault)
    answer = shop.pay()
    assert 201 == answer.status_code or answer.json()["type"] == "urn:credence:payment-unclear", answer.text
    assert ["succeeded"] == eventually(lambda: (shop.make_due(), shop.statuses()[-1:])[1], ["succeeded"])
    assert ([500], 50) == (shop.taken, shop.balance)


def test_while_stripe_is_away_it_is_unclear_and_the_worker_ends_it(shop: Shop) -> None:
    """The caller is told to repeat with the same key, never with another."""
    shop.save_card()
    key = uuid.uuid4().hex
    shop.story.service.stripe.fail_next(8, status=503, path=CREATE)
    answer = shop.pay(key)
    is_refused(answer, 503, "payment-unclear")
    assert "same Idempotency-Key" in answer.json()["detail"]
    assert int(answer.headers["Retry-After"]) > 0
    assert ["succeeded"] == eventually(lambda: (shop.make_due(), shop.statuses()[-1:])[1], ["succeeded"])
    assert 201 == shop.pay(key).status_code
    assert ([500], 50) == (shop.taken, shop.balance)


def test_what_a_deleted_user_paid_is_parked_and_no_success(shop: Shop) -> None:
    """The answer says that the card was charged; once an operator has given the credits to somebody, it is over."""
    shop.save_card()
    key = uuid.uuid4().hex
    shop.story.service.stripe.fail_next(8, status=NO_ANSWER, is_applied=True, path=CREATE)
    is_refused(shop.pay(key), 503, "payment-unclear")
    bob = shop.story.sign_up("Bob")
    shop.story.rows("delete from auth.users where id = $1", uuid.UUID(shop.ada.user_id))
    (intent,) = shop.intents
    event_id = f"reconciled_{intent['id']}"

    def parked() -> list[str]:
        shop.make_due()
        rows = shop.story.rows("select status from public.webhook_events where id = $1", event_id)
        return [row["status"] for row in rows]

    assert ["parked"] == eventually(parked, ["parked"])
    answer = shop.pay(key)
    is_refused(answer, 503, "payment-unclear")
    assert "The card was charged" in answer.json()["detail"]
    is_refused(shop.pay(), 404, "unknown-user")

    http, operator = shop.story.service.http, {"Authorization": f"Bearer {OPERATOR_KEY}"}
    claimed = http.post(f"/ops/events/{event_id}/claim", json={"user_id": bob.user_id}, headers=operator)
    assert 200 == claimed.status_code, claimed.text
    assert ["succeeded"] == eventually(lambda: (shop.make_due(), shop.statuses()[-1:])[1], ["succeeded"])
    assert ([500], 50) == (shop.taken, shop.story.get("/quota", bob).json()["balance"])


def test_a_key_of_another_payment_is_refused(shop: Shop) -> None:
    """It names what differs, and charges nothing."""
    shop.save_card()
    key = uuid.uuid4().hex
    assert 201 == shop.pay(key).status_code
    bob = shop.story.sign_up("Bob")
    for changes, fields in (({"plan": "pro"}, ["plan"]), ({"user_id": bob.user_id}, ["user_id"])):
        answer = shop.pay(key, **changes)
        is_refused(answer, 422, "key-reused")
        assert fields == answer.json()["fields"]
    assert [500] == shop.taken


@pytest.mark.parametrize(
    ("changes", "status", "kind"),
    [
        ({"plan": "nothing"}, 404, "unknown-plan"),
        ({"plan": ""}, 404, "unknown-plan"),
        ({"plan": "a" * 5000}, 400, "bad-request"),
        ({"plan": "monthly"}, 409, "not-a-pack"),
        ({"plan": 5}, 400, "bad-request"),
        ({"plan": None}, 400, "bad-request"),
        ({"plan": ["starter"]}, 400, "bad-request"),
        ({"plan": "starter\x00"}, 400, "bad-request"),
        ({"user_id": "ada"}, 400, "invalid-user-id"),
        ({"user_id": 5}, 400, "bad-request"),
        ({"user_id": NOBODY}, 404, "unknown-user"),
        ({"amount": 1}, 400, "bad-request"),
        ({"payment_method": "pm_1"}, 400, "bad-request"),
    ],
)
def test_a_bad_wish_charges_nothing(shop: Shop, changes: dict[str, Any], status: int, kind: str) -> None:
    """It is refused before anything is recorded, so that the key may be used again."""
    shop.save_card()
    before, key = shop.statuses(), uuid.uuid4().hex
    is_refused(shop.pay(key, **changes), status, kind)
    assert (before, []) == (shop.statuses(), shop.taken)
    assert 201 == shop.pay(key).status_code


@pytest.mark.parametrize("body", [b"", b"{", b"null", b"[]", b"\xff", b'{"user_id": "x"}', b"{}", b'"starter"'])
def test_a_bad_body_charges_nothing(shop: Shop, body: bytes) -> None:
    """It is a problem of the caller's, in words."""
    answer = shop.ask(body, **{"Idempotency-Key": uuid.uuid4().hex})
    assert (400, PROBLEM) == (answer.status_code, answer.headers["content-type"]), answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("key", [None, "", "a b", "k" * 256])
def test_a_key_is_wanted(shop: Shop, key: str | None) -> None:
    """One of visible characters."""
    headers = {} if key is None else {"Idempotency-Key": key}
    is_refused(shop.ask({"user_id": shop.ada.user_id, "plan": "starter"}, **headers), 400, "invalid-idempotency-key")


def test_only_a_service_may_charge(shop: Shop) -> None:
    """Neither the user, nor an operator, nor nobody."""
    shop.save_card()
    body = {"user_id": shop.ada.user_id, "plan": "starter"}
    key = {"Idempotency-Key": uuid.uuid4().hex}
    is_refused(shop.ask(body, **key, **shop.ada.headers), 403, "forbidden")
    is_refused(shop.ask(body, **key, Authorization=f"Bearer {OPERATOR_KEY}"), 403, "forbidden")
    is_refused(shop.ask(body, **key, Authorization="Bearer guessed-key-of-nobody"), 401, "unauthenticated")
    assert [] == shop.taken


def test_nothing_secret_is_said(shop: Shop) -> None:
    """Neither the card, nor Stripe's own words, nor its keys are in an answer or the log."""
    shop.save_card(decline="lost_card")
    answer = shop.pay()
    for secret in ("4242", "pm_", "sk_test", "client_secret", "lost"):
        assert secret not in answer.text
    assert "client_secret" not in shop.story.service.log.read_text()
