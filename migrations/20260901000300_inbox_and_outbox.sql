-- The inbox: every verified event, stored with its decision. The outbox: what must follow a commit.

create table public.webhook_events (
    id text primary key,
    type text not null,
    api_version text,
    livemode boolean not null,
    account text,
    stripe_created timestamptz,
    session_id text,
    purchase_id text,
    status text not null check (status in ('received', 'applied', 'nothing_new', 'ignored', 'parked', 'failed')),
    reason text,
    attempts integer not null default 1,
    body text not null,
    touched uuid[] not null default '{}',
    received_at timestamptz not null default clock_timestamp(),
    decided_at timestamptz not null default clock_timestamp()
);

comment on table public.webhook_events is 'The inbox: every verified event of Stripe''s, with what became of it and why.';
comment on column public.webhook_events.body is
    'The exact text that was signed. Not jsonb, which refuses escaped NULs and would rewrite what was signed.';
comment on column public.webhook_events.touched is 'The accounts whose balance the event changed.';

create index webhook_events_waiting_idx on public.webhook_events (received_at) where status in ('received', 'parked', 'failed');
create index webhook_events_received_at_idx on public.webhook_events (received_at);
create index webhook_events_session_id_idx on public.webhook_events (session_id);

create table public.outbox (
    id bigint generated always as identity primary key,
    topic text not null,
    key text not null unique,
    payload jsonb not null,
    attempts integer not null default 0,
    available_at timestamptz not null default clock_timestamp(),
    last_error text,
    created_at timestamptz not null default clock_timestamp(),
    delivered_at timestamptz
);

comment on table public.outbox is
    'Messages written in the transaction of the entries they follow, delivered at least once by a worker.';

create index outbox_due_idx on public.outbox (available_at) where delivered_at is null;
