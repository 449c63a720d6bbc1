-- The inbox: every verified event, stored with its decision. The outbox: what must follow a commit.

create table public.webhook_events (
    received_at timestamptz not null default clock_timestamp(),
    decided_at timestamptz, retry_at timestamptz,
    attempts integer not null default 1, livemode boolean not null,
    id text primary key,
    type text not null, account text, object_id text, purchase_id text,
    status text not null, reason text,
    affected_users uuid[],
    body text,
    -- What waits is decided again by its body.
    check (status in ('applied', 'nothing_new', 'ignored') or status in ('received', 'parked', 'failed') and body is not null)
);

comment on table public.webhook_events is
    'Credence: the inbox: every verified event of Stripe''s, with what became of it and why.';
comment on column public.webhook_events.object_id is 'The id of the Stripe object that the event is about.';
comment on column public.webhook_events.body is
    'The exact text that was signed. Not jsonb, which refuses escaped NULs and would rewrite what was signed. It '
    'may be taken away once the event is final; the row stays, so that the event is known.';
comment on column public.webhook_events.affected_users is
    'The accounts whose balance the event changed; null where the entries of its purchase that name it tell them.';
comment on column public.webhook_events.decided_at is 'When it was last decided; null where that was when it was received.';
comment on column public.webhook_events.retry_at is
    'When a pending event is retried; null for one that is final.';

create index webhook_events_waiting_idx on public.webhook_events (retry_at)
    where status in ('received', 'parked', 'failed');
create index webhook_events_waiting_since_idx on public.webhook_events (received_at, retry_at)
    where status in ('received', 'parked', 'failed');
create index webhook_events_received_at_idx on public.webhook_events (received_at);
create index webhook_events_waiting_for_idx on public.webhook_events (object_id)
    where status in ('received', 'parked', 'failed');

create table public.outbox (
    id bigint generated always as identity primary key,
    topic text not null,
    key text not null unique,
    payload jsonb not null,
    attempts integer not null default 0,
    available_at timestamptz not null default clock_timestamp(),
    last_error text,
    created_at timestamptz not null default clock_timestamp(),
    failed_at timestamptz
);

comment on table public.outbox is
    'Credence: messages written in the transaction of the entries they follow, delivered at least once by a worker, and '
    'removed then.';
comment on column public.outbox.failed_at is 'When delivery failed for good, with last_error; set it to null to retry.';

create index outbox_due_idx on public.outbox (topic, available_at) where failed_at is null;
create index outbox_failed_idx on public.outbox (id) where failed_at is not null;

create function public.credence_retry_at(attempts integer)
returns timestamptz language sql volatile set search_path = ''
as $$
    select clock_timestamp() + make_interval(secs => least(10 * 2 ^ least(greatest(attempts, 1) - 1, 12), 3600))
$$;
comment on function public.credence_retry_at(integer) is
    'Credence: when to decide again after so many attempts: in 10 s, then twice as long each time, an hour at most.';

create function public.credence_upsert_events(changes jsonb[], answers jsonb[])
returns void language plpgsql set search_path = ''
as $$
declare
    change jsonb;
    events integer := 0; written bigint;
begin
    foreach change in array changes loop
        continue when coalesce(change -> 'event', 'null') = 'null';
        events := events + 1;
        if change #> '{event,again}' = 'true' then
            update public.webhook_events e set status = 'received' where e.id = change #>> '{event,id}';
        end if;
    end loop;
    insert into public.webhook_events as e (
        id, type, livemode, account, object_id, purchase_id, status, reason, body, affected_users, retry_at
    )
    select
        w ->> 'id', w ->> 'type', (w ->> 'livemode')::boolean, w ->> 'account', w ->> 'object_id', c #>> '{purchase,id}',
        w ->> 'status', w ->> 'reason', w ->> 'body',
        nullif(
            -- A list of ids in JSON is, but for its brackets, one of an array.
            translate(jsonb_path_query_array(a, '$.accounts[*].user_id')::text, '[]', '{}')::uuid[],
            array(
                select distinct (entry ->> 'user_id')::uuid from jsonb_array_elements(nullif(c -> 'entries', 'null')) entry
                where entry ->> 'purchase_id' = c #>> '{purchase,id}' and entry ->> 'stripe_event_id' = w ->> 'id'
                order by 1
            )
        ),
        case when w ->> 'status' in ('received', 'parked', 'failed') then public.credence_retry_at(1) end
    from unnest(changes, answers) n (c, a), lateral (select c -> 'event' as w) event
    where w <> 'null'
    on conflict (id) do update
        set status = excluded.status, reason = excluded.reason,
            object_id = coalesce(excluded.object_id, e.object_id), purchase_id = excluded.purchase_id,
            affected_users = excluded.affected_users, attempts = e.attempts + 1,
            retry_at = case when excluded.retry_at is not null then public.credence_retry_at(e.attempts + 1) end,
            decided_at = clock_timestamp()
        where e.status in ('received', 'parked', 'failed');
    get diagnostics written = row_count;
    if written <> events then
        perform public.credence_conflict_with('event');
    end if;
end
$$;
comment on function public.credence_upsert_events(jsonb[], jsonb[]) is
    'Credence: stores the events of changes with their decisions, and the accounts that the answers name; an event '
    'that was parked or failed gets its new one. Conflicts with one that is decided for good, unless it is to be '
    'decided again.';

create function public.credence_event(e public.webhook_events, with_body boolean)
returns jsonb language sql stable set search_path = ''
as $$
    select jsonb_build_object(
        'id', e.id, 'type', e.type, 'status', e.status, 'reason', e.reason, 'attempts', e.attempts,
        'received_at', e.received_at, 'object_id', e.object_id,
        'session_id', case when e.type like 'checkout.session.%' then e.object_id end,
        'purchase_id', e.purchase_id, 'body', case when with_body then e.body end
    )
$$;
comment on function public.credence_event(public.webhook_events, boolean) is
    'Credence: an event of the inbox, as it is shown.';

-- Definer, here and below, because service_role has no rights to write these tables by itself.
create function public.inbox_claim(batch integer, lease_seconds integer, newest_first boolean default false)
returns jsonb language sql security definer set search_path = ''
as $$
    -- Two statements, so that each uses its index.
    with newest as (
        select e.id
        from public.webhook_events e
        where newest_first and e.status in ('received', 'parked', 'failed') and e.retry_at <= clock_timestamp()
        order by e.received_at desc
        limit least(greatest(batch, 1), 1000)
        for update skip locked
    ), longest_due as (
        select e.id
        from public.webhook_events e
        where not newest_first and e.status in ('received', 'parked', 'failed') and e.retry_at <= clock_timestamp()
        order by e.retry_at
        limit least(greatest(batch, 1), 1000)
        for update skip locked
    ), claimed as (
        update public.webhook_events e
        set retry_at = clock_timestamp() + make_interval(secs => lease_seconds)
        where e.id = any (array(select n.id from newest n union all select l.id from longest_due l))
        returning e
    )
    select coalesce(jsonb_agg(
        public.credence_event(c.e, true) order by case when newest_first then (c.e).received_at end desc, (c.e).received_at
    ), '[]')
    from claimed c
$$;
comment on function public.inbox_claim(integer, integer, boolean) is
    'Credence: events that wait and are due, with their bodies: those that came last, or those that are longest due; '
    'nobody else gets them until the lease has passed.';

create function public.inbox_event(event_id text)
returns jsonb language sql stable set search_path = ''
as $$
    select public.credence_event(e, true) from public.webhook_events e where e.id = event_id
$$;
comment on function public.inbox_event(text) is
    'Credence: one event of the inbox with its body; null where it was never recorded.';

create function public.inbox_list(query jsonb)
returns jsonb language sql stable set search_path = ''
as $$
    select coalesce(jsonb_agg(public.credence_event(page, false) order by page.received_at desc, page.id desc), '[]')
    from (
        select e.*
        from public.webhook_events e
        where e.status in (select jsonb_array_elements_text(query -> 'statuses'))
            and (
                query ->> 'before_id' is null
                or (e.received_at, e.id) < ((query ->> 'before_received_at')::timestamptz, query ->> 'before_id')
            )
        order by e.received_at desc, e.id desc
        limit least(greatest((query ->> 'limit')::integer, 1), 1000)
    ) page
$$;
comment on function public.inbox_list(jsonb) is
    'Credence: events of the inbox without bodies, newest first: takes {statuses, before_received_at, before_id, '
    'limit}.';

create function public.inbox_known(event_ids jsonb)
returns jsonb language sql stable set search_path = ''
as $$
    select coalesce(jsonb_agg(e.id), '[]')
    from public.webhook_events e where e.id = any (array(select jsonb_array_elements_text(event_ids)))
$$;
comment on function public.inbox_known(jsonb) is
    'Credence: those of the events that are recorded, whatever became of them.';

create function public.inbox_waits_for(about text)
returns jsonb language sql stable set search_path = ''
as $$
    select to_jsonb(exists (
        select from public.webhook_events e
        where e.object_id = about and e.status in ('received', 'parked', 'failed')
    ))
$$;
comment on function public.inbox_waits_for(text) is 'Credence: whether a pending event is about the object.';

create function public.inbox_make_all_due()
returns jsonb language sql security definer set search_path = ''
as $$
    with changed as (
        update public.webhook_events e
        set retry_at = clock_timestamp()
        where e.status in ('received', 'parked', 'failed') and e.retry_at > clock_timestamp()
        returning e.id
    )
    select to_jsonb(count(*)) from changed
$$;
comment on function public.inbox_make_all_due() is 'Credence: makes every pending event due now; returns how many.';

create function public.inbox_fail(event_id text, why text)
returns jsonb language sql security definer set search_path = ''
as $$
    with changed as (
        update public.webhook_events e
        set status = 'failed', reason = why, attempts = e.attempts + 1, decided_at = clock_timestamp(),
            retry_at = public.credence_retry_at(e.attempts + 1)
        where e.id = event_id and e.status in ('received', 'parked', 'failed')
        returning e.id
    )
    select to_jsonb(count(*)) from changed
$$;
comment on function public.inbox_fail(text, text) is
    'Credence: notes that deciding about a waiting event failed, and why.';

create function public.outbox_claim(wanted text, batch integer, lease_seconds integer)
returns jsonb language sql security definer set search_path = ''
as $$
    with claimed as (
        update public.outbox o
        set attempts = o.attempts + 1, available_at = clock_timestamp() + make_interval(secs => lease_seconds)
        where o.id = any (array(
            select d.id
            from public.outbox d
            where d.topic = wanted and d.failed_at is null and d.available_at <= clock_timestamp()
            order by d.available_at
            limit least(greatest(batch, 1), 1000)
            for update skip locked
        ))
        returning o.id, o.key, o.topic, o.payload, o.attempts, o.created_at
    )
    select coalesce(jsonb_agg(to_jsonb(claimed) order by claimed.id), '[]') from claimed
$$;
comment on function public.outbox_claim(text, integer, integer) is
    'Credence: due messages of a topic {id, key, topic, payload, attempts, created_at}, oldest first; nobody else gets '
    'them until the lease has passed.';

create function public.outbox_record_deliveries(results jsonb)
returns jsonb language sql security definer set search_path = ''
as $$
    delete from public.outbox o
    using jsonb_array_elements(results) r where o.id = (r ->> 'id')::bigint and r ->> 'error' is null;
    update public.outbox o
    set last_error = r ->> 'error', failed_at = case when (r ->> 'gives_up')::boolean then clock_timestamp() end,
        available_at = clock_timestamp() + make_interval(secs => (r ->> 'retry_in_seconds')::integer)
    from jsonb_array_elements(results) r where o.id = (r ->> 'id')::bigint and r ->> 'error' is not null;
    select to_jsonb(jsonb_array_length(results))
$$;
comment on function public.outbox_record_deliveries(jsonb) is
    'Credence: removes messages {id, error, retry_in_seconds, gives_up} that are delivered, where there is no error; '
    'the others are due again or failed.';

create function public.outbox_failures(page_size integer)
returns jsonb language sql stable set search_path = ''
as $$
    select coalesce(jsonb_agg(to_jsonb(page) order by page.id desc), '[]')
    from (
        select o.id, o.topic, o.key, o.payload, o.attempts, coalesce(o.last_error, '') as error, o.failed_at
        from public.outbox o
        where o.failed_at is not null
        order by o.id desc
        limit least(greatest(page_size, 1), 1000)
    ) page
$$;
comment on function public.outbox_failures(integer) is 'Credence: messages whose delivery failed, newest first.';

create function public.outbox_retry(message_id bigint)
returns jsonb language sql security definer set search_path = ''
as $$
    with changed as (
        update public.outbox o
        set failed_at = null, attempts = 0, available_at = clock_timestamp()
        where o.id = message_id and o.failed_at is not null
        returning o.id
    )
    select to_jsonb(count(*)) from changed
$$;
comment on function public.outbox_retry(bigint) is
    'Credence: queues a failed message for delivery again; returns how many.';
