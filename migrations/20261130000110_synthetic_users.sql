-- Synthetic users: the customers of load tests. Each is recorded when it is created, and these functions touch no user
-- without such a record, whatever the address looks like. Their purchases stay in the audit trail, as everybody's do.

create table public.synthetic_users (
    user_id uuid primary key,
    tag text not null check (tag ~ '^[a-z0-9][a-z0-9-]{0,39}$'),
    number integer not null check (number > 0),
    email text not null,
    created_at timestamptz not null default clock_timestamp(), removed_at timestamptz
);

comment on table public.synthetic_users is
    'Credence: the users made for a load test. The note of a removed one stays, to show which entries of the trail '
    'are synthetic.';
comment on column public.synthetic_users.tag is 'The group; all of its users are removed together.';

create unique index synthetic_users_present_idx on public.synthetic_users (tag, number) where removed_at is null;

alter table public.synthetic_users enable row level security;
revoke all on public.synthetic_users from public, anon, authenticated, service_role;

create function public.credence_sign_up_synthetic(new_id uuid, address text)
returns void language plpgsql
-- Definer, because service_role has no rights on auth.users; the owner of these functions has them on Supabase too.
security definer set search_path = ''
as $$
declare
    -- Supabase Auth reads these as texts and fails on null. In other databases some of the columns do not exist.
    wanted jsonb := jsonb_build_object(
        'id', new_id, 'email', address, 'instance_id', '00000000-0000-0000-0000-000000000000',
        'aud', 'authenticated', 'role', 'authenticated', 'encrypted_password', '', 'confirmation_token', '',
        'recovery_token', '', 'email_change', '', 'email_change_token_new', '', 'email_change_token_current', '',
        'phone_change', '', 'phone_change_token', '', 'reauthentication_token', '', 'raw_app_meta_data', '{}'::jsonb,
        'raw_user_meta_data', '{}'::jsonb, 'created_at', clock_timestamp(), 'updated_at', clock_timestamp()
    );
    columns text;
begin
    select string_agg(quote_ident(a.attname), ', ') into columns
    from pg_catalog.pg_attribute a
    where a.attrelid = 'auth.users'::regclass and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
        and wanted ? a.attname;
    execute format(
        'insert into auth.users (%1$s) select %1$s from jsonb_populate_record(null::auth.users, $1)', columns
    ) using wanted;
    -- A trigger of the project's or ours has made the row. If neither could, this insert raises the reason.
    insert into public.users (id, email)
    select new_id, address
    where not exists (select from public.users u where u.id = new_id);
end
$$;
comment on function public.credence_sign_up_synthetic(uuid, text) is
    'Credence: makes one user of Supabase Auth who has no password, and their row of public.users.';

create function public.credence_add_synthetic_users(group_tag text, wanted integer)
returns jsonb language plpgsql security definer set search_path = ''
as $$
declare
    place integer;
    new_id uuid;
    address text;
begin
    perform pg_advisory_xact_lock(hashtextextended('synthetic:' || group_tag, 0));
    begin
        for place in
            select n
            from generate_series(1, least(wanted, 1000)) n
            where not exists (
                select from public.synthetic_users s
                where s.tag = group_tag and s.number = n and s.removed_at is null
            )
        loop
            new_id := gen_random_uuid();
            address := format('synthetic+%s-%s@example.test', group_tag, place);
            perform public.credence_sign_up_synthetic(new_id, address);
            insert into public.synthetic_users (user_id, tag, number, email) values (new_id, group_tag, place, address);
        end loop;
    exception when others then
        -- Then none of them is made. The error may come from a constraint of the project's own, so it is returned.
        return jsonb_build_object('problem', sqlerrm);
    end;
    return jsonb_build_object('users', (
        select coalesce(jsonb_agg(jsonb_build_object('user_id', s.user_id, 'email', s.email) order by s.number), '[]')
        from public.synthetic_users s where s.tag = group_tag and s.removed_at is null
    ));
end
$$;
comment on function public.credence_add_synthetic_users(text, integer) is
    'Credence: lets a group have users numbered from 1 to what is wanted, making those that are missing: '
    '{users} with all that it has, or {problem} and none is made.';

create function public.credence_list_synthetic_users()
returns jsonb language sql stable security definer set search_path = ''
as $$
    select coalesce(jsonb_agg(to_jsonb(present) order by present.since, present.tag), '[]')
    from (
        select s.tag, count(*) as users, min(s.created_at) as since
        from public.synthetic_users s
        where s.removed_at is null
        group by s.tag
    ) present
$$;
comment on function public.credence_list_synthetic_users() is
    'Credence: the groups that have users now: {tag, users, since}.';

create function public.credence_forget_traces(gone uuid[])
returns void language plpgsql security definer set search_path = ''
as $$
begin
    delete from public.outbox o
    where o.payload ->> 'user_id' = any (gone::text[])
        or 'invoice:' || (o.payload ->> 'invoice_id') in (
            select jsonb_array_elements_text(p.facts -> 'links') from public.purchases p where p.user_id = any (gone)
        );
    update public.webhook_events e
    set status = 'ignored', reason = 'its synthetic user was removed', retry_at = null
    where e.status in ('received', 'parked', 'failed')
        and exists (select from unnest(gone) user_id where position(user_id::text in e.body) > 0);
end
$$;
comment on function public.credence_forget_traces(uuid[]) is
    'Credence: lets nothing wait for users who are removed: neither messages nor events.';

create function public.credence_remove_synthetic_users(group_tag text)
returns jsonb language plpgsql security definer set search_path = ''
as $$
declare
    synthetic record;
    kept jsonb := '[]'::jsonb;
begin
    perform pg_advisory_xact_lock(hashtextextended('synthetic:' || group_tag, 0));
    for synthetic in
        select s.user_id
        from public.synthetic_users s
        where s.tag = group_tag and s.removed_at is null
        order by s.user_id
    loop
        begin
            delete from public.users where id = synthetic.user_id;
            delete from auth.users where id = synthetic.user_id;
            update public.synthetic_users set removed_at = clock_timestamp() where user_id = synthetic.user_id;
        exception when others then
            -- A table of the project's own may reference one of them; the others are removed.
            kept := kept || jsonb_build_array(jsonb_build_object('user_id', synthetic.user_id, 'problem', sqlerrm));
        end;
    end loop;
    perform public.credence_forget_traces(array(
        select s.user_id from public.synthetic_users s where s.tag = group_tag and s.removed_at is not null
    ));
    -- Those of an earlier call are returned too: a cache that was unavailable then still has their entries.
    return jsonb_build_object('kept', kept, 'removed', (
        select coalesce(jsonb_agg(s.user_id order by s.user_id), '[]')
        from public.synthetic_users s where s.tag = group_tag and s.removed_at is not null
    ));
end
$$;
comment on function public.credence_remove_synthetic_users(text) is
    'Credence: removes a group''s synthetic users and their messages, and nobody else: {removed, kept}, where kept '
    'says of each who could not be removed why. Their entries, purchases and events stay.';

-- As definers these functions have far-reaching rights, so service_role may run only the three that check the records.
revoke all on function
    public.credence_sign_up_synthetic(uuid, text), public.credence_add_synthetic_users(text, integer),
    public.credence_list_synthetic_users(), public.credence_forget_traces(uuid[]),
    public.credence_remove_synthetic_users(text)
from public, anon, authenticated, service_role;
grant execute on function
    public.credence_add_synthetic_users(text, integer), public.credence_list_synthetic_users(),
    public.credence_remove_synthetic_users(text)
to service_role;
