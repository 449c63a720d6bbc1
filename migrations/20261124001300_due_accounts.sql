-- Expired credits that stand in for held ones are not due, so they do not keep those waiting that are.

create or replace function public.accounts_due(page_size integer)
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
                join public.users u on u.id = g.user_id
                where g.live and g.expires_at <= now() and g.remaining > g.held
                    and u.credits_balance > u.credits_held
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
    'Accounts with an expired grant of which something is free and available, or with an open hold that is past its time; '
    'oldest first.';
