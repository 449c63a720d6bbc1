-- What is read of the ledger: before a decision, and by people.

create function public.account_read(account_id uuid)
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
        'version', u.credits_version
    )
    from public.users u
    where u.id = account_id
$$;

comment on function public.account_read(uuid) is
    'An account: user_id, email, balance, held, version; null where there is no such user.';

create function public.ledger_read(query jsonb)
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
        'purchases', (
            select coalesce(jsonb_agg(jsonb_build_object(
                'id', p.id,
                'revision', p.revision,
                'facts', p.facts,
                'posted', (
                    select coalesce(jsonb_object_agg(posted.user_id, posted.amount), '{}')
                    from (
                        select t.user_id, sum(t.amount) as amount
                        from public.credit_transactions t
                        where t.purchase_id = p.id
                        group by t.user_id
                    ) posted
                )
            ) order by p.id), '[]')
            from public.purchases p
            where p.id in (
                select l.purchase_id
                from public.purchase_links l
                where l.link in (select jsonb_array_elements_text(query -> 'links'))
            )
        )
    )
$$;

comment on function public.ledger_read(jsonb) is
    'What a decision needs, in one snapshot. Takes {event_id, user_id, links}; gives {event, account, purchases}, '
    'where posted is what each user has been given for the purchase so far.';

create function public.account_transactions(account_id uuid, before_version bigint, page_size integer)
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
        order by t.version desc
        limit least(greatest(page_size, 1), 500)
    ) page
$$;

comment on function public.account_transactions(uuid, bigint, integer) is
    'A page of an account''s entries, newest first: those before a version, at most 500.';
