-- The ledger's check of itself, and the repair of an account.

create function public.validate_credits_consistency()
returns table (user_id uuid, problem text, entry_id bigint, version bigint, expected text, actual text)
language sql
stable
set search_path = ''
-- Longer than two screens, because it is one statement: one snapshot of all tables, in which each entry is read once.
as $$
    with seen as (
        -- Narrow rows, because they are sorted.
        select
            t.id, t.user_id, t.version, t.balance_before, t.balance_after, t.previous_hash, t.hash,
            public.credence_entry_hash(t) as hash_due,
            -- Details are those of the digest; where the salt was deleted, nothing of them is left.
            case
                when t.details_salt is not null then t.details_digest = public.credence_details_digest(t)
                else t.description is null and (t.metadata = '{}' or t.metadata = public.credence_own_metadata(t))
            end as details_are_right
        from public.credit_transactions t
    ), chain as (
        select
            s.*,
            lag(s.version, 1, 0::bigint) over account as version_before,
            lag(s.balance_after, 1, 0::bigint) over account as balance_then,
            lag(s.hash) over account as hash_then
        from seen s
        window account as (partition by s.user_id order by s.version)
    ), mismatched as (
        select c.user_id, c.id as entry_id, c.version, w.found[1] as problem, w.found[2] as expected, w.found[3] as actual
        from chain c, lateral (select case
            when c.version <> c.version_before + 1 then
                array['entry_missing', (c.version_before + 1)::text, c.version::text]
            when c.balance_before <> c.balance_then then
                array['balance_before_differs', c.balance_then::text, c.balance_before::text]
            when c.previous_hash is distinct from c.hash_then then
                array['previous_hash_differs', encode(c.hash_then, 'hex'), encode(c.previous_hash, 'hex')]
            when c.hash <> c.hash_due or c.details_are_right is not true then
                array['entry_tampered', encode(c.hash_due, 'hex'), encode(c.hash, 'hex')]
        end as found) w
        where w.found is not null
    ), sums as (
        select
            t.user_id, sum(t.amount) as balance, max(t.version) as version, max(t.id) as entry_id,
            -sum(t.amount) filter (where t.kind = 'capture') as captured
        from public.credit_transactions t
        group by t.user_id
    ), remainders as (
        select g.user_id, sum(g.remaining) as remaining from public.credit_grants g group by g.user_id
    ), reserved as (
        select h.user_id, h.id as hold_id, h.credits, (d ->> 'grant')::bigint as grant_id, (d ->> 'credits')::bigint as drawn
        from public.credit_holds h
        left join lateral jsonb_array_elements(h.draws) d on true
        where h.status = 'open'
    ), held as (
        select h.user_id, sum(h.credits) filter (where h.status = 'open') as credits, sum(h.captured) as captured
        from public.credit_holds h
        group by h.user_id
    ), accounts as (
        select
            u.id as user_id, u.credits_balance as balance, u.credits_version as version, u.credits_held as held,
            u.credits_revision as revision, s.entry_id,
            coalesce(s.balance, 0) as balance_due, coalesce(s.version, 0) as version_due,
            coalesce(r.remaining, 0) as remaining, coalesce(h.credits, 0) as held_due,
            coalesce(h.captured, 0) as captured, coalesce(s.captured, 0) as captured_due
        from public.users u
        left join sums s on s.user_id = u.id
        left join remainders r on r.user_id = u.id
        left join held h on h.user_id = u.id
    ), grants as (
        select
            coalesce(g.user_id, d.user_id, r.user_id) as user_id, coalesce(g.id, d.grant_id, r.grant_id) as id,
            g.credits, g.held, g.remaining + coalesce(d.credits, 0) as credits_due, coalesce(r.credits, 0) as held_due
        from public.credit_grants g
        full join (
            select d.user_id, d.grant_id, sum(d.credits) as credits
            from public.credit_draws d
            group by d.user_id, d.grant_id
        ) d on d.grant_id = g.id and d.user_id = g.user_id
        full join (
            select r.user_id, r.grant_id, sum(r.drawn) as credits
            from reserved r
            where r.grant_id is not null
            group by r.user_id, r.grant_id
        ) r on r.grant_id = g.id and r.user_id = g.user_id
    ), draws as (
        select
            d.user_id, d.version, d.credits, t.id as entry_id,
            coalesce(
                greatest(t.amount, 0) - (greatest(t.balance_after, 0) - greatest(t.balance_before, 0)), 0
            ) as credits_due
        from (
            select d.user_id, d.version, sum(d.credits) as credits
            from public.credit_draws d
            group by d.user_id, d.version
        ) d
        left join public.credit_transactions t on t.user_id = d.user_id and t.version = d.version
    ), found as (
        select b.user_id, b.problem, b.entry_id, b.version, b.expected, b.actual, 1 as weight from mismatched b
        union all
        select a.user_id, 'version_differs_from_ledger', a.entry_id, a.version_due, a.version_due::text, a.version::text, 2
        from accounts a where a.version <> a.version_due
        union all
        select a.user_id, 'balance_differs_from_ledger', a.entry_id, a.version_due, a.balance_due::text, a.balance::text, 3
        from accounts a where a.balance <> a.balance_due
        union all
        select a.user_id, 'revision_behind_ledger', a.entry_id, a.version_due, a.version_due::text, a.revision::text, 4
        from accounts a where a.revision < a.version_due
        union all
        select
            a.user_id, 'grants_differ_from_balance', a.entry_id, a.version_due,
            greatest(a.balance_due, 0)::text, a.remaining::text, 5
        from accounts a where a.remaining <> greatest(a.balance_due, 0)
        union all
        select a.user_id, 'held_differs_from_holds', a.entry_id, a.version_due, a.held_due::text, a.held::text, 6
        from accounts a where a.held <> a.held_due
        union all
        select
            a.user_id, 'captured_differs_from_entries', a.entry_id, a.version_due,
            a.captured_due::text, a.captured::text, 11
        from accounts a where a.captured <> a.captured_due
        union all
        select
            d.user_id, 'draws_exceed_entry', d.entry_id, d.version, d.credits_due::text, d.credits::text, 7
        from draws d where d.credits > d.credits_due
        union all
        select
            g.user_id, 'grant_differs_from_draws', null, null, concat_ws(': ', g.id, g.credits_due), concat_ws(': ', g.id, g.credits), 8
        from grants g where g.credits is distinct from g.credits_due
        union all
        select
            g.user_id, 'grant_differs_from_holds', null, null, concat_ws(': ', g.id, g.held_due), concat_ws(': ', g.id, g.held), 9
        from grants g where g.held <> g.held_due
        union all
        select
            r.user_id, 'hold_differs_from_draws', null, null, concat_ws(': ', r.hold_id, r.credits),
            concat_ws(': ', r.hold_id, coalesce(sum(r.drawn), 0)), 10
        from reserved r
        group by r.user_id, r.hold_id, r.credits
        having coalesce(sum(r.drawn), 0) <> r.credits
    )
    select distinct on (f.user_id) f.user_id, f.problem, f.entry_id, f.version, f.expected, f.actual
    from found f
    order by f.user_id, f.weight, f.version
$$;
comment on function public.validate_credits_consistency() is
    'Credence: no rows: every balance is the sum of its entries, no entry is missing or changed, and remainders, '
    'draws and holds account for every credit. Else one row per account, naming its first bad entry, or the grant '
    'or hold that disagrees.';

create function public.sync_user_credits(account_id uuid)
returns table (
    user_id uuid, previous_balance bigint, balance bigint, previous_version bigint, version bigint, repaired boolean
)
language plpgsql
-- Definer, because nobody else may write credits.
security definer
set search_path = ''
as $$
declare
    found_account record;
    due_balance bigint;
    due_version bigint;
    due_held bigint;
    agrees boolean;
begin
    select u.credits_balance, u.credits_version, u.credits_held, u.credits_revision into found_account
    from public.users u
    where u.id = account_id
    for no key update;
    if not found then
        raise exception 'there is no user % in public.users', account_id using errcode = 'P0002';
    end if;
    select coalesce(sum(t.amount), 0)::bigint, coalesce(max(t.version), 0) into due_balance, due_version
    from public.credit_transactions t where t.user_id = account_id;
    select coalesce(sum(h.credits), 0)::bigint into due_held
    from public.credit_holds h where h.user_id = account_id and h.status = 'open';
    agrees := (found_account.credits_balance, found_account.credits_version, found_account.credits_held)
            is not distinct from (due_balance, due_version, due_held)
        and found_account.credits_revision >= due_version;
    if not agrees then
        update public.users
        set credits_balance = due_balance, credits_version = due_version, credits_held = due_held,
            credits_revision = greatest(credits_revision, due_version) + 1
        where id = account_id;
    end if;
    return query select
        account_id, found_account.credits_balance::bigint, due_balance, found_account.credits_version::bigint, due_version,
        not agrees;
end
$$;
comment on function public.sync_user_credits(uuid) is
    'Credence: recomputes an account''s balance and version from its entries and its held credits from its holds, '
    'and says what they were. A repair counts as a change of the account.';
