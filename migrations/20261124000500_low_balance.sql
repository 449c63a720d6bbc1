-- A notice is told under the same name whenever it is told, and says when its occasion was.

create or replace function public.outbox_claim(batch integer, lease_seconds integer)
returns jsonb
language sql
set search_path = ''
as $$
    with due as (
        select o.id
        from public.outbox o
        where o.delivered_at is null and o.failed_at is null and o.available_at <= clock_timestamp()
        order by o.available_at
        limit least(greatest(batch, 1), 1000)
        for update skip locked
    ), claimed as (
        update public.outbox o
        set attempts = o.attempts + 1, available_at = clock_timestamp() + make_interval(secs => lease_seconds)
        from due
        where o.id = due.id
        returning o.id, o.key, o.topic, o.payload, o.attempts, o.created_at
    )
    select coalesce(jsonb_agg(to_jsonb(claimed) order by claimed.id), '[]') from claimed
$$;

comment on function public.outbox_claim(integer, integer) is
    'Due messages {id, key, topic, payload, attempts, created_at}, oldest first; nobody else gets them until the lease has '
    'passed.';
