-- Accounts, grants, holds, requests, links and events are looked up as arrays, or one by one. As joins with what JSON
-- names they were taken for a hundred rows, and found by reading whole tables until these have some ten thousands of
-- rows: three quarters of the time of one spend at five thousand grants, and more of a purchase's at forty thousand links.
--
-- The write function keeps to indexes whatever is planned when: a function that is replaced loses what was set for it.
--
-- What was decided on top of a change that is not committed is not committed either: a rival may have brought the account
-- to the same revision in another way, and the first answers that were kept would tell of balances that never were.
--
-- A call of many changes names few users, each several times: each name is looked at once. The pattern was an eighth of
-- the time of a call that spends from one account.

create or replace function public.ledger_read(query jsonb)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'event', (
            select jsonb_build_object('id', e.id, 'status', e.status, 'reason', e.reason, 'attempts', e.attempts)
            from public.webhook_events e
            where e.id = query ->> 'event_id'
        ),
        'account', public.account_read((query ->> 'user_id')::uuid),
        'account_is_deleted', not exists (select from public.users u where u.id = (query ->> 'user_id')::uuid)
            and exists (select from public.credit_transactions t where t.user_id = (query ->> 'user_id')::uuid),
        'subscription', (
            select jsonb_build_object('id', s.id, 'revision', s.revision, 'facts', s.facts)
            from public.subscriptions s
            where s.id = query ->> 'subscription_id'
        ),
        'purchases', (
            select coalesce(jsonb_agg(jsonb_build_object(
                'id', p.id,
                'revision', p.revision,
                'facts', p.facts,
                'posted', posted.by_user,
                'lapsed', posted.lapsed,
                'absent_users', (
                    select coalesce(jsonb_agg(distinct named.id), '[]')
                    from (
                        select p.user_id::text as id where p.user_id is not null
                        union all
                        select jsonb_object_keys(posted.by_user)
                    ) named
                    where (select u.id from public.users u where u.id = named.id::uuid) is null
                )
            ) order by p.id), '[]')
            from public.purchases p
            cross join lateral (
                select
                    coalesce(
                        jsonb_object_agg(sums.user_id, sums.posted) filter (where sums.posted is not null), '{}'
                    ) as by_user,
                    coalesce(
                        jsonb_object_agg(
                            sums.user_id, jsonb_build_object('credits', sums.lapsed, 'stood', coalesce(sums.stood, 0))
                        ) filter (where sums.lapsed is not null), '{}'
                    ) as lapsed
                from (
                    select
                        t.user_id,
                        sum(t.amount) filter (where t.kind <> 'expiry') as posted,
                        -sum(t.amount) filter (where t.kind = 'expiry') as lapsed,
                        sum(t.amount) filter (where t.kind <> 'expiry' and t.version < t.last_expiry) as stood
                    from (
                        select
                            e.user_id, e.kind, e.amount, e.version,
                            max(e.version) filter (where e.kind = 'expiry') over (partition by e.user_id) as last_expiry
                        from public.credit_transactions e
                        where e.purchase_id = any (array(
                            select p.id
                            union all
                            select m.id from public.purchases m where m.merged_into = p.id
                        ))
                    ) t
                    group by t.user_id
                ) sums
            ) posted
            where p.id = any (array(
                select l.purchase_id
                from public.purchase_links l
                where l.link = any (array(select jsonb_array_elements_text(query -> 'links')))
            ))
        )
    )
$$;

create or replace function public.inbox_known(event_ids jsonb)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select coalesce(jsonb_agg(e.id), '[]')
    from public.webhook_events e
    where e.id = any (array(select jsonb_array_elements_text(event_ids)))
$$;

-- The answer is JSON text, made of rows directly: as jsonb, by functions that are called for each row, it took thrice the
-- time.
drop function public.wallets_read(jsonb);

create function public.wallets_read(query jsonb)
returns json
language sql
stable
set search_path = ''
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
                        'purchase_id', g.purchase_id, 'created_at', g.created_at
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

revoke all on function public.wallets_read(jsonb) from public, anon, authenticated;
grant execute on function public.wallets_read(jsonb) to service_role;

comment on function public.wallets_read(jsonb) is
    'What decisions about spending need, in one snapshot. Takes {user_ids, keys, hold_ids}; gives {wallets: those of the '
    'users and of the holds'' owners, each {account, grants that are live, holds that are open}, requests, holds}.';

create or replace function public.credence_hold_together(changes jsonb[])
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
        select h.id, h.user_id, h.draws from public.credit_holds h where h.id = any (array(select t.id from told t))
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
        where g.id = any (array(select s.grant_id from sums s))
            and g.id = s.grant_id and g.user_id = s.user_id and (not s.is_new or g.remaining >= g.held + s.credits)
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
        id, user_id, plan_id, credits, amount, currency, payment_status, facts, revision
    ) values (
        purchase ->> 'id', (purchase ->> 'user_id')::uuid, purchase ->> 'plan_id', (purchase ->> 'credits')::bigint,
        (purchase ->> 'amount')::bigint, purchase ->> 'currency', purchase ->> 'payment_status', purchase -> 'facts', 1
    )
    on conflict (id) do update
        set user_id = excluded.user_id,
            plan_id = excluded.plan_id,
            credits = excluded.credits,
            amount = excluded.amount,
            currency = excluded.currency,
            payment_status = excluded.payment_status,
            facts = excluded.facts,
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

create or replace function public.credence_write_together(changes jsonb[], users uuid[])
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
    have record;
    -- The change that the loop is in.
    place integer := 0;
    change jsonb;
    parts jsonb;
    slot integer;
    touches boolean;
    needs_cover boolean;
    expires boolean;
    captured bigint;
    before bigint;
    threshold bigint;
    -- Its entries and holds.
    entry public.credit_transactions;
    hold public.credit_holds;
    standing record;
    draws jsonb;
    owing bigint;
    entries public.credit_transactions[];
    entry_draws jsonb[];
    expiries timestamptz[];
    priorities integer[];
    count integer := 0;
    gives boolean := false;
    takes boolean := false;
    notices jsonb := '[]';
    answers jsonb[];
    written bigint;
    -- Links that were there before, and the purchases that they should be of.
    known text[];
    owners text[];
begin
    select
        bool_or(nullif(c -> 'purchase', 'null') is not null) as purchases,
        bool_or(nullif(c -> 'subscription', 'null') is not null) as subscriptions,
        bool_or(nullif(c -> 'event', 'null') is not null) as events,
        bool_or(nullif(c -> 'request', 'null') is not null) as requests,
        bool_or(nullif(c -> 'holds', 'null') <> '[]') as holds,
        bool_or(nullif(c -> 'outbox', 'null') <> '[]') as messages
    into have
    from unnest(changes) c;
    if have.subscriptions then
        perform public.credence_refuse('alone');
    end if;
    if users <> '{}' then
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
        where u.id = any (users)
            -- Where a row was tampered with, the last entry is the truth: that is for the judge.
            and u.credits_balance = coalesce(t.balance_after, 0) and u.credits_version = coalesce(t.version, 0);
    end if;

    foreach change in array changes loop
        place := place + 1;
        touches := false; needs_cover := false; expires := false; captured := 0;
        slot := array_position(ids, (change #>> '{account,user_id}')::uuid);
        if (change #>> '{account,expected_revision}')::bigint is distinct from revisions[slot] then
            perform public.credence_refuse('alone');
        end if;
        before := balances[slot] - helds[slot];

        parts := coalesce(nullif(change -> 'entries', 'null'), '[]');
        for part in 0 .. jsonb_array_length(parts) - 1 loop
            entry := jsonb_populate_record(null::public.credit_transactions, parts -> part);
            if slot is null then
                slot := array_position(ids, entry.user_id);
                before := balances[slot] - helds[slot];
            end if;
            if ids[slot] is distinct from entry.user_id or entry.user_id is null then
                perform public.credence_refuse('alone');
            end if;
            touches := true;
            entry.version := versions[slot] + 1;
            entry.balance_before := balances[slot];
            entry.balance_after := entry.balance_before + entry.amount;
            draws := nullif(parts -> part -> 'draws', 'null');
            if entry.amount > 0 then
                if entry.balance_before < 0 or entry.kind = 'reinstatement' then
                    perform public.credence_refuse('alone');
                end if;
                gives := true;
            else
                owing := greatest(entry.balance_before, 0) - greatest(entry.balance_after, 0);
                for share in 0 .. coalesce(jsonb_array_length(draws), 0) - 1 loop
                    owing := owing - (draws -> share ->> 'credits')::bigint;
                    takes := true;
                end loop;
                if owing <> 0 then
                    perform public.credence_refuse('alone');
                end if;
                needs_cover := needs_cover or entry.kind in ('spend', 'adjustment');
                expires := expires or entry.kind = 'expiry';
                if entry.kind = 'capture' then
                    captured := captured - entry.amount;
                end if;
            end if;
            entry.metadata := coalesce(entry.metadata, '{}');
            entry.created_at := clock_timestamp();
            entry.previous_hash := hashes[slot];
            -- As credence_entry_hash has it, which is too slow to be called for each.
            entry.hash := sha256(coalesce(entry.previous_hash, ''::bytea) || convert_to(jsonb_build_array(
                entry.user_id, entry.version, entry.amount, entry.balance_before, entry.balance_after, entry.kind,
                entry.idempotency_key, entry.purchase_id, entry.stripe_session_id, entry.stripe_event_id,
                entry.description, entry.metadata, extract(epoch from entry.event_at), extract(epoch from entry.created_at)
            )::text, 'UTF8'));
            versions[slot] := entry.version;
            balances[slot] := entry.balance_after;
            revisions[slot] := revisions[slot] + 1;
            hashes[slot] := entry.hash;
            count := count + 1;
            entries[count] := entry;
            entry_draws[count] := draws;
            expiries[count] := (parts -> part ->> 'expires_at')::timestamptz;
            priorities[count] := (parts -> part ->> 'priority')::integer;
        end loop;

        parts := coalesce(nullif(change -> 'holds', 'null'), '[]');
        for part in 0 .. jsonb_array_length(parts) - 1 loop
            hold := jsonb_populate_record(null::public.credit_holds, parts -> part);
            if slot is null then
                slot := array_position(ids, hold.user_id);
                before := balances[slot] - helds[slot];
            end if;
            select h.status, h.user_id, h.credits, h.idempotency_key into standing
            from public.credit_holds h
            where h.id = hold.id;
            -- A new one is open; one that is open is settled. What is freed after something was set aside can't be summed.
            if ids[slot] is distinct from hold.user_id or hold.user_id is null or hold.credits <= 0
                or (hold.status = 'open') is distinct from (standing.status is null)
                or standing.status <> 'open' or standing.status = 'open' and reserved[slot]
                or (standing.user_id, standing.credits, standing.idempotency_key)
                    <> (hold.user_id, hold.credits, hold.idempotency_key)
            then
                perform public.credence_refuse('alone');
            end if;
            touches := true;
            revisions[slot] := revisions[slot] + 1;
            captured := captured - coalesce(hold.captured, 0);
            expires := expires and coalesce(hold.captured, 0) = 0;
            if hold.status = 'open' then
                helds[slot] := helds[slot] + hold.credits;
                reserved[slot] := true;
                needs_cover := true;
            else
                helds[slot] := helds[slot] - hold.credits;
            end if;
        end loop;

        if touches then
            moved[slot] := true;
            if captured <> 0 or (needs_cover or expires) and balances[slot] < helds[slot] then
                perform public.credence_refuse('alone');
            end if;
            threshold := coalesce(thresholds[slot], (change ->> 'notify_below')::bigint);
            if before >= threshold and balances[slot] - helds[slot] < threshold then
                notices := notices || jsonb_build_object(
                    'key', concat_ws(':', 'low_balance', ids[slot], revisions[slot]),
                    'payload', jsonb_build_object(
                        'user_id', ids[slot], 'balance', balances[slot]::text, 'held', helds[slot]::text,
                        'available', (balances[slot] - helds[slot])::text, 'threshold', threshold::text
                    )
                );
            end if;
            answers[place] := jsonb_build_object('status', 'committed', 'accounts', jsonb_build_array(
                jsonb_build_object(
                    'user_id', ids[slot], 'email', emails[slot], 'balance', balances[slot], 'held', helds[slot],
                    'version', versions[slot], 'revision', revisions[slot], 'notify_below', thresholds[slot]
                )
            ));
        else
            answers[place] := '{"status": "committed", "accounts": []}';
        end if;
    end loop;

    if have.purchases and cardinality(changes) = 1 then
        if coalesce(nullif(changes[1] #> '{purchase,absorbed}', 'null'), '[]') <> '[]' then
            perform public.credence_refuse('alone');
        end if;
        perform public.credence_keep_purchase(changes[1] -> 'purchase');
    elsif have.purchases then
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
            order by t.id
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
            insert into public.purchase_links as l (link, purchase_id)
            select t.link, t.purchase_id from told t order by t.link
            on conflict (link) do nothing
            returning l.link, l.purchase_id
        )
        select array_agg(t.link), array_agg(t.purchase_id) into known, owners
        from told t
        where (t.link, t.purchase_id) not in (select k.link, k.purchase_id from kept k);
        if known is not null then
            select count(*) into written
            from unnest(known, owners) t (link, purchase_id)
            left join public.purchase_links l on l.link = any (known) and l.link = t.link
            where l.purchase_id is distinct from t.purchase_id;
            if written <> 0 then
                perform public.credence_refuse('alone');
            end if;
        end if;
    end if;
    if count > 0 then
        insert into public.credit_transactions (
            user_id, version, amount, balance_before, balance_after, kind, idempotency_key, purchase_id,
            stripe_session_id, stripe_event_id, description, metadata, event_at, created_at, previous_hash, hash
        )
        select
            e.user_id, e.version, e.amount, e.balance_before, e.balance_after, e.kind, e.idempotency_key, e.purchase_id,
            e.stripe_session_id, e.stripe_event_id, e.description, e.metadata, e.event_at, e.created_at,
            e.previous_hash, e.hash
        from unnest(entries) e;
        update public.users u
        set credits_balance = a.balance, credits_held = a.held, credits_version = a.version, credits_revision = a.revision
        from unnest(ids, balances, helds, versions, revisions, moved) a (id, balance, held, version, revision, moved)
        where u.id = a.id and a.moved;
    elsif have.holds then
        update public.users u
        set credits_held = a.held, credits_revision = a.revision
        from unnest(ids, helds, revisions, moved) a (id, held, revision, moved)
        where u.id = a.id and a.moved;
    end if;
    if gives then
        insert into public.credit_grants (user_id, kind, purchase_id, credits, remaining, priority, expires_at)
        select
            (entries[n]).user_id, (entries[n]).kind, (entries[n]).purchase_id, (entries[n]).amount, (entries[n]).amount,
            coalesce(priorities[n], 50), expiries[n]
        from generate_series(1, count) n
        where (entries[n]).amount > 0;
    end if;
    if takes then
        with drawn as (
            insert into public.credit_draws (user_id, version, grant_id, credits)
            select
                (entries[d.place]).user_id, (entries[d.place]).version, (s ->> 'grant')::bigint, (s ->> 'credits')::bigint
            from unnest(entry_draws) with ordinality d (draws, place), jsonb_array_elements(d.draws) s
            where (entries[d.place]).amount < 0
            returning user_id, grant_id, credits
        ), taken as (
            select d.user_id, d.grant_id, sum(d.credits)::bigint as credits from drawn d group by d.user_id, d.grant_id
        ), paid as (
            update public.credit_grants g
            set remaining = g.remaining - t.credits
            from taken t
            where g.id = any (array(select t.grant_id from taken t)) and g.id = t.grant_id and g.user_id = t.user_id
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
            e ->> 'id', e ->> 'type', e ->> 'api_version', (e ->> 'livemode')::boolean, e ->> 'account',
            to_timestamp((e ->> 'created')::bigint), e ->> 'session_id', e ->> 'object_id', c #>> '{purchase,id}',
            e ->> 'status', e ->> 'reason', e ->> 'body',
            -- Here a change writes to one account.
            array_remove(array[coalesce(c #>> '{entries,0,user_id}', c #>> '{holds,0,user_id}')::uuid], null),
            case when e ->> 'status' in ('received', 'parked', 'failed') then public.credence_retry_at(1) end
        from unnest(changes) c, lateral (select c -> 'event' as e) told
        where e <> 'null';
    end if;
    return answers;
end
$$;

create or replace function public.ledger_commit(changes jsonb)
returns jsonb
language plpgsql
set search_path = ''
set plan_cache_mode = force_generic_plan
set jit = off
set lock_timeout = '50ms'
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
    parts jsonb[] := array(select jsonb_array_elements(changes));
    answers jsonb[] := array_fill(null::jsonb, array[cardinality(parts)]);
    answered jsonb[];
    users uuid[];
    busy text[] := '{}';
    -- Whose changes can't be committed any more, as one before them was not.
    broken text[] := '{}';
    locked constant jsonb := '{"status": "conflict", "reason": "locked"}';
    -- When nothing more is tried; null while nothing was waited for in vain.
    ends_at timestamptz;
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
    -- The accounts' locks first and in one order, so that calls do not wait for each other in a circle. Lax paths find
    -- nothing in what is no change; what is no uuid locks nothing, and is refused below with its own change.
    users := array(
        with named as materialized (
            select distinct v #>> '{}' as id from unnest(parts) c, jsonb_path_query(c, 'lax $.*[*].user_id') v
        )
        select distinct n.id::uuid
        from named n
        where n.id ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
    );
    if users <> '{}' then
        begin
            perform from public.users u where u.id = any (users) order by u.id for no key update;
        exception when lock_not_available then
            ends_at := clock_timestamp() + interval '1 s';
            users := array(select u.id from public.users u where u.id = any (users) order by u.id);
            -- Who is only in the middle of a commit of his own is soon done.
            perform set_config('lock_timeout', '10ms', true);
            for place in 1 .. cardinality(users) loop
                begin
                    if clock_timestamp() > ends_at then
                        perform set_config('lock_timeout', '1ms', true);
                    end if;
                    perform from public.users u where u.id = users[place] for no key update;
                exception when lock_not_available then
                    busy := busy || users[place]::text;
                end;
            end loop;
        end;
    end if;
    if busy <> '{}' then
        left_over := 0;
        for place in reverse cardinality(parts) .. 1 loop
            if exists (
                select from jsonb_path_query(parts[place], 'lax $.*[*].user_id') v where lower(v #>> '{}') = any (busy)
            ) then
                answers[place] := locked;
            elsif left_over > 0 and starts[left_over] = place + 1 then
                starts[left_over] := place;
            else
                left_over := left_over + 1;
                starts[left_over] := place;
                ends[left_over] := place;
            end if;
        end loop;
    end if;

    while left_over > 0 loop
        first := starts[left_over];
        last := ends[left_over];
        left_over := left_over - 1;
        if clock_timestamp() > ends_at then
            answers[first:last] := array_fill(locked, array[last - first + 1]);
            continue;
        end if;
        if first = last and parts[first] #>> '{account,user_id}' = any (broken) then
            answers[first] := '{"status": "conflict", "reason": "account"}';
            continue;
        end if;
        begin
            if broken <> '{}' then
                if exists (select from unnest(parts[first:last]) c where c #>> '{account,user_id}' = any (broken)) then
                    perform public.credence_refuse('alone');
                end if;
            end if;
            answered := public.credence_write_together(parts[first:last], users);
            answers[first:last] := answered;
        exception when others then
            if sqlstate = '55P03' then
                ends_at := coalesce(ends_at, clock_timestamp() + interval '1 s');
                perform set_config('lock_timeout', '10ms', true);
            end if;
            if first < last then
                starts[left_over + 1] := (first + last) / 2 + 1;
                ends[left_over + 1] := last;
                starts[left_over + 2] := first;
                ends[left_over + 2] := (first + last) / 2;
                left_over := left_over + 2;
            else
                answers[first] := public.credence_judge(parts[first]);
                if answers[first] ->> 'status' <> 'committed' then
                    broken := array_append(broken, parts[first] #>> '{account,user_id}');
                end if;
            end if;
        end;
    end loop;
    return to_jsonb(answers);
end
$$;
