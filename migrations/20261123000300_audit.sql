-- What operators look at: accounts in pages, everything about one account, and the state of the schema itself.

create function public.accounts_after(account_id uuid, page_size integer)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select coalesce(jsonb_agg(public.account_read(page.id) order by page.id), '[]')
    from (
        select u.id
        from public.users u
        where account_id is null or u.id > account_id
        order by u.id
        limit least(greatest(page_size, 1), 5000)
    ) page
$$;

comment on function public.accounts_after(uuid, integer) is 'A page of accounts by id: those after one, or the first ones.';

create function public.accounts_of(account_ids jsonb)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select public.credence_accounts(array(select jsonb_array_elements_text(account_ids)::uuid))
$$;

comment on function public.accounts_of(jsonb) is 'Those of the accounts that exist, ordered by id.';

create function public.account_record(account_id uuid)
returns jsonb
language sql
stable
set search_path = ''
as $$
    with mine as (
        select p.id from public.purchases p where p.user_id = account_id
        union
        select t.purchase_id from public.credit_transactions t
        where t.user_id = account_id and t.purchase_id is not null
    ), kept as (
        select distinct coalesce(p.merged_into, p.id) as id
        from public.purchases p
        where p.id in (select mine.id from mine)
    )
    select jsonb_build_object(
        'account', public.account_read(account_id),
        'purchases', (
            select coalesce(jsonb_agg(jsonb_build_object(
                'id', p.id,
                'facts', p.facts,
                'merged', (
                    select coalesce(jsonb_agg(m.id order by m.id), '[]') from public.purchases m where m.merged_into = p.id
                )
            ) order by p.created_at, p.id), '[]')
            from public.purchases p
            where p.id in (select kept.id from kept)
        ),
        'entries', (
            select coalesce(jsonb_agg(jsonb_build_object(
                'version', t.version, 'amount', t.amount, 'balance_before', t.balance_before,
                'balance_after', t.balance_after, 'kind', t.kind, 'idempotency_key', t.idempotency_key,
                'purchase_id', t.purchase_id, 'stripe_session_id', t.stripe_session_id,
                'stripe_event_id', t.stripe_event_id, 'description', t.description, 'metadata', t.metadata,
                'event_at', t.event_at, 'created_at', t.created_at
            ) order by t.version), '[]')
            from public.credit_transactions t
            where t.user_id = account_id
        )
    )
$$;

comment on function public.account_record(uuid) is
    'Everything about an account: {account, purchases with facts and merged ids, entries oldest first}.';

create function public.credence_migrations()
returns text[]
language plpgsql
-- Definer, because service_role has no rights on the migrations' own schema; it tells nothing but their versions.
security definer
set search_path = ''
as $$
declare
    versions text[];
begin
    if to_regclass('supabase_migrations.schema_migrations') is null then
        return '{}';
    end if;
    execute 'select coalesce(array_agg(version order by version), ''{}'') from supabase_migrations.schema_migrations'
    into versions;
    return versions;
end
$$;

comment on function public.credence_migrations() is 'The versions of the migrations that are recorded as applied.';

create function public.credence_diagnosis()
returns jsonb
language sql
stable
set search_path = ''
as $$
    with ours as (
        select c.oid, c.relname as name, c.relrowsecurity as guarded
        from pg_catalog.pg_class c
        where c.relnamespace = 'public'::regnamespace
            and c.relname in (
                'users', 'credit_transactions', 'credit_grants', 'credit_holds', 'purchases', 'purchase_links',
                'subscriptions', 'webhook_events', 'outbox'
            )
    ), outsiders as (
        select r.rolname as name from pg_catalog.pg_roles r where r.rolname in ('anon', 'authenticated')
    ), functions as (
        select p.oid, p.proname as name
        from pg_catalog.pg_proc p
        where p.pronamespace = 'public'::regnamespace
            and p.prorettype <> 'trigger'::regtype
            and (
                p.proname like 'credence\_%' or p.proname like 'inbox\_%' or p.proname like 'outbox\_%'
                or p.proname like 'account\_%' or p.proname like 'accounts\_%'
                or p.proname in ('ledger_read', 'ledger_commit', 'validate_credits_consistency', 'sync_user_credits')
            )
    )
    select jsonb_build_object(
        'role', current_user,
        'migrations', to_jsonb(public.credence_migrations()),
        'unguarded_tables', (
            select coalesce(jsonb_agg(o.name order by o.name), '[]') from ours o where not o.guarded
        ),
        'writable_tables', (
            select coalesce(jsonb_agg(distinct r.name || ': ' || o.name), '[]')
            from ours o, outsiders r
            where o.name <> 'users' and has_table_privilege(r.name, o.oid, 'insert, update, delete, truncate')
        ),
        'writable_columns', (
            select coalesce(jsonb_agg(distinct r.name || ': users.' || a.attname), '[]')
            from ours o
            join pg_catalog.pg_attribute a on a.attrelid = o.oid and a.attname like 'credits\_%' and not a.attisdropped
            cross join outsiders r
            where o.name = 'users'
                and (
                    has_column_privilege(r.name, o.oid, a.attnum, 'update')
                    or has_column_privilege(r.name, o.oid, a.attnum, 'insert')
                )
        ),
        'readable_by_anon', (
            select coalesce(jsonb_agg(o.name order by o.name), '[]')
            from ours o, outsiders r
            where r.name = 'anon' and o.name <> 'users' and has_table_privilege(r.name, o.oid, 'select')
        ),
        'callable_functions', (
            select coalesce(jsonb_agg(distinct r.name || ': ' || f.name), '[]')
            from functions f, outsiders r
            where has_function_privilege(r.name, f.oid, 'execute')
        ),
        'trail_is_guarded', exists (
            select from pg_catalog.pg_trigger t
            where t.tgrelid = 'public.credit_transactions'::regclass
                and t.tgname = 'credence_refuse_change' and t.tgenabled <> 'D'
        )
    )
$$;

comment on function public.credence_diagnosis() is
    'What a deployment''s schema looks like to one who wants to trust it: migrations, row level security, privileges.';

do $$
declare
    ours regprocedure;
begin
    for ours in
        select p.oid::regprocedure
        from pg_catalog.pg_proc p
        where p.pronamespace = 'public'::regnamespace
            and p.proname in (
                'accounts_after', 'accounts_of', 'account_record', 'credence_migrations', 'credence_diagnosis'
            )
    loop
        execute format('revoke all on function %s from public, anon, authenticated', ours);
        execute format('grant execute on function %s to service_role', ours);
    end loop;
end
$$;
