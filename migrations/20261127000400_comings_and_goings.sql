-- Who has gone has no balance any more, in the cache neither: its line would stay there for good. Who comes back goes on
-- with the revision after the last one: a cache takes none that is older, and messages are known by it.

create table public.credit_departures (
    user_id uuid primary key,
    revision bigint not null
);

comment on table public.credit_departures is 'The last revision of the account of each user who was deleted.';

alter table public.credit_departures enable row level security;
revoke all on public.credit_departures from public, anon, authenticated, service_role;

create function public.credence_forget_balance()
returns trigger
language plpgsql
-- Definer, because whoever may delete users need not have any right on the outbox.
security definer
set search_path = ''
as $$
begin
    insert into public.credit_departures as d (user_id, revision)
    values (old.id, old.credits_revision)
    on conflict (user_id) do update set revision = greatest(d.revision, excluded.revision);
    insert into public.outbox (topic, key, payload)
    values ('refresh_cache', format('refresh_cache:gone:%s:%s', old.id, gen_random_uuid()), jsonb_build_object('user_id', old.id));
    return null;
end
$$;

comment on function public.credence_forget_balance() is
    'Lets the cache forget the balance of a user who is deleted, and keeps the last revision.';

create trigger zz_credence_forget_balance
    after delete on public.users
    for each row execute function public.credence_forget_balance();

-- A row that a project's own sign-up makes with a balance begins with an entry of it.
create function public.credence_open_account()
returns trigger
language plpgsql
-- Definer, because whoever may sign users up need not have any right on the ledger.
security definer
set search_path = ''
as $$
declare
    opening public.credit_transactions;
begin
    update public.users u
    set credits_revision = d.revision + 1
    from public.credit_departures d
    where u.id = new.id and d.user_id = new.id;
    if exists (select from public.credit_transactions t where t.user_id = new.id) then
        -- The same user once more: the entries tell the balance.
        perform public.sync_user_credits(new.id);
        return null;
    end if;
    if new.credits_balance = 0 then
        return null;
    end if;
    opening.user_id := new.id;
    opening.version := 1;
    opening.amount := new.credits_balance;
    opening.balance_before := 0;
    opening.balance_after := new.credits_balance;
    opening.kind := 'opening';
    opening.idempotency_key := 'opening:' || new.id;
    opening.description := 'Balance with which the account was made';
    opening.metadata := '{}';
    opening.created_at := clock_timestamp();
    insert into public.credit_transactions (
        user_id, version, amount, balance_before, balance_after, kind, idempotency_key, description, metadata, created_at, hash
    ) values (
        opening.user_id, opening.version, opening.amount, opening.balance_before, opening.balance_after, opening.kind,
        opening.idempotency_key, opening.description, opening.metadata, opening.created_at,
        public.credence_entry_hash(opening)
    );
    if opening.amount > 0 then
        insert into public.credit_grants (user_id, kind, credits, remaining)
        values (new.id, opening.kind, opening.amount, opening.amount);
    end if;
    update public.users u set credits_version = 1, credits_revision = u.credits_revision + 1 where u.id = new.id;
    return null;
end
$$;

comment on function public.credence_open_account() is
    'Gives an account that is made with a balance an opening entry of it, and a grant that can be spent; and one that was '
    'there before what its entries say.';

create trigger zz_credence_open_account
    after insert on public.users
    for each row
    when (new.credits_version = 0)
    execute function public.credence_open_account();

revoke all on function public.credence_forget_balance(), public.credence_open_account() from public, anon, authenticated;
