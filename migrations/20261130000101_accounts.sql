-- Accounts: one row of public.users per user of Supabase Auth, with the credits that the ledger says they have.
-- A project that has public.users already adopts it: missing columns are added, standing balances are kept.

create table if not exists public.users (
    id uuid primary key references auth.users (id) on delete cascade,
    email text,
    created_at timestamptz not null default now()
);

do $$
declare
    id_type text;
    balance_type text;
begin
    select format_type(a.atttypid, a.atttypmod) into id_type
    from pg_catalog.pg_attribute a
    where a.attrelid = 'public.users'::regclass and a.attname = 'id' and not a.attisdropped;
    if id_type is distinct from 'uuid' then
        raise exception 'public.users.id is %, but credits need the uuid of auth.users', coalesce(id_type, 'missing')
            using hint = 'Rename that table, or give it an id column of type uuid, then apply the migrations again.';
    end if;

    select format_type(a.atttypid, a.atttypmod) into balance_type
    from pg_catalog.pg_attribute a
    where a.attrelid = 'public.users'::regclass and a.attname = 'credits_balance' and not a.attisdropped;
    if balance_type is null then
        alter table public.users add column credits_balance bigint not null default 0;
        return;
    end if;
    if balance_type not in ('smallint', 'integer', 'bigint') and balance_type not like 'numeric%' then
        raise exception 'public.users.credits_balance is %, but credits are whole numbers', balance_type
            using hint = 'Convert the column to bigint, then apply the migrations again.';
    end if;
    if exists (select from public.users u where u.credits_balance <> trunc(u.credits_balance::numeric)) then
        raise exception 'public.users.credits_balance holds fractions, but credits are whole numbers'
            using hint = 'Round the balances, or multiply credits and prices, then apply the migrations again.';
    end if;
    update public.users set credits_balance = 0 where credits_balance is null;
    if balance_type <> 'bigint' then
        begin
            alter table public.users alter column credits_balance drop default;
            alter table public.users alter column credits_balance type bigint using credits_balance::bigint;
        exception when feature_not_supported or dependent_objects_still_exist then
            -- A view or a policy reads the column, so its type stays; it can hold whole numbers as before.
            if balance_type ~ ',[1-9]' then
                raise exception 'public.users.credits_balance is %, but credits are whole numbers', balance_type using
                    hint = 'Drop the views and policies that read it, apply the migrations, and create them again.';
            end if;
            raise notice 'public.users.credits_balance stays %, because other objects depend on it', balance_type;
        end;
    end if;
    alter table public.users alter column credits_balance set default 0;
    alter table public.users alter column credits_balance set not null;
end
$$;

alter table public.users add column if not exists email text;
alter table public.users add column if not exists created_at timestamptz not null default now();
alter table public.users add column if not exists credits_held bigint not null default 0 check (credits_held >= 0);
alter table public.users add column if not exists credits_version bigint not null default 0;
alter table public.users add column if not exists credits_revision bigint not null default 0;
alter table public.users add column if not exists credits_notify_below bigint;
alter table public.users add constraint users_credits_notify_below_check check (credits_notify_below >= 0) not valid;

comment on table public.users is
    'Credence: one row per user of Supabase Auth. The credits columns are a projection of credit_transactions, '
    'written by the ledger alone.';
comment on column public.users.credits_balance is 'Credits on the account: the sum of its entries; below zero is debt.';
comment on column public.users.credits_held is 'Credits set aside by open holds; available = balance - held.';
comment on column public.users.credits_version is 'How many entries the account has.';
comment on column public.users.credits_revision is
    'Counts every change of the account: one for each entry and one for each writing of a hold. A decision is good '
    'only for the revision it read.';
comment on column public.users.credits_notify_below is
    'A message goes out when the available credits fall below this; null leaves it to the service''s default.';

create table public.account_revisions (
    user_id uuid primary key,
    revision bigint not null,
    xid bigint not null default (pg_current_xact_id()::text::bigint),
    changed_at timestamptz not null default clock_timestamp()
);

comment on table public.account_revisions is
    'Credence: the revision of each account that changed without an entry or a hold: it was deleted or repaired. A user '
    'who is created again continues after it: a cache takes no older revision, and messages are named by it.';
comment on column public.account_revisions.xid is 'The transaction that changed it, as of entries and holds.';

create index account_revisions_xid_idx on public.account_revisions (xid);

create function public.credence_add_user()
returns trigger language plpgsql
-- Definer, because the role that signs users up (supabase_auth_admin) has no rights on public.users.
security definer set search_path = ''
as $$
begin
    begin
        if not exists (select from public.users u where u.id = new.id) then
            insert into public.users (id, email) values (new.id, new.email);
        end if;
    exception when others then
        -- A sign-up must not fail because of credits: if a user without a row pays, the payment is parked, not lost.
        raise warning 'no row of public.users was made for user %: %', new.id, sqlerrm;
    end;
    return new;
end
$$;
comment on function public.credence_add_user() is
    'Credence: gives a new user of Supabase Auth a row in public.users, unless the project has made one.';

-- Triggers of one event fire in the order of their names: these after the project's own, which know more columns.
create or replace trigger zz_credence_add_user
    after insert on auth.users
    for each row execute function public.credence_add_user();

do $$
begin
    insert into public.users (id, email)
    select a.id, a.email from auth.users a where not exists (select from public.users u where u.id = a.id);
exception when not_null_violation or unique_violation or check_violation then
    raise notice 'users of Supabase Auth without a row in public.users stay without one: %', sqlerrm;
end
$$;

create function public.credence_follow_address()
returns trigger language plpgsql
-- Definer, because the role that changes addresses (supabase_auth_admin) has no rights on public.users.
security definer set search_path = ''
as $$
begin
    begin
        -- If a row has another address, the project wrote it, and it stays.
        update public.users u
        set email = new.email
        where u.id = new.id and (u.email is null or lower(u.email::text) = lower(old.email::text));
    exception when others then
        -- A change of address must not fail because of credits.
        raise warning 'the address of user % stays as it was in public.users: %', new.id, sqlerrm;
    end;
    return null;
end
$$;
comment on function public.credence_follow_address() is
    'Credence: lets public.users.email follow the address in Supabase Auth, unless the project has written another '
    'one. Sales whose metadata was made elsewhere are compared with it.';

create trigger zz_credence_follow_address
    after update of email on auth.users
    for each row when (old.email is distinct from new.email) execute function public.credence_follow_address();

create function public.account_read(account_id uuid)
returns jsonb language sql stable set search_path = ''
as $$
    select jsonb_build_object(
        'user_id', u.id, 'email', u.email, 'balance', u.credits_balance, 'held', u.credits_held,
        'version', u.credits_version, 'revision', u.credits_revision, 'notify_below', u.credits_notify_below
    )
    from public.users u where u.id = account_id
$$;
comment on function public.account_read(uuid) is
    'Credence: an account: user_id, email, balance, held, version, revision, notify_below; null where there is no '
    'such user.';

create function public.accounts_of(account_ids jsonb)
returns jsonb language sql stable set search_path = ''
as $$
    select coalesce(jsonb_agg(public.account_read(u.id) order by u.id), '[]')
    from public.users u where u.id = any (array(select jsonb_array_elements_text(account_ids)::uuid))
$$;
comment on function public.accounts_of(jsonb) is 'Credence: those of the accounts that exist, ordered by id.';

create function public.accounts_after(account_id uuid, page_size integer)
returns jsonb language sql stable set search_path = ''
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
comment on function public.accounts_after(uuid, integer) is
    'Credence: a page of accounts by id: those after one, or the first ones.';

create function public.account_notify_below(account_id uuid, threshold bigint)
returns jsonb language sql
-- Definer, because service_role need not have any right to write public.users.
security definer set search_path = ''
as $$
    update public.users u set credits_notify_below = threshold where u.id = account_id;
    select public.account_read(account_id)
$$;
comment on function public.account_notify_below(uuid, bigint) is
    'Credence: sets the available credits below which the account''s balance is low, null for the service''s default; '
    'gives the account. It counts as no change of the account.';

create table public.stripe_customers (
    user_id uuid primary key,
    customer_id text not null unique check (customer_id <> ''),
    linked_at timestamptz not null default clock_timestamp(),
    deleted_at timestamptz
);

comment on table public.stripe_customers is
    'Credence: the one customer that each account has at Stripe. An account that was deleted keeps its customer, so that '
    'nobody else gets it.';
comment on column public.stripe_customers.deleted_at is
    'When Stripe reported that the customer was deleted; the next use makes another, in its place.';

create function public.customer_of(account_id uuid)
returns jsonb language sql stable set search_path = ''
as $$
    select jsonb_build_object('customer_id', c.customer_id, 'is_deleted', c.deleted_at is not null)
    from public.stripe_customers c where c.user_id = account_id
$$;
comment on function public.customer_of(uuid) is
    'Credence: the account''s customer at Stripe {customer_id, is_deleted}; null where it has none yet.';

create function public.customers_linked(customer_ids jsonb, account_ids jsonb)
returns jsonb language sql stable set search_path = ''
as $$
    select coalesce(jsonb_agg(jsonb_build_object('user_id', c.user_id, 'customer_id', c.customer_id)), '[]')
    from public.stripe_customers c
    where c.customer_id = any (array(select jsonb_array_elements_text(customer_ids)))
        or c.user_id = any (array(select jsonb_array_elements_text(account_ids)::uuid))
$$;
comment on function public.customers_linked(jsonb, jsonb) is
    'Credence: which of the customers belong to an account, and which customers the accounts have.';

create function public.credence_queue_address(account_id uuid)
returns void language plpgsql set search_path = ''
as $$
begin
    -- A key for each transaction: a message that is being delivered may have read the address before.
    insert into public.outbox (topic, key, payload)
    values (
        'customer_address', concat_ws(':', 'customer_address', account_id, pg_current_xact_id()),
        jsonb_build_object('user_id', account_id)
    )
    on conflict (key) do nothing;
end
$$;
comment on function public.credence_queue_address(uuid) is
    'Credence: queues a message that the customer''s address at Stripe is to be compared with the account''s.';

create function public.customer_link(account_id uuid, customer text, address text, in_place_of text)
returns jsonb language plpgsql
-- Definer, because service_role has no rights to write the table by itself.
security definer set search_path = ''
as $$
declare
    own_address text;
begin
    -- An address that changes at this moment is compared below, or finds the customer linked.
    select u.email into own_address from public.users u where u.id = account_id for share;
    insert into public.stripe_customers (user_id, customer_id) values (account_id, customer) on conflict do nothing;
    if not found then
        update public.stripe_customers c
        set customer_id = customer, linked_at = clock_timestamp(), deleted_at = null
        where c.user_id = account_id and c.customer_id = in_place_of
            and not exists (select from public.stripe_customers o where o.customer_id = customer);
    end if;
    if found and own_address is not null and own_address is distinct from address then
        perform public.credence_queue_address(account_id);
    end if;
    return public.customer_of(account_id);
end
$$;
comment on function public.customer_link(uuid, text, text, text) is
    'Credence: lets the customer, who has the address at Stripe, be the account''s if it has none, or has the one in whose '
    'place this one comes, and if it is nobody else''s. Gives the account''s customer as it is then.';

create function public.customer_deleted(customer text)
returns jsonb language sql security definer set search_path = ''
as $$
    with changed as (
        update public.stripe_customers c
        set deleted_at = clock_timestamp()
        where c.customer_id = customer and c.deleted_at is null
        returning c.user_id
    )
    select to_jsonb(count(*)) from changed
$$;
comment on function public.customer_deleted(text) is
    'Credence: notes that Stripe has the customer no longer; returns how many accounts that concerns.';

create function public.credence_tell_customer()
returns trigger language plpgsql
-- Definer, because the role that changes addresses need not have any right on the outbox.
security definer set search_path = ''
as $$
begin
    begin
        if exists (select from public.stripe_customers c where c.user_id = new.id and c.deleted_at is null) then
            perform public.credence_queue_address(new.id);
        end if;
    exception when others then
        -- A change of address must not fail because of a customer at Stripe.
        raise warning 'the address of the customer of user % stays as it was at Stripe: %', new.id, sqlerrm;
    end;
    return null;
end
$$;
comment on function public.credence_tell_customer() is
    'Credence: lets the address of the account''s customer at Stripe follow public.users.email.';

create trigger zz_credence_tell_customer
    after update of email on public.users
    for each row when (old.email is distinct from new.email and new.email is not null)
    execute function public.credence_tell_customer();
