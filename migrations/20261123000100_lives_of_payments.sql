-- The rest of a payment's life: purchases that prove to be one are merged, and subscriptions are known.

alter table public.purchases add column merged_into text references public.purchases (id);

comment on column public.purchases.id is
    'The payment intent''s id; the session''s, where no money moved; the invoice''s, for a period of a subscription.';
comment on column public.purchases.merged_into is
    'The purchase that goes on where two rows proved to be one payment; the facts and links of this one live there.';

create index purchases_merged_into_idx on public.purchases (merged_into) where merged_into is not null;

create table public.subscriptions (
    id text primary key,
    user_id uuid,
    plan_id text,
    status text,
    cancels_at_period_end boolean not null default false,
    period_ends_at timestamptz,
    facts jsonb not null,
    revision bigint not null check (revision > 0),
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp()
);

comment on table public.subscriptions is
    'Who subscribed to what, and how it stands. The other columns repeat what is in facts, to be read by people.';

create index subscriptions_user_id_idx on public.subscriptions (user_id);

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
                'absent_users', (
                    select coalesce(jsonb_agg(distinct named.id), '[]')
                    from (
                        select p.user_id::text as id where p.user_id is not null
                        union all
                        select jsonb_object_keys(posted.by_user)
                    ) named
                    where not exists (select from public.users u where u.id = named.id::uuid)
                )
            ) order by p.id), '[]')
            from public.purchases p
            cross join lateral (
                select coalesce(jsonb_object_agg(sums.user_id, sums.amount), '{}') as by_user
                from (
                    select t.user_id, sum(t.amount) as amount
                    from public.credit_transactions t
                    where t.purchase_id in (
                        select p.id
                        union all
                        select m.id from public.purchases m where m.merged_into = p.id
                    )
                    group by t.user_id
                ) sums
            ) posted
            where p.id in (
                select l.purchase_id
                from public.purchase_links l
                where l.link in (select jsonb_array_elements_text(query -> 'links'))
            )
        )
    )
$$;

comment on function public.ledger_read(jsonb) is
    'What a decision needs, in one snapshot. Takes {event_id, user_id, links, subscription_id}; gives {event, account, '
    'account_is_deleted, subscription, purchases}, where posted is what each user has been given for the purchase, and '
    'for those merged into it, so far, and absent_users are those of them who have no account any more.';

create or replace function public.credence_post_grant(entry public.credit_transactions, expires timestamptz)
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
        order by
            g.purchase_id is not distinct from entry.purchase_id desc,
            exists (
                select from public.purchases m where m.id = g.purchase_id and m.merged_into = entry.purchase_id
            ) desc,
            g.priority, g.expires_at nulls last, g.id
    loop
        exit when owing = 0;
        update public.credit_grants
        set remaining = remaining - least(owing, grant_row.remaining)
        where id = grant_row.id;
        owing := owing - least(owing, grant_row.remaining);
    end loop;
end
$$;

create or replace function public.credence_repeated(change jsonb)
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
    if standing.status in ('applied', 'nothing_new', 'ignored') and not coalesce((change #>> '{event,again}')::boolean, false) then
        return jsonb_build_object('status', 'duplicate', 'accounts', public.credence_accounts(standing.touched));
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
        return jsonb_build_object('status', 'duplicate', 'accounts', public.credence_accounts(array[found_entry.user_id]));
    end loop;
    return null;
end
$$;

create or replace function public.credence_conflict(change jsonb)
returns text
language plpgsql
stable
set search_path = ''
as $$
declare
    purchase jsonb := nullif(change -> 'purchase', 'null');
    subscription jsonb := nullif(change -> 'subscription', 'null');
    spent record;
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

create function public.credence_keep_purchase(purchase jsonb)
returns void
language plpgsql
set search_path = ''
as $$
declare
    absorbed text[] := array(
        select other ->> 'id' from jsonb_array_elements(coalesce(purchase -> 'absorbed', '[]')) other
    );
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
            updated_at = clock_timestamp();
    if absorbed <> '{}' then
        update public.purchases
        set merged_into = purchase ->> 'id', revision = revision + 1, updated_at = clock_timestamp()
        where id = any (absorbed);
        update public.purchases set merged_into = purchase ->> 'id' where merged_into = any (absorbed);
        update public.purchase_links set purchase_id = purchase ->> 'id' where purchase_id = any (absorbed);
    end if;
    insert into public.purchase_links (link, purchase_id)
    select link, purchase ->> 'id'
    from jsonb_array_elements_text(purchase -> 'links') link
    on conflict (link) do nothing;
end
$$;

comment on function public.credence_keep_purchase(jsonb) is
    'Writes a purchase''s next state; what it absorbs points to it from now on, with all links.';

create function public.credence_keep_subscription(subscription jsonb)
returns void
language sql
set search_path = ''
as $$
    insert into public.subscriptions as s (
        id, user_id, plan_id, status, cancels_at_period_end, period_ends_at, facts, revision
    ) values (
        subscription ->> 'id', (subscription ->> 'user_id')::uuid, subscription ->> 'plan_id',
        subscription ->> 'status', (subscription ->> 'cancels_at_period_end')::boolean,
        (subscription ->> 'period_ends_at')::timestamptz, subscription -> 'facts', 1
    )
    on conflict (id) do update
        set user_id = excluded.user_id,
            plan_id = excluded.plan_id,
            status = excluded.status,
            cancels_at_period_end = excluded.cancels_at_period_end,
            period_ends_at = excluded.period_ends_at,
            facts = excluded.facts,
            revision = s.revision + 1,
            updated_at = clock_timestamp()
$$;

comment on function public.credence_keep_subscription(jsonb) is 'Writes a subscription''s next state.';

create or replace function public.credence_apply(change jsonb)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
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
    if change -> 'purchase' <> 'null' then
        perform public.credence_keep_purchase(change -> 'purchase');
    end if;
    if change -> 'subscription' <> 'null' then
        perform public.credence_keep_subscription(change -> 'subscription');
    end if;
    perform public.credence_post_entry(posting) from jsonb_array_elements(change -> 'entries') posting;
    insert into public.outbox (topic, key, payload)
    select message ->> 'topic', message ->> 'key', message -> 'payload'
    from jsonb_array_elements(change -> 'outbox') message
    on conflict (key) do nothing;
    select coalesce(array_agg(distinct (posting ->> 'user_id')::uuid), '{}') into touched
    from jsonb_array_elements(change -> 'entries') posting;
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
    'The one write: takes an array of changes {event, purchase, subscription, entries, outbox}, writes each whole or not '
    'at all in one transaction, and gives one answer per change: committed or duplicate with the accounts as they are now, '
    'conflict with its reason (revision, link, unknown_user, idempotency_key, insufficient_credits), or refused with the '
    'error.';

alter table public.subscriptions enable row level security;

create policy credence_read_own on public.subscriptions
    for select to authenticated using (user_id = (select auth.uid()));

revoke all on public.subscriptions from public, anon, authenticated, service_role;
grant select on public.subscriptions to authenticated;
grant select, insert, update on public.subscriptions to service_role;

revoke all on function
    public.credence_keep_purchase(jsonb), public.credence_keep_subscription(jsonb)
from public, anon, authenticated;
grant execute on function
    public.credence_keep_purchase(jsonb), public.credence_keep_subscription(jsonb)
to service_role;
