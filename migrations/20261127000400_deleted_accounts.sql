-- Who has gone has no balance any more, in the cache neither: its line would stay there for good.

create function public.credence_forget_balance()
returns trigger
language plpgsql
-- Definer, because whoever may delete users need not have any right on the outbox.
security definer
set search_path = ''
as $$
begin
    insert into public.outbox (topic, key, payload)
    values ('refresh_cache', format('refresh_cache:gone:%s:%s', old.id, gen_random_uuid()), jsonb_build_object('user_id', old.id));
    return null;
end
$$;

comment on function public.credence_forget_balance() is 'Lets the cache forget the balance of a user who is deleted.';

create trigger zz_credence_forget_balance
    after delete on public.users
    for each row execute function public.credence_forget_balance();

revoke all on function public.credence_forget_balance() from public, anon, authenticated;
