-- The one way to write: ledger_commit(changes), and the steps that it is made of, in the order in which it takes them.

create function public.ledger_commit(changes jsonb)
returns jsonb language plpgsql
-- Definer, because nobody else may write credits: service_role's own rights on public.users don't reach that far.
security definer set search_path = ''
-- The statements are the same for every call; planning them again took most of the time. Nothing that is looked up for a
-- commit is more than a few rows by an index, so no plan reads a table through, however small it was when it was made.
set plan_cache_mode = force_generic_plan
set jit = off
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
-- Who holds an account's row, or a key that is not committed yet, holds up nobody else's change for long.
set lock_timeout = '50ms'
as $$
declare
    parts jsonb[] := array(select jsonb_array_elements(changes));
    answers jsonb[] := array_fill(null::jsonb, array[cardinality(parts)]);
    locks record;
    -- Whose changes can't be committed any more, as one before them was not: they were decided on top of it.
    aborted_accounts text[] := '{}'::text[];
    -- When nothing more is tried; null while nothing was waited for in vain.
    gives_up_at timestamptz;
    -- What is still to be written, from one place to another, in order.
    pending_ranges int4range[];
    first integer;
    last integer;
    locked constant jsonb := '{"status": "conflict", "reason": "locked"}'::jsonb;
    moved_on constant jsonb := '{"status": "conflict", "reason": "account"}'::jsonb;
begin
    -- Of the whole call, and also where nothing would be written: readiness asks so.
    if current_setting('transaction_read_only')::boolean then
        raise exception 'the database takes no writes' using errcode = 'read_only_sql_transaction';
    end if;
    if parts = '{}' then
        return '[]'::jsonb;
    end if;
    locks := public.credence_lock_accounts(parts);
    gives_up_at := locks.gives_up_at;
    pending_ranges := array[int4range(1, cardinality(parts), '[]')];
    if locks.locked_accounts <> '{}' then
        for place in 1 .. cardinality(parts) loop
            if exists (
                select from jsonb_path_query(parts[place], 'lax $.*[*].user_id') v
                where lower(v #>> '{}') = any (locks.locked_accounts)
            ) then
                answers[place] := locked;
            end if;
        end loop;
        pending_ranges := array(
            select int4range(min(w.place)::integer, max(w.place)::integer, '[]')
            from (
                select a.place, a.place - row_number() over (order by a.place) as gap
                from unnest(answers) with ordinality a (answer, place)
                where a.answer is null
            ) w
            group by w.gap
            order by min(w.place)
        );
    end if;

    while pending_ranges <> '{}' loop
        first := lower(pending_ranges[1]);
        last := upper(pending_ranges[1]) - 1;
        pending_ranges := pending_ranges[2:];
        if clock_timestamp() > gives_up_at then
            answers[first:last] := array_fill(locked, array[last - first + 1]);
        elsif first = last and parts[first] #>> '{account,user_id}' = any (aborted_accounts) then
            answers[first] := moved_on;
        elsif first = last then
            answers[first] := public.credence_apply_alone(parts[first], locks.users);
            if answers[first] ->> 'status' <> 'committed' then
                aborted_accounts := array_append(aborted_accounts, parts[first] #>> '{account,user_id}');
            end if;
            if answers[first] ->> 'sqlstate' = '55P03' and gives_up_at is null then
                gives_up_at := public.credence_wait_less();
            end if;
        else
            -- What is good for the ledger as it is, is written together, by a few statements for all of it. What that
            -- refuses is halved until those that are at fault stand alone.
            begin
                if aborted_accounts <> '{}' and exists (
                    select from unnest(parts[first:last]) c where c #>> '{account,user_id}' = any (aborted_accounts)
                ) then
                    perform public.credence_conflict_with('account');
                end if;
                answers[first:last] := public.credence_apply_batch(parts[first:last], locks.users);
            exception when others then
                if sqlstate = '55P03' and gives_up_at is null then
                    gives_up_at := public.credence_wait_less();
                end if;
                pending_ranges := array[
                    int4range(first, (first + last) / 2, '[]'), int4range((first + last) / 2 + 1, last, '[]')
                ] || pending_ranges;
            end;
        end if;
    end loop;
    return to_jsonb(answers);
end
$$;
comment on function public.ledger_commit(jsonb) is
    'Credence: the one write: takes an array of changes {event, purchase, others, subscription, account, entries, '
    'ends, holds, request, outbox, notify_below, made_prices, owner_email}, writes each whole or not at all in one '
    'transaction, and gives one answer per change: committed or duplicate with the accounts as they are now, conflict '
    'with its reason (revision, link, unknown_user, account, hold, grants, event, idempotency_key, '
    'insufficient_credits, locked), or refused with the error. A duplicate of a request has its first answer. An '
    'account names the revision at which its change is good; owner_email, who the users with entries must be, if known.';

create function public.credence_wait_less()
returns timestamptz language plpgsql set search_path = ''
as $$
begin
    perform set_config('lock_timeout', '10ms', true);
    return clock_timestamp() + interval '1 s';
end
$$;
comment on function public.credence_wait_less() is
    'Credence: after the first lock that was not had in time, lets a call wait far less for each further one; '
    'returns the deadline.';

create function public.credence_named_users(changes jsonb[])
returns uuid[] language plpgsql stable set search_path = ''
as $$
begin
    -- A lax path finds nothing in what is no change; what is no uuid is refused later, with its own change. Each name is
    -- looked at once: a call of many changes names few users.
    return array(
        with named as materialized (
            select distinct v #>> '{}' as id from unnest(changes) c, jsonb_path_query(c, 'lax $.*[*].user_id') v
        )
        select distinct n.id::uuid
        from named n
        where n.id ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
    );
end
$$;
comment on function public.credence_named_users(jsonb[]) is 'Credence: the users whom changes name.';

create function public.credence_lock_accounts(
    changes jsonb[], out users uuid[], out locked_accounts text[], out gives_up_at timestamptz
)
language plpgsql set search_path = ''
as $$
begin
    users := public.credence_named_users(changes);
    locked_accounts := '{}';
    if users = '{}' then
        return;
    end if;
    begin
        -- In one order, so that calls do not wait for each other in a circle.
        perform from public.users u where u.id = any (users) order by u.id for no key update;
        return;
    exception when lock_not_available then
        null;
    end;
    -- Somebody is locked: now one by one, so that the others' changes are written. Who is only in the middle of a commit of
    -- their own is soon done.
    gives_up_at := public.credence_wait_less();
    users := array(select u.id from public.users u where u.id = any (users) order by u.id);
    for place in 1 .. cardinality(users) loop
        begin
            if clock_timestamp() > gives_up_at then
                perform set_config('lock_timeout', '1ms', true);
            end if;
            perform from public.users u where u.id = users[place] for no key update;
        exception when lock_not_available then
            locked_accounts := locked_accounts || users[place]::text;
        end;
    end loop;
end
$$;
comment on function public.credence_lock_accounts(jsonb[]) is
    'Credence: locks the rows of the users whom changes name; gives those users, which of them could not be locked, '
    'and, if there are any, when the call gives up.';

create function public.credence_apply_batch(changes jsonb[], users uuid[])
returns jsonb[] language plpgsql set search_path = ''
as $$
declare
    has record;
    plan record;
begin
    select
        array_agg(c -> 'purchase') filter (where c -> 'purchase' <> 'null') as purchases,
        array_agg(c -> 'subscription') filter (where c -> 'subscription' <> 'null') as subscriptions,
        bool_or(c -> 'others' <> 'null') as others, bool_or(c #> '{ends,0}' is not null) as ends,
        bool_or(c -> 'made_prices' <> 'null') as made_prices,
        bool_or(c #> '{purchase,absorbed,0}' is not null) as absorbed,
        bool_or(c -> 'holds' <> 'null') as holds, bool_or(c -> 'request' <> 'null') as requests,
        bool_or(c -> 'outbox' <> 'null') as messages, bool_or(c -> 'event' <> 'null') as events
    into has
    from unnest(changes) c;
    if cardinality(changes) > 1 and (has.ends or has.absorbed) then
        -- They change what the rules of others' entries look at.
        perform public.credence_conflict_with('alone');
    end if;

    if has.others then
        has.purchases := has.purchases || array(
            select other from unnest(changes) c, jsonb_array_elements(nullif(c -> 'others', 'null')) other
        );
    end if;
    if has.purchases is not null then
        perform public.credence_upsert_purchases(has.purchases);
    end if;
    if has.subscriptions is not null then
        perform public.credence_upsert_subscriptions(has.subscriptions);
    end if;
    if has.made_prices then
        insert into public.stripe_prices (id, plan_id, credits, unit_amount, currency, interval, interval_count)
        select
            made ->> 'id', made ->> 'plan_id', (made ->> 'credits')::bigint, made ->> 'unit_amount', made ->> 'currency',
            made ->> 'interval', (made ->> 'interval_count')::integer
        from unnest(changes) c, jsonb_array_elements(nullif(c -> 'made_prices', 'null')) made
        on conflict (id) do nothing;
    end if;

    plan := public.credence_plan_entries(changes, users);
    if cardinality(changes) > 1 and plan.one_by_one and plan.holds <> '{}' then
        -- The rules look at what holds reserve, which is written after them.
        perform public.credence_conflict_with('alone');
    end if;
    if plan.entries <> '{}' then
        insert into public.credit_transactions overriding user value select e.* from unnest(plan.entries) e;
        update public.users u
        set credits_balance = a.balance, credits_held = a.held, credits_version = a.version, credits_revision = a.revision
        from unnest(plan.user_ids, plan.balances, plan.helds, plan.versions, plan.revisions, plan.moved)
            a (id, balance, held, version, revision, moved)
        where u.id = a.id and a.moved;
    elsif has.holds then
        update public.users u
        set credits_held = a.held, credits_revision = a.revision
        from unnest(plan.user_ids, plan.helds, plan.revisions, plan.moved) a (id, held, revision, moved)
        where u.id = a.id and a.moved;
    end if;
    if plan.one_by_one then
        perform case
            when (e.entry).amount > 0 then public.credence_credit_grant(e.entry, e.posting)
            when e.draws is null then public.credence_debit_grants(e.entry)
            else public.credence_draw_from_grants(array[e.entry], array[e.draws])
        end
        from (select unnest(plan.entries) as entry, unnest(plan.postings) as posting, unnest(plan.draws) as draws) e;
    else
        if plan.gives then
            perform public.credence_credit_grants(plan.entries, plan.postings);
        end if;
        if plan.takes then
            perform public.credence_draw_from_grants(plan.entries, plan.draws);
        end if;
    end if;
    if has.ends then
        perform public.credence_end_grant(grant_end)
        from unnest(changes) c, jsonb_array_elements(nullif(c -> 'ends', 'null')) grant_end;
    end if;
    if plan.holds_in_turn then
        perform public.credence_upsert_holds(array[hold]) from unnest(plan.holds) hold;
    elsif has.holds then
        perform public.credence_upsert_holds(plan.holds);
    end if;

    if has.requests then
        -- Without content and answer, where its entry tells exactly these.
        insert into public.credit_requests
        select kept.*
        from unnest(changes) c, lateral (
            select c -> 'request' as r, jsonb_build_object(
                'key_digest', public.credence_key_digest(c #>> '{request,key}'), 'created_at', clock_timestamp()
            ) as own
        ) request, lateral (
            select jsonb_populate_record(null::public.credit_requests, own || (r -> 'answer')) as rebuilt offset 0
        ) short, lateral jsonb_populate_record(null::public.credit_requests, own || case
            when public.credence_request(r ->> 'key', short.rebuilt) = r then r -> 'answer' else r
        end) kept
        where r <> 'null';
    end if;
    if has.messages or plan.notices <> '[]' then
        insert into public.outbox (topic, key, payload)
        select m ->> 'topic', m ->> 'key', m -> 'payload'
        from (
            select jsonb_array_elements(plan.notices) as m
            union all
            select jsonb_array_elements(nullif(c -> 'outbox', 'null')) from unnest(changes) c
        ) message
        on conflict (key) do nothing;
    end if;
    if has.events then
        perform public.credence_upsert_events(changes, plan.answers);
    end if;
    return plan.answers;
end
$$;
comment on function public.credence_apply_batch(jsonb[], uuid[]) is
    'Credence: writes changes that are all good, each on what the one before leaves, by a statement per table, and '
    'answers each. Raises the first conflict where one is not good, or has to be alone. The caller holds the locks '
    'of the users whom the changes name.';

create function public.credence_plan_entries(
    changes jsonb[], users uuid[],
    -- The accounts by place, as the changes leave them.
    out user_ids uuid[], out balances bigint[], out helds bigint[], out versions bigint[], out revisions bigint[],
    out moved boolean[],
    -- The entries with what they were made of, and the grants that they name.
    out entries public.credit_transactions[], out postings jsonb[], out draws jsonb[],
    -- Whether some credits are given, some taken, and some by rules that look at each account's grants.
    out gives boolean, out takes boolean, out one_by_one boolean,
    out holds jsonb[], out holds_in_turn boolean,
    out notices jsonb, out answers jsonb[]
)
language plpgsql set search_path = ''
as $$
declare
    emails text[]; thresholds bigint[]; hashes bytea[];
    -- Which of them the change in hand has moved, and by what it is judged when it is done.
    places integer[]; available bigint[]; captured bigint[];
    needs_cover boolean[]; expires boolean[]; reserved boolean[];
    change_number integer := 0; change jsonb; parts jsonb; place integer;
    entry public.credit_transactions;
    entry_count integer := 0; entry_draws jsonb;
    owing bigint; share bigint;
    hold public.credit_holds; existing record;
    threshold bigint; accounts jsonb;
    this_xid constant bigint := pg_current_xact_id()::text::bigint;
begin
    gives := false; takes := false; one_by_one := false; holds_in_turn := false;
    entries := '{}'; holds := '{}'; notices := '[]';
    select
        array_agg(a.id), array_agg(a.email), array_agg(a.credits_held), array_agg(a.credits_revision),
        array_agg(a.credits_notify_below), array_agg(a.balance), array_agg(a.version), array_agg(a.hash),
        array_agg(a.balance - a.credits_held)
    into user_ids, emails, helds, revisions, thresholds, balances, versions, hashes, available
    from (
        -- The last entry is the truth; the row of users is a projection of it, which somebody may have changed.
        select
            u.id, u.email, u.credits_held, u.credits_revision, u.credits_notify_below, t.hash,
            coalesce(t.balance_after, 0) as balance, coalesce(t.version, 0) as version
        from public.users u
        left join lateral (
            select l.version, l.balance_after, l.hash
            from public.credit_transactions l
            where l.user_id = u.id
            order by l.version desc
            limit 1
        ) t on true
        where u.id = any (users)
    ) a;
    captured := array_fill(0, array[coalesce(cardinality(user_ids), 0)]);
    needs_cover := array_fill(false, array[coalesce(cardinality(user_ids), 0)]);
    expires := needs_cover; reserved := needs_cover; moved := needs_cover;

    foreach change in array changes loop
        change_number := change_number + 1;
        places := '{}';
        if change #>> '{account,user_id}' is not null then
            place := array_position(user_ids, (change #>> '{account,user_id}')::uuid);
            if place is null then
                perform public.credence_conflict_with('unknown_user');
            elsif (change #>> '{account,expected_revision}')::bigint is distinct from revisions[place] then
                perform public.credence_conflict_with('account');
            end if;
        end if;

        parts := coalesce(nullif(change -> 'entries', 'null'), '[]');
        for part in 0 .. jsonb_array_length(parts) - 1 loop
            entry := jsonb_populate_record(null::public.credit_transactions, parts -> part);
            place := array_position(user_ids, entry.user_id);
            if place is null or emails[place] <> change ->> 'owner_email' then
                perform public.credence_conflict_with('unknown_user');
            elsif not place = any (places) then
                places := places || place;
            end if;
            entry.version := versions[place] + 1;
            entry.balance_before := balances[place];
            entry.balance_after := entry.balance_before + entry.amount;
            entry.metadata := coalesce(entry.metadata, '{}');
            entry.created_at := clock_timestamp();
            entry.details_digest := null;
            entry.details_salt := case
                when entry.description is not null or entry.metadata <> '{}' then uuid_send(gen_random_uuid()) end;
            entry.hash := public.credence_entry_hash(hashes[place], public.credence_entry_digest(entry));
            entry.xid := this_xid;
            entry_draws := null;
            if entry.amount > 0 then
                gives := true;
                -- What pays a debt, or gives back to a grant that is there, needs the account's grants.
                one_by_one := one_by_one or entry.balance_before < 0
                    or entry.kind <> 'purchase' and entry.purchase_id is not null;
            else
                entry_draws := nullif(parts -> part -> 'draws', 'null');
                owing := greatest(entry.balance_before, 0) - greatest(entry.balance_after, 0);
                takes := takes or owing > 0;
                one_by_one := one_by_one or entry_draws is null and owing > 0;
                for number in 0 .. coalesce(jsonb_array_length(entry_draws), 0) - 1 loop
                    share := (entry_draws -> number ->> 'credits')::bigint;
                    owing := owing - share;
                    if share <= 0 then
                        perform public.credence_conflict_with('grants');
                    end if;
                end loop;
                if entry_draws is not null and owing <> 0 then
                    perform public.credence_conflict_with('grants');
                end if;
                needs_cover[place] := needs_cover[place] or entry.kind in ('spend', 'adjustment');
                expires[place] := expires[place] or entry.kind = 'expiry';
                if entry.kind = 'capture' then
                    captured[place] := captured[place] - entry.amount;
                end if;
            end if;
            versions[place] := entry.version;
            balances[place] := entry.balance_after;
            revisions[place] := revisions[place] + 1;
            hashes[place] := entry.hash;
            entry_count := entry_count + 1;
            entries[entry_count] := entry;
            postings[entry_count] := parts -> part;
            draws[entry_count] := entry_draws;
        end loop;

        parts := coalesce(nullif(change -> 'holds', 'null'), '[]');
        for part in 0 .. jsonb_array_length(parts) - 1 loop
            hold := jsonb_populate_record(null::public.credit_holds, parts -> part);
            place := array_position(user_ids, hold.user_id);
            if place is null then
                perform public.credence_conflict_with('unknown_user');
            elsif not place = any (places) then
                places := places || place;
            end if;
            select h.status, h.user_id, h.credits, h.idempotency_key into existing
            from public.credit_holds h where h.id = hold.id;
            -- A new one is open; one that is open is settled.
            if (hold.status = 'open') is distinct from (existing.status is null) or existing.status <> 'open'
                or (existing.user_id, existing.credits, existing.idempotency_key)
                    <> (hold.user_id, hold.credits, hold.idempotency_key)
            then
                perform public.credence_conflict_with('hold');
            end if;
            -- What is freed after something was set aside can't be summed up with it.
            holds_in_turn := holds_in_turn or hold.status <> 'open' and reserved[place];
            holds := holds || (parts -> part);
            revisions[place] := revisions[place] + 1;
            if hold.status = 'open' then
                helds[place] := helds[place] + hold.credits;
                reserved[place] := true;
                needs_cover[place] := true;
            else
                helds[place] := helds[place] - hold.credits;
            end if;
            captured[place] := captured[place] - coalesce(hold.captured, 0);
            expires[place] := expires[place] and coalesce(hold.captured, 0) = 0;
        end loop;

        if cardinality(places) > 1 then
            places := array(select p from unnest(places) p order by user_ids[p]);
        end if;
        accounts := '[]';
        foreach place in array places loop
            -- Captured credits are those of a hold that the same change settles, and no others.
            if captured[place] <> 0 then
                perform public.credence_conflict_with('hold');
            end if;
            -- A capture may leave less than nothing available, where credits were taken back that were held.
            if (needs_cover[place] or expires[place]) and balances[place] < helds[place] then
                perform public.credence_conflict_with('insufficient_credits');
            end if;
            threshold := coalesce(thresholds[place], (change ->> 'notify_below')::bigint);
            if available[place] >= threshold and balances[place] - helds[place] < threshold then
                notices := notices || jsonb_build_object(
                    'topic', 'low_balance', 'key', concat_ws(':', 'low_balance', user_ids[place], revisions[place]),
                    'payload', jsonb_build_object(
                        'user_id', user_ids[place], 'balance', balances[place]::text, 'held', helds[place]::text,
                        'available', (balances[place] - helds[place])::text, 'threshold', threshold::text
                    )
                );
            end if;
            accounts := accounts || jsonb_build_object(
                'user_id', user_ids[place], 'email', emails[place], 'balance', balances[place], 'held', helds[place],
                'version', versions[place], 'revision', revisions[place], 'notify_below', thresholds[place]
            );
            available[place] := balances[place] - helds[place];
            moved[place] := true;
            needs_cover[place] := false;
            expires[place] := false;
        end loop;
        answers[change_number] := jsonb_build_object('status', 'committed', 'accounts', accounts);
    end loop;
end
$$;
comment on function public.credence_plan_entries(jsonb[], uuid[]) is
    'Credence: works out what changes come to, each on what the one before leaves: the accounts, entries, holds, '
    'notices of low balances, and answers that are to be written. Raises the first conflict where one is not good. '
    'One function, because the accounts are arrays that every change moves on: plpgsql would copy them into a function '
    'for each change, and back.';

create function public.credence_apply_alone(change jsonb, users uuid[])
returns jsonb language plpgsql set search_path = ''
as $$
declare
    state text; problem text; answer jsonb;
begin
    for attempt in 1 .. 2 loop
        begin
            return (public.credence_apply_batch(array[change], users))[1];
        exception when others then
            state := sqlstate;
            problem := sqlerrm;
        end;
        begin
            answer := public.credence_earlier_answer(change);
        exception when others then
            -- What can't even be looked for is refused for what it is.
            answer := null;
        end;
        if answer is not null then
            return answer;
        end if;
        -- Another call may have written the same meanwhile, and not have committed it: then once more.
        exit when state <> '23505' and problem <> 'event';
    end loop;
    if state = 'CRE01' then
        return jsonb_build_object('status', 'conflict', 'reason', problem);
    end if;
    return jsonb_build_object('status', 'refused', 'sqlstate', state, 'message', problem);
end
$$;
comment on function public.credence_apply_alone(jsonb, uuid[]) is
    'Credence: writes one change whole, or says why nothing of it is written: it was written before, or what is '
    'wrong with it. The caller holds the locks of the users whom it names.';

create function public.credence_earlier_answer(change jsonb)
returns jsonb language plpgsql set search_path = ''
as $$
declare
    event public.webhook_events;
    request public.credit_requests;
    wanted jsonb; found_entry record; answer jsonb;
begin
    select e.* into event from public.webhook_events e where e.id = change #>> '{event,id}';
    if event.status in ('applied', 'nothing_new', 'ignored') and not coalesce((change #>> '{event,again}')::boolean, false) then
        return jsonb_build_object('status', 'duplicate', 'request', null, 'accounts', public.accounts_of(to_jsonb(
            coalesce(event.affected_users, array(
                select t.user_id from public.credit_transactions t
                where t.purchase_id = event.purchase_id and t.stripe_event_id = event.id
            ))
        )));
    end if;
    select r.* into request
    from public.credit_requests r where r.key_digest = public.credence_key_digest(change #>> '{request,key}');
    if found then
        return jsonb_build_object(
            'status', 'duplicate', 'accounts', public.accounts_of(jsonb_build_array(request.user_id)),
            'request', public.credence_request(change #>> '{request,key}', request)
        );
    end if;
    if change -> 'purchase' <> 'null' then
        -- A purchase is guarded by its revision. Two refunds of one amount, decided at one revision, have one key and
        -- are two facts: the second must be decided again, not taken for the first.
        return null;
    end if;
    for wanted in select jsonb_array_elements(nullif(change -> 'entries', 'null')) loop
        select t.user_id, t.amount into found_entry
        from public.credit_transactions t
        where public.credence_key_digest(t.idempotency_key) = public.credence_key_digest(wanted ->> 'idempotency_key');
        continue when not found;
        if found_entry.user_id <> (wanted ->> 'user_id')::uuid or found_entry.amount <> (wanted ->> 'amount')::bigint then
            return jsonb_build_object('status', 'conflict', 'reason', 'idempotency_key');
        end if;
        answer := jsonb_build_object(
            'status', 'duplicate', 'accounts', public.accounts_of(jsonb_build_array(found_entry.user_id)), 'request', null
        );
        perform public.credence_upsert_events(
            array[jsonb_build_object(
                'event', (change -> 'event') || '{"status": "nothing_new"}',
                'purchase', jsonb_build_object('id', wanted ->> 'purchase_id')
            )],
            array[answer]
        )
        where change -> 'event' <> 'null';
        return answer;
    end loop;
    return null;
end
$$;
comment on function public.credence_earlier_answer(jsonb) is
    'Credence: the answer to a change whose event, request or entry is written already; null for one that is new.';
