-- Reading the ledger: before a decision about a payment, and for users and operators.

create function public.credence_purchase(p public.purchases)
returns jsonb
-- PL/pgSQL, because a SQL function would be planned for each call.
language plpgsql stable set search_path = ''
as $$
begin
    return (select jsonb_build_object(
        'id', p.id, 'revision', p.revision, 'facts', public.credence_facts(p),
        'posted', coalesce(jsonb_agg(jsonb_build_object(
            'user_id', sums.user_id, 'period_ends_at', sums.period, 'posted', coalesce(sums.posted, 0),
            'expired', sums.expired, 'posted_before', coalesce(sums.posted_before, 0),
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
                        -- The part of the debt that later credits paid.
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
            -sum(t.amount) filter (where t.kind = 'expiry') as expired,
            sum(t.amount) filter (where t.kind <> 'expiry' and t.version < t.last_expiry) as posted_before,
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
comment on function public.credence_purchase(public.purchases) is
    'Credence: a purchase as decisions read it: {id, revision, facts, posted: for each user and period what stands '
    'posted, what expired, what was clawed back from which grants, and when what is left expires, absent_users}.';

create function public.ledger_read(query jsonb)
returns jsonb
-- PL/pgSQL, because a SQL function would be planned for each call; stable, so that all statements see one snapshot.
language plpgsql stable set search_path = ''
set enable_seqscan = off
as $$
declare
    account_id constant uuid := (query ->> 'user_id')::uuid;
    reached constant text[] := array(
        select coalesce(found.purchase_id, split_part(w.link, ':', 2))
        from jsonb_array_elements_text(query -> 'links') w (link), lateral (
            -- The limit keeps it a look-up of each.
            select l.purchase_id from public.purchase_links l
            where l.link_digest = public.credence_key_digest(w.link) limit 1
        ) found
    );
    subscribed text := query ->> 'subscription_id'; since timestamptz := (query ->> 'periods_since')::timestamptz;
    purchases jsonb := '[]'::jsonb; family jsonb := '[]'::jsonb; claimed jsonb := '[]'::jsonb;
begin
    if reached <> '{}' then
        select
            coalesce(jsonb_agg(public.credence_purchase(p) order by p.id), '[]'),
            coalesce(subscribed, min(p.subscription_id)), least(since, min(p.starts_at))
        into purchases, subscribed, since
        from public.purchases p where p.id = any (reached);
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
            from public.webhook_events e where e.id = query ->> 'event_id'
        ),
        'account', public.account_read(account_id),
        'account_is_deleted', not exists (select from public.users u where u.id = account_id)
            and exists (select from public.credit_transactions t where t.user_id = account_id),
        'subscription', (
            select jsonb_build_object('id', s.id, 'revision', s.revision, 'facts', s.facts)
            from public.subscriptions s where s.id = subscribed
        ),
        'now', statement_timestamp(),
        'purchases', purchases, 'family', family, 'claimed', claimed,
        'made_prices', coalesce((
            select jsonb_agg(to_jsonb(made) - '{tax_behavior,product_id,for_sale,created_at}'::text[] order by made.id)
            from public.stripe_prices made
            where made.id = any (array(select jsonb_array_elements_text(query -> 'price_ids')))
        ), '[]')
    );
end
$$;
comment on function public.ledger_read(jsonb) is
    'Credence: what a decision needs, in one snapshot. Takes {event_id, user_id, links, subscription_id, '
    'periods_since, claims, price_ids}; gives {event, account, account_is_deleted, subscription, now, purchases that '
    'the links reach, family: the invoices of the subscription, or of those purchases'', that end at that time or later, '
    'claimed: trials and free periods, made_prices: those of the prices that Credence made}.';

create function public.ledger_read_all(queries jsonb)
returns jsonb language sql stable set search_path = ''
as $$
    select coalesce(jsonb_agg(public.ledger_read(asked.query) order by asked.place), '[]')
    from jsonb_array_elements(queries) with ordinality asked (query, place)
$$;
comment on function public.ledger_read_all(jsonb) is
    'Credence: what several decisions need: takes an array of queries of ledger_read, gives an array of its answers '
    'in their order.';

create function public.account_transactions(
    account_id uuid, before_version bigint, page_size integer, filters jsonb default '{}'
)
returns jsonb language sql stable set search_path = ''
-- Whatever the statistics say, rows are read in the order of the index, and only as many as were requested.
set enable_seqscan = off
set enable_bitmapscan = off
as $$
    select coalesce(jsonb_agg(to_jsonb(page) order by page.version desc), '[]')
    from (
        select
            t.version, t.amount, t.balance_before, t.balance_after, t.kind, t.idempotency_key, t.purchase_id,
            t.stripe_session_id, t.stripe_event_id, t.description, t.metadata, t.event_at, t.created_at
        from public.credit_transactions t
        where t.user_id = account_id and t.version < coalesce(before_version, 9223372036854775807)
            and (
                filters -> 'kinds' is null or filters -> 'kinds' = 'null'
                or t.kind in (select jsonb_array_elements_text(filters -> 'kinds'))
            )
            and (filters ->> 'since' is null or t.created_at >= (filters ->> 'since')::timestamptz)
            and (filters ->> 'until' is null or t.created_at < (filters ->> 'until')::timestamptz)
            and (filters ->> 'purchase_id' is null or t.purchase_id = filters ->> 'purchase_id')
        order by t.version desc
        limit least(greatest(page_size, 1), 500)
    ) page
$$;
comment on function public.account_transactions(uuid, bigint, integer, jsonb) is
    'Credence: a page of an account''s entries, newest first: those before a version, at most 500; of them those of '
    'some kinds, written since and until (exclusive) some times, or of one purchase, by filters {kinds, since, '
    'until, purchase_id}.';

create function public.balance_at(account_id uuid, moment text)
returns jsonb language sql stable set search_path = ''
as $$
    select jsonb_build_object(
        'balance', coalesce((
            select t.balance_after
            from public.credit_transactions t
            where t.user_id = account_id and t.created_at <= moment::timestamptz
            order by t.version desc
            limit 1
        ), 0),
        'held', (
            select coalesce(sum(h.credits), 0)
            from public.credit_holds h
            where h.user_id = account_id and h.created_at <= moment::timestamptz
                and (h.settled_at is null or h.settled_at > moment::timestamptz)
        )
    )
    where moment::timestamptz <= statement_timestamp()
$$;
comment on function public.balance_at(uuid, text) is
    'Credence: an account''s balance and held credits as they were at a moment; null of one to come.';

create function public.account_record(account_id uuid, query jsonb default '{}')
returns jsonb language plpgsql stable set search_path = ''
-- One long statement, so that a page shows one moment. Plans are restricted as in account_transactions.
set enable_seqscan = off
set enable_bitmapscan = off
as $$
declare
    size constant integer := least(greatest(coalesce((query ->> 'limit')::integer, 200), 1), 200);
    near constant integer := 100;
    -- Times that bear on a period begin at most one period before it, and Stripe's periods last at most three years.
    longest constant interval := interval '7 years';
    hidden constant text[] := '{id,user_id,details_salt,details_digest,hash,xid}'::text[];
    entry_before constant bigint := (query ->> 'entry')::bigint;
    hold_before constant uuid := (query ->> 'hold')::uuid;
    purchase_before constant text := query ->> 'purchase';
    is_first constant boolean := coalesce(query ->> 'entry', query ->> 'hold', query ->> 'purchase') is null;
    held_before constant timestamptz := (
        select h.created_at from public.credit_holds h where h.id = hold_before and h.user_id = account_id);
    bought_before constant timestamptz := (
        select p.created_at from public.purchases p where p.id = purchase_before and p.user_id = account_id);
begin
    return (with entries as materialized (
        select
            t.version, t.purchase_id, to_jsonb(t) - hidden as entry,
            -- The grant that got the entry's credits: the one they returned to, the entry's own, or its purchase's.
            case when t.amount > 0 then coalesce(
                nullif(public.credence_own_metadata(t) ->> 'returned_to_grant', 'true')::bigint,
                (select g.id from public.credit_grants g
                where g.user_id = account_id and g.version = t.version
                    and (g.purchase_id is null or g.kind = 'reinstatement')),
                (select g.id from public.credit_grants g
                where g.purchase_id = t.purchase_id and g.kind <> 'reinstatement'
                    and public.credence_grant_digest(g.purchase_id, g.user_id, g.period_ends_at)
                        = public.credence_grant_digest(
                            t.purchase_id, account_id, (t.metadata ->> 'period_ends_at')::timestamptz))
            ) end as grant_id
        from public.credit_transactions t
        where t.user_id = account_id and t.version < coalesce(entry_before, 9223372036854775807)
        order by t.version desc limit size
    ), draws as materialized (
        select d.version, d.grant_id, d.credits from public.credit_draws d
        where d.user_id = account_id
            and d.version between (select min(e.version) from entries e) and (select max(e.version) from entries e)
    ), holds as materialized (
        select h as hold, h.created_at, h.id, row_number() over (order by h.created_at desc, h.id desc) as place
        from public.credit_holds h
        where h.user_id = account_id and (h.created_at, h.id) < (coalesce(held_before, 'infinity'), hold_before)
        order by h.created_at desc, h.id desc limit size + 1
    ), owned as materialized (
        select p.id, row_number() over (order by p.created_at desc, p.id desc) as place
        from public.purchases p where p.user_id = account_id and p.merged_into is null
            and (p.created_at, p.id) < (coalesce(bought_before, 'infinity'), purchase_before)
        order by p.created_at desc, p.id desc limit size + 1
    ), kept as materialized (
        select o.id from owned o where o.place <= size
        union
        select coalesce(p.merged_into, p.id) from public.purchases p where p.id in (select e.purchase_id from entries e)
    ), family as materialized (
        -- Only invoices whose times touch those of a purchase say more about it; the nearest to each are read.
        select distinct on ((p.bought).id)
            (p.bought).id, public.credence_facts(p.bought) as facts, (p.bought).user_id is null as is_nobodys,
            p.place = near as is_cut
        from (
            select
                k.subscription_id as id, k.starts_at, coalesce(lag(k.starts_at) over w, k.starts_at - longest) as last,
                least(max(max(k.ends_at)) over w, lead(k.starts_at) over w) as next
            from public.purchases k where k.id in (select kept.id from kept) and k.subscription_id is not null
            group by k.subscription_id, k.starts_at window w as (partition by k.subscription_id order by k.starts_at)
        ) bills, lateral (
            (select o as bought, row_number() over (order by o.starts_at) as place from public.purchases o
            where o.subscription_id = bills.id and o.merged_into is null and o.id not in (select kept.id from kept)
                and o.starts_at between bills.starts_at and bills.next
            order by o.starts_at limit near)
            union all
            (select o as bought, row_number() over (order by o.starts_at desc) as place from public.purchases o
            where o.subscription_id = bills.id and o.merged_into is null and o.id not in (select kept.id from kept)
                and o.starts_at < bills.starts_at and o.starts_at >= bills.last and o.ends_at >= bills.starts_at
            order by o.starts_at desc limit near)
        ) p
        order by (p.bought).id limit 10 * near
    ), shown as materialized (
        -- An invoice that only gives unused time back has no owner, but takes credits from invoices that have one.
        select k.id from kept k union select f.id from family f where f.is_nobodys
    )
    select jsonb_build_object(
        'account', public.account_read(account_id),
        'purchases', (
            select coalesce(jsonb_agg(jsonb_build_object(
                'id', p.id, 'facts', public.credence_facts(p), 'merged', merged.ids, 'posted', (
                    -- One look-up for each: several at once by a hash index take a bitmap scan, which is off here.
                    select coalesce(sum(t.amount), 0) from unnest(p.id || merged.ids) i (id), public.credit_transactions t
                    where t.purchase_id = i.id and t.user_id = account_id
                )
            ) order by p.created_at, p.id), '[]')
            from public.purchases p, lateral (
                select array(select o.id from public.purchases o where o.merged_into = p.id order by o.id) as ids) merged
            where p.id in (select s.id from shown s)
        ),
        'family', (select coalesce(jsonb_agg(f.facts order by f.id) filter (where not f.is_nobodys), '[]') from family f),
        'is_cut', (select coalesce(bool_or(f.is_cut), false) or count(*) = 10 * near from family f),
        'entries', (select coalesce(jsonb_agg(e.entry order by e.version), '[]') from entries e),
        'grants', (
            select coalesce(jsonb_agg(to_jsonb(g) || jsonb_build_object(
                'plan_id', (
                    select coalesce(o.plan_id, p.plan_id)
                    from public.purchases p left join public.purchases o on o.id = p.merged_into where p.id = g.purchase_id
                ),
                'made_by', (select to_jsonb(t) - hidden from public.credit_transactions t
                    where t.user_id = account_id and t.version = g.version),
                'puts', array(select e.version from entries e where e.grant_id = g.id order by e.version),
                'draws', array(select to_jsonb(d) from draws d where d.grant_id = g.id order by d.version)
            ) order by g.id), '[]')
            from public.credit_grants g
            where g.id in (select e.grant_id from entries e union select d.grant_id from draws d union (
                select l.id from public.credit_grants l where l.user_id = account_id and l.live and is_first
                order by l.id desc limit size))
        ),
        'holds', (
            select coalesce(jsonb_agg(public.credence_hold(h.hold) order by h.place desc), '[]')
            from holds h where h.place <= size
        ),
        'following', case when (select max(place) > size from holds) or (select max(place) > size from owned)
            or exists (
                select from public.credit_transactions t
                where t.user_id = account_id and t.version < (select min(e.version) from entries e)
            ) then jsonb_build_object(
                'entry', coalesce((select min(e.version) from entries e), entry_before),
                'hold', coalesce((select h.id from holds h where place <= size order by place desc limit 1), hold_before),
                'purchase',
                coalesce((select o.id from owned o where place <= size order by place desc limit 1), purchase_before)
            )
        end
    ));
end
$$;
comment on function public.account_record(uuid, jsonb) is
    'Credence: a page of all that there is of an account, newest first, of at most `limit` (200) entries, holds and '
    'purchases each: those before {entry, hold, purchase}, which the page before gave as `following`. Gives {account, '
    'purchases, those behind its entries too, with facts, merged ids and what stands posted, family: facts of their '
    'subscriptions'' other invoices for the same times, the nearest 100 in each gap, is_cut: whether there are more, '
    'entries, grants that these put into or drew from, with those puts and draws and the entry that made them, in the '
    'first page what is live too, holds, following}, each oldest first.';

create function public.account_sums(account_id uuid)
returns jsonb language sql stable set search_path = ''
as $$
    select jsonb_build_object(
        'by_purchases', coalesce(sum(t.amount) filter (where t.purchase_id is not null), 0),
        'by_others', coalesce(sum(t.amount) filter (where t.purchase_id is null), 0),
        'remaining', (
            select coalesce(sum(g.remaining), 0) from public.credit_grants g where g.user_id = account_id and g.live
        )
    )
    from public.credit_transactions t where t.user_id = account_id
$$;
comment on function public.account_sums(uuid) is
    'Credence: what an account''s entries sum to, by those of purchases and others, and what remains in its grants.';

create function public.account_subscriptions(account_id uuid)
returns jsonb language sql stable set search_path = ''
set enable_seqscan = off
as $$
    select coalesce(jsonb_agg(jsonb_build_object('id', s.id, 'facts', s.facts, 'plan_id', coalesce((
        select p.plan_id from public.purchases p
        where p.subscription_id = s.id and p.plan_id is not null and p.merged_into is null
        order by p.ends_at desc, p.starts_at desc, p.id desc
        limit 1
    ), s.plan_id)) order by s.created_at desc, s.id desc), '[]')
    from (
        select own.id from public.subscriptions own where own.user_id = account_id
        union
        select newest.subscription_id from (
            select p.subscription_id from public.purchases p where p.user_id = account_id order by p.created_at desc limit 200
        ) newest
    ) known
    join public.subscriptions s on s.id = known.id
    where s.user_id is null or s.user_id = account_id
$$;
comment on function public.account_subscriptions(uuid) is
    'Credence: the subscriptions of an account, newest first, those that only the newest 200 purchases name among them: '
    '{id, facts, plan_id: the plan of its newest paid invoice, or the one that it names}.';
