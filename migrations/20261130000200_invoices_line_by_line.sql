-- Invoices line by line: a purchase may have a grant for each period that it pays for, a decision may change several of a
-- subscription's purchases at once, and a grant's end follows what is learned later.

alter table public.credit_grants add column period_ends_at timestamptz;

comment on column public.credit_grants.period_ends_at is
    'The end of the period that was paid for, where it is of a subscription''s invoice: an invoice has a grant for each.';

alter table public.credit_grants add column rollover_cap bigint check (rollover_cap > 0);

comment on column public.credit_grants.rollover_cap is
    'Where it rolls over when its time is over: the most credits that may do so on the account in all.';

-- What rolled over stays past its time: it is no longer looked for among what expires.
drop index public.credit_grants_expires_at_idx;
create index credit_grants_expires_at_idx
    on public.credit_grants (expires_at) where live and expires_at is not null and rollover_cap is null;
create index credit_grants_rolling_idx
    on public.credit_grants (user_id, period_ends_at, purchase_id, id) include (expires_at, remaining, held, rollover_cap)
    where live and rollover_cap is not null;

drop index public.credit_grants_one_per_purchase;
create unique index credit_grants_one_per_purchase
    on public.credit_grants (purchase_id, user_id, coalesce(period_ends_at, '-infinity')) where kind <> 'reinstatement';

drop index public.credit_transactions_one_grant_per_purchase;
create unique index credit_transactions_one_grant_per_purchase
    on public.credit_transactions (purchase_id, user_id, coalesce(metadata ->> 'period_ends_at', '')) where kind = 'purchase';

alter table public.purchases add column subscription_id text;
alter table public.purchases add column starts_at timestamptz;
alter table public.purchases add column ends_at timestamptz;

comment on column public.purchases.subscription_id is 'The subscription, where it is one of its invoices.';
comment on column public.purchases.starts_at is 'When the earliest of the times begins that its lines are for.';
comment on column public.purchases.ends_at is 'When the latest of the times ends that its lines are for.';

create index purchases_subscription_id_idx on public.purchases (subscription_id, ends_at) where subscription_id is not null;

create or replace function public.credence_keep_purchase(purchase jsonb)
returns void
language plpgsql
set search_path = ''
as $$
declare
    expected bigint := (purchase ->> 'expected_revision')::bigint;
    absorbed text[];
    known text[];
    ours bigint;
    written bigint;
begin
    insert into public.purchases as p (
        id, user_id, plan_id, credits, amount, currency, payment_status, facts, subscription_id, starts_at, ends_at, revision
    ) values (
        purchase ->> 'id', (purchase ->> 'user_id')::uuid, purchase ->> 'plan_id', (purchase ->> 'credits')::bigint,
        (purchase ->> 'amount')::bigint, purchase ->> 'currency', purchase ->> 'payment_status', purchase -> 'facts',
        purchase ->> 'subscription_id', (purchase ->> 'starts_at')::timestamptz, (purchase ->> 'ends_at')::timestamptz, 1
    )
    on conflict (id) do update
        set user_id = excluded.user_id,
            plan_id = excluded.plan_id,
            credits = excluded.credits,
            amount = excluded.amount,
            currency = excluded.currency,
            payment_status = excluded.payment_status,
            facts = excluded.facts,
            subscription_id = excluded.subscription_id,
            starts_at = excluded.starts_at,
            ends_at = excluded.ends_at,
            revision = p.revision + 1,
            updated_at = clock_timestamp()
        -- Another call may have written it since the revision was looked at.
        where p.revision = expected
    returning p.revision into written;
    if written is distinct from expected + 1 then
        perform public.credence_refuse('revision');
    end if;
    if nullif(purchase -> 'absorbed', '[]') is not null then
        absorbed := array(select other ->> 'id' from jsonb_array_elements(purchase -> 'absorbed') other);
        update public.purchases
        set merged_into = purchase ->> 'id', revision = revision + 1, updated_at = clock_timestamp()
        where id = any (absorbed);
        update public.purchases set merged_into = purchase ->> 'id' where merged_into = any (absorbed);
        update public.purchase_links set purchase_id = purchase ->> 'id' where purchase_id = any (absorbed);
    end if;
    with told as (
        select link from jsonb_array_elements_text(purchase -> 'links') link
    ), kept as (
        insert into public.purchase_links (link, purchase_id)
        select t.link, purchase ->> 'id' from told t order by t.link
        on conflict (link) do nothing
        returning link
    )
    select array_agg(distinct t.link) into known from told t where t.link not in (select k.link from kept k);
    if known is not null then
        select count(*) into ours
        from public.purchase_links l
        where l.link = any (known) and l.purchase_id = purchase ->> 'id';
        if ours < cardinality(known) then
            perform public.credence_refuse('link');
        end if;
    end if;
end
$$;

create or replace function public.credence_conflict(change jsonb)
returns text
language plpgsql
stable
set search_path = ''
as $$
declare
    purchase jsonb := nullif(change -> 'purchase', 'null');
    subscription jsonb := nullif(change -> 'subscription', 'null');
    account jsonb := nullif(change -> 'account', 'null');
begin
    if purchase is not null then
        if exists (
            select
            from jsonb_array_elements(
                jsonb_build_array(purchase) || coalesce(purchase -> 'absorbed', '[]')
                || coalesce(nullif(change -> 'others', 'null'), '[]')
            ) wanted
            where (wanted ->> 'expected_revision')::bigint <> coalesce(
                (select p.revision from public.purchases p where p.id = wanted ->> 'id'), 0
            )
        ) then
            return 'revision';
        end if;
        if exists (
            select from public.purchase_links l
            where l.link = any (array(select jsonb_array_elements_text(purchase -> 'links')))
                and l.purchase_id <> purchase ->> 'id'
                and not exists (
                    select from jsonb_array_elements(coalesce(purchase -> 'absorbed', '[]')) other
                    where other ->> 'id' = l.purchase_id
                )
        ) then
            return 'link';
        end if;
    end if;
    if subscription is not null and (subscription ->> 'expected_revision')::bigint <> coalesce(
        (select s.revision from public.subscriptions s where s.id = subscription ->> 'id'), 0
    ) then
        return 'revision';
    end if;
    if exists (
        select from unnest(public.credence_touched(change) || (account ->> 'user_id')::uuid) wanted
        where wanted is not null and not exists (select from public.users u where u.id = wanted)
    ) then
        return 'unknown_user';
    end if;
    if account is not null and not exists (
        select from public.users u
        where u.id = (account ->> 'user_id')::uuid and u.credits_revision = (account ->> 'expected_revision')::bigint
    ) then
        return 'account';
    end if;
    return null;
end
$$;

drop function public.credence_put(public.credit_transactions, integer, timestamptz);

create function public.credence_put(
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
    gives_back_late boolean;
begin
    select g.* into own
    from public.credit_grants g
    where g.user_id = entry.user_id and g.purchase_id = entry.purchase_id and g.kind <> 'reinstatement'
        and g.period_ends_at is not distinct from period;
    -- What is given back after its grant's end was taken from other credits, or was owed: it stays.
    -- What was taken from the grant itself, unspent, returns to it and expires as it would have.
    gives_back_late := entry.kind = 'reinstatement' and not entry.metadata ? 'returned_to_grant'
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

comment on function public.credence_put(public.credit_transactions, integer, timestamptz, bigint) is
    'Puts an entry''s credits into its grant, or into a new one; what pays a debt does not remain.';

revoke all on function public.credence_put(public.credit_transactions, integer, timestamptz, bigint)
    from public, anon, authenticated;
grant execute on function public.credence_put(public.credit_transactions, integer, timestamptz, bigint) to service_role;

create or replace function public.credence_post_entry(posting jsonb)
returns void
language plpgsql
set search_path = ''
as $$
declare
    last public.credit_transactions;
    entry public.credit_transactions;
begin
    -- The last entry is the truth; the row of users is a projection of it, which somebody may have changed.
    select t.* into last
    from public.credit_transactions t
    where t.user_id = (posting ->> 'user_id')::uuid
    order by t.version desc
    limit 1;

    entry.user_id := (posting ->> 'user_id')::uuid;
    entry.version := coalesce(last.version, 0) + 1;
    entry.amount := (posting ->> 'amount')::bigint;
    entry.balance_before := coalesce(last.balance_after, 0);
    entry.balance_after := entry.balance_before + entry.amount;
    entry.kind := posting ->> 'kind';
    entry.idempotency_key := posting ->> 'idempotency_key';
    entry.purchase_id := posting ->> 'purchase_id';
    entry.stripe_session_id := posting ->> 'stripe_session_id';
    entry.stripe_event_id := posting ->> 'stripe_event_id';
    entry.description := posting ->> 'description';
    entry.metadata := coalesce(nullif(posting -> 'metadata', 'null'), '{}');
    entry.event_at := (posting ->> 'event_at')::timestamptz;
    entry.created_at := clock_timestamp();
    entry.previous_hash := last.hash;
    entry.hash := public.credence_entry_hash(entry);

    insert into public.credit_transactions (
        user_id, version, amount, balance_before, balance_after, kind, idempotency_key, purchase_id,
        stripe_session_id, stripe_event_id, description, metadata, event_at, created_at, previous_hash, hash
    ) values (
        entry.user_id, entry.version, entry.amount, entry.balance_before, entry.balance_after, entry.kind,
        entry.idempotency_key, entry.purchase_id, entry.stripe_session_id, entry.stripe_event_id,
        entry.description, entry.metadata, entry.event_at, entry.created_at, entry.previous_hash, entry.hash
    );
    if entry.amount > 0 then
        perform public.credence_put(
            entry, (posting ->> 'priority')::integer, (posting ->> 'expires_at')::timestamptz,
            (posting ->> 'rollover_cap')::bigint
        );
    else
        perform public.credence_take(entry, nullif(posting -> 'draws', 'null'));
    end if;
    update public.users
    set credits_balance = entry.balance_after, credits_version = entry.version, credits_revision = credits_revision + 1
    where id = entry.user_id;
end
$$;

create or replace function public.credence_take(entry public.credit_transactions, draws jsonb)
returns void
language plpgsql
set search_path = ''
as $$
declare
    -- The rest is debt.
    owing bigint := greatest(entry.balance_before, 0) - greatest(entry.balance_after, 0);
    share record;
begin
    if draws is not null then
        for share in
            select
                (d ->> 'grant')::bigint as grant_id, min((d ->> 'credits')::bigint) as smallest,
                sum((d ->> 'credits')::bigint) as credits
            from jsonb_array_elements(draws) d
            group by 1
        loop
            if share.smallest <= 0 then
                perform public.credence_refuse('grants');
            end if;
            perform public.credence_draw(entry, share.grant_id, share.credits::bigint);
            owing := owing - share.credits;
        end loop;
        if owing <> 0 then
            perform public.credence_refuse('grants');
        end if;
        return;
    end if;
    for share in
        with standing as (
            select
                g.id, g.priority, g.expires_at, g.remaining, least(g.remaining, g.held) as reserved,
                case
                    when not coalesce(g.purchase_id = entry.purchase_id, false) and not exists (
                        select from public.purchases m where m.id = g.purchase_id and m.merged_into = entry.purchase_id
                    ) then 3
                    when g.period_ends_at is not distinct from (entry.metadata ->> 'period_ends_at')::timestamptz then 0
                    else 1
                end as nearness
            from public.credit_grants g
            where g.user_id = entry.user_id and g.live and g.remaining > 0
        ), shares as (
            select s.id, s.nearness, s.priority, s.expires_at, s.remaining as credits from standing s where s.nearness < 3
            union all
            select s.id, 3, s.priority, s.expires_at, s.remaining - s.reserved from standing s where s.nearness = 3
            union all
            select s.id, 4, s.priority, s.expires_at, s.reserved from standing s where s.nearness = 3
        ), running as (
            select
                s.id, s.credits,
                sum(s.credits) over (order by s.nearness, s.priority, s.expires_at nulls last, s.id) - s.credits as before
            from shares s
            where s.credits > 0
        )
        select r.id as grant_id, sum(least(r.credits, owing - r.before)) as credits
        from running r
        where r.before < owing
        group by r.id
    loop
        perform public.credence_draw(entry, share.grant_id, share.credits::bigint);
    end loop;
end
$$;

create function public.credence_end_grant(grant_end jsonb)
returns void
language sql
set search_path = ''
as $$
    update public.credit_grants g
    set expires_at = (grant_end ->> 'expires_at')::timestamptz
    where g.user_id = (grant_end ->> 'user_id')::uuid
        and g.live
        and g.kind <> 'reinstatement'
        and g.period_ends_at is not distinct from (grant_end ->> 'period_ends_at')::timestamptz
        and g.purchase_id = any (array(
            select grant_end ->> 'purchase_id'
            union all
            select m.id from public.purchases m where m.merged_into = grant_end ->> 'purchase_id'
        ))
$$;

comment on function public.credence_end_grant(jsonb) is
    'Lets what is left of a purchase''s grant {user_id, purchase_id, period_ends_at} expire at another time.';

revoke all on function public.credence_end_grant(jsonb) from public, anon, authenticated;
grant execute on function public.credence_end_grant(jsonb) to service_role;

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

create function public.credence_purchase(p public.purchases)
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
            'taken', case when sums.was_taken then coalesce((
                select sum(d.credits)
                from public.credit_transactions c
                join public.credit_draws d on d.user_id = c.user_id and d.version = c.version
                join public.credit_grants g on g.id = d.grant_id
                where c.purchase_id = any (sums.purchases) and c.user_id = sums.user_id and c.kind = 'clawback'
                    and g.purchase_id = any (sums.purchases) and g.kind <> 'reinstatement'
                    and g.period_ends_at is not distinct from sums.period::timestamptz
            ), 0) - coalesce(sums.returned, 0) else 0 end,
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
            bool_or(t.kind = 'clawback') as was_taken,
            sum(t.amount) filter (where t.is_returned) as returned
        from (
            select
                e.user_id, e.kind, e.amount, e.version, e.metadata ->> 'period_ends_at' as period, ids.purchases,
                e.metadata ? 'returned_to_grant' as is_returned,
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

comment on function public.credence_purchase(public.purchases) is
    'A purchase as decisions read it: {id, revision, facts, posted: for each user and period what stands posted, what '
    'expired and when what is left expires, absent_users}.';

revoke all on function public.credence_purchase(public.purchases) from public, anon, authenticated;
grant execute on function public.credence_purchase(public.purchases) to service_role;

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
        'claimed', claimed
    );
end
$$;

comment on function public.ledger_read(jsonb) is
    'What a decision needs, in one snapshot. Takes {event_id, user_id, links, subscription_id, periods_since, claims}; gives '
    '{event, account, account_is_deleted, subscription, purchases that the links reach, family: the invoices of the '
    'subscription, or of those purchases'', that end at that time or later, claimed: trials and free periods}.';

create or replace function public.wallets_read(query jsonb)
returns json
language sql
stable
set search_path = ''
set enable_seqscan = off
as $$
    with asked as (
        select h
        from public.credit_holds h
        where h.id = any (array(select jsonb_array_elements_text(coalesce(nullif(query -> 'hold_ids', 'null'), '[]'))::uuid))
    ), owners as (
        select jsonb_array_elements_text(coalesce(nullif(query -> 'user_ids', 'null'), '[]'))::uuid as id
        union
        select (a.h).user_id from asked a
    )
    select json_build_object(
        'wallets', (
            select coalesce(json_agg(json_build_object(
                'account', json_build_object(
                    'user_id', u.id, 'email', u.email, 'balance', u.credits_balance, 'held', u.credits_held,
                    'version', u.credits_version, 'revision', u.credits_revision, 'notify_below', u.credits_notify_below
                ),
                'grants', (
                    select coalesce(json_agg(json_build_object(
                        'id', g.id, 'kind', g.kind, 'priority', g.priority, 'credits', g.credits,
                        'remaining', g.remaining, 'held', g.held, 'expires_at', g.expires_at,
                        'purchase_id', g.purchase_id, 'period_ends_at', g.period_ends_at,
                        'rollover_cap', g.rollover_cap, 'created_at', g.created_at
                    ) order by g.id), '[]')
                    from public.credit_grants g
                    where g.user_id = u.id and g.live
                ),
                'holds', (
                    select coalesce(json_agg(public.credence_hold(h) order by h.created_at, h.id), '[]')
                    from public.credit_holds h
                    where h.user_id = u.id and h.status = 'open'
                )
            ) order by u.id), '[]')
            from public.users u
            where u.id = any (array(select o.id from owners o))
        ),
        'requests', (
            select coalesce(json_agg(json_build_object(
                'key', r.key, 'user_id', r.user_id, 'content', r.content, 'answer', r.answer
            ) order by r.key), '[]')
            from public.credit_requests r
            where r.key = any (array(select jsonb_array_elements_text(coalesce(nullif(query -> 'keys', 'null'), '[]'))))
        ),
        'holds', (select coalesce(json_agg(public.credence_hold(a.h) order by (a.h).id), '[]') from asked a)
    )
$$;

create or replace function public.credence_grant(g public.credit_grants)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'id', g.id, 'kind', g.kind, 'priority', g.priority, 'credits', g.credits, 'remaining', g.remaining, 'held', g.held,
        'expires_at', g.expires_at, 'purchase_id', g.purchase_id, 'period_ends_at', g.period_ends_at,
        'rollover_cap', g.rollover_cap, 'created_at', g.created_at
    )
$$;

create or replace function public.accounts_due(page_size integer)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select coalesce(jsonb_agg(page.user_id order by page.due, page.user_id), '[]')
    from (
        select due.user_id, min(due.expires_at) as due
        from (
            (
                select g.user_id, g.expires_at
                from public.credit_grants g
                join public.users u on u.id = g.user_id
                where g.live and g.expires_at <= now() and g.remaining > g.held and g.rollover_cap is null
                    and u.credits_balance > u.credits_held
                order by g.expires_at
                limit least(greatest(page_size, 1), 1000)
            )
            union all
            (
                select r.user_id, r.expires_at
                from (
                    select
                        g.user_id, g.expires_at, g.rollover_cap,
                        sum(greatest(g.remaining - g.held, 0)) over (
                            partition by g.user_id order by g.period_ends_at, g.purchase_id, g.id
                        ) as unspent
                    from public.credit_grants g
                    where g.live and g.rollover_cap is not null and g.expires_at <= now()
                ) r
                join public.users u on u.id = r.user_id
                where r.unspent > r.rollover_cap and u.credits_balance > u.credits_held
                order by r.expires_at
                limit least(greatest(page_size, 1), 1000)
            )
            union all
            (
                select h.user_id, h.expires_at
                from public.credit_holds h
                where h.status = 'open' and h.expires_at <= now()
                    and exists (select from public.users u where u.id = h.user_id)
                order by h.expires_at
                limit least(greatest(page_size, 1), 1000)
            )
        ) due
        group by due.user_id
        order by due, due.user_id
        limit least(greatest(page_size, 1), 1000)
    ) page
$$;

comment on function public.accounts_due(integer) is
    'Accounts with an expired grant of which something is free and available, and does not roll over, or with an open hold '
    'that is past its time; oldest first.';

create or replace function public.account_record(account_id uuid)
returns jsonb
language sql
stable
set search_path = ''
as $$
    with mine as (
        select p.id from public.purchases p where p.user_id = account_id
        union
        select t.purchase_id from public.credit_transactions t
        where t.user_id = account_id and t.purchase_id is not null
    ), kept as (
        select distinct coalesce(p.merged_into, p.id) as id
        from public.purchases p
        where p.id in (select mine.id from mine)
    ), shown as (
        select k.id from kept k
        union
        -- An invoice that only gives unused time back is nobody's order, but takes from those that are.
        select p.id
        from public.purchases p
        where p.user_id is null
            and p.merged_into is null
            and p.subscription_id = any (array(
                select o.subscription_id from public.purchases o where o.id in (select k.id from kept k)
            ))
    )
    select jsonb_build_object(
        'account', public.account_read(account_id),
        'purchases', (
            select coalesce(jsonb_agg(jsonb_build_object(
                'id', p.id,
                'facts', p.facts,
                'merged', (
                    select coalesce(jsonb_agg(m.id order by m.id), '[]') from public.purchases m where m.merged_into = p.id
                )
            ) order by p.created_at, p.id), '[]')
            from public.purchases p
            where p.id in (select shown.id from shown)
        ),
        'entries', (
            select coalesce(jsonb_agg(jsonb_build_object(
                'version', t.version, 'amount', t.amount, 'balance_before', t.balance_before,
                'balance_after', t.balance_after, 'kind', t.kind, 'idempotency_key', t.idempotency_key,
                'purchase_id', t.purchase_id, 'stripe_session_id', t.stripe_session_id,
                'stripe_event_id', t.stripe_event_id, 'description', t.description, 'metadata', t.metadata,
                'event_at', t.event_at, 'created_at', t.created_at
            ) order by t.version), '[]')
            from public.credit_transactions t
            where t.user_id = account_id
        ),
        'grants', (
            select coalesce(jsonb_agg(
                public.credence_grant(g) || jsonb_build_object('draws', (
                    select coalesce(jsonb_agg(
                        jsonb_build_object('version', d.version, 'credits', d.credits) order by d.version
                    ), '[]')
                    from public.credit_draws d
                    where d.user_id = account_id and d.grant_id = g.id
                ))
                order by g.id
            ), '[]')
            from public.credit_grants g
            where g.user_id = account_id
        ),
        'holds', (
            select coalesce(jsonb_agg(public.credence_hold(h) order by h.created_at, h.id), '[]')
            from public.credit_holds h
            where h.user_id = account_id
        )
    )
$$;

-- What is written together is written to one purchase and one grant each: the rest is written alone, change by change.
alter function public.credence_write_together(jsonb[], uuid[]) rename to credence_write_alike;

create function public.credence_write_together(changes jsonb[], users uuid[])
returns jsonb[]
language plpgsql
set search_path = ''
as $$
begin
    if exists (
        select
        from unnest(changes) c
        where c -> 'others' not in ('null', '[]')
            or c -> 'ends' not in ('null', '[]')
            or c #>> '{purchase,subscription_id}' is not null
            or c @? 'lax $.entries[*] ? (@.amount > 0 && exists(@.metadata.period_ends_at))'
    ) then
        perform public.credence_refuse('alone');
    end if;
    return public.credence_write_alike(changes, users);
end
$$;

comment on function public.credence_write_alike(jsonb[], uuid[]) is
    'Writes changes of one account and at most one purchase each by a statement per table; refuses what is otherwise.';
comment on function public.credence_write_together(jsonb[], uuid[]) is
    'Writes changes by a statement per table, or refuses: what has further purchases, new ends of grants, or grants of '
    'periods is written alone.';

revoke all on function public.credence_write_together(jsonb[], uuid[]) from public, anon, authenticated;
grant execute on function public.credence_write_together(jsonb[], uuid[]) to service_role;
