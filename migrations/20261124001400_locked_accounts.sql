-- Who holds an account's row, or a key that is not committed yet, holds up nobody else's change for long: a call waits a
-- twentieth of a second for its locks, then far less for each, tells of the changes that lack one that they conflict, and
-- writes the others. A second after the first wait it tries nothing more.

create or replace function public.ledger_commit(changes jsonb)
returns jsonb
language plpgsql
set search_path = ''
set plan_cache_mode = force_generic_plan
set jit = off
set lock_timeout = '50ms'
as $$
declare
    parts jsonb[] := array(select jsonb_array_elements(changes));
    answers jsonb[] := array_fill(null::jsonb, array[cardinality(parts)]);
    answered jsonb[];
    users uuid[];
    busy text[] := '{}';
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
        select distinct (v #>> '{}')::uuid
        from unnest(parts) c, jsonb_path_query(c, 'lax $.*[*].user_id') v
        where v #>> '{}' ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
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
        begin
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
            end if;
        end;
    end loop;
    return to_jsonb(answers);
end
$$;

comment on function public.credence_write_together(jsonb[], uuid[]) is
    'Writes changes that are all good, each on what the one before leaves, and answers each. Raises where one is not, or '
    'needs the ledger''s own rules for what it takes or gives back. The caller holds the locks of the users whom the '
    'changes name.';
