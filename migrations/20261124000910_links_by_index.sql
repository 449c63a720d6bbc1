-- A list of links is an array, so that they are looked up in their index.
--
-- As a subquery it was joined: while the table was small, or not yet analysed, by reading all of it for every change,
-- which took two thirds of a commit's time at some thousand purchases, and grew with them.

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
            where l.link = any (array(select jsonb_array_elements_text(purchase -> 'links')))
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
