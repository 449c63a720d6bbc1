-- Who may do what. A signed-in user reads their own rows and writes nothing of ours; anon reads nothing;
-- service_role runs the functions; nobody changes the audit trail.

alter table public.users enable row level security;
alter table public.credit_transactions enable row level security;
alter table public.credit_grants enable row level security;
alter table public.credit_holds enable row level security;
alter table public.purchases enable row level security;
alter table public.purchase_links enable row level security;
alter table public.webhook_events enable row level security;
alter table public.outbox enable row level security;

drop policy if exists credence_read_own on public.users;
create policy credence_read_own on public.users
    for select to authenticated using (id = (select auth.uid()));
create policy credence_read_own on public.credit_transactions
    for select to authenticated using (user_id = (select auth.uid()));
create policy credence_read_own on public.credit_grants
    for select to authenticated using (user_id = (select auth.uid()));
create policy credence_read_own on public.credit_holds
    for select to authenticated using (user_id = (select auth.uid()));

-- Column privileges do not take away what a table privilege gives, so on a users table that a project brought along
-- the table's are revoked, and what its users could write of the project's own columns is given back by column.
do $$
declare
    own_columns text;
    could_insert boolean := has_table_privilege('authenticated', 'public.users', 'insert');
    could_update boolean := has_table_privilege('authenticated', 'public.users', 'update');
begin
    select string_agg(quote_ident(a.attname), ', ') into own_columns
    from pg_catalog.pg_attribute a
    where a.attrelid = 'public.users'::regclass and a.attnum > 0 and not a.attisdropped
        and a.attname not in ('id', 'email', 'created_at')
        and a.attname not like 'credits\_%';
    execute 'revoke all on public.users from public, anon, authenticated';
    if own_columns is not null and could_update then
        execute format('grant update (%s) on public.users to authenticated', own_columns);
    end if;
    if own_columns is not null and could_insert then
        execute format('grant insert (id, email, %s) on public.users to authenticated', own_columns);
    end if;
end
$$;

revoke all on
    public.credit_transactions, public.credit_grants, public.credit_holds, public.purchases, public.purchase_links,
    public.webhook_events, public.outbox
from public, anon, authenticated, service_role;

grant select on public.users, public.credit_transactions, public.credit_grants, public.credit_holds to authenticated;
grant select, update on public.users to service_role;
grant select, insert on public.credit_transactions to service_role;
grant select, insert, update on
    public.credit_grants, public.credit_holds, public.purchases, public.purchase_links, public.webhook_events, public.outbox
to service_role;

do $$
declare
    ours regprocedure;
begin
    for ours in
        select p.oid::regprocedure
        from pg_catalog.pg_proc p
        where p.pronamespace = 'public'::regnamespace
            and (
                p.proname like 'credence\_%'
                or p.proname in (
                    'ledger_read', 'ledger_commit', 'account_read', 'account_transactions',
                    'validate_credits_consistency', 'sync_user_credits', 'outbox_claim', 'outbox_settle'
                )
            )
    loop
        execute format('revoke all on function %s from public, anon, authenticated', ours);
        execute format('grant execute on function %s to service_role', ours);
    end loop;
end
$$;

create function public.credence_refuse_change()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
    raise exception '% of public.credit_transactions is refused: the audit trail is never changed', tg_op
        using errcode = 'insufficient_privilege', hint = 'Post a further entry that corrects the balance instead.';
end
$$;

comment on function public.credence_refuse_change() is 'Refuses what would change the audit trail, whoever asks.';

create trigger credence_refuse_change
    before update or delete or truncate on public.credit_transactions
    for each statement execute function public.credence_refuse_change();

create function public.credence_guard_credits()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
    -- A second lock on the same door, for a project that grants its users every column after all.
    if current_user not in ('anon', 'authenticated') then
        return new;
    end if;
    if tg_op = 'INSERT' and (new.credits_balance, new.credits_held, new.credits_version) is distinct from (0, 0, 0) then
        raise exception 'credits are written by the ledger alone' using errcode = 'insufficient_privilege';
    end if;
    if tg_op = 'UPDATE' and (new.id, new.credits_balance, new.credits_held, new.credits_version)
        is distinct from (old.id, old.credits_balance, old.credits_held, old.credits_version) then
        raise exception 'credits are written by the ledger alone' using errcode = 'insufficient_privilege';
    end if;
    return new;
end
$$;

comment on function public.credence_guard_credits() is
    'Keeps users from writing their own credits, whatever a project''s policies and grants allow.';

-- Named last, so that it sees what a project's own triggers made of the row.
create trigger zz_credence_guard_credits
    before insert or update on public.users
    for each row execute function public.credence_guard_credits();

revoke all on function public.credence_refuse_change(), public.credence_guard_credits() from public, anon, authenticated;
