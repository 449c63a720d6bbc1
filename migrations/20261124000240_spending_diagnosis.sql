-- The state of the schema, with the tables and functions of spending.

create or replace function public.credence_diagnosis()
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
                'users', 'credit_transactions', 'credit_grants', 'credit_draws', 'credit_holds', 'credit_requests',
                'purchases', 'purchase_links', 'subscriptions', 'webhook_events', 'outbox'
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
                or p.proname in (
                    'ledger_read', 'ledger_commit', 'wallets_read', 'balance_at', 'validate_credits_consistency',
                    'sync_user_credits'
                )
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
        'trail_is_guarded', 3 = (
            select count(*) from pg_catalog.pg_trigger t
            where t.tgrelid in (
                    'public.credit_transactions'::regclass, 'public.credit_draws'::regclass, 'public.credit_requests'::regclass
                )
                and t.tgname = 'credence_refuse_change' and t.tgenabled <> 'D'
        )
    )
$$;

comment on function public.credence_diagnosis() is
    'What a deployment''s schema looks like to one who wants to trust it: migrations, row level security, privileges.';
