"""Webhook deliveries: which are believed, which are refused, and what those that are believed bring."""

import contextlib
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.stripe.envelope import THIN
from adapters.stripe.webhooks import StripeWebhooks
from domain.payments.reports import Delivery, InboxEvent, Irrelevant, SaleReport, Unreadable
from domain.ports.payment_provider import InvalidBody, InvalidSignature

NOW = 1_777_000_000
SECRET = "whsec_new"
ADA = "6f1e0a52-3f0e-4d7c-9a55-0d5f6a1b2c3d"
COMPLETED = "checkout.session.completed"


@attrs.frozen
class FrozenClock:
    """A clock that stands still."""

    seconds: float = NOW

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)


WEBHOOKS = StripeWebhooks(secrets=("whsec_old", SECRET), clock=FrozenClock())


def signature(body: bytes, *, secret: str = SECRET, stamp: str = str(NOW)) -> str:
    return hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def header(body: bytes, *, secret: str = SECRET, at: int = NOW) -> str:
    return f"t={at},v1={signature(body, secret=secret, stamp=str(at))}"


def session(**changes: object) -> dict[str, object]:
    sold = {
        "id": "cs_1",
        "object": "checkout.session",
        "mode": "payment",
        "payment_status": "paid",
        "payment_intent": "pi_1",
        "amount_subtotal": 500,
        "amount_total": 500,
        "currency": "usd",
        "metadata": {"userId": ADA, "plan": "starter"},
    }
    return {**sold, **changes}


def event(**changes: object) -> dict[str, object]:
    fields = {
        "id": "evt_1",
        "object": "event",
        "type": COMPLETED,
        "created": NOW - 10,
        "livemode": False,
        "api_version": "2026-10-28.endive",
        "data": {"object": session()},
    }
    return {**fields, **changes}


def body_of(text: object) -> bytes:
    return json.dumps(text, indent=2).encode()


def verified(body: bytes) -> Delivery:
    return WEBHOOKS.verify(body, header(body))


BODY = body_of(event())


def test_a_delivery_brings_its_event_and_its_exact_body() -> None:
    """The envelope is read, and the body is kept to the letter."""
    delivery = verified(BODY)
    expected = InboxEvent(
        id="evt_1",
        type=COMPLETED,
        body=BODY.decode(),
        livemode=False,
        account=None,
        created=datetime.fromtimestamp(NOW - 10, UTC),
        session_id="cs_1",
        object_id="cs_1",
    )
    assert expected == delivery.event
    assert isinstance(delivery.report, SaleReport)


@pytest.mark.parametrize("secret", ["whsec_old", "whsec_new"])
def test_any_of_our_secrets_may_sign(secret: str) -> None:
    """While a secret is rotated both are in use."""
    assert "evt_1" == WEBHOOKS.verify(BODY, header(BODY, secret=secret)).event.id


def test_one_good_signature_among_several_is_enough() -> None:
    """Stripe signs with both secrets during a rotation, and with a `v0` of its own for tests."""
    several = f"t={NOW},v1={'0' * 64},v1={signature(BODY)},v0={'1' * 64}"
    assert "evt_1" == WEBHOOKS.verify(BODY, several).event.id


@pytest.mark.parametrize(("age", "reason"), [(301, "stale"), (10**6, "stale"), (-301, "from the future")])
def test_a_delivery_outside_the_window_is_refused(age: int, reason: str) -> None:
    """A good signature is good for 300 s, into the past and into the future."""
    with pytest.raises(InvalidSignature) as raised:
        WEBHOOKS.verify(BODY, header(BODY, at=NOW - age))
    assert reason == raised.value.reason


@pytest.mark.parametrize("age", [300, 0, -300])
def test_a_delivery_inside_the_window_is_believed(age: int) -> None:
    """The bounds themselves are inside."""
    assert "evt_1" == WEBHOOKS.verify(BODY, header(BODY, at=NOW - age)).event.id


def test_the_window_is_reported_by_the_given_clock() -> None:
    """Neither end of the window depends on the machine's time."""
    webhooks = StripeWebhooks(secrets=(SECRET,), clock=FrozenClock(86_400))
    assert "evt_1" == webhooks.verify(BODY, header(BODY, at=86_400)).event.id
    with pytest.raises(InvalidSignature):
        webhooks.verify(BODY, header(BODY))


GOOD = signature(BODY)


@pytest.mark.parametrize(
    "given_header",
    [
        None,
        "",
        "   ",
        "nonsense",
        ",,,",
        "=",
        "t",
        "v1",
        f"t={NOW}",
        f"v1={GOOD}",
        f"t={NOW},v1",
        f"t={NOW},v1=",
        f"t={NOW},v0={GOOD}",
        f"t={NOW},v1={GOOD[:-1]}",
        f"t={NOW},v1={GOOD.upper()}",
        f"t={NOW} ,v1={GOOD}",
        f"t={NOW},t={NOW},v1={GOOD}",
        f"t={NOW},t={NOW + 1},v1={GOOD}",
        f"t={NOW},t=,v1={GOOD}",
        f"t=,v1={GOOD}",
        f"t=now,v1={GOOD}",
        f"t={NOW}.0,v1={GOOD}",
        f"t=+{NOW},v1={GOOD}",
        f"t=-{NOW},v1={GOOD}",
        f"t=1_777_000_000,v1={GOOD}",
        f"t={'9' * 13},v1={GOOD}",
        f"t={'9' * 5000},v1={GOOD}",
        f"t=\u0661\u0667,v1={GOOD}",
        f"t={NOW},v1=\u00e9\u00e9",
        f"t={NOW},v1=\u20ac",
        f"t={NOW},v1=\ud800",
        f"t={NOW},v1=\x00",
        f"t={NOW},v1={GOOD},x=\xff",
        GOOD,
    ],
)
def test_a_header_that_is_not_stripe_s_is_refused(given_header: str | None) -> None:
    """Missing, malformed, ambiguous or garbled: never more than a refusal with a short reason."""
    with pytest.raises(InvalidSignature) as raised:
        WEBHOOKS.verify(BODY, given_header)
    assert 0 < len(raised.value.reason) < 60


@pytest.mark.parametrize("secret", ["", "whsec_other", "whsec_ne", "WHSEC_NEW"])
def test_another_secret_is_refused(secret: str) -> None:
    """Nor does the empty one open anything."""
    with pytest.raises(InvalidSignature):
        WEBHOOKS.verify(BODY, header(BODY, secret=secret))


@pytest.mark.parametrize(
    "forged",
    [
        json.dumps(event()).encode(),
        json.dumps(event(), indent=2, sort_keys=True).encode(),
        json.dumps(BODY.decode()).encode(),
        BODY + b"\n",
        BODY[:-1],
        b"",
        b"\xef\xbb\xbf" + BODY,
        BODY.replace(b'"amount_total": 500', b'"amount_total": 501'),
    ],
)
def test_a_signature_is_good_for_the_very_bytes_only(forged: bytes) -> None:
    """The same JSON written otherwise is another body."""
    with pytest.raises(InvalidSignature):
        WEBHOOKS.verify(forged, header(BODY))


@pytest.mark.parametrize("secrets", [(), ("",), ("whsec_a", ""), (" ",), ("\t\n",)])
def test_an_empty_secret_is_refused_at_construction(secrets: tuple[str, ...]) -> None:
    """Anybody could sign with it."""
    with pytest.raises(ValueError, match="secret"):
        StripeWebhooks(secrets=secrets, clock=FrozenClock())


def test_secrets_are_not_shown() -> None:
    """A log line of the object says nothing."""
    assert "whsec" not in repr(WEBHOOKS)


ENVELOPES = [
    event(object="charge"),
    event(object=None),
    *(event(id=value) for value in [None, 7, "", " ", [], "evt\x00", "evt_\u00e9", "evt_\ud800", "e" * 256]),
    *(event(type=value) for value in [None, 7, "", " ", [], "a\x00", "a\ud800", "a" * 256, "a\nb"]),
    *(event(livemode=value) for value in [None, 0, 1, "false", []]),
    *(event(account=value) for value in [7, "", {}, [], True, "acct_\ud800"]),
    *(event(data=value) for value in [None, 7, [], {}, {"object": None}, {"object": []}, {"object": "cs_1"}]),
    {key: value for key, value in event().items() if key != "livemode"},
    {key: value for key, value in event().items() if key != "data"},
]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"\xff\xfe",
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf" + BODY,
        BODY.decode().encode("utf-16"),
        b"not json",
        BODY[:-1],
        BODY + BODY,
        b"null",
        b"true",
        b"7",
        b"[]",
        b"[" + BODY + b"]",
        json.dumps(BODY.decode()).encode(),
        BODY.replace(b'"amount_total": 500', b'"amount_total": NaN'),
        BODY.replace(b'"amount_total": 500', b'"amount_total": -Infinity'),
        BODY.replace(b'"cs_1"', b'"cs_\x00"'),
        pytest.param(BODY.replace(b"500", b"9" * 5000), id="a number of 5000 digits"),
        pytest.param(b"[" * 200_000, id="deep lists"),
        pytest.param(b'{"a":' * 200_000, id="deep objects"),
    ],
)
def test_what_is_signed_and_no_json_object_is_refused(body: bytes) -> None:
    """Stripe's signature does not make an event of it; the reason is short and shows nothing of the body."""
    with pytest.raises(InvalidBody) as raised:
        verified(body)
    assert 0 < len(raised.value.reason) < 60
    assert raised.value.reason.isascii()


@pytest.mark.parametrize("envelope", ENVELOPES)
def test_an_envelope_that_can_not_be_kept_is_refused(envelope: dict[str, object]) -> None:
    """Another object, or an event without what the inbox needs of it."""
    with pytest.raises(InvalidBody):
        verified(body_of(envelope))


def thin(**changes: object) -> dict[str, object]:
    fields = {
        "id": "evt_test_65",
        "object": "v2.core.event",
        "type": "v1.payment_intent.succeeded",
        "created": "2026-09-20T12:00:00.123Z",
        "livemode": False,
        "related_object": {"id": "pi_1", "type": "payment_intent", "url": "/v1/payment_intents/pi_1"},
    }
    return {**fields, **changes}


def test_a_thin_event_is_kept_and_ignored() -> None:
    """Refused, it would be repeated for days; that it tells nothing of its object is no fault of the delivery's."""
    body = body_of(thin())
    expected = InboxEvent(
        id="evt_test_65",
        type="v1.payment_intent.succeeded",
        body=body.decode(),
        livemode=False,
        created=datetime(2026, 9, 20, 12, tzinfo=UTC),
        object_id="pi_1",
    )
    assert Delivery(expected, Irrelevant(THIN)) == verified(body)


def test_a_thin_checkout_marks_no_session() -> None:
    """Its session's snapshot event is still to come, and must not be taken for a copy of it."""
    about = {"id": "cs_1", "type": "checkout.session", "url": "/v1/checkout/sessions/cs_1"}
    report = verified(body_of(thin(type="v1.checkout.session.completed", related_object=about))).event
    assert (None, "cs_1") == (report.session_id, report.object_id)


@pytest.mark.parametrize("related", [None, 7, [], {}, {"id": None}, {"id": "pi_\ud800"}])
def test_a_thin_event_may_be_about_nothing(related: object) -> None:
    """Not each has an object, and some have one without an id."""
    assert verified(body_of(thin(related_object=related))).event.object_id is None


@pytest.mark.parametrize(("text", "expected"), [(True, True), (False, False), (None, False)])
def test_a_thin_event_s_mode_is_test_unless_reported(text: object, expected: bool) -> None:
    """As the stripe package reads it; an ignored event is ignored in either mode."""
    assert expected is verified(body_of(thin(livemode=text))).event.livemode
    without = {key: value for key, value in thin().items() if key != "livemode"}
    assert verified(body_of(without)).event.livemode is False


@pytest.mark.parametrize(
    "created",
    [None, 7, "", "soon", "2026-09-20", "2026-09-20T12:00:00", "1969-12-31T23:59:59Z", "0001-01-01T00:00:00Z"],
)
def test_an_absurd_time_of_a_thin_event_is_no_time(created: object) -> None:
    """Nor is one without a zone, or before 1970."""
    assert verified(body_of(thin(created=created))).event.created is None


@pytest.mark.parametrize(
    "envelope",
    [
        *(thin(id=value) for value in [None, 7, "", [], "evt\x00"]),
        *(thin(type=value) for value in [None, 7, "", [], "a\nb"]),
        *(thin(livemode=value) for value in [0, 1, "false", []]),
    ],
)
def test_a_thin_event_that_can_not_be_kept_is_refused(envelope: dict[str, object]) -> None:
    """It needs an id and a type, as any event does."""
    with pytest.raises(InvalidBody):
        verified(body_of(envelope))


@pytest.mark.parametrize("created", [None, True, -1, 1.5, "1777000000", 253_402_300_800, 10**30, [], {}])
def test_an_absurd_time_is_no_time(created: object) -> None:
    """When it happened does not decide whether an event is kept."""
    assert verified(body_of(event(created=created))).event.created is None


@pytest.mark.parametrize("created", [0, 253_402_300_799])
def test_any_time_of_the_calendar_is_read(created: int) -> None:
    """From 1970 to the last second of the year 9999."""
    assert datetime.fromtimestamp(created, UTC) == verified(body_of(event(created=created))).event.created


@pytest.mark.parametrize("version", [None, 7, "", [], "v\x00", "v\ud800"])
def test_an_unusable_version_does_not_matter(version: object) -> None:
    """The event is read as any other."""
    assert "evt_1" == verified(body_of(event(api_version=version))).event.id


def test_a_connected_account_is_reported() -> None:
    """So that its event is not taken for one of our own."""
    assert "acct_1" == verified(body_of(event(account="acct_1"))).event.account


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ({"context": "acct_1"}, "acct_1"),
        ({"context": "acct_1/acct_2"}, "acct_2"),
        ({"context": "org_1/acct_1"}, "acct_1"),
        ({"context": "acct_1", "account": "acct_2"}, "acct_2"),
        ({"context": "acct_1", "account": None}, "acct_1"),
        ({"context": None}, None),
        ({"context": ""}, None),
        ({}, None),
    ],
)
@pytest.mark.parametrize("made", [event, thin])
def test_an_organization_s_event_is_of_the_account_at_its_context_s_end(
    made: Callable[..., dict[str, object]], named: dict[str, object], expected: str | None
) -> None:
    """Connect's own field goes first: there, the context may be the platform's."""
    assert expected == verified(body_of(made(**named))).event.account


@pytest.mark.parametrize("context", [7, True, [], {}, "/", "acct_1/", "acct_1 ", "acct_\ud800"])
def test_a_context_that_can_not_be_read_is_refused(context: object) -> None:
    """Whose event it is would be a guess."""
    with pytest.raises(InvalidBody):
        verified(body_of(event(context=context)))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(COMPLETED, "cs_1"), ("checkout.session.of_a_later_version", "cs_1"), ("invoice.paid", None)],
)
def test_only_a_session_s_event_has_a_session(kind: str, expected: str | None) -> None:
    """An invoice's id is no session's."""
    assert expected == verified(body_of(event(type=kind))).event.session_id


@pytest.mark.parametrize("kind", ["checkout.session.of_a_later_version", "invoice.created", "plan.created"])
def test_a_type_that_is_not_used_is_irrelevant(kind: str) -> None:
    """It is kept and ignored, whatever it is about."""
    assert Irrelevant(f"event type {kind} is not read") == verified(body_of(event(type=kind))).report


def test_an_unusable_session_id_stays_inside() -> None:
    """The event is kept for a person to look at; its id is not used as one."""
    delivery = verified(body_of(event(data={"object": session(id="cs_\ud800")})))
    assert isinstance(delivery.report, Unreadable)
    assert delivery.event.session_id is None


def test_escapes_in_other_places_are_kept() -> None:
    """A NUL or a lone surrogate that we do not take out does not stop an event."""
    body = body_of(event(data={"object": session(custom="\x00\ud800")}))
    delivery = verified(body)
    assert isinstance(delivery.report, SaleReport)
    assert body.decode() == delivery.event.body


TEXTS = st.text("aZ09_/- \x00\n\u00e9\u0665\ud800\U0001f9fe", max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.just("id") | TEXTS, inner, max_size=2),
    max_leaves=4,
)


def is_kept_or_refused(body: bytes, given_header: str | None) -> None:
    """Whatever comes, there is an event with texts that can be kept, or one of two refusals."""
    with contextlib.suppress(InvalidSignature, InvalidBody):
        kept = WEBHOOKS.verify(body, given_header).event
        texts = [text for text in (kept.id, kept.type, kept.account, kept.session_id) if text]
        assert [] == [text for text in texts if not (text.isascii() and text.isprintable())]
        assert body == kept.body.encode()


@settings(deadline=None)
@given(body=st.binary(), given_header=st.none() | st.text(st.characters()))
def test_any_bytes_and_any_header_are_refused_in_order(body: bytes, given_header: str | None) -> None:
    """Nothing that is sent raises anything else than a refusal."""
    is_kept_or_refused(body, given_header)
    is_kept_or_refused(body, f"t={NOW},v1={given_header}")


@settings(deadline=None)
@given(body=st.binary())
def test_any_signed_bytes_are_kept_or_refused(body: bytes) -> None:
    """Nor does anything that is signed."""
    is_kept_or_refused(body, header(body))


@settings(deadline=None)
@given(text=JSON)
def test_any_signed_json_is_kept_or_refused(text: object) -> None:
    """Whatever JSON it is."""
    body = json.dumps(text).encode()
    is_kept_or_refused(body, header(body))


@settings(deadline=None)
@given(
    envelope=st.dictionaries(st.sampled_from([*event(), "account", "context"]), JSON),
    about=st.dictionaries(st.sampled_from([*session(), "client_reference_id", "currency_conversion"]), JSON),
    kind=st.sampled_from([COMPLETED, "checkout.session.expired", "checkout.session.async_payment_succeeded"]),
)
def test_any_mutation_of_an_event_is_kept_or_refused(
    envelope: dict[str, Any], about: dict[str, Any], kind: str
) -> None:
    """A session with any fields in any shape, in an envelope with any fields in any shape."""
    body = body_of({**event(type=kind, data={"object": session(**about)}), **envelope})
    is_kept_or_refused(body, header(body))


@settings(deadline=None)
@given(data=st.data())
def test_any_cut_and_any_flipped_byte_is_refused(data: st.DataObject) -> None:
    """A body that is not the signed one to the last bit is not Stripe's."""
    place = data.draw(st.integers(0, len(BODY) - 1))
    flipped = bytearray(BODY)
    flipped[place] ^= data.draw(st.integers(1, 255))
    for forged in (bytes(flipped), BODY[:place]):
        with pytest.raises((InvalidSignature, InvalidBody)):
            WEBHOOKS.verify(forged, header(BODY))
