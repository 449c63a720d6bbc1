-- Whoever writes credits_balance beside the ledger makes an account that no decision fits any more. So the rights of
-- service_role do not reach that far, except by the ledger's own functions; and a row that a project's own sign-up makes
-- with a balance begins with an entry of it.

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

create function public.credence_open_account()
returns trigger
language plpgsql
-- Definer, because whoever may sign users up need not have any right on the ledger.
security definer
set search_path = ''
as $$
declare
    opening public.credit_transactions;
begin
    if exists (select from public.credit_transactions t where t.user_id = new.id) then
        -- The same user once more: the entries tell the balance.
        perform public.sync_user_credits(new.id);
        return null;
    end if;
    if new.credits_balance = 0 then
        return null;
    end if;
    opening.user_id := new.id;
    opening.version := 1;
    opening.amount := new.credits_balance;
    opening.balance_before := 0;
    opening.balance_after := new.credits_balance;
    opening.kind := 'opening';
    opening.idempotency_key := 'opening:' || new.id;
    opening.description := 'Balance with which the account was made';
    opening.metadata := '{}';
    opening.created_at := clock_timestamp();
    insert into public.credit_transactions (
        user_id, version, amount, balance_before, balance_after, kind, idempotency_key, description, metadata, created_at, hash
    ) values (
        opening.user_id, opening.version, opening.amount, opening.balance_before, opening.balance_after, opening.kind,
        opening.idempotency_key, opening.description, opening.metadata, opening.created_at,
        public.credence_entry_hash(opening)
    );
    if opening.amount > 0 then
        insert into public.credit_grants (user_id, kind, credits, remaining)
        values (new.id, opening.kind, opening.amount, opening.amount);
    end if;
    update public.users u set credits_version = 1, credits_revision = u.credits_revision + 1 where u.id = new.id;
    return null;
end
$$;

comment on function public.credence_open_account() is
    'Gives an account that is made with a balance an opening entry of it, and a grant that can be spent; and one that was '
    'there before what its entries say.';

create trigger zz_credence_open_account
    after insert on public.users
    for each row
    when (new.credits_version = 0)
    execute function public.credence_open_account();

revoke all on function public.credence_refuse_other_writers(), public.credence_open_account()
from public, anon, authenticated;
