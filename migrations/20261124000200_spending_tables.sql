-- What spending needs to be kept: which entry took what from which grant, what holds reserve, and each intent's first answer.

alter table public.users add column if not exists credits_revision bigint not null default 0;
alter table public.users add column if not exists credits_notify_below bigint;

update public.users set credits_revision = credits_version where credits_revision < credits_version;

comment on column public.users.credits_revision is
    'Counts every change of the account: one for each entry and one for each writing of a hold. A decision is good only for '
    'the revision it read.';
comment on column public.users.credits_notify_below is
    'A message goes out when the available credits fall below this; null leaves it to the service''s default.';

alter table public.credit_transactions drop constraint credit_transactions_kind_check;
alter table public.credit_transactions add constraint credit_transactions_kind_check check (kind in (
    'opening', 'purchase', 'clawback', 'reinstatement', 'spend', 'capture', 'expiry', 'grant', 'promotion', 'goodwill',
    'adjustment'
)) not valid;
alter table public.credit_transactions validate constraint credit_transactions_kind_check;

-- Not validated: what stands in the trail already stays as it is.
alter table public.credit_transactions add constraint credit_transactions_sign_check check (case
    when kind in ('purchase', 'reinstatement', 'grant', 'promotion', 'goodwill') then amount > 0
    when kind in ('clawback', 'spend', 'capture', 'expiry') then amount < 0
    when kind = 'opening' then version = 1
    else true
end) not valid;

alter table public.credit_grants add column held bigint not null default 0 check (held >= 0);
alter table public.credit_grants alter column priority set default 50;
update public.credit_grants set priority = 50 where priority = 0;
-- Generated, so that an index of live grants does not stop an update of what remains from being heap-only.
alter table public.credit_grants add column live boolean generated always as (remaining > 0 or held > 0) stored;

comment on column public.credit_grants.credits is 'All that was ever put into it: what remains, and what its draws took.';
comment on column public.credit_grants.held is
    'Reserved by open holds. It may exceed what remains, where credits were taken back that a hold had set aside.';
comment on column public.credit_grants.priority is
    'Lower burns first: promotions 10, goodwill 20, what was sold 50; then what expires first; then what is older.';
comment on column public.credit_grants.live is 'Whether anything of it remains or is held.';

create index credit_grants_live_idx on public.credit_grants (user_id) where live;
create index credit_grants_expires_at_idx on public.credit_grants (expires_at) where live and expires_at is not null;

create table public.credit_draws (
    user_id uuid not null,
    version bigint not null check (version >= 0),
    grant_id bigint not null,
    credits bigint not null check (credits > 0),
    primary key (user_id, version, grant_id)
);

comment on table public.credit_draws is
    'Which entry took how much from which grant. A grant''s credits are what remains of it and its draws. Rows are never '
    'changed or removed.';
comment on column public.credit_draws.version is
    'The account''s entry that took them. 0 stands for entries of before draws were recorded, where it can no longer be told '
    'which of them did.';

alter table public.credit_holds add column draws jsonb not null default '[]';
alter table public.credit_holds add column description text;
alter table public.credit_holds add column metadata jsonb not null default '{}';
alter table public.credit_holds add constraint credit_holds_captured_only_when_settled
    check (captured = 0 or status = 'captured');

comment on column public.credit_holds.draws is
    'What it reserves of which grants, {grant, credits} each; their sum is its credits.';

create index credit_holds_open_user_id_idx on public.credit_holds (user_id) where status = 'open';
create index credit_holds_open_expires_at_idx on public.credit_holds (expires_at) where status = 'open';

create table public.credit_requests (
    key text primary key,
    user_id uuid not null,
    content jsonb not null,
    answer jsonb not null,
    created_at timestamptz not null default clock_timestamp()
);

comment on table public.credit_requests is
    'The first answer to each intent of a caller''s, by its idempotency key: whoever repeats it gets the same answer.';

-- Entries, draws and answers are history; one guard refuses to change any of it.
create or replace function public.credence_refuse_change()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
    raise exception '% of %.% is refused: the audit trail is never changed', tg_op, tg_table_schema, tg_table_name
        using errcode = 'insufficient_privilege', hint = 'Post a further entry that corrects the balance instead.';
end
$$;

create trigger credence_refuse_change
    before update or delete or truncate on public.credit_draws
    for each statement execute function public.credence_refuse_change();
create trigger credence_refuse_change
    before update or delete or truncate on public.credit_requests
    for each statement execute function public.credence_refuse_change();

create or replace function public.credence_guard_credits()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
    -- A second lock on the same door, for a project that grants its users every column after all.
    if current_user not in ('anon', 'authenticated') then
        return new;
    end if;
    if tg_op = 'INSERT' and (
        new.credits_balance, new.credits_held, new.credits_version, new.credits_revision, new.credits_notify_below
    ) is distinct from (0, 0, 0, 0, null) then
        raise exception 'credits are written by the ledger alone' using errcode = 'insufficient_privilege';
    end if;
    if tg_op = 'UPDATE' and (
        new.id, new.credits_balance, new.credits_held, new.credits_version, new.credits_revision, new.credits_notify_below
    ) is distinct from (
        old.id, old.credits_balance, old.credits_held, old.credits_version, old.credits_revision, old.credits_notify_below
    ) then
        raise exception 'credits are written by the ledger alone' using errcode = 'insufficient_privilege';
    end if;
    return new;
end
$$;

alter table public.credit_draws enable row level security;
alter table public.credit_requests enable row level security;

create policy credence_read_own on public.credit_draws
    for select to authenticated using (user_id = (select auth.uid()));

revoke all on public.credit_draws, public.credit_requests from public, anon, authenticated, service_role;
grant select on public.credit_draws to authenticated;
grant select, insert on public.credit_draws, public.credit_requests to service_role;
