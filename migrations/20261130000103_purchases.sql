-- Purchases and subscriptions: everything known of each payment, which objects of Stripe's belong to it, and how both are
-- written.

create table public.purchases (
    credits bigint, amount bigint, revision bigint not null,
    created_at timestamptz not null default clock_timestamp(), updated_at timestamptz,
    paid_at timestamptz, starts_at timestamptz, ends_at timestamptz,
    user_id uuid,
    id text primary key,
    plan_id text, currency text, payment_status text not null, subscription_id text,
    merged_into text references public.purchases (id),
    facts jsonb not null,
    check (revision > 0 and amount >= 0)
);

comment on table public.purchases is
    'Credence: everything known of each payment: what facts have, what the other columns have, and else the defaults.';
comment on column public.purchases.id is
    'The payment intent''s id; the session''s, where no money moved; the invoice''s, for a period of a subscription.';
comment on column public.purchases.facts is
    'The reported facts, joined, but for those that the other columns have; the entitlement is a pure function of both.';
comment on column public.purchases.updated_at is 'When it last changed; null where it never did.';
comment on column public.purchases.revision is
    'Counts the changes of facts; a decision is good only for the revision it read.';
comment on column public.purchases.merged_into is
    'The purchase that goes on where two rows proved to be one payment; the facts and links of this one live there.';
comment on column public.purchases.subscription_id is 'The subscription, where it is one of its invoices.';
comment on column public.purchases.starts_at is 'When the earliest of the times begins that its lines are for.';
comment on column public.purchases.ends_at is 'When the latest of the times ends that its lines are for.';

create index purchases_user_id_idx on public.purchases (user_id, created_at);
create index purchases_merged_into_idx on public.purchases (merged_into) where merged_into is not null;
create index purchases_subscription_id_idx on public.purchases (subscription_id, ends_at) where subscription_id is not null;
create index purchases_times_idx on public.purchases (subscription_id, starts_at, ends_at) where subscription_id is not null;

create function public.credence_facts(p public.purchases)
returns jsonb language sql stable
return p.facts || jsonb_build_object('payment', p.payment_status, 'paid_at', p.paid_at) || case
    -- An order has a user, a plan and credits; it is in facts if there is more of it.
    when p.plan_id is not null then jsonb_build_object('order', coalesce(p.facts -> 'order', '{}') || jsonb_build_object(
        'user_id', p.user_id, 'plan_id', p.plan_id, 'credits', p.credits, 'amount', p.amount, 'currency', p.currency
    ))
    else '{}'
end;
comment on function public.credence_facts(public.purchases) is
    'Credence: all reported facts of a purchase, with those that its columns have.';

-- No foreign key: a purchase and its links are written by one function, in one transaction.
create table public.purchase_links (
    link_digest uuid primary key,
    purchase_id text
);

comment on table public.purchase_links is
    'Credence: which purchase a Stripe object belongs to, by the digest of kind:id, such as session:cs_1, '
    'payment_intent:pi_1 or charge:ch_1. The facts of the purchase have its links as texts.';
comment on column public.purchase_links.purchase_id is 'Null where it is the id in the link.';

create table public.subscriptions (
    id text primary key,
    user_id uuid, plan_id text, status text,
    cancels_at_period_end boolean not null default false,
    period_ends_at timestamptz,
    facts jsonb not null,
    revision bigint not null check (revision > 0),
    created_at timestamptz not null default clock_timestamp(), updated_at timestamptz not null default clock_timestamp()
);

comment on table public.subscriptions is
    'Credence: who subscribed to what, and how it stands. The other columns repeat what is in facts, to be read by '
    'people.';

create index subscriptions_user_id_idx on public.subscriptions (user_id);

create table public.stripe_prices (
    id text primary key check (id <> ''),
    plan_id text not null, credits bigint not null check (credits >= 0),
    unit_amount text not null check (unit_amount ~ '^[0-9]+(/[0-9]+)?$'),
    currency text, interval text, interval_count integer not null default 1 check (interval_count > 0),
    tax_behavior text, product_id text, for_sale boolean not null default false,
    created_at timestamptz not null default clock_timestamp(),
    check (product_id is null or (currency is not null and unit_amount !~ '/')),
    check (product_id is not null or not for_sale)
);

comment on table public.stripe_prices is
    'Credence: every price that it ever made at Stripe, with the plan and the credits of one interval of it: renewals go '
    'on with old prices, whatever the catalogue says.';
comment on column public.stripe_prices.unit_amount is
    'The price of one interval in minor units; a fraction where it has a slash.';
comment on column public.stripe_prices.product_id is
    'The product, where `credence plans push` made the price; null where a checkout did.';
comment on column public.stripe_prices.for_sale is 'Whether new checkouts may use it. Alone of all columns it changes.';

create index stripe_prices_pushed_idx on public.stripe_prices (plan_id) where product_id is not null;

create function public.stripe_prices_pushed(sold_plan_id text)
returns jsonb language sql stable set search_path = ''
set enable_seqscan = off
as $$
    select coalesce(jsonb_agg(jsonb_build_object(
        'id', p.id, 'product_id', p.product_id, 'is_for_sale', p.for_sale, 'sells', jsonb_build_object(
            'plan_id', p.plan_id, 'credits', p.credits, 'interval', p.interval, 'interval_count', p.interval_count,
            'tax_behavior', p.tax_behavior,
            'money', jsonb_build_object('amount', p.unit_amount::bigint, 'currency', p.currency)
        )
    ) order by p.id), '[]')
    from public.stripe_prices p
    where p.product_id is not null and (sold_plan_id is null or (p.plan_id = sold_plan_id and p.for_sale))
$$;
comment on function public.stripe_prices_pushed(text) is
    'Credence: the prices that were pushed: {id, product_id, is_for_sale, sells}; of a plan only those that are for sale.';

create function public.stripe_prices_record(price jsonb)
returns boolean language sql security definer set search_path = ''
as $$
    insert into public.stripe_prices as p (
        id, plan_id, credits, unit_amount, currency, interval, interval_count, tax_behavior, product_id, for_sale
    )
    select
        price ->> 'id', sells ->> 'plan_id', (sells ->> 'credits')::bigint, sells #>> '{money,amount}',
        sells #>> '{money,currency}', sells ->> 'interval', (sells ->> 'interval_count')::integer,
        sells ->> 'tax_behavior', price ->> 'product_id', (price ->> 'is_for_sale')::boolean
    from (select price -> 'sells') given (sells)
    on conflict (id) do update set for_sale = excluded.for_sale where p.product_id is not null;
    select true
$$;
comment on function public.stripe_prices_record(jsonb) is
    'Credence: records a pushed price, or whether a recorded one is for sale; its terms stay.';

create function public.credence_conflict_with(reason text)
returns void language plpgsql set search_path = ''
as $$
begin
    raise exception '%', reason using errcode = 'CRE01';
end
$$;
comment on function public.credence_conflict_with(text) is
    'Credence: takes back what was written of a change, which conflicts for the reason.';

create function public.credence_upsert_purchases(purchases jsonb[])
returns void language plpgsql set search_path = ''
as $$
declare
    purchase jsonb; absorbed text[];
    links integer := 0; written bigint;
begin
    insert into public.purchases as p (
        id, user_id, plan_id, credits, amount, currency, payment_status, paid_at, facts, subscription_id, starts_at, ends_at,
        revision
    )
    select
        w ->> 'id', (w ->> 'user_id')::uuid, w ->> 'plan_id', (w ->> 'credits')::bigint, (w ->> 'amount')::bigint,
        w ->> 'currency', w ->> 'payment_status', (w ->> 'paid_at')::timestamptz, nullif(w -> 'facts', 'null'),
        w ->> 'subscription_id', (w ->> 'starts_at')::timestamptz, (w ->> 'ends_at')::timestamptz,
        (w ->> 'expected_revision')::bigint + 1
    from unnest(purchases) w
    where w -> 'expected_revision' = '0' or exists (select from public.purchases p where p.id = w ->> 'id')
    -- Always in the same order, so that calls cannot deadlock.
    order by w ->> 'id'
    on conflict (id) do update
        set user_id = excluded.user_id, plan_id = excluded.plan_id, credits = excluded.credits, amount = excluded.amount,
            currency = excluded.currency, payment_status = excluded.payment_status, paid_at = excluded.paid_at,
            facts = excluded.facts, subscription_id = excluded.subscription_id, starts_at = excluded.starts_at,
            ends_at = excluded.ends_at, revision = excluded.revision, updated_at = clock_timestamp()
        where p.revision = excluded.revision - 1;
    get diagnostics written = row_count;
    if written <> cardinality(purchases) then
        perform public.credence_conflict_with('revision');
    end if;

    foreach purchase in array purchases loop
        links := links + jsonb_array_length(purchase #> '{facts,links}');
        continue when coalesce(nullif(purchase -> 'absorbed', 'null'), '[]') = '[]';
        update public.purchases p
        set merged_into = purchase ->> 'id', revision = p.revision + 1, updated_at = clock_timestamp()
        from jsonb_to_recordset(purchase -> 'absorbed') other (id text, expected_revision bigint)
        where p.id = other.id and p.revision = other.expected_revision;
        get diagnostics written = row_count;
        if written <> jsonb_array_length(purchase -> 'absorbed') then
            perform public.credence_conflict_with('revision');
        end if;
        absorbed := array(select other ->> 'id' from jsonb_array_elements(purchase -> 'absorbed') other);
        update public.purchase_links l
        set purchase_id = purchase ->> 'id'
        from public.purchases p, jsonb_array_elements_text(p.facts -> 'links') w (link)
        where (p.id = any (absorbed) or p.merged_into = any (absorbed))
            and l.link_digest = public.credence_key_digest(w.link)
            and coalesce(l.purchase_id, split_part(w.link, ':', 2)) = any (absorbed);
        update public.purchases set merged_into = purchase ->> 'id' where merged_into = any (absorbed);
    end loop;

    insert into public.purchase_links (link_digest, purchase_id)
    select public.credence_key_digest(l.link), nullif(p ->> 'id', split_part(l.link, ':', 2))
    from unnest(purchases) p, jsonb_array_elements_text(p #> '{facts,links}') l (link)
    order by 1
    on conflict (link_digest) do nothing;
    get diagnostics written = row_count;
    if written < links then
        perform public.credence_conflict_with('link')
        from unnest(purchases) p, jsonb_array_elements_text(p #> '{facts,links}') w (link)
        join public.purchase_links l on l.link_digest = public.credence_key_digest(w.link)
        where coalesce(l.purchase_id, split_part(w.link, ':', 2)) <> p ->> 'id';
    end if;
end
$$;
comment on function public.credence_upsert_purchases(jsonb[]) is
    'Credence: writes the next states of purchases; what one absorbs points to it from now on, with all links. '
    'Conflicts with a purchase that is no longer at the revision that was read, and with a link that is another''s.';

create function public.credence_upsert_subscriptions(subscriptions jsonb[])
returns void language plpgsql set search_path = ''
as $$
declare
    written bigint;
begin
    insert into public.subscriptions as s (
        id, user_id, plan_id, status, cancels_at_period_end, period_ends_at, facts, revision
    )
    select
        w.id, w.user_id, w.plan_id, w.status, w.cancels_at_period_end, w.period_ends_at, w.facts, w.expected_revision + 1
    from unnest(subscriptions) n, jsonb_to_record(n) w (
        id text, expected_revision bigint, user_id uuid, plan_id text, status text, cancels_at_period_end boolean,
        period_ends_at timestamptz, facts jsonb
    )
    where w.expected_revision = 0 or exists (select from public.subscriptions s where s.id = w.id)
    order by w.id
    on conflict (id) do update
        set user_id = excluded.user_id, plan_id = excluded.plan_id, status = excluded.status,
            cancels_at_period_end = excluded.cancels_at_period_end, period_ends_at = excluded.period_ends_at,
            facts = excluded.facts, revision = excluded.revision, updated_at = clock_timestamp()
        where s.revision = excluded.revision - 1;
    get diagnostics written = row_count;
    if written <> cardinality(subscriptions) then
        perform public.credence_conflict_with('revision');
    end if;
end
$$;
comment on function public.credence_upsert_subscriptions(jsonb[]) is
    'Credence: writes the next states of subscriptions. Conflicts with one that is no longer at the revision that '
    'was read.';
