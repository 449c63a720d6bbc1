-- Spending: holds, the first answers to requests, what is read before a spend is decided, and how grants and holds change.

create table public.credit_holds (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null, actor_id uuid,
    credits bigint not null, captured bigint not null default 0,
    status text not null default 'open', idempotency_key text not null,
    expires_at timestamptz not null,
    draws jsonb not null default '[]',
    description text, metadata jsonb not null default '{}',
    created_at timestamptz not null default clock_timestamp(), settled_at timestamptz,
    xid bigint not null default (pg_current_xact_id()::text::bigint),
    check (credits > 0 and case
        when status = 'captured' then captured between 0 and credits
        else captured = 0 and status in ('open', 'voided', 'expired')
    end)
);

comment on table public.credit_holds is
    'Credence: credits set aside before a cost is known; later captured, in part or whole, or voided.';
comment on column public.credit_holds.actor_id is 'The user who acted, where the account is not theirs.';
comment on column public.credit_holds.draws is
    'What it reserves of which grants, {grant, credits} each; their sum is its credits.';
comment on column public.credit_holds.xid is 'The transaction that wrote it last, as of entries.';

create unique index credit_holds_idempotency_key_idx
    on public.credit_holds (public.credence_key_digest(idempotency_key));
create index credit_holds_user_id_idx on public.credit_holds (user_id, created_at, id);
create index credit_holds_xid_idx on public.credit_holds (xid);
create index credit_holds_open_user_id_idx on public.credit_holds (user_id) where status = 'open';
create index credit_holds_open_expires_at_idx on public.credit_holds (expires_at) where status = 'open';

create table public.credit_requests (
    key_digest uuid primary key,
    user_id uuid not null,
    created_at timestamptz not null default clock_timestamp(),
    version bigint, held bigint,
    content jsonb, answer jsonb,
    constraint credit_requests_kept_check check ((version is null) = (content is not null) or coalesce(content = '{}', false))
);

comment on table public.credit_requests is
    'Credence: the first answer to each request of a caller''s, by its idempotency key: a repeated request gets the '
    'same answer.';
comment on column public.credit_requests.version is
    'The account''s entry from which content and answer are made again, with what was held and created_at; null where '
    'they say more than that, and are kept.';

create function public.credence_request(key text, r public.credit_requests)
returns jsonb language plpgsql stable set search_path = ''
as $$
declare
    t public.credit_transactions;
    noted jsonb := '{}'::jsonb;
begin
    if r.version is not null then
        select e.* into t from public.credit_transactions e where e.user_id = r.user_id and e.version = r.version;
    end if;
    if t.metadata <> '{}' then
        select jsonb_object_agg('metadata.' || m.key, m.value) into noted from jsonb_each(t.metadata) m;
    end if;
    -- The names are those of the domain's `content_of` and `EntryAnswer`.
    return jsonb_build_object(
        'key', key, 'user_id', r.user_id,
        'content', coalesce(r.content, noted || jsonb_build_object(
            'operation', t.kind, 'user_id', r.user_id, 'credits', -t.amount, 'description', t.description
        )),
        'answer', coalesce(r.answer, jsonb_build_object(
            'user_id', r.user_id, 'kind', t.kind, 'credits', t.amount, 'version', r.version, 'balance', t.balance_after,
            'held', r.held, 'available', t.balance_after - r.held, 'expires_at', null,
            'created_at', to_char(r.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') || '+00:00'
        ))
    );
end
$$;
comment on function public.credence_request(text, public.credit_requests) is
    'Credence: a request with its first answer; if they are not kept, they are made again from a spend''s entry.';

create function public.credence_hold(h public.credit_holds)
returns jsonb language sql stable set search_path = ''
as $$
    select jsonb_build_object(
        'id', h.id, 'user_id', h.user_id, 'credits', h.credits, 'captured', h.captured, 'status', h.status,
        'idempotency_key', h.idempotency_key, 'expires_at', h.expires_at, 'draws', h.draws,
        'description', h.description, 'metadata', h.metadata, 'created_at', h.created_at, 'settled_at', h.settled_at
    )
$$;
comment on function public.credence_hold(public.credit_holds) is 'Credence: a hold, as it is shown.';

create function public.accounts_read_for_spending(query jsonb)
-- json is built from the rows directly: jsonb, built by functions that are called for each row, took three times as long.
returns json language sql stable set search_path = ''
-- Connections keep plans. A plan made while a table had a row or two reads the whole table until the table is analyzed.
set enable_seqscan = off
as $$
    with moment as (
        select coalesce((query ->> 'now')::timestamptz, statement_timestamp()) as now
    ), asked as (
        select h
        from public.credit_holds h
        where h.id = any (array(select jsonb_array_elements_text(coalesce(nullif(query -> 'hold_ids', 'null'), '[]'))::uuid))
    ), owners as (
        -- Of each the most that is taken, null for all: looked up once, as the rows of grants are many.
        select o.id, case when query ->> 'taking' is not null then sum(o.credits) end as most
        from (
            select n.id::uuid, coalesce((query -> 'taking' ->> n.id)::numeric, 0) as credits
            from jsonb_array_elements_text(coalesce(nullif(query -> 'user_ids', 'null'), '[]')) n (id)
            union all
            select (a.h).user_id, (a.h).credits from asked a
        ) o
        group by o.id
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
                    from (
                        select c.*, f.covers, sum(f.covers) over (order by c.priority, c.expires_at nulls last, c.id) as covered
                        from public.credit_grants c, lateral (
                            select case when c.expires_at <= m.now then 0 else greatest(c.remaining - c.held, 0) end as covers
                        ) f
                        where c.user_id = u.id and c.live
                    ) g
                    where o.most is null or g.held > 0 or g.expires_at <= m.now or g.covered - g.covers < o.most
                ),
                'holds', (
                    select coalesce(json_agg(public.credence_hold(h) order by h.created_at, h.id), '[]')
                    from public.credit_holds h where h.user_id = u.id and h.status = 'open'
                )
            ) order by u.id), '[]')
            from public.users u, owners o, moment m
            where u.id = any (array(select o.id from owners o)) and o.id = u.id
        ),
        'requests', (
            select coalesce(json_agg(public.credence_request(k.key, found.r) order by k.key), '[]')
            from jsonb_array_elements_text(coalesce(nullif(query -> 'keys', 'null'), '[]')) k (key), lateral (
                -- With the limit, each key is looked up by index.
                select r from public.credit_requests r where r.key_digest = public.credence_key_digest(k.key) limit 1
            ) found
        ),
        'holds', (select coalesce(json_agg(public.credence_hold(a.h) order by (a.h).id), '[]') from asked a),
        'now', (select m.now from moment m)
    )
$$;
comment on function public.accounts_read_for_spending(jsonb) is
    'Credence: what decisions about spending need, in one snapshot. Takes {user_ids, keys, hold_ids, taking, now}; '
    'gives {wallets: those of the users and of the holds'' owners, each {account, grants that are live, holds that are '
    'open}, requests, holds, now}, by whose clock it is decided what is over. With taking, {user: the most credits that '
    'are taken beside those of hold_ids}, it leaves out grants that what burns before them covers, by the domain''s '
    '`needed`.';

create function public.accounts_with_overdue(page_size integer)
returns jsonb language sql stable set search_path = ''
as $$
    select coalesce(jsonb_agg(page.user_id order by page.due, page.user_id), '[]')
    from (
        select due.user_id, min(due.expires_at) as due
        from (
            (
                -- Expired credits that cover held ones must not delay others that are due.
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
comment on function public.accounts_with_overdue(integer) is
    'Credence: accounts with an expired grant of which something is free and available, and does not roll over, or '
    'with an open hold that is past its time; oldest first.';

create function public.credence_draw_from_grants(entries public.credit_transactions[], draws jsonb[])
returns void language plpgsql set search_path = ''
as $$
declare
    mismatches bigint;
begin
    with recorded as (
        insert into public.credit_draws (user_id, version, grant_id, credits)
        select (entries[d.place]).user_id, (entries[d.place]).version, (s ->> 'grant')::bigint, (s ->> 'credits')::bigint
        from unnest(draws) with ordinality d (draws, place), jsonb_array_elements(d.draws) s
        returning user_id, grant_id, credits
    ), taken as (
        select r.user_id, r.grant_id, sum(r.credits)::bigint as credits from recorded r group by r.user_id, r.grant_id
    ), paid as (
        update public.credit_grants g
        set remaining = g.remaining - t.credits
        from taken t
        where g.id = t.grant_id and g.user_id = t.user_id and g.remaining >= t.credits
        returning g.id
    )
    select (select count(*) from taken) - (select count(*) from paid) into mismatches;
    if mismatches <> 0 then
        perform public.credence_conflict_with('grants');
    end if;
end
$$;
comment on function public.credence_draw_from_grants(public.credit_transactions[], jsonb[]) is
    'Credence: lets entries take credits from grants of their accounts, each from those that its draws name, and '
    'records it.';

create function public.credence_credit_grants(entries public.credit_transactions[], postings jsonb[])
returns void language plpgsql set search_path = ''
as $$
begin
    insert into public.credit_grants (
        user_id, version, kind, purchase_id, period_ends_at, credits, remaining, priority, expires_at, rollover_cap
    )
    select
        e.user_id, e.version, e.kind, e.purchase_id,
        case when e.purchase_id is not null then (e.metadata ->> 'period_ends_at')::timestamptz end, e.amount, e.amount,
        coalesce((p ->> 'priority')::integer, 50), (p ->> 'expires_at')::timestamptz, (p ->> 'rollover_cap')::bigint
    from unnest(entries) with ordinality e, lateral (select postings[e.ordinality] as p) posting
    where e.amount > 0;
end
$$;
comment on function public.credence_credit_grants(public.credit_transactions[], jsonb[]) is
    'Credence: puts the credits of entries into grants of their own.';

create function public.credence_credit_grant(entry public.credit_transactions, posting jsonb)
returns void language plpgsql set search_path = ''
as $$
declare
    -- Credits that pay a debt do not remain in the grant.
    paid constant bigint := entry.amount - (greatest(entry.balance_after, 0) - greatest(entry.balance_before, 0));
    period constant timestamptz := (public.credence_own_metadata(entry) ->> 'period_ends_at')::timestamptz;
    returns_to constant text := public.credence_own_metadata(entry) ->> 'returned_to_grant';
    target public.credit_grants;
begin
    if returns_to <> 'true' then
        select g.* into strict target
        from public.credit_grants g where g.user_id = entry.user_id and g.id = returns_to::bigint;
    else
        select g.* into target
        from public.credit_grants g
        where g.purchase_id = entry.purchase_id and g.kind <> 'reinstatement'
            and public.credence_grant_digest(g.purchase_id, g.user_id, g.period_ends_at)
                = public.credence_grant_digest(entry.purchase_id, entry.user_id, period)
            -- A purchase entry has a grant of its own, exactly one.
            and entry.kind <> 'purchase';
    end if;
    -- Credits that had been spent return without an expiry, in a grant of their own, if their grant has expired.
    -- Unspent credits return to the grant they were taken from, and expire as they would have.
    if entry.kind = 'reinstatement' and returns_to is null and coalesce(target.expires_at <= entry.created_at, false)
    then
        insert into public.credit_grants (
            user_id, version, kind, purchase_id, period_ends_at, credits, remaining, priority
        )
        values (
            entry.user_id, entry.version, entry.kind, entry.purchase_id, period, entry.amount, entry.amount,
            coalesce((posting ->> 'priority')::integer, 50)
        )
        returning * into target;
    elsif target.id is not null then
        update public.credit_grants g
        set credits = g.credits + entry.amount, remaining = g.remaining + entry.amount
        where g.id = target.id;
    else
        perform public.credence_credit_grants(array[entry], array[posting]);
        target.id := currval(pg_get_serial_sequence('public.credit_grants', 'id'));
    end if;
    if paid > 0 then
        perform public.credence_draw_from_grants(
            array[entry], array[jsonb_build_array(jsonb_build_object('grant', target.id, 'credits', paid))]
        );
    end if;
end
$$;
comment on function public.credence_credit_grant(public.credit_transactions, jsonb) is
    'Credence: puts an entry''s credits into its grant, or into a new one; what pays a debt is drawn from it at once.';

create function public.credence_debit_grants(entry public.credit_transactions)
returns void language plpgsql set search_path = ''
as $$
declare
    -- The part that the balance covers; the rest is debt.
    owing constant bigint := greatest(entry.balance_before, 0) - greatest(entry.balance_after, 0);
    period constant timestamptz := (public.credence_own_metadata(entry) ->> 'period_ends_at')::timestamptz;
    draws jsonb;
begin
    with found as (
        select
            g.id, g.priority, g.expires_at, g.remaining, least(g.remaining, g.held) as reserved,
            case
                when not coalesce(g.purchase_id = entry.purchase_id, false) and not exists (
                    select from public.purchases m where m.id = g.purchase_id and m.merged_into = entry.purchase_id
                ) then 3
                when g.period_ends_at is not distinct from period then 0
                else 1
            end as nearness
        from public.credit_grants g where g.user_id = entry.user_id and g.live and g.remaining > 0
    ), shares as (
        select f.id, f.nearness, f.priority, f.expires_at, f.remaining as credits from found f where f.nearness < 3
        union all
        select f.id, 3, f.priority, f.expires_at, f.remaining - f.reserved from found f where f.nearness = 3
        union all
        select f.id, 4, f.priority, f.expires_at, f.reserved from found f where f.nearness = 3
    ), running as (
        select
            s.id, s.credits,
            sum(s.credits) over (order by s.nearness, s.priority, s.expires_at nulls last, s.id) - s.credits as before
        from shares s
        where s.credits > 0
    )
    select jsonb_agg(jsonb_build_object('grant', t.id, 'credits', t.credits)) into draws
    from (
        select r.id, sum(least(r.credits, owing - r.before)) as credits from running r where r.before < owing group by r.id
    ) t;
    perform public.credence_draw_from_grants(array[entry], array[draws]);
end
$$;
comment on function public.credence_debit_grants(public.credit_transactions) is
    'Credence: takes an entry''s credits from its own purchase''s grants, that of its period first, then from what is '
    'free of others, in the order in which they burn, then from what holds reserve.';

create function public.credence_end_grant(grant_end jsonb)
returns void language plpgsql set search_path = ''
as $$
begin
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
        ));
end
$$;
comment on function public.credence_end_grant(jsonb) is
    'Credence: lets what is left of a purchase''s grant {user_id, purchase_id, period_ends_at} expire at another time.';

create function public.credence_upsert_holds(holds jsonb[])
returns void language plpgsql set search_path = ''
as $$
declare
    mismatches bigint;
begin
    with wanted as (
        select h.* from unnest(holds) w, jsonb_populate_record(null::public.credit_holds, w) h
    ), existing as (
        select h.user_id, h.draws from public.credit_holds h where h.id = any (array(select w.id from wanted w))
    ), shares as (
        select w.user_id, (d ->> 'grant')::bigint as grant_id, (d ->> 'credits')::bigint as credits, true as is_new
        from wanted w, jsonb_array_elements(w.draws) d
        where w.status = 'open'
        union all
        select e.user_id, (d ->> 'grant')::bigint, -(d ->> 'credits')::bigint, false
        from existing e, jsonb_array_elements(e.draws) d
    ), sums as (
        select s.user_id, s.grant_id, sum(s.credits)::bigint as credits, bool_or(s.is_new) as is_new
        from shares s
        group by s.user_id, s.grant_id
    ), moved as (
        update public.credit_grants g
        set held = g.held + s.credits
        from sums s
        where g.id = any (array(select s.grant_id from sums s))
            and g.id = s.grant_id and g.user_id = s.user_id and (not s.is_new or g.remaining >= g.held + s.credits)
        returning g.id
    )
    select
        (select count(*) from sums) - (select count(*) from moved)
        + (select count(*) from shares s where s.is_new and s.credits <= 0)
        + (
            select count(*) from wanted w
            where w.status = 'open'
                and w.credits is distinct from (select sum((d ->> 'credits')::bigint) from jsonb_array_elements(w.draws) d)
        )
    into mismatches;
    if mismatches <> 0 then
        perform public.credence_conflict_with('grants');
    end if;
    insert into public.credit_holds as h (
        id, user_id, actor_id, credits, captured, status, idempotency_key, expires_at, draws, description, metadata,
        created_at, settled_at
    )
    select
        w.id, w.user_id, w.actor_id, w.credits, coalesce(w.captured, 0), w.status, w.idempotency_key, w.expires_at,
        coalesce(w.draws, '[]'), w.description, coalesce(w.metadata, '{}'), coalesce(w.created_at, clock_timestamp()),
        coalesce(w.settled_at, case when w.status <> 'open' then clock_timestamp() end)
    from unnest(holds) n, jsonb_populate_record(null::public.credit_holds, n) w
    on conflict (id) do update
        set captured = excluded.captured, status = excluded.status, expires_at = excluded.expires_at,
            draws = excluded.draws, settled_at = excluded.settled_at, xid = excluded.xid;
end
$$;
comment on function public.credence_upsert_holds(jsonb[]) is
    'Credence: writes the next states of holds, and lets what their grants reserve follow.';
