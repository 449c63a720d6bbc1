-- What comes back after a clawback returns to the grants from which it was taken; prices that Credence made are kept.

create table public.stripe_prices (
    id text primary key check (id <> ''),
    plan_id text not null,
    credits bigint not null check (credits >= 0),
    unit_amount text not null check (unit_amount ~ '^[0-9]+(/[0-9]+)?$'),
    created_at timestamptz not null default now()
);

comment on table public.stripe_prices is
    'Every price that Credence ever made at Stripe, with the plan and the credits of one interval of it: renewals go on '
    'with old prices, whatever the catalogue says.';
comment on column public.stripe_prices.unit_amount is 'The price of one interval in minor units; a fraction where it has a slash.';

alter table public.stripe_prices enable row level security;
revoke all on public.stripe_prices from public, anon, authenticated, service_role;
grant select, insert on public.stripe_prices to service_role;

create trigger credence_refuse_change
    before update or delete or truncate on public.stripe_prices
    for each statement execute function public.credence_refuse_change();

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


create or replace function public.credence_apply(change jsonb)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    entries jsonb := coalesce(nullif(change -> 'entries', 'null'), '[]');
    holds jsonb := coalesce(nullif(change -> 'holds', 'null'), '[]');
    request jsonb := nullif(change -> 'request', 'null');
    threshold bigint := (change ->> 'notify_below')::bigint;
    touched uuid[];
    available_before jsonb;
    captured bigint;
    conflict text;
    account record;
    answer jsonb := public.credence_repeated(change);
begin
    if answer is not null then
        return answer;
    end if;
    conflict := public.credence_conflict(change);
    if conflict is not null then
        return jsonb_build_object('status', 'conflict', 'reason', conflict);
    end if;
    touched := public.credence_touched(change);
    select coalesce(jsonb_object_agg(s.user_id, s.balance - s.held), '{}') into available_before
    from public.credence_standing(touched) s;

    if change -> 'purchase' <> 'null' then
        perform public.credence_keep_purchase(change -> 'purchase');
    end if;
    perform public.credence_keep_purchase(other)
    from jsonb_array_elements(coalesce(nullif(change -> 'others', 'null'), '[]')) other;
    insert into public.stripe_prices (id, plan_id, credits, unit_amount)
    select made ->> 'id', made ->> 'plan_id', (made ->> 'credits')::bigint, made ->> 'unit_amount'
    from jsonb_array_elements(coalesce(nullif(change -> 'made_prices', 'null'), '[]')) made
    on conflict (id) do nothing;
    if change -> 'subscription' <> 'null' then
        perform public.credence_keep_subscription(change -> 'subscription');
    end if;
    perform public.credence_post_entry(posting) from jsonb_array_elements(entries) posting;
    perform public.credence_end_grant(grant_end)
    from jsonb_array_elements(coalesce(nullif(change -> 'ends', 'null'), '[]')) grant_end;
    perform public.credence_keep_hold(hold) from jsonb_array_elements(holds) hold;

    for account in
        select
            s.*, s.balance - s.held as available, (available_before ->> s.user_id::text)::bigint as before,
            coalesce(s.notify_below, threshold) as notify
        from public.credence_standing(touched) s
    loop
        captured := -coalesce((
            select sum((e ->> 'amount')::bigint) from jsonb_array_elements(entries) e
            where (e ->> 'user_id')::uuid = account.user_id and e ->> 'kind' = 'capture'
        ), 0);
        if captured <> coalesce((
            select sum((h ->> 'captured')::bigint) from jsonb_array_elements(holds) h
            where (h ->> 'user_id')::uuid = account.user_id
        ), 0) then
            -- Captured credits are those of a hold that the same change settles, and no others.
            perform public.credence_refuse('hold');
        end if;
        -- A capture may leave less than nothing available, where credits were taken back that were held.
        if account.available < 0 and (
            exists (
                select from jsonb_array_elements(entries) e
                where (e ->> 'user_id')::uuid = account.user_id and (
                    e ->> 'kind' = 'spend' or e ->> 'kind' = 'expiry' and captured = 0
                    or e ->> 'kind' = 'adjustment' and (e ->> 'amount')::bigint < 0
                )
            )
            or exists (
                select from jsonb_array_elements(holds) h
                where (h ->> 'user_id')::uuid = account.user_id and h ->> 'status' = 'open'
            )
        ) then
            perform public.credence_refuse('insufficient_credits');
        end if;
        if account.before >= account.notify and account.available < account.notify then
            insert into public.outbox (topic, key, payload)
            values (
                'low_balance', concat_ws(':', 'low_balance', account.user_id, account.revision),
                jsonb_build_object(
                    'user_id', account.user_id, 'balance', account.balance::text, 'held', account.held::text,
                    'available', account.available::text, 'threshold', account.notify::text
                )
            )
            on conflict (key) do nothing;
        end if;
    end loop;

    if request is not null then
        insert into public.credit_requests (key, user_id, content, answer)
        values (request ->> 'key', (request ->> 'user_id')::uuid, request -> 'content', request -> 'answer');
    end if;
    insert into public.outbox (topic, key, payload)
    select message ->> 'topic', message ->> 'key', message -> 'payload'
    from jsonb_array_elements(change -> 'outbox') message
    on conflict (key) do nothing;
    if change -> 'event' <> 'null' then
        perform public.credence_keep_event(change -> 'event', change #>> '{purchase,id}', touched);
    end if;
    return jsonb_build_object('status', 'committed', 'accounts', public.credence_accounts(touched));
end
$$;

create or replace function public.ledger_read(query jsonb)
returns jsonb
-- Not SQL, which would be planned for each call; stable, so that every statement sees the one snapshot of the call.
language plpgsql
stable
set search_path = ''
set enable_seqscan = off
as $$
declare
    account_id constant uuid := (query ->> 'user_id')::uuid;
    reached constant text[] := array(
        select l.purchase_id
        from public.purchase_links l
        where l.link = any (array(select jsonb_array_elements_text(query -> 'links')))
    );
    subscribed text := query ->> 'subscription_id';
    since timestamptz := (query ->> 'periods_since')::timestamptz;
    purchases jsonb := '[]';
    family jsonb := '[]';
    claimed jsonb := '[]';
begin
    if reached <> '{}' then
        select
            coalesce(jsonb_agg(public.credence_purchase(p) order by p.id), '[]'),
            coalesce(subscribed, min(p.subscription_id)), least(since, min(p.starts_at))
        into purchases, subscribed, since
        from public.purchases p
        where p.id = any (reached);
    end if;
    if subscribed is not null and since is not null then
        select coalesce(jsonb_agg(public.credence_purchase(p) order by p.id), '[]') into family
        from public.purchases p
        where p.subscription_id = subscribed and p.ends_at >= since and p.merged_into is null;
    end if;
    if (query ->> 'claims')::boolean then
        select coalesce(jsonb_agg(jsonb_build_object(
            'plan_id', line ->> 'plan_id', 'kind', line ->> 'kind', 'subscription_id', p.subscription_id,
            'starts_at', line ->> 'starts_at', 'ends_at', line ->> 'ends_at'
        ) order by p.id), '[]') into claimed
        from public.purchases p, jsonb_array_elements(nullif(p.facts -> 'bill', 'null') -> 'lines') line
        where p.user_id = account_id
            and p.merged_into is null
            and (line ->> 'credits')::bigint > 0
            and (line ->> 'kind' = 'trial' or line ->> 'unit_amount' = '0');
    end if;
    return jsonb_build_object(
        'event', (
            select jsonb_build_object('id', e.id, 'status', e.status, 'reason', e.reason, 'attempts', e.attempts)
            from public.webhook_events e
            where e.id = query ->> 'event_id'
        ),
        'account', public.account_read(account_id),
        'account_is_deleted', not exists (select from public.users u where u.id = account_id)
            and exists (select from public.credit_transactions t where t.user_id = account_id),
        'subscription', (
            select jsonb_build_object('id', s.id, 'revision', s.revision, 'facts', s.facts)
            from public.subscriptions s
            where s.id = subscribed
        ),
        'purchases', purchases,
        'family', family,
        'claimed', claimed,
        'made_prices', coalesce((
            select jsonb_agg(to_jsonb(made) - 'created_at' order by made.id)
            from public.stripe_prices made
            where made.id = any (array(select jsonb_array_elements_text(query -> 'price_ids')))
        ), '[]')
    );
end
$$;

comment on function public.ledger_read(jsonb) is
    'What a decision needs, in one snapshot. Takes {event_id, user_id, links, subscription_id, periods_since, claims, '
    'price_ids}; gives {event, account, account_is_deleted, subscription, purchases that the links reach, family: the '
    'invoices of the subscription, or of those purchases'', that end at that time or later, claimed: trials and free '
    'periods, made_prices: those of the prices that Credence made}.';
