-- The one write, at speed: changes that are good for the ledger as it is are written together, by a few statements for
-- all of them. What that refuses is halved until the changes that are not good stand alone, and these are judged one by
-- one, as before. Both ways write the same and answer the same.

create function public.credence_write_together(changes jsonb[])
returns jsonb[]
language plpgsql
set search_path = ''
as $$
declare
    -- Accounts, by slot: as they stand, and as the loop below leaves them.
    ids uuid[];
    emails text[];
    balances bigint[];
    helds bigint[];
    versions bigint[];
    revisions bigint[];
    thresholds bigint[];
    hashes bytea[];
    reserved boolean[];
    moved boolean[];
    wanted uuid[];
    have record;
    item record;
    -- The change that the loop is in.
    slot integer;
    touches boolean;
    needs_cover boolean;
    expires boolean;
    captured bigint;
    before bigint;
    threshold bigint;
    -- Entries to write.
    count integer := 0;
    entry public.credit_transactions;
    owing bigint;
    e_users uuid[];
    e_versions bigint[];
    e_amounts bigint[];
    e_befores bigint[];
    e_kinds text[];
    e_keys text[];
    e_purchases text[];
    e_sessions text[];
    e_events text[];
    e_descriptions text[];
    e_metadata jsonb[];
    e_event_ats timestamptz[];
    e_created_ats timestamptz[];
    e_previous bytea[];
    e_hashes bytea[];
    e_draws jsonb[];
    e_expiries timestamptz[];
    e_priorities integer[];
    gives boolean := false;
    draws boolean := false;
    notices jsonb := '[]';
    answers jsonb[];
    written bigint;
begin
    select
        array_agg(distinct named.id) filter (where named.id is not null) as users,
        bool_or(nullif(c -> 'purchase', 'null') is not null) as purchases,
        bool_or(nullif(c -> 'subscription', 'null') is not null) as subscriptions,
        bool_or(nullif(c -> 'event', 'null') is not null) as events,
        bool_or(nullif(c -> 'request', 'null') is not null) as requests,
        bool_or(nullif(c -> 'holds', 'null') <> '[]') as holds,
        bool_or(nullif(c -> 'outbox', 'null') <> '[]') as messages
    into have
    from unnest(changes) c
    left join lateral (
        select (e ->> 'user_id')::uuid as id from jsonb_array_elements(coalesce(nullif(c -> 'entries', 'null'), '[]')) e
        union all
        select (h ->> 'user_id')::uuid from jsonb_array_elements(coalesce(nullif(c -> 'holds', 'null'), '[]')) h
        union all
        select (c #>> '{account,user_id}')::uuid
    ) named on true;
    if have.subscriptions then
        perform public.credence_refuse('alone');
    end if;
    wanted := coalesce(have.users, '{}');
    if wanted <> '{}' then
        select
            array_agg(u.id), array_agg(u.email), array_agg(u.credits_balance), array_agg(u.credits_held),
            array_agg(u.credits_version), array_agg(u.credits_revision), array_agg(u.credits_notify_below),
            array_agg(t.hash), array_agg(false), array_agg(false)
        into ids, emails, balances, helds, versions, revisions, thresholds, hashes, reserved, moved
        from public.users u
        left join lateral (
            select l.version, l.balance_after, l.hash
            from public.credit_transactions l
            where l.user_id = u.id
            order by l.version desc
            limit 1
        ) t on true
        where u.id = any (wanted)
            -- Where a row was tampered with, the last entry is the truth: that is for the other way.
            and u.credits_balance = coalesce(t.balance_after, 0) and u.credits_version = coalesce(t.version, 0);
        if cardinality(ids) is distinct from cardinality(wanted) then
            perform public.credence_refuse('alone');
        end if;
    end if;

    for item in
        with numbered as (
            select n.change, n.place from unnest(changes) with ordinality n (change, place)
        )
        select
            n.place, 0 as step, 0::bigint as part, (n.change #>> '{account,user_id}')::uuid as user_id,
            (n.change #>> '{account,expected_revision}')::bigint as amount, null::text as kind, null::text as key,
            null::text as purchase_id, null::text as session_id, null::text as event_id, null::text as description,
            null::jsonb as metadata, null::timestamptz as event_at, null::timestamptz as expires_at,
            null::jsonb as draws, null::bigint as drawn, (n.change ->> 'notify_below')::bigint as number
        from numbered n
        union all
        select
            n.place, 1, e.part, (e.entry ->> 'user_id')::uuid, (e.entry ->> 'amount')::bigint, e.entry ->> 'kind',
            e.entry ->> 'idempotency_key', e.entry ->> 'purchase_id', e.entry ->> 'stripe_session_id',
            e.entry ->> 'stripe_event_id', e.entry ->> 'description', nullif(e.entry -> 'metadata', 'null'),
            (e.entry ->> 'event_at')::timestamptz, (e.entry ->> 'expires_at')::timestamptz,
            nullif(e.entry -> 'draws', 'null'),
            case when jsonb_typeof(e.entry -> 'draws') = 'array' then (
                select coalesce(sum((d ->> 'credits')::bigint), 0) from jsonb_array_elements(e.entry -> 'draws') d
            ) end,
            (e.entry ->> 'priority')::integer
        from numbered n, jsonb_array_elements(nullif(n.change -> 'entries', 'null')) with ordinality e (entry, part)
        union all
        select
            n.place, 2, w.part, (w.hold ->> 'user_id')::uuid, (w.hold ->> 'credits')::bigint, w.hold ->> 'status',
            null, null, null, null, null, null, null, null, null, (w.hold ->> 'captured')::bigint,
            case
                when h.id is null then 0
                when h.status = 'open' and h.user_id = (w.hold ->> 'user_id')::uuid
                    and h.credits = (w.hold ->> 'credits')::bigint and h.idempotency_key = w.hold ->> 'idempotency_key'
                    then 1
                else 2
            end
        from numbered n
        cross join lateral jsonb_array_elements(nullif(n.change -> 'holds', 'null')) with ordinality w (hold, part)
        left join public.credit_holds h on h.id = (w.hold ->> 'id')::uuid
        union all
        select
            n.place, 3, 0, null, null, null, null, null, null, null, null, null, null, null, null, null, null
        from numbered n
        order by 1, 2, 3
    loop
        if item.step = 0 then
            slot := null; touches := false; needs_cover := false; expires := false; captured := 0;
            threshold := item.number;
            if item.user_id is not null then
                slot := array_position(ids, item.user_id);
                if revisions[slot] is distinct from item.amount then
                    perform public.credence_refuse('alone');
                end if;
                before := balances[slot] - helds[slot];
            end if;
            continue;
        end if;
        if item.step < 3 then
            if slot is null then
                slot := array_position(ids, item.user_id);
                before := balances[slot] - helds[slot];
            elsif ids[slot] is distinct from item.user_id then
                perform public.credence_refuse('alone');
            end if;
            touches := true;
            moved[slot] := true;
            revisions[slot] := revisions[slot] + 1;
        end if;
        if item.step = 1 then
            entry.user_id := item.user_id;
            entry.version := versions[slot] + 1;
            entry.amount := item.amount;
            entry.balance_before := balances[slot];
            entry.balance_after := entry.balance_before + entry.amount;
            if entry.amount > 0 then
                if entry.balance_before < 0 or item.kind = 'reinstatement' then
                    perform public.credence_refuse('alone');
                end if;
                gives := true;
            else
                owing := greatest(entry.balance_before, 0) - greatest(entry.balance_after, 0);
                if coalesce(item.drawn, 0) <> owing then
                    perform public.credence_refuse('alone');
                end if;
                draws := draws or owing > 0;
                needs_cover := needs_cover or item.kind in ('spend', 'adjustment');
                expires := expires or item.kind = 'expiry';
                captured := captured - case when item.kind = 'capture' then entry.amount else 0 end;
            end if;
            entry.created_at := clock_timestamp();
            entry.metadata := coalesce(item.metadata, '{}');
            entry.previous_hash := hashes[slot];
            -- As credence_entry_hash has it, which is too slow to be called for each.
            entry.hash := sha256(coalesce(entry.previous_hash, ''::bytea) || convert_to(jsonb_build_array(
                entry.user_id, entry.version, entry.amount, entry.balance_before, entry.balance_after, item.kind,
                item.key, item.purchase_id, item.session_id, item.event_id, item.description, entry.metadata,
                extract(epoch from item.event_at), extract(epoch from entry.created_at)
            )::text, 'UTF8'));
            versions[slot] := entry.version;
            balances[slot] := entry.balance_after;
            hashes[slot] := entry.hash;
            count := count + 1;
            e_users[count] := entry.user_id; e_versions[count] := entry.version; e_amounts[count] := entry.amount;
            e_befores[count] := entry.balance_before; e_kinds[count] := item.kind; e_keys[count] := item.key;
            e_purchases[count] := item.purchase_id; e_sessions[count] := item.session_id;
            e_events[count] := item.event_id; e_descriptions[count] := item.description;
            e_metadata[count] := entry.metadata; e_event_ats[count] := item.event_at;
            e_created_ats[count] := entry.created_at; e_previous[count] := entry.previous_hash;
            e_hashes[count] := entry.hash; e_draws[count] := item.draws; e_expiries[count] := item.expires_at;
            e_priorities[count] := item.number;
        elsif item.step = 2 then
            -- A new one is open; one that is open is settled. One that is freed after another was made can't be summed up.
            if item.number = 2 or (item.kind = 'open') is distinct from (item.number = 0)
                or item.number = 1 and reserved[slot] or item.amount <= 0
            then
                perform public.credence_refuse('alone');
            end if;
            helds[slot] := helds[slot] + case when item.number = 0 then item.amount else -item.amount end;
            reserved[slot] := reserved[slot] or item.number = 0;
            needs_cover := needs_cover or item.number = 0;
            captured := captured - coalesce(item.drawn, 0);
            expires := expires and coalesce(item.drawn, 0) = 0;
        elsif touches then
            if captured <> 0 or (needs_cover or expires) and balances[slot] < helds[slot] then
                perform public.credence_refuse('alone');
            end if;
            threshold := coalesce(thresholds[slot], threshold);
            if before >= threshold and balances[slot] - helds[slot] < threshold then
                notices := notices || jsonb_build_object(
                    'key', concat_ws(':', 'low_balance', ids[slot], revisions[slot]),
                    'payload', jsonb_build_object(
                        'user_id', ids[slot], 'balance', balances[slot]::text, 'held', helds[slot]::text,
                        'available', (balances[slot] - helds[slot])::text, 'threshold', threshold::text
                    )
                );
            end if;
            answers[item.place] := jsonb_build_object('status', 'committed', 'accounts', jsonb_build_array(
                jsonb_build_object(
                    'user_id', ids[slot], 'email', emails[slot], 'balance', balances[slot], 'held', helds[slot],
                    'version', versions[slot], 'revision', revisions[slot], 'notify_below', thresholds[slot]
                )
            ));
        else
            answers[item.place] := '{"status": "committed", "accounts": []}';
        end if;
    end loop;

    if have.purchases then
        with told as (
            select p.*
            from unnest(changes) c, jsonb_to_record(nullif(c -> 'purchase', 'null')) p (
                id text, expected_revision bigint, user_id uuid, plan_id text, credits bigint, amount bigint,
                currency text, payment_status text, facts jsonb, absorbed jsonb
            )
            where nullif(c -> 'purchase', 'null') is not null
        ), kept as (
            insert into public.purchases as p (
                id, user_id, plan_id, credits, amount, currency, payment_status, facts, revision
            )
            select
                t.id, t.user_id, t.plan_id, t.credits, t.amount, t.currency, t.payment_status, t.facts,
                t.expected_revision + 1
            from told t
            where coalesce(t.absorbed, '[]') = '[]'
                and (t.expected_revision = 0 or exists (select from public.purchases p where p.id = t.id))
            on conflict (id) do update
                set user_id = excluded.user_id, plan_id = excluded.plan_id, credits = excluded.credits,
                    amount = excluded.amount, currency = excluded.currency, payment_status = excluded.payment_status,
                    facts = excluded.facts, revision = excluded.revision, updated_at = clock_timestamp()
                where p.revision = excluded.revision - 1
            returning p.id
        )
        select (select count(*) from told) - (select count(*) from kept) into written;
        if written <> 0 then
            perform public.credence_refuse('alone');
        end if;
        with told as (
            select l.link, c #>> '{purchase,id}' as purchase_id
            from unnest(changes) c, jsonb_array_elements_text(nullif(c -> 'purchase', 'null') -> 'links') l (link)
        ), kept as (
            insert into public.purchase_links (link, purchase_id)
            select t.link, t.purchase_id from told t
            on conflict (link) do nothing
            returning link
        )
        select count(*) into written
        from told t
        where t.link not in (select k.link from kept k)
            and not exists (
                select from public.purchase_links l where l.link = t.link and l.purchase_id = t.purchase_id
            );
        if written <> 0 then
            perform public.credence_refuse('alone');
        end if;
    end if;
    if count > 0 then
        insert into public.credit_transactions (
            user_id, version, amount, balance_before, balance_after, kind, idempotency_key, purchase_id,
            stripe_session_id, stripe_event_id, description, metadata, event_at, created_at, previous_hash, hash
        )
        select
            e.user_id, e.version, e.amount, e.before, e.before + e.amount, e.kind, e.key, e.purchase_id, e.session_id,
            e.event_id, e.description, e.metadata, e.event_at, e.created_at, e.previous_hash, e.hash
        from unnest(
            e_users, e_versions, e_amounts, e_befores, e_kinds, e_keys, e_purchases, e_sessions, e_events,
            e_descriptions, e_metadata, e_event_ats, e_created_ats, e_previous, e_hashes
        ) e (
            user_id, version, amount, before, kind, key, purchase_id, session_id, event_id, description, metadata,
            event_at, created_at, previous_hash, hash
        );
    end if;
    if gives then
        insert into public.credit_grants (user_id, kind, purchase_id, credits, remaining, priority, expires_at)
        select e.user_id, e.kind, e.purchase_id, e.amount, e.amount, coalesce(e.priority, 50), e.expires_at
        from unnest(e_users, e_kinds, e_purchases, e_amounts, e_priorities, e_expiries)
            e (user_id, kind, purchase_id, amount, priority, expires_at)
        where e.amount > 0;
    end if;
    if draws then
        with drawn as (
            insert into public.credit_draws (user_id, version, grant_id, credits)
            select e.user_id, e.version, (d ->> 'grant')::bigint, (d ->> 'credits')::bigint
            from unnest(e_users, e_versions, e_amounts, e_draws) e (user_id, version, amount, draws),
                jsonb_array_elements(e.draws) d
            where e.amount < 0
            returning user_id, grant_id, credits
        ), taken as (
            select d.user_id, d.grant_id, sum(d.credits)::bigint as credits from drawn d group by d.user_id, d.grant_id
        ), paid as (
            update public.credit_grants g
            set remaining = g.remaining - t.credits
            from taken t
            where g.id = t.grant_id and g.user_id = t.user_id
            returning g.id
        )
        select (select count(*) from taken) - (select count(*) from paid) into written;
        if written <> 0 then
            perform public.credence_refuse('alone');
        end if;
    end if;
    if have.holds then
        perform public.credence_hold_together(changes);
    end if;
    update public.users u
    set credits_balance = a.balance, credits_held = a.held, credits_version = a.version, credits_revision = a.revision
    from unnest(ids, balances, helds, versions, revisions, moved) a (id, balance, held, version, revision, moved)
    where u.id = a.id and a.moved;
    if have.requests then
        insert into public.credit_requests (key, user_id, content, answer)
        select
            c #>> '{request,key}', (c #>> '{request,user_id}')::uuid, c #> '{request,content}', c #> '{request,answer}'
        from unnest(changes) c
        where nullif(c -> 'request', 'null') is not null;
    end if;
    if have.messages or notices <> '[]' then
        insert into public.outbox (topic, key, payload)
        select 'low_balance', n ->> 'key', n -> 'payload' from jsonb_array_elements(notices) n
        union all
        select message ->> 'topic', message ->> 'key', message -> 'payload'
        from unnest(changes) c, jsonb_array_elements(nullif(c -> 'outbox', 'null')) message
        on conflict (key) do nothing;
    end if;
    if have.events then
        insert into public.webhook_events (
            id, type, api_version, livemode, account, stripe_created, session_id, object_id, purchase_id, status,
            reason, body, touched, retry_at
        )
        select
            e.id, e.type, e.api_version, e.livemode, e.account, to_timestamp(e.created), e.session_id, e.object_id,
            c #>> '{purchase,id}', e.status, e.reason, e.body,
            array(
                select distinct (t ->> 'user_id')::uuid
                from jsonb_array_elements(coalesce(nullif(c -> 'entries', 'null'), '[]')) t
            ),
            case when e.status in ('received', 'parked', 'failed') then public.credence_retry_at(1) end
        from unnest(changes) c, jsonb_to_record(nullif(c -> 'event', 'null')) e (
            id text, type text, api_version text, livemode boolean, account text, created bigint, session_id text,
            object_id text, status text, reason text, body text
        )
        where nullif(c -> 'event', 'null') is not null;
    end if;
    return answers;
end
$$;

comment on function public.credence_write_together(jsonb[]) is
    'Writes changes that are all good, each on what the one before leaves, and answers each. Raises where one is not, or '
    'needs the ledger''s own rules for what it takes or gives back. The caller holds the locks.';

create function public.credence_hold_together(changes jsonb[])
returns void
language plpgsql
set search_path = ''
as $$
declare
    amiss bigint;
begin
    with told as (
        select h.*, row_number() over () as place
        from unnest(changes) c, jsonb_array_elements(nullif(c -> 'holds', 'null')) w,
            jsonb_populate_record(null::public.credit_holds, w) h
    ), standing as (
        select h.id, h.user_id, h.draws from public.credit_holds h where h.id in (select t.id from told t)
    ), shares as (
        select t.user_id, (d ->> 'grant')::bigint as grant_id, (d ->> 'credits')::bigint as credits, true as is_new
        from told t, jsonb_array_elements(t.draws) d
        where t.status = 'open'
        union all
        select s.user_id, (d ->> 'grant')::bigint, -(d ->> 'credits')::bigint, false
        from standing s, jsonb_array_elements(s.draws) d
    ), sums as (
        select s.user_id, s.grant_id, sum(s.credits)::bigint as credits, bool_or(s.is_new) as is_new
        from shares s
        group by s.user_id, s.grant_id
    ), moved as (
        update public.credit_grants g
        set held = g.held + s.credits
        from sums s
        where g.id = s.grant_id and g.user_id = s.user_id and (not s.is_new or g.remaining >= g.held + s.credits)
        returning g.id
    )
    select
        (select count(*) from sums) - (select count(*) from moved)
        + (select count(*) from shares s where s.is_new and s.credits <= 0)
        + (
            select count(*) from told t
            where t.status = 'open'
                and t.credits is distinct from (select sum((d ->> 'credits')::bigint) from jsonb_array_elements(t.draws) d)
        )
    into amiss;
    if amiss <> 0 then
        perform public.credence_refuse('alone');
    end if;
    insert into public.credit_holds as h (
        id, user_id, credits, captured, status, idempotency_key, expires_at, draws, description, metadata, created_at, settled_at
    )
    select
        t.id, t.user_id, t.credits, coalesce(t.captured, 0), t.status, t.idempotency_key, t.expires_at,
        coalesce(t.draws, '[]'), t.description, coalesce(t.metadata, '{}'), coalesce(t.created_at, clock_timestamp()),
        coalesce(t.settled_at, case when t.status <> 'open' then clock_timestamp() end)
    from unnest(changes) c, jsonb_array_elements(nullif(c -> 'holds', 'null')) w,
        jsonb_populate_record(null::public.credit_holds, w) t
    on conflict (id) do update
        set captured = excluded.captured,
            status = excluded.status,
            expires_at = excluded.expires_at,
            draws = excluded.draws,
            settled_at = excluded.settled_at;
end
$$;

comment on function public.credence_hold_together(jsonb[]) is
    'Writes the next states of the changes'' holds, and lets what their grants reserve follow.';

create or replace function public.ledger_commit(changes jsonb)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    parts jsonb[] := array(select jsonb_array_elements(changes));
    answers jsonb[] := array_fill(null::jsonb, array[cardinality(parts)]);
    answered jsonb[];
    -- What is still to be written, the next part last: from one place to another.
    starts integer[] := array[1];
    ends integer[] := array[cardinality(parts)];
    left_over integer := 1;
    first integer;
    last integer;
begin
    if parts = '{}' then
        return '[]';
    end if;
    -- All locks first and in one order, so that calls neither deadlock nor race for the same new row.
    -- Lax paths find nothing in what is no change, which is then refused by itself.
    perform pg_advisory_xact_lock(name)
    from (
        select distinct hashtextextended(kind || id, 0) as name
        from unnest(parts) c
        cross join lateral (
            select 'purchase:' as kind, c #>> '{purchase,id}' as id
            union all
            select 'purchase:', absorbed #>> '{}' from jsonb_path_query(c, 'lax $.purchase.absorbed[*].id') absorbed
            union all
            select 'subscription:', c #>> '{subscription,id}'
            union all
            select 'event:', c #>> '{event,id}'
            union all
            select 'request:', c #>> '{request,key}'
            union all
            select 'link:', link #>> '{}' from jsonb_path_query(c, 'lax $.purchase.links[*]') link
        ) named
        where id is not null
        order by name
    ) locks;
    perform from public.users u
    where u.id = any (array(
        -- What is no uuid locks nothing here, and is refused below with its own change.
        select distinct case when id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then id::uuid end
        from unnest(parts) c
        cross join lateral (select v #>> '{}' as id from jsonb_path_query(c, 'lax $.*[*].user_id') v) named
    ))
    order by u.id
    for no key update;

    while left_over > 0 loop
        first := starts[left_over];
        last := ends[left_over];
        left_over := left_over - 1;
        begin
            answered := public.credence_write_together(parts[first:last]);
            answers[first:last] := answered;
        exception when others then
            if first < last then
                starts[left_over + 1] := (first + last) / 2 + 1;
                ends[left_over + 1] := last;
                starts[left_over + 2] := first;
                ends[left_over + 2] := (first + last) / 2;
                left_over := left_over + 2;
            else
                answers[first] := public.credence_judge(parts[first]);
            end if;
        end;
    end loop;
    return to_jsonb(answers);
end
$$;

create function public.credence_judge(change jsonb)
returns jsonb
language plpgsql
set search_path = ''
as $$
begin
    return public.credence_apply(change);
exception
    when sqlstate 'CRE01' then
        return jsonb_build_object('status', 'conflict', 'reason', sqlerrm);
    when others then
        return jsonb_build_object('status', 'refused', 'sqlstate', sqlstate, 'message', sqlerrm);
end
$$;

comment on function public.credence_judge(jsonb) is
    'Writes one change whole, or says why nothing of it is written, by rules that need no other to be good.';

revoke all on function
    public.credence_write_together(jsonb[]), public.credence_hold_together(jsonb[]), public.credence_judge(jsonb)
from public, anon, authenticated;
grant execute on function
    public.credence_write_together(jsonb[]), public.credence_hold_together(jsonb[]), public.credence_judge(jsonb)
to service_role;
