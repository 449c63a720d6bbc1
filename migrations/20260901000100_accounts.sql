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
            -- A view or a policy reads the column, so its type stays; whole numbers fit in it as they did.
            if balance_type ~ ',[1-9]' then
                raise exception 'public.users.credits_balance is %, but credits are whole numbers', balance_type
                    using hint = 'Drop the views and policies that read it, apply the migrations, and create them again.';
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

comment on table public.users is
    'One row per user of Supabase Auth. The credits columns are a projection of credit_transactions, written by the ledger alone.';
comment on column public.users.credits_balance is 'Credits on the account: the sum of its entries; below zero is debt.';
comment on column public.users.credits_held is 'Credits set aside by open holds; available = balance - held.';
comment on column public.users.credits_version is 'How many entries the account has.';

create or replace function public.credence_add_user()
returns trigger
language plpgsql
-- Definer, because the role that signs users up (supabase_auth_admin) has no rights on public.users.
security definer
set search_path = ''
as $$
begin
    begin
        if not exists (select from public.users u where u.id = new.id) then
            insert into public.users (id, email) values (new.id, new.email);
        end if;
    exception when others then
        -- A sign-up must not fail for the credits' sake: a payment of a user without a row is parked, not lost.
        raise warning 'no row of public.users was made for user %: %', new.id, sqlerrm;
    end;
    return new;
end
$$;

comment on function public.credence_add_user() is
    'Gives a new user of Supabase Auth a row in public.users, unless the project has made one.';

-- Triggers of one event fire in the order of their names: this one after a project's own, which knows more columns.
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
