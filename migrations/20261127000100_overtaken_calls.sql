-- A call that rests on another may overtake it on the way here. It lets go of the account for a moment then, so that the
-- other can come; refused, it would bring down all that was decided after it. Whether the other has been refused already
-- can't be known here: so it is waited for as long as two connections may differ, and no longer. A call that waits for the
-- lock of a further account meanwhile keeps those that it has: the one that it rests on may come too late then.

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
    rests constant boolean := changes @? '$[*].account.rests_on';
    -- What is rested on is here by then.
    comes_by constant timestamptz := clock_timestamp() + interval '20 ms';
    -- Who does not stand as was hoped.
    astray text[] := '{}';
    -- Whose changes can't be committed any more, as one before them was not.
    broken text[] := '{}';
    locked constant jsonb := '{"status": "conflict", "reason": "locked"}';
    moved_on constant jsonb := '{"status": "conflict", "reason": "account"}';
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
        if rests then
            perform set_config('lock_timeout', '500ms', true);
        end if;
        loop
            begin
                perform from public.users u where u.id = any (users) order by u.id for no key update;
                if rests and clock_timestamp() < comes_by and exists (
                    select
                    from unnest(parts) c
                    join public.users u on u.id = any (users) and u.id::text = c #>> '{account,user_id}'
                    where c #> '{account,comes_after}' is not null
                        and to_jsonb(u.credits_revision) = c #> '{account,comes_after}'
                ) then
                    perform public.credence_refuse('early');
                end if;
                perform set_config('lock_timeout', '50ms', true);
                exit;
            exception
                when sqlstate 'CRE01' then
                    perform pg_sleep(0.001);
                when lock_not_available then
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
                    exit;
            end;
        end loop;
    end if;
    if rests then
        astray := array(
            select c #>> '{account,user_id}'
            from unnest(parts) c
            left join public.users u on u.id = any (users) and u.id::text = c #>> '{account,user_id}'
            where c #> '{account,rests_on}' is not null
                and jsonb_build_object('version', u.credits_version, 'balance', u.credits_balance, 'held', u.credits_held)
                    is distinct from c #> '{account,rests_on}'
        );
    end if;
    if busy <> '{}' or astray <> '{}' then
        left_over := 0;
        for place in reverse cardinality(parts) .. 1 loop
            if exists (
                select from jsonb_path_query(parts[place], 'lax $.*[*].user_id') v where lower(v #>> '{}') = any (busy)
            ) then
                answers[place] := locked;
            elsif parts[place] #>> '{account,user_id}' = any (astray) then
                answers[place] := moved_on;
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
            answers[first] := moved_on;
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

comment on function public.ledger_commit(jsonb) is
    'The one write: takes an array of changes {event, purchase, subscription, account, entries, holds, request, outbox, '
    'notify_below}, writes each whole or not at all in one transaction, and gives one answer per change: committed or '
    'duplicate with the accounts as they are now, conflict with its reason (revision, link, unknown_user, account, hold, '
    'grants, idempotency_key, insufficient_credits, locked), or refused with the error. A duplicate of a request has its '
    'first answer. An account names the revision at which its change is good, and may name how it must stand '
    '(rests_on: version, balance, held), where another call is expected to bring it there; at the revision where that one '
    'finds it (comes_after), it is waited for, for a moment.';
