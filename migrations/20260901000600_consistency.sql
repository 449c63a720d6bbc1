-- The ledger's check of itself, the repair of a balance, and the opening of standing balances.

create function public.validate_credits_consistency()
returns table (user_id uuid, problem text, entry_id bigint, version bigint, expected text, actual text)
language sql
stable
set search_path = ''
as $$
    with chain as (
        select
            t,
            lag(t.version, 1, 0::bigint) over account as version_before,
            lag(t.balance_after, 1, 0::bigint) over account as balance_then,
            lag(t.hash) over account as hash_then
        from public.credit_transactions t
        window account as (partition by t.user_id order by t.version)
    ), broken as (
        select
            (c.t).user_id, (c.t).id as entry_id, (c.t).version,
            case
                when (c.t).version <> c.version_before + 1 then 'entry_missing'
                when (c.t).balance_before <> c.balance_then then 'balance_before_differs'
                when (c.t).previous_hash is distinct from c.hash_then then 'previous_hash_differs'
                else 'entry_tampered'
            end as problem,
            case
                when (c.t).version <> c.version_before + 1 then (c.version_before + 1)::text
                when (c.t).balance_before <> c.balance_then then c.balance_then::text
                when (c.t).previous_hash is distinct from c.hash_then then encode(c.hash_then, 'hex')
                else encode(public.credence_entry_hash(c.t), 'hex')
            end as expected,
            case
                when (c.t).version <> c.version_before + 1 then (c.t).version::text
                when (c.t).balance_before <> c.balance_then then (c.t).balance_before::text
                when (c.t).previous_hash is distinct from c.hash_then then encode((c.t).previous_hash, 'hex')
                else encode((c.t).hash, 'hex')
            end as actual
        from chain c
        where (c.t).version <> c.version_before + 1
            or (c.t).balance_before <> c.balance_then
            or (c.t).previous_hash is distinct from c.hash_then
            or (c.t).hash <> public.credence_entry_hash(c.t)
    ), sums as (
        select t.user_id, sum(t.amount) as balance, max(t.version) as version, max(t.id) as entry_id
        from public.credit_transactions t
        group by t.user_id
    ), remainders as (
        select g.user_id, sum(g.remaining) as remaining from public.credit_grants g group by g.user_id
    ), accounts as (
        select
            u.id as user_id, u.credits_balance as balance, u.credits_version as version, s.entry_id,
            coalesce(s.balance, 0) as balance_due, coalesce(s.version, 0) as version_due,
            coalesce(r.remaining, 0) as remaining
        from public.users u
        left join sums s on s.user_id = u.id
        left join remainders r on r.user_id = u.id
    ), found as (
        select b.user_id, b.problem, b.entry_id, b.version, b.expected, b.actual, 1 as weight from broken b
        union all
        select a.user_id, 'version_differs_from_ledger', a.entry_id, a.version_due, a.version_due::text, a.version::text, 2
        from accounts a where a.version <> a.version_due
        union all
        select a.user_id, 'balance_differs_from_ledger', a.entry_id, a.version_due, a.balance_due::text, a.balance::text, 3
        from accounts a where a.balance <> a.balance_due
        union all
        select
            a.user_id, 'grants_differ_from_balance', a.entry_id, a.version_due,
            greatest(a.balance_due, 0)::text, a.remaining::text, 4
        from accounts a where a.remaining <> greatest(a.balance_due, 0)
    )
    select distinct on (f.user_id) f.user_id, f.problem, f.entry_id, f.version, f.expected, f.actual
    from found f
    order by f.user_id, f.weight, f.version
$$;

comment on function public.validate_credits_consistency() is
    'No rows: every balance is the sum of its entries, and no entry is missing or changed. Else one row per account, '
    'naming its first bad entry. Reads each entry once.';

create function public.sync_user_credits(account_id uuid)
returns table (
    user_id uuid, previous_balance bigint, balance bigint, previous_version bigint, version bigint, repaired boolean
)
language plpgsql
set search_path = ''
as $$
declare
    standing record;
    due_balance bigint;
    due_version bigint;
begin
    select u.credits_balance, u.credits_version into standing
    from public.users u
    where u.id = account_id
    for no key update;
    if not found then
        raise exception 'there is no user % in public.users', account_id using errcode = 'P0002';
    end if;
    select coalesce(sum(t.amount), 0), coalesce(max(t.version), 0) into due_balance, due_version
    from public.credit_transactions t
    where t.user_id = account_id;
    update public.users
    set credits_balance = due_balance, credits_version = due_version
    where id = account_id and (credits_balance, credits_version) is distinct from (due_balance, due_version);
    return query select
        account_id, standing.credits_balance::bigint, due_balance, standing.credits_version::bigint, due_version,
        (standing.credits_balance, standing.credits_version) is distinct from (due_balance, due_version);
end
$$;

comment on function public.sync_user_credits(uuid) is
    'Recomputes an account''s balance and version from its entries, and says what they were.';

-- Each standing balance of an adopted table gets one entry, so that the ledger accounts for all of it.
insert into public.credit_transactions (
    user_id, version, amount, balance_before, balance_after, kind, idempotency_key, description, hash
)
select u.id, 1, u.credits_balance, 0, u.credits_balance, 'opening', 'opening:' || u.id,
    'Balance when the ledger was opened', ''
from public.users u
where u.credits_balance <> 0
    and not exists (select from public.credit_transactions t where t.user_id = u.id);

update public.credit_transactions t
set hash = public.credence_entry_hash(t)
where t.hash = '';

insert into public.credit_grants (user_id, kind, credits, remaining)
select t.user_id, t.kind, t.amount, t.amount
from public.credit_transactions t
where t.kind = 'opening' and t.amount > 0
    and not exists (select from public.credit_grants g where g.user_id = t.user_id);

update public.users u
set credits_version = 1
where u.credits_balance <> 0 and u.credits_version = 0;
