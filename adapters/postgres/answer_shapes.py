"""The shapes of what the ledger's functions answer."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypedDict

from domain.changes.inbox import InboxRecord
from domain.changes.outbox import Message
from domain.credits.records import AccountSums
from domain.payments.line_terms import Claimed, MadePrice
from domain.upkeep.consistency import Inconsistency
from domain.upkeep.diagnosis import SchemaFacts
from domain.values.accounts import HistoricalBalance
from domain.values.prices import PushedPrice

_Objects = list[dict[str, Any]]


class _Account(TypedDict):
    user_id: str
    email: str | None
    balance: int | float  # a project's own column may be numeric
    held: int
    version: int
    revision: int
    notify_below: int | None


class _Event(TypedDict):
    id: str
    status: str


class _Subscription(TypedDict):
    id: str
    revision: int
    facts: dict[str, Any]


class _Held(TypedDict):
    id: str
    facts: dict[str, Any]
    plan_id: str | None


class _Purchase(_Subscription):
    posted: _Objects
    absent_users: list[str]


class _Snapshot(TypedDict):
    event: _Event | None
    account: _Account | None
    account_is_deleted: bool
    subscription: _Subscription | None
    purchases: list[_Purchase]
    family: list[_Purchase]
    claimed: list[Claimed]
    made_prices: list[MadePrice]
    now: datetime


class _Result(TypedDict):
    status: str


class _Wallet(TypedDict):
    account: _Account
    grants: _Objects
    holds: _Objects


class _Holdings(TypedDict):
    wallets: list[_Wallet]
    requests: _Objects
    holds: _Objects


class _Entry(TypedDict):
    version: int
    amount: int
    balance_after: int
    kind: str
    created_at: str


class _Record(TypedDict):
    account: _Account | None
    purchases: _Objects
    entries: list[_Entry]
    grants: _Objects
    holds: _Objects
    family: _Objects
    is_cut: bool
    following: dict[str, Any] | None


class _Identity(TypedDict):
    id: str


class _Customer(TypedDict):
    customer_id: str
    is_deleted: bool


class _LinkedCustomer(TypedDict):
    user_id: str
    customer_id: str


class _FailedMessage(TypedDict):
    id: int
    topic: str
    payload: dict[str, str]
    attempts: int
    error: str | None
    failed_at: str


class _Waiting(TypedDict):
    status: str
    reason: str
    count: int


class _Backlog(TypedDict):
    events: list[_Waiting]
    messages_due: int
    messages_failed: int
    cache_behind_seconds: int


class _ChangedAccounts(TypedDict):
    since: str | None
    until: str
    is_everything: bool
    accounts: list[_Account]
    gone: list[str]


class _Synced(TypedDict):
    user_id: str
    balance: int
    repaired: bool


class _SyntheticUsers(TypedDict, total=False):
    users: list[dict[str, str]]
    problem: str


class _SyntheticGroup(TypedDict):
    tag: str
    users: int
    since: str


class _Removal(TypedDict):
    removed: list[str]
    kept: list[dict[str, str]]


class _Charge(TypedDict):
    charge: dict[str, Any]
    is_owner: bool
    now: datetime


SHAPES: Mapping[str, Any] = {
    "account_notify_below": _Account | None,
    "account_read": _Account | None,
    "account_record": _Record,
    "account_subscriptions": list[_Held],
    "account_sums": AccountSums,
    "account_transactions": list[_Entry],
    "accounts_after": list[_Account],
    "accounts_changed": _ChangedAccounts | None,
    "accounts_of": list[_Account],
    "accounts_read_for_spending": _Holdings,
    "accounts_walked": bool | None,
    "accounts_with_overdue": list[str],
    "balance_at": HistoricalBalance | None,
    "charge_change": _Charge,
    "charge_claim_due": _Charge | None,
    "charge_open": _Charge | None,
    "credence_add_synthetic_users": _SyntheticUsers,
    "credence_backlog": _Backlog,
    "credence_diagnosis": SchemaFacts,
    "credence_list_synthetic_users": list[_SyntheticGroup],
    "credence_remove_synthetic_users": _Removal,
    "customer_deleted": int,
    "customer_link": _Customer | None,
    "customer_of": _Customer | None,
    "customers_linked": list[_LinkedCustomer],
    "inbox_claim": list[InboxRecord],
    "inbox_event": InboxRecord | None,
    "inbox_fail": int,
    "inbox_known": list[str],
    "inbox_list": list[InboxRecord],
    "inbox_make_all_due": int,
    "inbox_waits_for": bool,
    "ledger_commit": list[_Result],
    "ledger_identity": _Identity,
    "ledger_read": _Snapshot,
    "ledger_read_all": list[_Snapshot],
    "outbox_claim": list[Message],
    "outbox_failures": list[_FailedMessage],
    "outbox_record_deliveries": int,
    "outbox_retry": int,
    "stripe_prices_pushed": list[PushedPrice],
    "stripe_prices_record": bool,
    "sync_user_credits": list[_Synced],
    "validate_credits_consistency": list[Inconsistency],
}
"""The shape of what each function answers; of what the records read themselves the outside."""
