-- What comes back after a clawback returns to the grants from which it was taken.

create or replace function public.credence_purchase(p public.purchases)
returns jsonb
-- Not SQL, which would be planned for each call.
language plpgsql
stable
set search_path = ''
as $$
begin
    return (select jsonb_build_object(
        'id', p.id,
        'revision', p.revision,
        'facts', p.facts,
        'posted', coalesce(jsonb_agg(jsonb_build_object(
            'user_id', sums.user_id,
            'period_ends_at', sums.period,
            'posted', coalesce(sums.posted, 0),
            'lapsed', sums.lapsed,
            'stood', coalesce(sums.stood, 0),
            'clawed_back', case when sums.clawed_since is not null then (
                select jsonb_build_object(
                    'credits', sums.away,
                    'from_own', coalesce(sum(t.credits) filter (where t.is_own), 0) - sums.returned,
                    'from_others', coalesce(jsonb_agg(
                        jsonb_build_object('grant_id', t.id, 'credits', t.credits - t.returned)
                        order by t.priority desc, t.expires_at desc nulls first, t.id desc
                    ) filter (where not t.is_own and t.credits > t.returned), '[]')
                )
                from (
                    select
                        g.id, g.priority, g.expires_at, sum(d.credits)::bigint as credits,
                        coalesce(g.purchase_id = any (sums.purchases), false) and g.kind <> 'reinstatement'
                            and g.period_ends_at is not distinct from sums.period::timestamptz as is_own,
                        coalesce((
                            select sum(r.amount) from public.credit_transactions r
                            where r.purchase_id = any (sums.purchases) and r.user_id = sums.user_id
                                and r.metadata ->> 'returned_to_grant' = g.id::text
                                and r.metadata ->> 'period_ends_at' is not distinct from sums.period
                        ), 0)::bigint as returned
                    from public.credit_transactions c
                    join public.credit_draws d on d.user_id = c.user_id and d.version = c.version
                    join public.credit_grants g on g.id = d.grant_id
                    where c.user_id = sums.user_id and c.version >= sums.clawed_since and case
                        when c.purchase_id = any (sums.purchases) then
                            c.kind = 'clawback' and c.metadata ->> 'period_ends_at' is not distinct from sums.period
                        -- What later credits paid of the debt.
                        else c.amount > 0
                    end
                    group by g.id
                ) t
            ) end,
            'grant', (
                select jsonb_build_object('expires_at', g.expires_at)
                from public.credit_grants g
                where g.user_id = sums.user_id and g.live and g.kind <> 'reinstatement'
                    and g.period_ends_at is not distinct from sums.period::timestamptz
                    and g.purchase_id = any (sums.purchases)
                order by g.id
                limit 1
            )
        ) order by sums.user_id, sums.period) filter (where sums.user_id is not null), '[]'),
        'absent_users', coalesce((
            select jsonb_agg(distinct named.id)
            from unnest(array_append(array_agg(sums.user_id), p.user_id)) named (id)
            where named.id is not null and (select u.id from public.users u where u.id = named.id) is null
        ), '[]')
    )
    from (select 1) one
    left join lateral (
        select
            t.user_id, t.period, t.purchases,
            sum(t.amount) filter (where t.kind <> 'expiry') as posted,
            -sum(t.amount) filter (where t.kind = 'expiry') as lapsed,
            sum(t.amount) filter (where t.kind <> 'expiry' and t.version < t.last_expiry) as stood,
            min(t.version) filter (where t.kind = 'clawback') as clawed_since,
            -sum(t.amount) filter (where t.kind in ('clawback', 'reinstatement')) as away,
            coalesce(sum(t.amount) filter (where t.returned_to = 'true'), 0) as returned
        from (
            select
                e.user_id, e.kind, e.amount, e.version, e.metadata ->> 'period_ends_at' as period, ids.purchases,
                e.metadata ->> 'returned_to_grant' as returned_to,
                max(e.version) filter (where e.kind = 'expiry') over (
                    partition by e.user_id, e.metadata ->> 'period_ends_at'
                ) as last_expiry
            from (
                select array(
                    select p.id
                    union all
                    select m.id from public.purchases m where m.merged_into = p.id
                ) as purchases
            ) ids
            join public.credit_transactions e on e.purchase_id = any (ids.purchases)
        ) t
        group by t.user_id, t.period, t.purchases
    ) sums on true);
end
$$;

create or replace function public.credence_put(
    entry public.credit_transactions, priority integer, expires timestamptz, rollover_cap bigint
)
returns void
language plpgsql
set search_path = ''
as $$
declare
    -- What pays a debt does not remain.
    paid bigint := entry.amount - (greatest(entry.balance_after, 0) - greatest(entry.balance_before, 0));
    own public.credit_grants;
    period constant timestamptz := case when entry.purchase_id is not null then (entry.metadata ->> 'period_ends_at')::timestamptz end;
    target bigint;
    returns_to constant text := case when entry.purchase_id is not null then entry.metadata ->> 'returned_to_grant' end;
    gives_back_late boolean;
begin
    if returns_to <> 'true' then
        select g.* into own
        from public.credit_grants g
        where g.user_id = entry.user_id and g.id = returns_to::bigint;
    else
        select g.* into own
        from public.credit_grants g
        where g.user_id = entry.user_id and g.purchase_id = entry.purchase_id and g.kind <> 'reinstatement'
            and g.period_ends_at is not distinct from period;
    end if;
    -- What was spent before is given back without an end, where that of its grant is over: it stays.
    -- What was taken from a grant, unspent, returns to it and expires as it would have.
    gives_back_late := entry.kind = 'reinstatement' and returns_to is null
        and coalesce(own.expires_at <= entry.created_at, false);
    if own.id is not null and not gives_back_late then
        target := own.id;
        update public.credit_grants g
        set credits = g.credits + entry.amount, remaining = g.remaining + entry.amount
        where g.id = target;
    else
        insert into public.credit_grants (
            user_id, kind, purchase_id, period_ends_at, credits, remaining, priority, expires_at, rollover_cap
        ) values (
            entry.user_id, entry.kind, entry.purchase_id, period, entry.amount, entry.amount,
            coalesce(priority, 50), case when not gives_back_late then expires end,
            case when not gives_back_late then rollover_cap end
        )
        returning id into target;
    end if;
    if paid > 0 then
        perform public.credence_draw(entry, target, paid);
    end if;
end
$$;

