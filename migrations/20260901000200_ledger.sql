-- The ledger: immutable entries, the grants that they make, holds, and the purchases behind them.

create table public.credit_transactions (
    id bigint generated always as identity primary key,
    user_id uuid not null,
    version bigint not null check (version > 0),
    amount bigint not null check (amount <> 0),
    balance_before bigint not null,
    balance_after bigint not null,
    kind text not null check (kind in (
        'opening', 'purchase', 'clawback', 'reinstatement', 'spend', 'capture', 'expiry', 'grant', 'adjustment'
    )),
    idempotency_key text not null unique,
    purchase_id text,
    stripe_session_id text,
    stripe_event_id text,
    description text,
    metadata jsonb not null default '{}',
    event_at timestamptz,
    created_at timestamptz not null default clock_timestamp(),
    previous_hash bytea,
    hash bytea not null,
    unique (user_id, version),
    check (balance_after = balance_before + amount)
);

comment on table public.credit_transactions is
    'The audit trail: every change of every balance. Rows are never changed or removed. No foreign key to users: the trail outlives the user.';
comment on column public.credit_transactions.version is 'Counts the entries of the account, from 1 without gaps.';
comment on column public.credit_transactions.idempotency_key is 'Names the state reached; the same key never changes the ledger twice.';
comment on column public.credit_transactions.event_at is 'When it happened, by Stripe''s clock; created_at is when it was written.';
comment on column public.credit_transactions.hash is 'SHA-256 over the previous entry''s hash and this entry''s content.';

create index credit_transactions_user_id_idx on public.credit_transactions (user_id);
create index credit_transactions_stripe_session_id_idx on public.credit_transactions (stripe_session_id);
create index credit_transactions_created_at_idx on public.credit_transactions (created_at);
create index credit_transactions_purchase_id_idx on public.credit_transactions (purchase_id);
create unique index credit_transactions_one_grant_per_purchase
    on public.credit_transactions (purchase_id, user_id) where kind = 'purchase';

create table public.credit_grants (
    id bigint generated always as identity primary key,
    user_id uuid not null,
    kind text not null,
    purchase_id text,
    credits bigint not null check (credits > 0),
    remaining bigint not null check (remaining between 0 and credits),
    priority integer not null default 0,
    expires_at timestamptz,
    created_at timestamptz not null default clock_timestamp()
);

comment on table public.credit_grants is
    'Credits put on an account, with what remains of them. Over an account, the remainders sum to its balance, or to 0 while it is in debt.';

create index credit_grants_user_id_idx on public.credit_grants (user_id);
create unique index credit_grants_one_per_purchase on public.credit_grants (purchase_id, user_id);

create table public.credit_holds (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null,
    credits bigint not null check (credits > 0),
    captured bigint not null default 0 check (captured between 0 and credits),
    status text not null default 'open' check (status in ('open', 'captured', 'voided', 'expired')),
    idempotency_key text not null unique,
    expires_at timestamptz not null,
    created_at timestamptz not null default clock_timestamp(),
    settled_at timestamptz
);

comment on table public.credit_holds is 'Credits set aside before a cost is known; later captured, in part or whole, or voided.';

create index credit_holds_user_id_idx on public.credit_holds (user_id);

create table public.purchases (
    id text primary key,
    user_id uuid,
    plan_id text,
    credits bigint,
    amount bigint check (amount >= 0),
    currency text,
    payment_status text not null,
    facts jsonb not null,
    revision bigint not null check (revision > 0),
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp()
);

comment on table public.purchases is
    'Everything known of each payment. The other columns repeat what is in facts, to be read and searched by people.';
comment on column public.purchases.id is 'The payment intent''s id; the session''s, where no money moved.';
comment on column public.purchases.facts is 'The join of all that was told; the entitlement is a pure function of it.';
comment on column public.purchases.revision is 'Counts the changes of facts; a decision is good only for the revision it read.';

create index purchases_user_id_idx on public.purchases (user_id);

create table public.purchase_links (
    link text primary key,
    purchase_id text not null references public.purchases (id)
);

comment on table public.purchase_links is
    'Which purchase a Stripe object belongs to: kind:id, such as session:cs_1, payment_intent:pi_1 or charge:ch_1.';

create index purchase_links_purchase_id_idx on public.purchase_links (purchase_id);
