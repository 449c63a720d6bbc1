-- Each account may have a threshold of its own, below which its balance is low.

alter table public.users add constraint users_credits_notify_below_check check (credits_notify_below >= 0) not valid;

create function public.account_notify_below(account_id uuid, threshold bigint)
returns jsonb
language sql
set search_path = ''
as $$
    update public.users u set credits_notify_below = threshold where u.id = account_id;
    select public.account_read(account_id)
$$;

comment on function public.account_notify_below(uuid, bigint) is
    'Sets the available credits below which the account''s balance is low, null for the service''s default; gives the account. '
    'It counts as no change of the account.';

revoke all on function public.account_notify_below(uuid, bigint) from public, anon, authenticated;
grant execute on function public.account_notify_below(uuid, bigint) to service_role;
