-- The one write, with spends, holds, grants of every kind and first answers; and the draws of what was written before.
-- In one transaction, so that no entry comes between the two.

do $$
begin
    -- In a block, because the statement alone is refused where a tool sends statements one by one.
    lock table public.users, public.credit_transactions, public.credit_grants, public.credit_holds
    in share row exclusive mode;
end
$$;

drop index public.credit_grants_one_per_purchase;
create unique index credit_grants_one_per_purchase on public.credit_grants (purchase_id, user_id) where kind <> 'reinstatement';
create index credit_grants_purchase_id_idx on public.credit_grants (purchase_id) where kind = 'reinstatement';

create function public.credence_refuse(reason text)
returns void
language plpgsql
set search_path = ''
as $$
begin
    raise exception '%', reason using errcode = 'CRE01';
end
$$;

comment on function public.credence_refuse(text) is 'Takes back what was written of a change, which conflicts for the reason.';

create function public.credence_draw(taking public.credit_transactions, drawn_from bigint, taken bigint)
returns void
language plpgsql
set search_path = ''
as $$
begin
    update public.credit_grants g
    set remaining = g.remaining - taken
    where g.id = drawn_from and g.user_id = taking.user_id and taken > 0 and g.remaining >= taken;
    if not found then
        perform public.credence_refuse('grants');
    end if;
    insert into public.credit_draws (user_id, version, grant_id, credits)
    values (taking.user_id, taking.version, drawn_from, taken);
end
$$;

comment on function public.credence_draw(public.credit_transactions, bigint, bigint) is
    'Lets an entry take credits from a grant of its account, and records it.';

drop function public.credence_post_grant(public.credit_transactions, timestamptz);

create function public.credence_put(entry public.credit_transactions, priority integer, expires timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
declare
    -- What pays a debt does not remain.
    paid bigint := entry.amount - (greatest(entry.balance_after, 0) - greatest(entry.balance_before, 0));
    own public.credit_grants;
    target bigint;
    gives_back_late boolean;
begin
    select g.* into own
    from public.credit_grants g
    where g.user_id = entry.user_id and g.purchase_id = entry.purchase_id and g.kind <> 'reinstatement';
    -- What is given back after its grant's end was taken from other credits, or was owed: it stays.
    gives_back_late := entry.kind = 'reinstatement' and coalesce(own.expires_at <= entry.created_at, false);
    if own.id is not null and not gives_back_late then
        target := own.id;
        update public.credit_grants g
        set credits = g.credits + entry.amount, remaining = g.remaining + entry.amount
        where g.id = target;
    else
        insert into public.credit_grants (user_id, kind, purchase_id, credits, remaining, priority, expires_at)
        values (
            entry.user_id, entry.kind, entry.purchase_id, entry.amount, entry.amount,
            coalesce(priority, 50), case when not gives_back_late then expires end
        )
        returning id into target;
    end if;
    if paid > 0 then
        perform public.credence_draw(entry, target, paid);
    end if;
end
$$;

comment on function public.credence_put(public.credit_transactions, integer, timestamptz) is
    'Puts an entry''s credits into its purchase''s grant, or into one of its own; what pays a debt is drawn at once.';

create function public.credence_take(entry public.credit_transactions, draws jsonb)
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
                    when g.purchase_id = entry.purchase_id then 1
                    when exists (
                        select from public.purchases m where m.id = g.purchase_id and m.merged_into = entry.purchase_id
                    ) then 2
                    else 3
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

comment on function public.credence_take(public.credit_transactions, jsonb) is
    'Takes an entry''s credits from exactly the grants it names; or, where it names none, from its own purchase''s, then '
    'from what is free of others, in the order in which they burn, then from what holds reserve.';

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
        perform public.credence_put(entry, (posting ->> 'priority')::integer, (posting ->> 'expires_at')::timestamptz);
    else
        perform public.credence_take(entry, nullif(posting -> 'draws', 'null'));
    end if;
    update public.users
    set credits_balance = entry.balance_after, credits_version = entry.version, credits_revision = credits_revision + 1
    where id = entry.user_id;
end
$$;

create function public.credence_keep_hold(hold jsonb)
returns void
language plpgsql
set search_path = ''
as $$
declare
    wanted public.credit_holds := jsonb_populate_record(null::public.credit_holds, hold);
    standing public.credit_holds;
    is_open boolean := hold ->> 'status' = 'open';
begin
    select h.* into standing from public.credit_holds h where h.id = wanted.id;
    -- A new one is open; one that is open is settled.
    if is_open <> (standing.id is null)
        or standing.status <> 'open'
        or (standing.user_id, standing.credits, standing.idempotency_key)
            <> (wanted.user_id, wanted.credits, wanted.idempotency_key)
    then
        perform public.credence_refuse('hold');
    end if;
    if standing.id is not null then
        update public.credit_grants g
        set held = g.held - released.credits
        from (
            select (d ->> 'grant')::bigint as grant_id, sum((d ->> 'credits')::bigint) as credits
            from jsonb_array_elements(standing.draws) d
            group by 1
        ) released
        where g.id = released.grant_id;
    end if;
    insert into public.credit_holds as h (
        id, user_id, credits, captured, status, idempotency_key, expires_at, draws, description, metadata, created_at, settled_at
    ) values (
        wanted.id, wanted.user_id, wanted.credits, coalesce(wanted.captured, 0), wanted.status, wanted.idempotency_key,
        wanted.expires_at, coalesce(wanted.draws, '[]'), wanted.description, coalesce(wanted.metadata, '{}'),
        coalesce(wanted.created_at, clock_timestamp()),
        coalesce(wanted.settled_at, case when not is_open then clock_timestamp() end)
    )
    on conflict (id) do update
        set captured = excluded.captured,
            status = excluded.status,
            expires_at = excluded.expires_at,
            draws = excluded.draws,
            settled_at = excluded.settled_at;
    if is_open then
        if wanted.credits is distinct from (
            select sum((d ->> 'credits')::bigint) from jsonb_array_elements(wanted.draws) d
        ) or exists (
            select
            from (
                select
                    (d ->> 'grant')::bigint as grant_id, min((d ->> 'credits')::bigint) as smallest,
                    sum((d ->> 'credits')::bigint) as credits
                from jsonb_array_elements(wanted.draws) d
                group by 1
            ) reserved
            left join public.credit_grants g on g.id = reserved.grant_id and g.user_id = wanted.user_id
            where reserved.smallest <= 0 or g.id is null or g.remaining < g.held + reserved.credits
        ) then
            perform public.credence_refuse('grants');
        end if;
        update public.credit_grants g
        set held = g.held + reserved.credits
        from (
            select (d ->> 'grant')::bigint as grant_id, sum((d ->> 'credits')::bigint) as credits
            from jsonb_array_elements(wanted.draws) d
            group by 1
        ) reserved
        where g.id = reserved.grant_id;
    end if;
    update public.users u
    set credits_held = u.credits_held - case when standing.id is null then 0 else standing.credits end
            + case when is_open then wanted.credits else 0 end,
        credits_revision = u.credits_revision + 1
    where u.id = wanted.user_id;
end
$$;

comment on function public.credence_keep_hold(jsonb) is
    'Writes a hold''s next state: a new one is open, and what was settled stays so. Its account''s held credits follow.';

create or replace function public.credence_repeated(change jsonb)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    standing public.webhook_events;
    answered public.credit_requests;
    wanted jsonb;
    found_entry record;
begin
    select e.* into standing from public.webhook_events e where e.id = change #>> '{event,id}';
    if standing.status in ('applied', 'nothing_new', 'ignored') and not coalesce((change #>> '{event,again}')::boolean, false) then
        return jsonb_build_object(
            'status', 'duplicate', 'accounts', public.credence_accounts(standing.touched), 'request', null
        );
    end if;
    select r.* into answered from public.credit_requests r where r.key = change #>> '{request,key}';
    if found then
        return jsonb_build_object(
            'status', 'duplicate', 'accounts', public.credence_accounts(array[answered.user_id]),
            'request', public.credence_request(answered)
        );
    end if;
    if change -> 'purchase' <> 'null' then
        -- A purchase is guarded by its revision. Two refunds of one amount, decided at one revision, have one key and
        -- are two facts: the second must be decided again, not taken for the first.
        return null;
    end if;
    for wanted in select jsonb_array_elements(change -> 'entries') loop
        select t.user_id, t.amount into found_entry
        from public.credit_transactions t
        where t.idempotency_key = wanted ->> 'idempotency_key';
        continue when not found;
        if found_entry.user_id <> (wanted ->> 'user_id')::uuid or found_entry.amount <> (wanted ->> 'amount')::bigint then
            return jsonb_build_object('status', 'conflict', 'reason', 'idempotency_key');
        end if;
        if change -> 'event' <> 'null' then
            perform public.credence_keep_event(
                jsonb_set(change -> 'event', '{status}', '"nothing_new"'), wanted ->> 'purchase_id', array[found_entry.user_id]
            );
        end if;
        return jsonb_build_object(
            'status', 'duplicate', 'accounts', public.credence_accounts(array[found_entry.user_id]), 'request', null
        );
    end loop;
    return null;
end
$$;

comment on function public.credence_repeated(jsonb) is
    'The answer to a change whose event, request or entry stands already, or null for one that is new.';

create function public.credence_touched(change jsonb)
returns uuid[]
language sql
stable
set search_path = ''
as $$
    select coalesce(array_agg(distinct (row ->> 'user_id')::uuid), '{}')
    from (
        select jsonb_array_elements(coalesce(nullif(change -> 'entries', 'null'), '[]')) as row
        union all
        select jsonb_array_elements(coalesce(nullif(change -> 'holds', 'null'), '[]'))
    ) rows
$$;

comment on function public.credence_touched(jsonb) is 'The accounts that a change writes to.';

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
            from jsonb_array_elements(jsonb_build_array(purchase) || coalesce(purchase -> 'absorbed', '[]')) wanted
            where (wanted ->> 'expected_revision')::bigint <> coalesce(
                (select p.revision from public.purchases p where p.id = wanted ->> 'id'), 0
            )
        ) then
            return 'revision';
        end if;
        if exists (
            select from public.purchase_links l
            where l.link in (select jsonb_array_elements_text(purchase -> 'links'))
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

create function public.credence_standing(users uuid[])
returns table (user_id uuid, balance bigint, held bigint, revision bigint, notify_below bigint)
language sql
stable
set search_path = ''
as $$
    select
        u.id,
        coalesce((
            select t.balance_after from public.credit_transactions t where t.user_id = u.id order by t.version desc limit 1
        ), 0),
        u.credits_held, u.credits_revision, u.credits_notify_below
    from public.users u
    where u.id = any (users)
$$;

comment on function public.credence_standing(uuid[]) is
    'How accounts stand by their last entries, whatever somebody wrote into their rows.';

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
    if change -> 'subscription' <> 'null' then
        perform public.credence_keep_subscription(change -> 'subscription');
    end if;
    perform public.credence_post_entry(posting) from jsonb_array_elements(entries) posting;
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

create or replace function public.ledger_commit(changes jsonb)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    change jsonb;
    answer jsonb;
    answers jsonb := '[]';
begin
    -- All locks first and in one order, so that calls neither deadlock nor race for the same new row.
    perform pg_advisory_xact_lock(name)
    from (
        select distinct hashtextextended(concat_ws(':', kind, id), 0) as name
        from (
            select 'purchase' as kind, c #>> '{purchase,id}' as id from jsonb_array_elements(changes) c
            union all
            select 'purchase', absorbed ->> 'id'
            from jsonb_array_elements(changes) c,
                jsonb_array_elements(coalesce(nullif(c -> 'purchase', 'null') -> 'absorbed', '[]')) absorbed
            union all
            select 'subscription', c #>> '{subscription,id}' from jsonb_array_elements(changes) c
            union all
            select 'event', c #>> '{event,id}' from jsonb_array_elements(changes) c
            union all
            select 'request', c #>> '{request,key}' from jsonb_array_elements(changes) c
            union all
            select 'link', link
            from jsonb_array_elements(changes) c,
                jsonb_array_elements_text(coalesce(nullif(c -> 'purchase', 'null') -> 'links', '[]')) link
        ) named
        where id is not null
        order by name
    ) locks;
    perform from public.users u
    where u.id = any (array(
        -- What is no uuid locks nothing here, and is refused below with its own change.
        select case when id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then id::uuid end
        from (
            select e ->> 'user_id' as id
            from jsonb_array_elements(changes) c, jsonb_array_elements(coalesce(nullif(c -> 'entries', 'null'), '[]')) e
            union all
            select h ->> 'user_id'
            from jsonb_array_elements(changes) c, jsonb_array_elements(coalesce(nullif(c -> 'holds', 'null'), '[]')) h
            union all
            select c #>> '{account,user_id}' from jsonb_array_elements(changes) c
        ) named
    ))
    order by u.id
    for no key update;

    for change in select jsonb_array_elements(changes) loop
        begin
            answer := public.credence_apply(change);
        exception
            when sqlstate 'CRE01' then
                answer := jsonb_build_object('status', 'conflict', 'reason', sqlerrm);
            when others then
                answer := jsonb_build_object('status', 'refused', 'sqlstate', sqlstate, 'message', sqlerrm);
        end;
        answers := answers || jsonb_build_array(answer);
    end loop;
    return answers;
end
$$;

comment on function public.ledger_commit(jsonb) is
    'The one write: takes an array of changes {event, purchase, subscription, account, entries, holds, request, outbox, '
    'notify_below}, writes each whole or not at all in one transaction, and gives one answer per change: committed or '
    'duplicate with the accounts as they are now, conflict with its reason (revision, link, unknown_user, account, hold, '
    'grants, idempotency_key, insufficient_credits), or refused with the error. A duplicate of a request has its first answer.';

-- What was drawn before draws were recorded is found by following each account's entries again, with the rules that
-- they were written by: first an entry's own purchase, then those merged into it, then the soonest expiry, then age.
-- Where that does not lead to what remains now, it can't be told which entries took it: the draws then have version 0.
do $$
declare
    account uuid;
    entry public.credit_transactions;
    target bigint;
    owing bigint;
    step bigint;
    source record;
begin
    create temporary table credence_replay (
        id bigint primary key, user_id uuid, purchase_id text, place bigint, expires_at timestamptz,
        stands bigint, put bigint not null default 0, left_over bigint not null default 0
    ) on commit drop;
    create temporary table credence_replayed (version bigint, grant_id bigint, credits bigint) on commit drop;
    for account in select distinct g.user_id from public.credit_grants g loop
        truncate credence_replay, credence_replayed;
        insert into credence_replay (id, user_id, purchase_id, place, expires_at, stands)
        select
            g.id, g.user_id, g.purchase_id, row_number() over (partition by g.purchase_id is null order by g.id),
            g.expires_at, g.remaining
        from public.credit_grants g
        where g.user_id = account;
        step := 0;
        for entry in select t.* from public.credit_transactions t where t.user_id = account order by t.version loop
            if entry.amount > 0 then
                step := step + case when entry.purchase_id is null then 1 else 0 end;
                select r.id into target
                from credence_replay r
                where case
                    when entry.purchase_id is null then r.purchase_id is null and r.place = step
                    else r.purchase_id = entry.purchase_id
                end;
                owing := entry.amount - (greatest(entry.balance_after, 0) - greatest(entry.balance_before, 0));
                update credence_replay r
                set put = r.put + entry.amount, left_over = r.left_over + entry.amount - owing
                where r.id = target;
                if target is not null and owing > 0 then
                    insert into credence_replayed values (entry.version, target, owing);
                end if;
            else
                owing := greatest(entry.balance_before, 0) - greatest(entry.balance_after, 0);
                for source in
                    select r.id, r.left_over
                    from credence_replay r
                    where r.left_over > 0
                    order by
                        r.purchase_id is not distinct from entry.purchase_id desc,
                        exists (
                            select from public.purchases m where m.id = r.purchase_id and m.merged_into = entry.purchase_id
                        ) desc,
                        r.expires_at nulls last, r.id
                loop
                    exit when owing = 0;
                    insert into credence_replayed values (entry.version, source.id, least(owing, source.left_over));
                    update credence_replay r set left_over = r.left_over - least(owing, source.left_over) where r.id = source.id;
                    owing := owing - least(owing, source.left_over);
                end loop;
            end if;
        end loop;
        if exists (select from credence_replay r where r.left_over <> r.stands or r.put = 0) then
            truncate credence_replayed;
            insert into credence_replayed
            select 0, r.id, greatest(r.put, g.credits) - r.stands
            from credence_replay r
            join public.credit_grants g on g.id = r.id
            where greatest(r.put, g.credits) > r.stands;
        end if;
        insert into public.credit_draws (user_id, version, grant_id, credits)
        select account, d.version, d.grant_id, d.credits from credence_replayed d;
        update public.credit_grants g
        set credits = g.remaining + coalesce((select sum(d.credits) from credence_replayed d where d.grant_id = g.id), 0)
        from credence_replay r
        where g.id = r.id;
    end loop;
end
$$;

do $$
declare
    ours regprocedure;
begin
    for ours in
        select p.oid::regprocedure
        from pg_catalog.pg_proc p
        where p.pronamespace = 'public'::regnamespace
            and p.proname in (
                'credence_refuse', 'credence_draw', 'credence_put', 'credence_take', 'credence_keep_hold',
                'credence_touched', 'credence_standing'
            )
    loop
        execute format('revoke all on function %s from public, anon, authenticated', ours);
        execute format('grant execute on function %s to service_role', ours);
    end loop;
end
$$;
