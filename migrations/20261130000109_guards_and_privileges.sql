-- Privileges. A signed-in user can read their own rows and write nothing of ours. anon can read nothing. service_role can
-- read, and write only through the functions. Nobody can change the audit trail. Ours are the tables and functions whose
-- comment begins with "Credence: ".

drop policy if exists credence_read_own on public.users;
create policy credence_read_own on public.users
    for select to authenticated using (id = (select auth.uid()));
create policy credence_read_own on public.credit_transactions
    for select to authenticated using (user_id = (select auth.uid()));
create policy credence_read_own on public.credit_grants
    for select to authenticated using (user_id = (select auth.uid()));
create policy credence_read_own on public.credit_draws
    for select to authenticated using (user_id = (select auth.uid()));
create policy credence_read_own on public.credit_holds
    for select to authenticated using (user_id = (select auth.uid()));
create policy credence_read_own on public.subscriptions
    for select to authenticated using (user_id = (select auth.uid()));
-- Everybody who reads a balance needs the scale.
create policy credence_read on public.credit_ledgers
    for select to authenticated using (true);

-- No role can change history.
create function public.credence_refuse_change()
returns trigger language plpgsql set search_path = ''
as $$
begin
    raise exception '% of %.% is refused: the audit trail is never changed', tg_op, tg_table_schema, tg_table_name
        using errcode = 'insufficient_privilege', hint = 'Post a further entry that corrects the balance instead.';
end
$$;
comment on function public.credence_refuse_change() is
    'Credence: refuses every change of the audit trail, by any role.';

create trigger credence_refuse_change
    before delete or truncate or update of
        id, user_id, version, amount, balance_before, balance_after, kind, idempotency_key, purchase_id, stripe_session_id,
        stripe_event_id, actor_id, event_at, created_at, hash, xid
    on public.credit_transactions
    for each statement execute function public.credence_refuse_change();

-- A person can be forgotten: personal data can be removed, and cannot be written again.
create trigger credence_refuse_rewriting
    before update of description, metadata, details_salt, details_digest on public.credit_transactions
    for each row
    when (
        new.description is not null or new.details_salt is not null
        or new.metadata is distinct from public.credence_own_metadata(old)
        or new.details_digest is distinct from coalesce(old.details_digest, public.credence_details_digest(old))
    )
    execute function public.credence_refuse_change();

create trigger credence_refuse_change
    before update or delete or truncate on public.credit_draws
    for each statement execute function public.credence_refuse_change();

create trigger credence_refuse_change
    before update or delete or truncate on public.stripe_prices
    for each statement execute function public.credence_refuse_change();

create trigger credence_refuse_change
    before delete or truncate or update of key_digest, user_id, created_at, version, held on public.credit_requests
    for each statement execute function public.credence_refuse_change();

create trigger credence_refuse_rewriting
    before update of content, answer on public.credit_requests
    for each row when (new.content is distinct from '{}' or new.answer is distinct from '{}')
    execute function public.credence_refuse_change();

create trigger credence_refuse_change
    before delete or truncate or update of is_only, id, created_at on public.credit_ledgers
    for each statement execute function public.credence_refuse_change();

create function public.credence_guard_scale()
returns trigger language plpgsql set search_path = ''
as $$
begin
    if exists (select from public.credit_transactions) then
        raise exception 'the scale can''t change: there are entries of the old one'
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    return new;
end
$$;
comment on function public.credence_guard_scale() is
    'Credence: keeps the scale of all amounts as it is once there are entries.';

create trigger credence_guard_scale
    before update of scale on public.credit_ledgers
    for each row when (new.scale <> old.scale) execute function public.credence_guard_scale();

-- Only the ledger writes credits. The triggers' names sort last, so that they see the row as the project's own triggers left
-- it. They check the current role in their conditions, so that the ledger's own writes need not call them.

create function public.credence_guard_credits()
returns trigger language plpgsql set search_path = ''
as $$
begin
    -- A backend may open an account with a balance, and has the threshold to itself.
    if tg_op = 'INSERT' and (new.credits_held, new.credits_version, new.credits_revision) is not distinct from (0, 0, 0)
        and (
            current_user = 'service_role'
            or (new.credits_balance, new.credits_notify_below) is not distinct from (0, null)
        )
        or tg_op = 'UPDATE' and (new.id, new.credits_balance, new.credits_held, new.credits_version, new.credits_revision)
            is not distinct from (old.id, old.credits_balance, old.credits_held, old.credits_version, old.credits_revision)
        and (
            current_user = 'service_role' or new.credits_notify_below is not distinct from old.credits_notify_below
        ) then
        return new;
    end if;
    raise exception 'credits are written by the ledger alone' using
        errcode = 'insufficient_privilege',
        hint = 'Spend by POST /usage; give or take by POST /ops/accounts/{id}/grants or /adjustments.';
end
$$;
comment on function public.credence_guard_credits() is
    'Credence: keeps users from writing their own credits, whatever a project''s policies and grants allow, and a backend '
    'with the key of service_role from writing them beside the ledger; the other columns are its own.';

-- One trigger for all of them: each statement reads a condition again.
create trigger zz_credence_guard_credits
    before insert or update on public.users
    for each row when (current_user in ('anon', 'authenticated', 'service_role'))
    execute function public.credence_guard_credits();

-- A diagnosis of the schema, for the doctor.

create function public.credence_migrations()
returns text[] language plpgsql stable
-- Definer, because service_role has no rights on the migrations' own schema; it returns nothing but their versions.
security definer set search_path = ''
as $$
declare
    versions text[];
begin
    if to_regclass('supabase_migrations.schema_migrations') is null then
        return '{}'::text[];
    end if;
    execute 'select coalesce(array_agg(version order by version), ''{}'') from supabase_migrations.schema_migrations'
    into versions;
    return versions;
end
$$;
comment on function public.credence_migrations() is
    'Credence: the versions of the migrations that are recorded as applied.';

create function public.credence_diagnosis()
returns jsonb language sql stable set search_path = ''
as $$
    with recursive tables as (
        select
            c.oid, c.relname as name, c.relrowsecurity as guarded,
            coalesce(obj_description(c.oid, 'pg_class') like 'Credence: %', false) as is_ours
        from pg_catalog.pg_class c
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
            and not exists (
                -- The tables of extensions are left out.
                select from pg_catalog.pg_depend d
                where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
            )
    ), outsiders as (
        select r.oid, r.rolname as name from pg_catalog.pg_roles r where r.rolname in ('anon', 'authenticated')
    ), ours as (
        select
            t.oid, t.name, r.name as role,
            has_any_column_privilege(r.oid, t.oid, 'select') as reads,
            has_table_privilege(r.oid, t.oid, 'insert, update, delete, truncate')
                or has_any_column_privilege(r.oid, t.oid, 'insert, update') as writes,
            coalesce((
                -- Everybody may read the scale; all other rows belong to somebody.
                select bool_and(t.name = 'credit_ledgers' or pg_get_expr(p.polqual, p.polrelid) is distinct from 'true')
                from pg_catalog.pg_policy p
                where p.polrelid = t.oid and p.polcmd in ('r', '*') and p.polpermissive
                    and (r.oid = any (p.polroles) or 0 = any (p.polroles))
            ), false) as has_policy
        from tables t, outsiders r
        where t.is_ours and t.name <> 'users'
    ), views as (
        -- by_owner: the view reads with its owner's rights, to whom no policy applies. A view of the invoker counts as read
        -- by the user, even inside another view; a materialized view is a copy. Of the table users, the credits are ours.
        select t.oid, true as by_owner from tables t where t.is_ours
        union
        select c.oid, c.relkind = 'm' or v.by_owner and not coalesce((
            select o.option_value::boolean from pg_options_to_table(c.reloptions) o where o.option_name = 'security_invoker'
        ), false)
        from views v
        join pg_catalog.pg_depend d on d.refclassid = 'pg_class'::regclass and d.refobjid = v.oid
        join pg_catalog.pg_rewrite w on d.classid = 'pg_rewrite'::regclass and w.oid = d.objid
        join pg_catalog.pg_class c on c.oid = w.ev_class and c.relkind in ('v', 'm')
        left join pg_catalog.pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
        where v.oid <> 'public.users'::regclass or d.refobjsubid = 0 or a.attname like 'credits\_%'
    )
    select jsonb_build_object(
        'role', current_user,
        'migrations', public.credence_migrations(),
        'unguarded_tables', array(select t.name from tables t where not t.guarded order by t.name),
        'writable_tables', array(
            select o.role || ': ' || o.name from ours o where o.writes or o.role <> 'anon' and o.reads and not o.has_policy
            union all
            select 'service_role: ' || t.name from tables t where t.is_ours and case t.name
                when 'users' then has_table_privilege('service_role', t.oid, 'truncate, trigger')
                else has_table_privilege('service_role', t.oid, 'insert, update, delete, truncate')
                    or has_any_column_privilege('service_role', t.oid, 'insert, update')
            end
            order by 1
        ),
        'readable_views', array(
            select r.name || ': ' || c.oid::regclass from views v join pg_catalog.pg_class c using (oid), outsiders r
            where v.by_owner and c.relkind in ('v', 'm') and has_any_column_privilege(r.oid, c.oid, 'select')
                and has_schema_privilege(r.oid, c.relnamespace, 'usage')
            order by 1
        ),
        'writable_columns', array(
            select r.name || ': users.' || a.attname from pg_catalog.pg_attribute a, outsiders r
            where a.attrelid = 'public.users'::regclass and a.attname like 'credits\_%' and not a.attisdropped
                and has_column_privilege(r.oid, a.attrelid, a.attnum, 'insert, update')
            order by 1
        ),
        'readable_by_anon', array(select o.name from ours o where o.role = 'anon' and o.reads order by o.name),
        'callable_functions', array(
            select distinct r.name || ': ' || p.proname from pg_catalog.pg_proc p, outsiders r
            where p.pronamespace = 'public'::regnamespace and p.prorettype <> 'trigger'::regtype
                and obj_description(p.oid, 'pg_proc') like 'Credence: %'
                and has_function_privilege(r.oid, p.oid, 'execute')
            order by 1
        ),
        'trail_is_guarded', (
            -- None of our triggers is disabled, and none of the five that refuse changes is missing.
            select bool_and(t.tgenabled in ('O', 'A')) and count(*) filter (where t.tgname = 'credence_refuse_change') >= 5
            from pg_catalog.pg_trigger t
            join pg_catalog.pg_proc p on p.oid = t.tgfoid
            where obj_description(p.oid, 'pg_proc') like 'Credence: %'
        )
    )
$$;
comment on function public.credence_diagnosis() is
    'Credence: what should not be in a schema that is to be trusted, as the catalogue has it: tables of public '
    'without row level security, privileges that users should not have on what is ours or on a view over it, and a '
    'trail without its guards; and which migrations are applied.';

-- Privileges, once all objects exist.

do $$
declare
    statements text;
begin
    for statements in
        select format('alter table %s enable row level security', c.oid::regclass) || case when c.relname <> 'users'
            then format('; revoke all on %s from public, anon, authenticated, service_role', c.oid::regclass) else '' end
        from pg_catalog.pg_class c
        where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
            and obj_description(c.oid, 'pg_class') like 'Credence: %'
        union all
        select format('revoke all on sequence %s from public, anon, authenticated, service_role', s.oid::regclass)
        from pg_catalog.pg_class s
        join pg_catalog.pg_depend d on d.classid = 'pg_class'::regclass and d.objid = s.oid and d.deptype = 'i'
        where s.relkind = 'S' and s.relnamespace = 'public'::regnamespace
            and obj_description(d.refobjid, 'pg_class') like 'Credence: %'
        union all
        select format('revoke all on function %1$s from public, anon, authenticated;'
            'grant execute on function %1$s to service_role', p.oid::regprocedure)
        from pg_catalog.pg_proc p
        where p.pronamespace = 'public'::regnamespace and obj_description(p.oid, 'pg_proc') like 'Credence: %'
    loop
        execute statements;
    end loop;
end
$$;

-- Column privileges cannot restrict a table privilege. So on a users table that a project brought along, the table's
-- privileges are revoked, and those that its users had on the project's own columns are granted again by column.
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

grant select on
    public.users, public.credit_ledgers, public.credit_transactions, public.credit_grants, public.credit_draws,
    public.credit_holds, public.subscriptions
to authenticated;
-- The service can read these. It writes through functions that run with their owner's rights, so that the service_role key,
-- which a project's own backend has too, cannot change anything without them.
grant select on
    public.users, public.credit_ledgers, public.credit_transactions, public.credit_grants, public.credit_draws,
    public.credit_holds, public.credit_requests, public.purchases, public.purchase_links, public.subscriptions,
    public.stripe_customers, public.stripe_prices, public.webhook_events, public.outbox
to service_role;
-- The project itself inserts, updates and deletes rows of users, but must not truncate the table: no row trigger would fire.
revoke truncate, references, trigger on public.users from service_role;
