"""Refusals are reported in plain words, by one table."""

import pytest
from litestar import get
from litestar.testing import create_test_client

from domain.ports.ledger import LedgerBusy, LedgerRefused, LedgerUnavailable
from domain.ports.payment_provider import CheckoutDiffers, InvalidBody, InvalidSignature
from domain.usecases.record_payment import CommitRejected
from domain.usecases.retry_inbox import NoSale
from domain.values.accounts import InvalidUserId
from entrypoints.auth.authenticator import Forbidden, MalformedHeader
from entrypoints.http.problems import problems_plugin


@pytest.mark.parametrize(
    ("error", "status", "kind", "detail"),
    [
        (InvalidSignature("missing"), 400, "invalid-signature", "Missing Stripe-Signature header."),
        (InvalidSignature("stale"), 400, "invalid-signature", "Invalid Stripe-Signature header: stale."),
        (InvalidBody("not {JSON}"), 400, "invalid-body", "Invalid body: not {JSON}."),
        (InvalidUserId("ada"), 400, "invalid-user-id", "user_id must be a UUID."),
        (MalformedHeader("x-user-id", "a UUID"), 400, "malformed-header", "x-user-id must be a UUID."),
        (Forbidden("Not {0}."), 403, "forbidden", "Not {0}."),
        (NoSale("pi_1", "it is not paid"), 409, "not-claimable", "The object cannot be claimed: it is not paid."),
    ],
)
def test_a_refusal_says_what_is_wrong(error: Exception, status: int, kind: str, detail: str) -> None:
    """What others wrote is shown to the letter."""
    answer = reported(error)
    assert (status, f"urn:credence:{kind}", detail) == (answer["status"], answer["type"], answer["detail"])


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (CheckoutDiffers(), 422, "key-reused"),
        (LedgerUnavailable("away"), 503, "ledger-unavailable"),
        (LedgerRefused("no", True), 503, "ledger-unavailable"),
        (LedgerBusy("full", 7), 503, "ledger-busy"),
        (CommitRejected("no"), 503, "ledger-refused"),
    ],
)
def test_a_refusal_is_found_by_its_kind_or_a_more_general_one(error: Exception, status: int, kind: str) -> None:
    """The most special row of the table counts; none shows the cause."""
    answer = reported(error)
    assert (status, f"urn:credence:{kind}") == (answer["status"], answer["type"])
    assert "away" not in answer["detail"]


def reported(error: Exception) -> dict[str, object]:
    """What a caller is told of an error."""

    @get("/", sync_to_thread=False)
    def fail() -> None:
        raise error

    with create_test_client([fail], plugins=[problems_plugin()]) as client:
        answer: dict[str, object] = client.get("/").json()
    return answer
