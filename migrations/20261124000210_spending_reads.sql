-- What is read before a spend is decided, and what people ask about spent credits.

create or replace function public.account_read(account_id uuid)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'user_id', u.id,
        'email', u.email,
        'balance', u.credits_balance,
        'held', u.credits_held,
        'version', u.credits_version,
        'revision', u.credits_revision,
        'notify_below', u.credits_notify_below
    )
    from public.users u
    where u.id = account_id
$$;

comment on function public.account_read(uuid) is
    'An account: user_id, email, balance, held, version, revision, notify_below; null where there is no such user.';

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
                    where not exists (select from public.users u where u.id = named.id::uuid)
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
                        where e.purchase_id in (
                            select p.id
                            union all
                            select m.id from public.purchases m where m.merged_into = p.id
                        )
                    ) t
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
    'for those merged into it, so far, expiries aside; lapsed is what expired of it, and what stood posted when it last did; '
    'and absent_users are those of them who have no account any more.';

create function public.credence_grant(g public.credit_grants)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'id', g.id, 'kind', g.kind, 'priority', g.priority, 'credits', g.credits, 'remaining', g.remaining, 'held', g.held,
        'expires_at', g.expires_at, 'purchase_id', g.purchase_id, 'created_at', g.created_at
    )
$$;

comment on function public.credence_grant(public.credit_grants) is 'A grant, as it is shown.';

create function public.credence_hold(h public.credit_holds)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'id', h.id, 'user_id', h.user_id, 'credits', h.credits, 'captured', h.captured, 'status', h.status,
        'idempotency_key', h.idempotency_key, 'expires_at', h.expires_at, 'draws', h.draws,
        'description', h.description, 'metadata', h.metadata, 'created_at', h.created_at, 'settled_at', h.settled_at
    )
$$;

comment on function public.credence_hold(public.credit_holds) is 'A hold, as it is shown.';

create function public.credence_request(r public.credit_requests)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object('key', r.key, 'user_id', r.user_id, 'content', r.content, 'answer', r.answer)
$$;

comment on function public.credence_request(public.credit_requests) is 'An intent and its first answer, as they are shown.';

create function public.wallets_read(query jsonb)
returns jsonb
language sql
stable
set search_path = ''
as $$
    with asked as (
        select h
        from public.credit_holds h
        where h.id in (select jsonb_array_elements_text(coalesce(nullif(query -> 'hold_ids', 'null'), '[]'))::uuid)
    ), owners as (
        select jsonb_array_elements_text(coalesce(nullif(query -> 'user_ids', 'null'), '[]'))::uuid as id
        union
        select (a.h).user_id from asked a
    )
    select jsonb_build_object(
        'wallets', (
            select coalesce(jsonb_agg(jsonb_build_object(
                'account', public.account_read(u.id),
                'grants', (
                    select coalesce(jsonb_agg(public.credence_grant(g) order by g.id), '[]')
                    from public.credit_grants g
                    where g.user_id = u.id and g.live
                ),
                'holds', (
                    select coalesce(jsonb_agg(public.credence_hold(h) order by h.created_at, h.id), '[]')
                    from public.credit_holds h
                    where h.user_id = u.id and h.status = 'open'
                )
            ) order by u.id), '[]')
            from public.users u
            where u.id in (select o.id from owners o)
        ),
        'requests', (
            select coalesce(jsonb_agg(public.credence_request(r) order by r.key), '[]')
            from public.credit_requests r
            where r.key in (select jsonb_array_elements_text(coalesce(nullif(query -> 'keys', 'null'), '[]')))
        ),
        'holds', (select coalesce(jsonb_agg(public.credence_hold(a.h) order by (a.h).id), '[]') from asked a)
    )
$$;

comment on function public.wallets_read(jsonb) is
    'What decisions about spending need, in one snapshot. Takes {user_ids, keys, hold_ids}; gives {wallets: those of the '
    'users and of the holds'' owners, each {account, grants that are live, holds that are open}, requests, holds}.';

create function public.accounts_due(page_size integer)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select coalesce(jsonb_agg(page.user_id order by page.due, page.user_id), '[]')
    from (
        select due.user_id, min(due.expires_at) as due
        from (
            (
                select g.user_id, g.expires_at
                from public.credit_grants g
                where g.live and g.expires_at <= now() and g.remaining > g.held
                    and exists (select from public.users u where u.id = g.user_id)
                order by g.expires_at
                limit least(greatest(page_size, 1), 1000)
            )
            union all
            (
                select h.user_id, h.expires_at
                from public.credit_holds h
                where h.status = 'open' and h.expires_at <= now()
                    and exists (select from public.users u where u.id = h.user_id)
                order by h.expires_at
                limit least(greatest(page_size, 1), 1000)
            )
        ) due
        group by due.user_id
        order by due, due.user_id
        limit least(greatest(page_size, 1), 1000)
    ) page
$$;

comment on function public.accounts_due(integer) is
    'Accounts with an expired grant of which something is free, or with an open hold that is past its time; oldest first.';

drop function public.account_transactions(uuid, bigint, integer);

create function public.account_transactions(
    account_id uuid, before_version bigint, page_size integer, filters jsonb default '{}'
)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select coalesce(jsonb_agg(to_jsonb(page) order by page.version desc), '[]')
    from (
        select
            t.version, t.amount, t.balance_before, t.balance_after, t.kind, t.idempotency_key, t.purchase_id,
            t.stripe_session_id, t.stripe_event_id, t.description, t.metadata, t.event_at, t.created_at
        from public.credit_transactions t
        where t.user_id = account_id and (before_version is null or t.version < before_version)
            and (
                filters -> 'kinds' is null or filters -> 'kinds' = 'null'
                or t.kind in (select jsonb_array_elements_text(filters -> 'kinds'))
            )
            and (filters ->> 'since' is null or t.created_at >= (filters ->> 'since')::timestamptz)
            and (filters ->> 'until' is null or t.created_at < (filters ->> 'until')::timestamptz)
            and (filters ->> 'purchase_id' is null or t.purchase_id = filters ->> 'purchase_id')
        order by t.version desc
        limit least(greatest(page_size, 1), 500)
    ) page
$$;

comment on function public.account_transactions(uuid, bigint, integer, jsonb) is
    'A page of an account''s entries, newest first: those before a version, at most 500; of them those of some kinds, '
    'written since and until (exclusive) some times, or of one purchase, by filters {kinds, since, until, purchase_id}.';

create function public.balance_at(account_id uuid, moment text)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'balance', coalesce((
            select t.balance_after
            from public.credit_transactions t
            where t.user_id = account_id and t.created_at <= moment::timestamptz
            order by t.version desc
            limit 1
        ), 0),
        'held', (
            select coalesce(sum(h.credits), 0)
            from public.credit_holds h
            where h.user_id = account_id and h.created_at <= moment::timestamptz
                and (h.settled_at is null or h.settled_at > moment::timestamptz)
        )
    )
$$;

comment on function public.balance_at(uuid, text) is 'An account''s balance and held credits as they were at a moment.';

create or replace function public.account_record(account_id uuid)
returns jsonb
language sql
stable
set search_path = ''
as $$
    with mine as (
        select p.id from public.purchases p where p.user_id = account_id
        union
        select t.purchase_id from public.credit_transactions t
        where t.user_id = account_id and t.purchase_id is not null
    ), kept as (
        select distinct coalesce(p.merged_into, p.id) as id
        from public.purchases p
        where p.id in (select mine.id from mine)
    )
    select jsonb_build_object(
        'account', public.account_read(account_id),
        'purchases', (
            select coalesce(jsonb_agg(jsonb_build_object(
                'id', p.id,
                'facts', p.facts,
                'merged', (
                    select coalesce(jsonb_agg(m.id order by m.id), '[]') from public.purchases m where m.merged_into = p.id
                )
            ) order by p.created_at, p.id), '[]')
            from public.purchases p
            where p.id in (select kept.id from kept)
        ),
        'entries', (
            select coalesce(jsonb_agg(jsonb_build_object(
                'version', t.version, 'amount', t.amount, 'balance_before', t.balance_before,
                'balance_after', t.balance_after, 'kind', t.kind, 'idempotency_key', t.idempotency_key,
                'purchase_id', t.purchase_id, 'stripe_session_id', t.stripe_session_id,
                'stripe_event_id', t.stripe_event_id, 'description', t.description, 'metadata', t.metadata,
                'event_at', t.event_at, 'created_at', t.created_at
            ) order by t.version), '[]')
            from public.credit_transactions t
            where t.user_id = account_id
        ),
        'grants', (
            select coalesce(jsonb_agg(
                public.credence_grant(g) || jsonb_build_object('draws', (
                    select coalesce(jsonb_agg(
                        jsonb_build_object('version', d.version, 'credits', d.credits) order by d.version
                    ), '[]')
                    from public.credit_draws d
                    where d.user_id = account_id and d.grant_id = g.id
                ))
                order by g.id
            ), '[]')
            from public.credit_grants g
            where g.user_id = account_id
        ),
        'holds', (
            select coalesce(jsonb_agg(public.credence_hold(h) order by h.created_at, h.id), '[]')
            from public.credit_holds h
            where h.user_id = account_id
        )
    )
$$;

comment on function public.account_record(uuid) is
    'Everything about an account: {account, purchases with facts and merged ids, entries oldest first, grants with their '
    'draws by entry version, holds oldest first}.';

do $$
declare
    ours regprocedure;
begin
    for ours in
        select p.oid::regprocedure
        from pg_catalog.pg_proc p
        where p.pronamespace = 'public'::regnamespace
            and p.proname in (
                'credence_grant', 'credence_hold', 'credence_request', 'wallets_read', 'accounts_due',
                'account_transactions', 'balance_at'
            )
    loop
        execute format('revoke all on function %s from public, anon, authenticated', ours);
        execute format('grant execute on function %s to service_role', ours);
    end loop;
end
$$;
