"""Another program that answers 200 in PostgREST's place is not taken for the ledger, and its answer is shown."""

import contextlib
import re
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

import adapters.postgres
from adapters.postgres.answer_shapes import SHAPES
from adapters.postgres.audit import SqlAudit
from adapters.postgres.charges import SqlCharges
from adapters.postgres.customers import SqlCustomerLinks
from adapters.postgres.inbox import SqlInbox
from adapters.postgres.ledger import SqlLedger
from adapters.postgres.price_book import SqlPriceBook
from adapters.postgres.rpc import Rpc
from adapters.postgres.supabase_rpc import SupabaseRpc
from adapters.postgres.synthetic_users import SqlSyntheticUsers
from adapters.system.clock import SystemClock
from domain.changes.changes import Change, HoldingsQuery, SnapshotQuery
from domain.changes.inbox import EventStatus
from domain.changes.walks import ChangedAccounts
from domain.credits.holds import HoldId
from domain.payments.charges import Charge, ChargeId, ChargeStatus
from domain.ports.ledger import LedgerRefused, LedgerUnavailable
from domain.tests.examples import ADA, NOON
from domain.upkeep.synthetic_users import Tag
from domain.values.customers import CustomerId
from domain.values.money import Money
from domain.values.plans import PlanId
from domain.values.prices import PlanPrice, PushedPrice
from simulators.http.server import HttpServer, Request, Response

KEY = "the-secret-service-key"
PAGE = b"<!DOCTYPE html>\n<html><head><title>Down for maintenance</title></head><body>Back soon</body></html>"

LEASE = timedelta(minutes=2)
CHARGE = Charge(
    id=ChargeId("00000000-0000-0000-0000-0000000000c1"),
    user_id=ADA,
    plan_id=PlanId("starter"),
    credits=50,
    amount=500,
    currency="usd",
    status=ChargeStatus.CREATED,
    attempts=1,
    created_at=NOON,
)
PUSHED = PushedPrice(
    id="price_1",
    product_id="credence_starter",
    sells=PlanPrice(plan_id=PlanId("starter"), credits=50, money=Money(amount=500, currency="usd")),
    is_for_sale=True,
)

CALLS: dict[str, Callable[[Rpc], Awaitable[object]]] = {
    "ledger_read": lambda rpc: SqlLedger(rpc).read(SnapshotQuery()),
    "ledger_read_all": lambda rpc: SqlLedger(rpc).read_all([SnapshotQuery()]),
    "ledger_commit": lambda rpc: SqlLedger(rpc).commit([Change()]),
    "accounts_read_for_spending": lambda rpc: SqlLedger(rpc).holdings(
        HoldingsQuery(user_ids=frozenset({ADA}), hold_ids=frozenset({HoldId("h")}))
    ),
    "accounts_with_overdue": lambda rpc: SqlLedger(rpc).accounts_with_overdue(5),
    "account_read": lambda rpc: SqlLedger(rpc).account(ADA),
    "account_notify_below": lambda rpc: SqlLedger(rpc).set_threshold(ADA, 5),
    "account_transactions": lambda rpc: SqlLedger(rpc).entries(ADA, before_version=None, limit=5),
    "balance_at": lambda rpc: SqlLedger(rpc).balance_at(ADA, NOON),
    "account_subscriptions": lambda rpc: SqlLedger(rpc).subscriptions_of(ADA),
    "charge_open": lambda rpc: SqlCharges(rpc, SystemClock()).claim("key", ADA, "starter", lease=LEASE),
    "charge_claim_due": lambda rpc: SqlCharges(rpc, SystemClock()).claim_due(lease=LEASE),
    "charge_change": lambda rpc: SqlCharges(rpc, SystemClock()).postpone(CHARGE, 5),
    "customer_of": lambda rpc: SqlCustomerLinks(rpc).customer_of(ADA),
    "customer_link": lambda rpc: SqlCustomerLinks(rpc).link(ADA, CustomerId("cus_1"), email=None),
    "customer_deleted": lambda rpc: SqlCustomerLinks(rpc).note_deleted(CustomerId("cus_1")),
    "customers_linked": lambda rpc: SqlCustomerLinks(rpc).linked([CustomerId("cus_1")], [ADA]),
    "stripe_prices_pushed": lambda rpc: SqlPriceBook(rpc).pushed(),
    "stripe_prices_record": lambda rpc: SqlPriceBook(rpc).record(PUSHED),
    "inbox_claim": lambda rpc: SqlInbox(rpc).claim_waiting(5, lease_seconds=60),
    "inbox_event": lambda rpc: SqlInbox(rpc).find("evt_1"),
    "inbox_list": lambda rpc: SqlInbox(rpc).page(statuses=frozenset({EventStatus.PARKED}), before=None, limit=5),
    "inbox_known": lambda rpc: SqlInbox(rpc).known(["<", "evt_1"]),
    "inbox_waits_for": lambda rpc: SqlInbox(rpc).waits_for("pi_1"),
    "inbox_make_all_due": lambda rpc: SqlInbox(rpc).make_all_due(),
    "inbox_fail": lambda rpc: SqlInbox(rpc).mark_failed("evt_1", "why"),
    "outbox_claim": lambda rpc: SqlInbox(rpc).claim("send_invoice", 5, lease_seconds=60),
    "outbox_record_deliveries": lambda rpc: SqlInbox(rpc).record_deliveries([]),
    "outbox_failures": lambda rpc: SqlInbox(rpc).failures(5),
    "outbox_retry": lambda rpc: SqlInbox(rpc).retry(1),
    "credence_backlog": lambda rpc: SqlInbox(rpc).backlog(),
    "validate_credits_consistency": lambda rpc: SqlAudit(rpc).inconsistencies(),
    "accounts_changed": lambda rpc: SqlAudit(rpc).changed_accounts(5, lease_seconds=60),
    "accounts_walked": lambda rpc: SqlAudit(rpc).move_mark(ChangedAccounts(since=None, until="1:1:")),
    "accounts_after": lambda rpc: SqlAudit(rpc).accounts_after(None, 5),
    "accounts_of": lambda rpc: SqlAudit(rpc).accounts_of([ADA]),
    "account_record": lambda rpc: SqlAudit(rpc).record_of(ADA),
    "account_sums": lambda rpc: SqlAudit(rpc).sums_of(ADA),
    "ledger_identity": lambda rpc: SqlAudit(rpc).identity(),
    "credence_diagnosis": lambda rpc: SqlAudit(rpc).schema(),
    "credence_add_synthetic_users": lambda rpc: SqlSyntheticUsers(rpc).add(Tag("t"), 1),
    "credence_list_synthetic_users": lambda rpc: SqlSyntheticUsers(rpc).groups(),
    "credence_remove_synthetic_users": lambda rpc: SqlSyntheticUsers(rpc).remove(Tag("t")),
}
LISTS = frozenset(
    {
        "account_subscriptions",
        "accounts_with_overdue",
        "account_transactions",
        "customers_linked",
        "inbox_claim",
        "inbox_list",
        "inbox_known",
        "outbox_claim",
        "outbox_failures",
        "stripe_prices_pushed",
        "validate_credits_consistency",
        "accounts_after",
        "accounts_of",
        "credence_list_synthetic_users",
    }
)
"""What is good with nothing in it, so that an empty array is one of its answers."""


@contextlib.contextmanager
def answering(body: bytes, content_type: str | None, asked: list[Request] | None = None) -> Iterator[str]:
    """The address of a server that answers everything the same, and 200."""

    def answer(request: Request) -> Response:
        if asked is not None:
            asked.append(request)
        return Response(headers={"Content-Type": content_type} if content_type else {}, body=body)

    with HttpServer(answer) as server:
        yield server.url


async def refusal(call: Callable[[Rpc], Awaitable[object]], body: bytes, content_type: str | None) -> str:
    """Why the ledger is unavailable, if a call is answered so."""
    with answering(body, content_type) as url:
        async with contextlib.aclosing(SupabaseRpc(url, KEY)) as rpc:
            with pytest.raises(LedgerUnavailable) as raised:
                await call(rpc)
    # Something else than the ledger does not say that nothing was written.
    assert not isinstance(raised.value, LedgerRefused)
    return raised.value.cause


@pytest.mark.parametrize("function", CALLS)
async def test_a_page_is_no_answer(function: str) -> None:
    """Whichever call gets it: the ledger is unavailable, and the words say what came instead."""
    reason = await refusal(CALLS[function], PAGE, "text/html; charset=utf-8")
    assert f"{function} was answered 200 (text/html; charset=utf-8) with '<!DOCTYPE html> <html><head>" in reason
    assert "check SUPABASE_URL" in reason
    assert "Back soon" not in reason


@pytest.mark.parametrize("function", CALLS)
@pytest.mark.parametrize(
    ("body", "content_type"),
    [(b"", None), (b"", "application/json"), (b"null", "text/plain"), (b'"ok"', "application/json")],
)
async def test_nothing_and_a_word_are_no_answers(function: str, body: bytes, content_type: str | None) -> None:
    """Neither an empty body nor a text is one, nor JSON that does not say that it is JSON."""
    reason = await refusal(CALLS[function], body, content_type)
    assert (content_type or "no content type") in reason
    assert "an empty body" in reason or body.decode() in reason


@pytest.mark.parametrize("function", sorted(CALLS.keys() - LISTS))
async def test_an_empty_array_is_no_answer_of_what_gives_none(function: str) -> None:
    """An unknown user is `null`, and each change that is written has its answer."""
    reason = await refusal(CALLS[function], b"[]", "application/json")
    assert "was answered 200 (application/json) with '[]'" in reason or "1 were sent, and 0 answered" in reason


@pytest.mark.parametrize("function", sorted(CALLS.keys() - {"credence_add_synthetic_users"}))
async def test_another_programs_json_is_no_answer(function: str) -> None:
    """Such as that of a health check at a wrong address."""
    reason = await refusal(CALLS[function], b'{"status": "ok"}', "application/json")
    assert """with '{"status": "ok"}'""" in reason


async def test_the_key_is_not_repeated() -> None:
    """Some servers answer with the request's own headers."""
    echo = f"<pre>apikey: {KEY}\nauthorization: Bearer {KEY}</pre>".encode()
    reason = await refusal(CALLS["ledger_read"], echo, "text/plain")
    assert "with '<pre>apikey: … authorization: Bearer …</pre>'" in reason
    assert KEY not in reason


def test_every_call_has_a_shape_and_is_tried_here() -> None:
    """A function that is called without one would be believed whatever it answered."""
    sources = Path(adapters.postgres.__file__).parent.glob("*.py")
    called = {name for one in sources for name in re.findall(r'\.(?:value|rows)\(\s*"(\w+)"', one.read_text())}
    assert called == SHAPES.keys()
    assert called - {"sync_user_credits"} == CALLS.keys()
