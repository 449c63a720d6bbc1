-- Whoever writes credits_balance beside the ledger makes an account that no decision fits any more. So the rights of
-- service_role do not reach that far, except by the ledger's own functions.

alter function public.ledger_commit(jsonb) security definer;
alter function public.sync_user_credits(uuid) security definer;

create function public.credence_refuse_other_writers()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
    if tg_op = 'INSERT' and (new.credits_held, new.credits_version, new.credits_revision) is not distinct from (0, 0, 0)
        or tg_op = 'UPDATE' and (new.credits_balance, new.credits_held, new.credits_version, new.credits_revision)
            is not distinct from (old.credits_balance, old.credits_held, old.credits_version, old.credits_revision) then
        return new;
    end if;
    raise exception 'credits are written by the ledger alone' using
        errcode = 'insufficient_privilege',
        hint = 'Spend by POST /usage; give or take by POST /ops/accounts/{id}/grants or /adjustments.';
end
$$;

comment on function public.credence_refuse_other_writers() is
    'Keeps a backend with the key of service_role from writing credits beside the ledger; the other columns are its own.';

create trigger zz_credence_refuse_other_writers
    before insert or update on public.users
    for each row
    when (current_user = 'service_role')
    execute function public.credence_refuse_other_writers();

revoke all on function public.credence_refuse_other_writers() from public, anon, authenticated;
