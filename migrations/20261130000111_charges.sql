-- Charges of saved cards: what a service asked to charge, recorded before Stripe is asked for money.

create table public.charges (
    amount bigint not null, credits bigint not null,
    created_at timestamptz not null default clock_timestamp(), charging_since timestamptz, card_read_at timestamptz,
    due_at timestamptz not null default clock_timestamp(),
    id uuid primary key,
    user_id uuid not null,
    attempts integer not null default 0,
    is_hard boolean not null default false,
    key text not null, plan_id text not null, currency text not null, status text not null default 'created',
    customer_id text, payment_method text, payment_intent text, code text,
    -- A request for money names a card, and a payment that succeeded has an id.
    check (amount > 0 and credits > 0 and case status
        when 'created' then charging_since is null and payment_intent is null
        when 'abandoned' then code is not null
        when 'charging' then num_nulls(charging_since, card_read_at, customer_id, payment_method) = 0
        when 'succeeded' then num_nulls(charging_since, payment_intent) = 0
        when 'declined' then num_nulls(charging_since, code) = 0
        when 'requires_action' then charging_since is not null
        else false
    end)
);

comment on table public.charges is
    'Credence: charges of saved cards that a service asked for. One has at most one payment at Stripe, whose metadata has '
    'its id as credence_charge.';
comment on column public.charges.charging_since is 'Before Stripe was first asked for money, by our clock.';
comment on column public.charges.card_read_at is 'The same by Stripe''s clock: no payment of this charge is older.';
comment on column public.charges.payment_intent is
    'Its payment; while the charge is charging, one that was made and that is parked.';
comment on column public.charges.due_at is 'When it may be claimed: the end of a lease, or of a pause.';
comment on column public.charges.attempts is 'Counts the claims. Only the last one may write.';

create unique index charges_key_idx on public.charges (public.credence_key_digest(key));
create unique index charges_payment_intent_idx on public.charges (payment_intent) where payment_intent is not null;
create index charges_due_at_idx on public.charges (due_at) where status in ('created', 'charging');
create index charges_user_id_idx on public.charges (user_id, created_at);

create function public.credence_guard_charge()
returns trigger language plpgsql set search_path = ''
as $$
declare
    is_next boolean := case old.status
        when 'created' then new.status in ('created', 'charging', 'abandoned')
        when 'charging' then new.status <> 'created'
            and (old.customer_id, old.payment_method, old.charging_since, old.card_read_at)
            is not distinct from (new.customer_id, new.payment_method, new.charging_since, new.card_read_at)
        else false
    end;
begin
    if is_next and (old.id, old.key, old.user_id, old.plan_id, old.credits, old.amount, old.currency, old.created_at)
        is not distinct from
        (new.id, new.key, new.user_id, new.plan_id, new.credits, new.amount, new.currency, new.created_at) then
        return new;
    end if;
    raise exception 'a charge that is % can''t become %, nor another charge', old.status, new.status
        using errcode = 'insufficient_privilege';
end
$$;
comment on function public.credence_guard_charge() is
    'Credence: keeps a charge as it was asked for, and lets it change only to what may follow.';

create trigger credence_guard_charge
    before update on public.charges for each row execute function public.credence_guard_charge();
create trigger credence_keep_charges
    before delete or truncate on public.charges for each statement execute function public.credence_refuse_change();

create function public.credence_charge(charge_id uuid, is_owner boolean)
returns jsonb language sql stable set search_path = ''
as $$
    select jsonb_build_object(
        'is_owner', coalesce(is_owner, false), 'now', clock_timestamp(),
        'charge', to_jsonb(c) - array['key', 'due_at', 'customer_id', 'payment_method', 'card_read_at']
            || jsonb_build_object('card', case when c.card_read_at is not null then jsonb_build_object(
                'customer_id', c.customer_id, 'payment_method', c.payment_method, 'read_at', c.card_read_at
            ) end)
    )
    from public.charges c where c.id = charge_id
$$;
comment on function public.credence_charge(uuid, boolean) is
    'Credence: a charge as it is, whether the caller has it, and the time.';

create function public.charge_open(wanted jsonb, lease_seconds integer)
returns jsonb language plpgsql security definer set search_path = ''
as $$
declare
    digest uuid := public.credence_key_digest(wanted ->> 'key');
    found_id uuid;
    claimed uuid;
begin
    if wanted ? 'id' then
        insert into public.charges (id, key, user_id, plan_id, credits, amount, currency)
        select w.id, w.key, w.user_id, w.plan_id, w.credits, w.amount, w.currency
        from jsonb_populate_record(null::public.charges, wanted) w
        on conflict do nothing;
    end if;
    select c.id into found_id from public.charges c where public.credence_key_digest(c.key) = digest;
    update public.charges c
    set attempts = c.attempts + 1, due_at = clock_timestamp() + make_interval(secs => lease_seconds)
    where c.id = found_id and c.status in ('created', 'charging') and c.due_at <= clock_timestamp()
        and c.user_id = (wanted ->> 'user_id')::uuid and c.plan_id = wanted ->> 'plan_id'
    returning c.id into claimed;
    return public.credence_charge(found_id, claimed is not null);
end
$$;
comment on function public.charge_open(jsonb, integer) is
    'Credence: the charge under a key {charge, is_owner, now}, null if there is none. Takes {key, user_id, plan_id}, and '
    'to record it if there is none {id, credits, amount, currency}. The caller has it if it is as wanted, not final, and '
    'nobody else has it until the lease has passed.';

create function public.charge_claim_due(lease_seconds integer)
returns jsonb language plpgsql security definer set search_path = ''
as $$
declare
    claimed uuid;
begin
    update public.charges c
    set attempts = c.attempts + 1, due_at = clock_timestamp() + make_interval(secs => lease_seconds)
    where c.id = (
        select d.id
        from public.charges d
        where d.status in ('created', 'charging') and d.due_at <= clock_timestamp()
        order by d.due_at
        limit 1
        for update skip locked
    )
    returning c.id into claimed;
    return public.credence_charge(claimed, true);
end
$$;
comment on function public.charge_claim_due(integer) is
    'Credence: the charge that has been due longest {charge, is_owner, now}, null if none is; nobody else gets it until '
    'the lease has passed.';

create function public.charge_change(charge_id uuid, attempt integer, change jsonb)
returns jsonb language plpgsql security definer set search_path = ''
as $$
declare
    changed uuid;
begin
    update public.charges c
    set status = coalesce(w.status, c.status),
        charging_since = case when w.status = 'charging' then clock_timestamp() else c.charging_since end,
        card_read_at = coalesce(w.card_read_at, c.card_read_at),
        customer_id = coalesce(w.customer_id, c.customer_id),
        payment_method = coalesce(w.payment_method, c.payment_method),
        payment_intent = coalesce(w.payment_intent, c.payment_intent), code = w.code, is_hard = coalesce(w.is_hard, false),
        due_at = coalesce(clock_timestamp() + make_interval(secs => (change ->> 'pause_seconds')::integer), c.due_at)
    from jsonb_populate_record(null::public.charges, change) w
    where c.id = charge_id and case c.status
        when 'created' then c.attempts = attempt and coalesce(w.status, 'charging') in ('charging', 'abandoned')
        -- A charge has one payment, so that whoever knows its outcome may say so.
        when 'charging' then c.attempts = attempt or w.status in ('succeeded', 'declined', 'requires_action')
        else false
    end
    returning c.id into changed;
    return public.credence_charge(charge_id, changed is not null);
end
$$;
comment on function public.charge_change(uuid, integer, jsonb) is
    'Credence: writes what a claim came to {status, card_read_at, customer_id, payment_method, payment_intent, code, '
    'is_hard, pause_seconds}, if it is the last claim and the charge is not final; the charge as it is then.';

alter table public.charges enable row level security;
revoke all on public.charges from public, anon, authenticated, service_role;
grant select on public.charges to service_role;
revoke all on function
    public.credence_guard_charge(), public.credence_charge(uuid, boolean), public.charge_open(jsonb, integer),
    public.charge_claim_due(integer), public.charge_change(uuid, integer, jsonb)
from public, anon, authenticated, service_role;
grant execute on function
    public.charge_open(jsonb, integer), public.charge_claim_due(integer), public.charge_change(uuid, integer, jsonb)
to service_role;
