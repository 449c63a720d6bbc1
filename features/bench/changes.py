"""The changes that are measured, as the service makes them, and the same for pgbench."""

import itertools
import json
import random
import uuid
from datetime import UTC, datetime

import msgspec

from adapters.postgres.changes import change_to_json
from domain.changes.changes import Change, PurchaseRevision
from domain.changes.inbox import EventDecision, EventStatus
from domain.credits.idempotency import key_of_revision
from domain.credits.ledger import EntryKind, Posting
from domain.payments.purchases import Link, Order, PaymentStatus, Purchase, PurchaseId
from domain.payments.reports import InboxEvent
from domain.values.accounts import UserId
from features.bench.accounts import FIRST, ID_HEAD, user_id

WHEN = datetime(2026, 11, 1, 12, tzinfo=UTC)
_names = itertools.count()
_run = uuid.uuid4().hex[:12]


def purchase_of(user: UserId, name: str) -> Change:
    """One paid session: its event, the purchase, and the entry."""
    purchase_id = PurchaseId(f"pi_{name}")
    purchase = Purchase(
        order=Order(user_id=user, plan_id="starter", credits=50, amount=500, currency="usd"),
        payment=PaymentStatus.PAID,
        links=frozenset({Link(f"payment_intent:pi_{name}"), Link(f"session:cs_{name}")}),
    )
    event = InboxEvent(
        id=f"evt_{name}",
        type="checkout.session.completed",
        body=json.dumps({"id": f"evt_{name}", "object": "event", "filler": "x" * 1500}),
        livemode=False,
        created=WHEN,
        session_id=f"cs_{name}",
    )
    posting = Posting(
        user_id=user,
        amount=50,
        kind=EntryKind.PURCHASE,
        idempotency_key=key_of_revision(purchase_id, 1),
        purchase_id=purchase_id,
        stripe_session_id=f"cs_{name}",
        stripe_event_id=f"evt_{name}",
        description="starter plan",
        event_at=WHEN,
    )
    return Change(
        event=EventDecision(event=event, status=EventStatus.APPLIED),
        revision=PurchaseRevision(id=purchase_id, expected_revision=0, purchase=purchase),
        postings=(posting,),
    )


def next_purchase(accounts: int) -> Change:
    """A purchase of its own, of one of the accounts."""
    return purchase_of(UserId(user_id(random.randrange(accounts))), f"{_run}_{next(_names)}")


def pgbench_purchase(accounts: int) -> str:
    """The same change by one call of the write function, as a script of pgbench's."""
    change = msgspec.to_builtins(change_to_json(purchase_of(UserId("USER"), "NAME")))
    sent = json.dumps([change]).replace("USER", f"{ID_HEAD}:user").replace("NAME", ":client_id:name")
    return f"{_variables(accounts)}select public.ledger_commit('{_quoted(sent)}');\n"


def _variables(accounts: int) -> str:
    return f"\\set user random({FIRST}, {FIRST + accounts - 1})\n\\set name random(1, 9000000000000000000)\n"


def _quoted(text: str) -> str:
    # pgbench takes a colon and a name for a variable: JSON's colons are followed by a space.
    return text.replace("'", "''")


MINIMAL_SCHEMA = """
    create schema if not exists bench;
    create table if not exists bench.accounts (id uuid primary key, balance bigint not null);
    create table if not exists bench.entries (
        id bigint generated always as identity primary key, account_id uuid not null, amount bigint not null
    );
    create or replace function bench.credit(account uuid, credits bigint) returns bigint language plpgsql as $$
    declare
        now_has bigint;
    begin
        insert into bench.entries (account_id, amount) values (account, credits);
        update bench.accounts set balance = balance + credits where id = account returning balance into now_has;
        return now_has;
    end
    $$;
    insert into bench.accounts select id, 1000000000 from public.users on conflict do nothing;
"""
"""The least that a ledger could do: insert an entry, update a balance."""


_LOCK_ACCOUNT = """
        had record;
        moment timestamptz := clock_timestamp();
        entry public.credit_transactions;
    begin
        perform from public.users u where u.id = account for no key update;
        select u.credits_balance as balance, u.credits_version as version, u.credits_revision as revision, l.hash
        into had
        from public.users u
        left join lateral (
            select t.hash from public.credit_transactions t where t.user_id = u.id order by t.version desc limit 1
        ) l on true
        where u.id = account;
"""
"""The declarations of a function that writes rows, and its first statements: what the account had."""


ROWS_SCHEMA = (
    """
    create or replace function bench.write_rows(account uuid, name text, body text)
    returns void
    language plpgsql
    set plan_cache_mode = force_generic_plan
    as $$
    declare
"""
    + _LOCK_ACCOUNT
    + """
        entry.user_id := account; entry.version := had.version + 1; entry.amount := 50; entry.kind := 'purchase';
        entry.balance_before := had.balance; entry.balance_after := had.balance + 50;
        entry.idempotency_key := 'purchase:' || name; entry.purchase_id := 'pi_' || name;
        entry.stripe_session_id := 'cs_' || name; entry.stripe_event_id := 'evt_' || name;
        entry.description := 'starter plan'; entry.metadata := '{}';
        entry.details_salt := uuid_send(gen_random_uuid());
        entry.event_at := moment; entry.created_at := moment; entry.xid := pg_current_xact_id()::text::bigint;
        entry.hash := public.credence_entry_hash(had.hash, public.credence_entry_digest(entry));
        insert into public.purchases (
            id, user_id, plan_id, credits, amount, currency, payment_status, facts, revision
        ) values ('pi_' || name, account, 'starter', 50, 500, 'usd', 'paid', '{"payment": "paid"}', 1);
        insert into public.purchase_links (link_digest, purchase_id)
        values (public.credence_key_digest('payment_intent:pi_' || name), null),
            (public.credence_key_digest('session:cs_' || name), 'pi_' || name);
        insert into public.credit_transactions overriding user value values (entry.*);
        update public.users
        set credits_balance = had.balance + 50, credits_version = had.version + 1, credits_revision = had.revision + 1
        where id = account;
        insert into public.credit_grants (user_id, kind, purchase_id, credits, remaining)
        values (account, 'purchase', 'pi_' || name, 50, 50);
        insert into public.webhook_events (id, type, livemode, object_id, purchase_id, status, body, affected_users)
        values (
            'evt_' || name, 'checkout.session.completed', false, 'cs_' || name, 'pi_' || name, 'applied', body, null
        );
    end
    $$;
"""
)
"""The rows of one purchase, by as many statements: no JSON is read, no key looked up, nothing checked."""


SPEND_ROWS_SCHEMA = (
    """
    create or replace function bench.write_spend_rows(account uuid, name text, from_grant bigint)
    returns void language plpgsql set plan_cache_mode = force_generic_plan as $$
    declare
"""
    + _LOCK_ACCOUNT
    + """
        entry.user_id := account; entry.version := had.version + 1; entry.amount := -1; entry.kind := 'spend';
        entry.balance_before := had.balance; entry.balance_after := had.balance - 1;
        entry.idempotency_key := 'request:' || name; entry.metadata := '{}';
        entry.event_at := moment; entry.created_at := moment; entry.xid := pg_current_xact_id()::text::bigint;
        entry.hash := public.credence_entry_hash(had.hash, public.credence_entry_digest(entry));
        insert into public.credit_transactions overriding user value values (entry.*);
        update public.users
        set credits_balance = had.balance - 1, credits_version = had.version + 1, credits_revision = had.revision + 1
        where id = account;
        insert into public.credit_draws (user_id, version, grant_id, credits)
        values (account, entry.version, from_grant, 1);
        update public.credit_grants set remaining = remaining - 1 where id = from_grant;
        insert into public.credit_requests (key_digest, user_id, version, held)
        values (public.credence_key_digest('key:' || name), account, entry.version, 0);
    end
    $$;
"""
)
"""The rows of one spend, in the same way."""


def pgbench_rows(accounts: int) -> str:
    """These rows, as a script of pgbench's."""
    body = "x" * 1560
    return f"{_variables(accounts)}select bench.write_rows('{ID_HEAD}:user', ':client_id:name', '{body}');\n"


def pgbench_minimal(accounts: int) -> str:
    """The minimal function, as a script of pgbench's."""
    return f"{_variables(accounts)}select bench.credit('{ID_HEAD}:user', 50);\n"


def pgbench_hot_row() -> str:
    """The usual spend of one account: a guarded update of its row."""
    return f"update bench.accounts set balance = balance - 1 where id = '{user_id(0)}' and balance >= 1;\n"
