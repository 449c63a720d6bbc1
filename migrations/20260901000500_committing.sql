-- The one way to write: public.ledger_commit(changes), and the steps that it is made of.

create function public.credence_entry_hash(entry public.credit_transactions)
returns bytea
language sql
immutable
set search_path = ''
as $$
    -- An array of texts is unambiguous; times are counted from the epoch, whatever the session's time zone.
    select sha256(coalesce(entry.previous_hash, ''::bytea) || convert_to(jsonb_build_array(
        entry.user_id, entry.version, entry.amount, entry.balance_before, entry.balance_after, entry.kind,
        entry.idempotency_key, entry.purchase_id, entry.stripe_session_id, entry.stripe_event_id,
        entry.description, entry.metadata, extract(epoch from entry.event_at), extract(epoch from entry.created_at)
    )::text, 'UTF8'))
$$;

comment on function public.credence_entry_hash(public.credit_transactions) is
    'The hash of an entry: over the hash before it and all of its content.';

create function public.credence_post_grant(entry public.credit_transactions, expires timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
declare
    change bigint := greatest(entry.balance_after, 0) - greatest(entry.balance_before, 0);
    owing bigint;
    grant_row record;
begin
    if entry.amount > 0 then
        -- What pays a debt does not remain.
        insert into public.credit_grants as g (user_id, kind, purchase_id, credits, remaining, expires_at)
        values (entry.user_id, entry.kind, entry.purchase_id, entry.amount, change, expires)
        on conflict (purchase_id, user_id) do update
            set remaining = g.remaining + excluded.remaining,
                credits = greatest(g.credits, g.remaining + excluded.remaining);
        return;
    end if;
    owing := -change;
    for grant_row in
        select g.id, g.remaining
        from public.credit_grants g
        where g.user_id = entry.user_id and g.remaining > 0
        order by g.purchase_id is not distinct from entry.purchase_id desc, g.priority, g.expires_at nulls last, g.id
    loop
        exit when owing = 0;
        update public.credit_grants
        set remaining = remaining - least(owing, grant_row.remaining)
        where id = grant_row.id;
        owing := owing - least(owing, grant_row.remaining);
    end loop;
end
$$;

comment on function public.credence_post_grant(public.credit_transactions, timestamptz) is
    'Keeps the sum of an account''s remainders at greatest(balance, 0): an entry that takes, takes from its own '
    'purchase''s grant first, then by priority, soonest expiry and age.';

create function public.credence_post_entry(posting jsonb)
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
    entry.metadata := coalesce(posting -> 'metadata', '{}');
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
    perform public.credence_post_grant(entry, (posting ->> 'expires_at')::timestamptz);
    update public.users
    set credits_balance = entry.balance_after, credits_version = entry.version
    where id = entry.user_id;
end
$$;

comment on function public.credence_post_entry(jsonb) is
    'Appends one entry to its account''s chain, and brings the account''s grants and balance in line. '
    'The caller holds the account''s lock.';

create function public.credence_accounts(users uuid[])
returns jsonb
language sql
stable
set search_path = ''
as $$
    select coalesce(jsonb_agg(public.account_read(u.id) order by u.id), '[]')
    from public.users u
    where u.id = any (users)
$$;

comment on function public.credence_accounts(uuid[]) is 'Accounts as they are now, ordered by user.';

create function public.credence_keep_event(event jsonb, purchase_id text, touched uuid[])
returns void
language sql
set search_path = ''
as $$
    insert into public.webhook_events as e (
        id, type, api_version, livemode, account, stripe_created, session_id, purchase_id, status, reason, body, touched
    ) values (
        event ->> 'id', event ->> 'type', event ->> 'api_version', (event ->> 'livemode')::boolean,
        event ->> 'account', to_timestamp((event ->> 'created')::bigint), event ->> 'session_id', purchase_id,
        event ->> 'status', event ->> 'reason', event ->> 'body', touched
    )
    on conflict (id) do update
        set status = excluded.status,
            reason = excluded.reason,
            purchase_id = excluded.purchase_id,
            touched = excluded.touched,
            attempts = e.attempts + 1,
            decided_at = clock_timestamp()
$$;

comment on function public.credence_keep_event(jsonb, text, uuid[]) is
    'Stores an event with its decision; an event that was parked or failed gets its new one.';

create function public.credence_repeated(change jsonb)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    standing public.webhook_events;
    wanted jsonb;
    found_entry record;
begin
    select e.* into standing from public.webhook_events e where e.id = change #>> '{event,id}';
    if standing.status in ('applied', 'nothing_new', 'ignored') then
        return jsonb_build_object('status', 'duplicate', 'accounts', public.credence_accounts(standing.touched));
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
        return jsonb_build_object('status', 'duplicate', 'accounts', public.credence_accounts(array[found_entry.user_id]));
    end loop;
    return null;
end
$$;

comment on function public.credence_repeated(jsonb) is
    'The answer to a change whose event or entry stands already, or null for one that is new.';

create function public.credence_conflict(change jsonb)
returns text
language plpgsql
stable
set search_path = ''
as $$
declare
    purchase jsonb := nullif(change -> 'purchase', 'null');
    spent record;
begin
    if purchase is not null then
        if (purchase ->> 'expected_revision')::bigint <> coalesce(
            (select p.revision from public.purchases p where p.id = purchase ->> 'id'), 0
        ) then
            return 'revision';
        end if;
        if exists (
            select from public.purchase_links l
            where l.link in (select jsonb_array_elements_text(purchase -> 'links')) and l.purchase_id <> purchase ->> 'id'
        ) then
            return 'link';
        end if;
    end if;
    if exists (
        select from jsonb_array_elements(change -> 'entries') wanted
        where not exists (select from public.users u where u.id = (wanted ->> 'user_id')::uuid)
    ) then
        return 'unknown_user';
    end if;
    for spent in
        select (wanted ->> 'user_id')::uuid as user_id, sum((wanted ->> 'amount')::bigint) as amount
        from jsonb_array_elements(change -> 'entries') wanted
        group by 1
        having bool_or(wanted ->> 'kind' in ('spend', 'capture'))
    loop
        if exists (
            select from public.users u
            where u.id = spent.user_id and u.credits_balance + spent.amount < u.credits_held
        ) then
            return 'insufficient_credits';
        end if;
    end loop;
    return null;
end
$$;

comment on function public.credence_conflict(jsonb) is
    'Why a change is not good for the ledger as it is now, or null when it is.';

create function public.credence_apply(change jsonb)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    purchase jsonb := nullif(change -> 'purchase', 'null');
    touched uuid[];
    conflict text;
    answer jsonb := public.credence_repeated(change);
begin
    if answer is not null then
        return answer;
    end if;
    conflict := public.credence_conflict(change);
    if conflict is not null then
        return jsonb_build_object('status', 'conflict', 'reason', conflict);
    end if;
    if purchase is not null then
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
                updated_at = clock_timestamp();
        insert into public.purchase_links (link, purchase_id)
        select link, purchase ->> 'id'
        from jsonb_array_elements_text(purchase -> 'links') link
        on conflict (link) do nothing;
    end if;
    perform public.credence_post_entry(posting) from jsonb_array_elements(change -> 'entries') posting;
    insert into public.outbox (topic, key, payload)
    select message ->> 'topic', message ->> 'key', message -> 'payload'
    from jsonb_array_elements(change -> 'outbox') message
    on conflict (key) do nothing;
    select coalesce(array_agg(distinct (posting ->> 'user_id')::uuid), '{}') into touched
    from jsonb_array_elements(change -> 'entries') posting;
    if change -> 'event' <> 'null' then
        perform public.credence_keep_event(change -> 'event', purchase ->> 'id', touched);
    end if;
    return jsonb_build_object('status', 'committed', 'accounts', public.credence_accounts(touched));
end
$$;

comment on function public.credence_apply(jsonb) is
    'Writes one change whole, or says why nothing of it is written. The caller holds the locks.';

create function public.ledger_commit(changes jsonb)
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
            select 'event', c #>> '{event,id}' from jsonb_array_elements(changes) c
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
        select case when e ->> 'user_id' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then (e ->> 'user_id')::uuid end
        from jsonb_array_elements(changes) c, jsonb_array_elements(c -> 'entries') e
    ))
    order by u.id
    for no key update;

    for change in select jsonb_array_elements(changes) loop
        begin
            answer := public.credence_apply(change);
        exception when others then
            answer := jsonb_build_object('status', 'refused', 'sqlstate', sqlstate, 'message', sqlerrm);
        end;
        answers := answers || jsonb_build_array(answer);
    end loop;
    return answers;
end
$$;

comment on function public.ledger_commit(jsonb) is
    'The one write: takes an array of changes {event, purchase, entries, outbox}, writes each whole or not at all in one '
    'transaction, and gives one answer per change: committed or duplicate with the accounts as they are now, conflict with '
    'its reason (revision, link, unknown_user, idempotency_key, insufficient_credits), or refused with the error.';

create function public.outbox_claim(batch integer, lease_seconds integer)
returns jsonb
language sql
set search_path = ''
as $$
    with due as (
        select o.id
        from public.outbox o
        where o.delivered_at is null and o.available_at <= clock_timestamp()
        order by o.available_at
        limit least(greatest(batch, 1), 1000)
        for update skip locked
    ), claimed as (
        update public.outbox o
        set attempts = o.attempts + 1, available_at = clock_timestamp() + make_interval(secs => lease_seconds)
        from due
        where o.id = due.id
        returning o.id, o.topic, o.payload, o.attempts
    )
    select coalesce(jsonb_agg(to_jsonb(claimed) order by claimed.id), '[]') from claimed
$$;

comment on function public.outbox_claim(integer, integer) is
    'Due messages {id, topic, payload, attempts}, oldest first; nobody else gets them until the lease has passed.';

create function public.outbox_settle(settled jsonb)
returns jsonb
language sql
set search_path = ''
as $$
    with outcomes as (
        select (s ->> 'id')::bigint as id, s ->> 'error' as error, (s ->> 'retry_in_seconds')::integer as pause
        from jsonb_array_elements(settled) s
    ), changed as (
        update public.outbox o
        set last_error = outcomes.error,
            delivered_at = case when outcomes.error is null then clock_timestamp() end,
            available_at = clock_timestamp() + make_interval(secs => coalesce(outcomes.pause, 0))
        from outcomes
        where o.id = outcomes.id
        returning o.id
    )
    select to_jsonb(count(*)) from changed
$$;

comment on function public.outbox_settle(jsonb) is
    'Marks messages {id, error, retry_in_seconds} as delivered where there is no error, else as due again; gives how many.';
