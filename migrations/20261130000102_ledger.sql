-- The ledger: its identity and its unit, immutable entries in a chain of hashes, the grants that they make, and which
-- entry took what from which grant.

create table public.credit_ledgers (
    is_only boolean primary key default true check (is_only),
    id uuid not null default gen_random_uuid(),
    scale smallint not null default 0 check (scale between 0 and 9),
    created_at timestamptz not null default clock_timestamp()
);

insert into public.credit_ledgers default values;

comment on table public.credit_ledgers is 'Credence: what the ledger is, in its only row.';
comment on column public.credit_ledgers.id is 'Names this ledger among others, in what they share. It never changes.';
comment on column public.credit_ledgers.scale is
    'Every amount of credits here is a whole number of units of 10^-scale credits. It can''t change once there are '
    'entries.';

create function public.ledger_identity()
returns jsonb language sql stable set search_path = ''
as $$
    select jsonb_build_object('id', l.id, 'scale', l.scale) from public.credit_ledgers l
$$;
comment on function public.ledger_identity() is 'Credence: the ledger''s id and the scale of its amounts.';

-- It takes less space in an index than the key itself. It uses only immutable functions, as an index requires: a text is
-- cast to bytes in the syntax of bytea, in which a backslash is written twice.
create function public.credence_key_digest(key text)
returns uuid language sql immutable
return encode(substr(sha256(replace(key, '\', '\\')::bytea), 1, 16), 'hex')::uuid;
comment on function public.credence_key_digest(text) is
    'Credence: the first 128 bits of the SHA-256 of a key or a link, by which it is found and can''t be there twice.';

create function public.credence_grant_digest(purchase_id text, user_id uuid, period_ends_at timestamptz)
returns uuid language sql immutable
return public.credence_key_digest(
    purchase_id || ':' || user_id::text || ':'
    || coalesce(extract(epoch from period_ends_at - '1970-01-01T00:00:00Z'::timestamptz)::text, '')
);
comment on function public.credence_grant_digest(text, uuid, timestamptz) is
    'Credence: by which the grant of a purchase for a user and a period is found and can''t be there twice.';

-- Here, and where else a table grows, columns of eight bytes come first: they are aligned, and texts before them leave gaps.
create table public.credit_transactions (
    id bigint generated always as identity,
    user_id uuid not null, version bigint not null, amount bigint not null,
    balance_before bigint not null, balance_after bigint not null,
    event_at timestamptz, created_at timestamptz not null default clock_timestamp(),
    xid bigint not null default (pg_current_xact_id()::text::bigint),
    kind text not null, idempotency_key text not null,
    purchase_id text, stripe_session_id text, stripe_event_id text,
    actor_id uuid,
    description text, metadata jsonb not null default '{}', details_salt bytea, details_digest bytea,
    hash bytea not null,
    constraint credit_transactions_user_id_idx primary key (user_id, version),
    -- One check, here and in other tables: each statement reads a table's checks again, and one of them costs least.
    check (version > 0 and balance_after = balance_before + amount and case
        when kind in ('purchase', 'reinstatement', 'grant', 'promotion', 'goodwill') then amount > 0
        when kind in ('clawback', 'spend', 'capture', 'expiry') then amount < 0
        when kind = 'opening' then amount <> 0 and version = 1
        else amount <> 0 and kind = 'adjustment'
    end)
);

comment on table public.credit_transactions is
    'Credence: the audit trail, every change of every balance. Rows are never changed or removed. No foreign key to '
    'users: the trail outlives the user.';
comment on column public.credit_transactions.user_id is
    'The account: for a person''s, the id of their user; for any other, an id of its own.';
comment on column public.credit_transactions.version is 'Counts the entries of the account, from 1 without gaps.';
comment on column public.credit_transactions.idempotency_key is
    'Names the state reached; the same key never changes the ledger twice.';
comment on column public.credit_transactions.actor_id is
    'The user who acted, where the account is not theirs: the member who spent from a team''s credits.';
comment on column public.credit_transactions.details_salt is
    'Random bytes. Deleted together with description and metadata, nobody can guess these from the digest.';
comment on column public.credit_transactions.details_digest is
    'SHA-256 over the salt, the description and the metadata, kept when these are deleted.';
comment on column public.credit_transactions.event_at is
    'When it happened, by Stripe''s clock; created_at is when it was written.';
comment on column public.credit_transactions.hash is
    'SHA-256 over the hash of the account''s entry before this and the digest of this one''s content.';
comment on column public.credit_transactions.xid is
    'The transaction that wrote it. By it the cache''s walk finds what it has not seen, however late it is committed.';

create unique index credit_transactions_idempotency_key_idx
    on public.credit_transactions (public.credence_key_digest(idempotency_key));
create index credit_transactions_stripe_session_id_idx on public.credit_transactions using hash (stripe_session_id)
    where stripe_session_id is not null;
create index credit_transactions_xid_idx on public.credit_transactions (xid);
create index credit_transactions_created_at_idx
    on public.credit_transactions using brin (created_at) with (pages_per_range = 32);
create index credit_transactions_purchase_id_idx on public.credit_transactions using hash (purchase_id)
    where purchase_id is not null;

-- The next four functions set no search_path, so that Postgres can inline them into the statements that call them. A call
-- for each entry would take longer than everything else that is done for the entry. Their bodies were resolved when they
-- were created, so no search_path changes their meaning.

create function public.credence_own_metadata(entry public.credit_transactions)
returns jsonb language sql stable
return jsonb_strip_nulls(jsonb_build_object(
    'period_ends_at', case when entry.purchase_id is not null then entry.metadata -> 'period_ends_at' end,
    'returned_to_grant', case when entry.purchase_id is not null then entry.metadata -> 'returned_to_grant' end,
    'hold_id', case when entry.kind = 'capture' then entry.metadata -> 'hold_id' end
));

comment on function public.credence_own_metadata(public.credit_transactions) is
    'Credence: what the ledger itself reads in an entry''s metadata. The rest is the caller''s, and may be personal.';

create function public.credence_details_digest(entry public.credit_transactions)
returns bytea language sql stable
return sha256(entry.details_salt || convert_to(jsonb_build_array(entry.description, entry.metadata)::text, 'UTF8'));

comment on function public.credence_details_digest(public.credit_transactions) is
    'Credence: the digest of an entry''s description and metadata, by its salt.';

create function public.credence_entry_digest(entry public.credit_transactions)
returns bytea language sql stable
-- An array of texts is unambiguous; times are counted from the epoch, whatever the session's time zone.
return sha256(convert_to(jsonb_build_array(
    entry.user_id, entry.version, entry.amount, entry.balance_before, entry.balance_after, entry.kind,
    entry.idempotency_key, entry.purchase_id, entry.stripe_session_id, entry.stripe_event_id, entry.actor_id,
    case when entry.purchase_id is not null then entry.metadata -> 'period_ends_at' end,
    case when entry.purchase_id is not null then entry.metadata -> 'returned_to_grant' end,
    case when entry.kind = 'capture' then entry.metadata -> 'hold_id' end,
    coalesce(entry.details_digest, public.credence_details_digest(entry)),
    extract(epoch from entry.event_at), extract(epoch from entry.created_at)
)::text, 'UTF8'));

comment on function public.credence_entry_digest(public.credit_transactions) is
    'Credence: the digest of all of an entry''s content, of which what may be personal comes in by its own digest alone.';

create function public.credence_entry_hash(previous_hash bytea, digest bytea)
returns bytea language sql immutable
return sha256(coalesce(previous_hash, ''::bytea) || digest);

comment on function public.credence_entry_hash(bytea, bytea) is
    'Credence: the hash of an entry: over the hash before it and the digest of its content.';

create table public.credit_grants (
    id bigint generated always as identity primary key,
    user_id uuid not null,
    version bigint,
    credits bigint not null, remaining bigint not null, held bigint not null default 0,
    created_at timestamptz not null default clock_timestamp(),
    expires_at timestamptz, rollover_cap bigint, period_ends_at timestamptz,
    priority integer not null default 50, kind text not null, purchase_id text,
    -- Generated, so that an index of live grants does not prevent heap-only updates of what remains.
    live boolean generated always as (remaining > 0 or held > 0) stored,
    check (credits > 0 and remaining between 0 and credits and held >= 0 and rollover_cap > 0)
);

comment on table public.credit_grants is
    'Credence: credits put on an account, with what remains of them. Over an account, the remainders sum to its '
    'balance, or to 0 while it is in debt.';
comment on column public.credit_grants.version is 'The account''s entry that made it.';
comment on column public.credit_grants.period_ends_at is
    'The end of the period that was paid for, where it is of a subscription''s invoice: an invoice has a grant for '
    'each.';
comment on column public.credit_grants.credits is
    'All that was ever put into it: what remains, and what its draws took.';
comment on column public.credit_grants.held is
    'Reserved by open holds. It may exceed what remains, where credits were taken back that a hold had set aside.';
comment on column public.credit_grants.priority is
    'Lower burns first: promotions 10, goodwill 20, what was sold 50; then what expires first; then what is older.';
comment on column public.credit_grants.rollover_cap is
    'The most credits that may roll over on the account in total when it expires; null if it does not roll over.';
comment on column public.credit_grants.live is 'Whether anything of it remains or is held.';

create index credit_grants_user_id_idx on public.credit_grants (user_id, live, id);
-- A grant is found by its purchase, where that has one alone, and else by its entry.
create unique index credit_grants_version_idx on public.credit_grants (user_id, version)
    where purchase_id is null or kind = 'reinstatement';
create unique index credit_grants_one_per_purchase
    on public.credit_grants (public.credence_grant_digest(purchase_id, user_id, period_ends_at))
    where purchase_id is not null and kind <> 'reinstatement';
-- Grants that roll over stay after their expiry, so this index of expiring grants leaves them out.
create index credit_grants_expires_at_idx
    on public.credit_grants (expires_at) where live and expires_at is not null and rollover_cap is null;
create index credit_grants_rolling_idx
    on public.credit_grants (user_id, period_ends_at, purchase_id, id) include (expires_at, remaining, held, rollover_cap)
    where live and rollover_cap is not null;

create table public.credit_draws (
    user_id uuid not null, version bigint not null,
    grant_id bigint not null, credits bigint not null,
    primary key (user_id, version, grant_id),
    check (version > 0 and credits > 0)
);

comment on table public.credit_draws is
    'Credence: which entry took how much from which grant. A grant''s credits are what remains of it and its draws. '
    'Rows are never changed or removed.';
comment on column public.credit_draws.version is 'The account''s entry that took them.';

-- Accounts that are created with a balance, and accounts that are deleted.

create function public.credence_write_opening(account_id uuid, balance bigint, reason text)
returns void language plpgsql set search_path = ''
as $$
declare
    opening public.credit_transactions;
begin
    opening.user_id := account_id;
    opening.version := 1;
    opening.amount := balance;
    opening.balance_before := 0;
    opening.balance_after := balance;
    opening.kind := 'opening';
    opening.idempotency_key := 'opening:' || account_id;
    opening.description := reason;
    opening.metadata := '{}';
    opening.details_salt := uuid_send(gen_random_uuid());
    opening.created_at := clock_timestamp();
    opening.hash := public.credence_entry_hash(null, public.credence_entry_digest(opening));
    opening.xid := pg_current_xact_id()::text::bigint;
    insert into public.credit_transactions overriding user value values (opening.*);
    if balance > 0 then
        insert into public.credit_grants (user_id, version, kind, credits, remaining)
        values (account_id, opening.version, opening.kind, balance, balance);
    end if;
    update public.users u set credits_version = 1, credits_revision = u.credits_revision + 1 where u.id = account_id;
end
$$;
comment on function public.credence_write_opening(uuid, bigint, text) is
    'Credence: gives an account an entry of the balance that it was made with, and a grant that can be spent.';

-- The balances of an adopted table.
do $$
begin
    perform public.credence_write_opening(u.id, u.credits_balance, 'Balance when the ledger was opened')
    from public.users u where u.credits_balance <> 0;
end
$$;

create function public.credence_open_account()
returns trigger language plpgsql
-- Definer, because the role that signs users up may have no rights on the ledger.
security definer set search_path = ''
as $$
begin
    update public.users u
    set credits_revision = d.revision + 1
    from public.account_revisions d where u.id = new.id and d.user_id = new.id;
    if exists (select from public.credit_transactions t where t.user_id = new.id) then
        -- The same user is created again: the balance comes from the entries.
        perform public.sync_user_credits(new.id);
    elsif new.credits_balance <> 0 then
        perform public.credence_write_opening(new.id, new.credits_balance, 'Balance with which the account was made');
    end if;
    return null;
end
$$;
comment on function public.credence_open_account() is
    'Credence: gives an account that is made with a balance an opening entry of it; and one that was there before '
    'what its entries say.';

create trigger zz_credence_open_account
    after insert on public.users
    for each row when (new.credits_version = 0) execute function public.credence_open_account();

create function public.credence_note_revision(account_id uuid, reached bigint)
returns void language sql set search_path = ''
as $$
    insert into public.account_revisions as d (user_id, revision) values (account_id, reached)
    on conflict (user_id) do update set
        revision = greatest(d.revision, excluded.revision), xid = excluded.xid, changed_at = excluded.changed_at
$$;
comment on function public.credence_note_revision(uuid, bigint) is
    'Credence: notes that an account changed without an entry or a hold, and the revision that it had reached.';

create function public.credence_keep_revision()
returns trigger language plpgsql
-- Definer, because the role that deletes users may have no rights on the ledger.
security definer set search_path = ''
as $$
begin
    perform public.credence_note_revision(old.id, old.credits_revision);
    return null;
end
$$;
comment on function public.credence_keep_revision() is
    'Credence: keeps the last revision of a user who is deleted, by which the cache learns that they are gone.';

create trigger zz_credence_keep_revision
    after delete on public.users
    for each row execute function public.credence_keep_revision();
