-- The ledger's check of itself, the repair of an account, and the walk by which the cache follows the ledger.

create function public.validate_credits_consistency()
returns table (user_id uuid, problem text, entry_id bigint, version bigint, expected text, actual text)
language sql stable set search_path = ''
-- One statement of more than two screens, so that it sees one snapshot of all tables and reads each entry once.
as $$
    with seen as (
        -- Narrow rows, because they are sorted.
        select
            t.id, t.user_id, t.version, t.balance_before, t.balance_after, t.hash, public.credence_entry_digest(t) as digest,
            -- The digest is made of the details; if the salt was deleted, it is kept, and the details must be gone too.
            case
                when t.details_salt is not null then t.details_digest is null
                else t.description is null and (t.metadata = '{}' or t.metadata = public.credence_own_metadata(t))
            end as details_are_right
        from public.credit_transactions t
    ), chain as (
        select
            s.*,
            lag(s.version, 1, 0::bigint) over account as version_before,
            lag(s.balance_after, 1, 0::bigint) over account as balance_then,
            lag(s.hash) over account as hash_then
        from seen s
        window account as (partition by s.user_id order by s.version)
    ), mismatched as (
        select c.user_id, c.id as entry_id, c.version, w.found[1] as problem, w.found[2] as expected, w.found[3] as actual
        from chain c, lateral (select public.credence_entry_hash(c.hash_then, c.digest) as hash_due) h, lateral (select case
            when c.version <> c.version_before + 1 then
                array['entry_missing', (c.version_before + 1)::text, c.version::text]
            when c.balance_before <> c.balance_then then
                array['balance_before_differs', c.balance_then::text, c.balance_before::text]
            when c.hash <> h.hash_due or c.details_are_right is not true then
                array['entry_tampered', encode(h.hash_due, 'hex'), encode(c.hash, 'hex')]
        end as found) w
        where w.found is not null
    ), sums as (
        select
            t.user_id, sum(t.amount) as balance, max(t.version) as version, max(t.id) as entry_id,
            -sum(t.amount) filter (where t.kind = 'capture') as captured
        from public.credit_transactions t
        group by t.user_id
    ), remainders as (
        select g.user_id, sum(g.remaining) as remaining from public.credit_grants g group by g.user_id
    ), reserved as (
        select h.user_id, h.id as hold_id, h.credits, (d ->> 'grant')::bigint as grant_id, (d ->> 'credits')::bigint as drawn
        from public.credit_holds h
        left join lateral jsonb_array_elements(h.draws) d on true
        where h.status = 'open'
    ), held as (
        select h.user_id, sum(h.credits) filter (where h.status = 'open') as credits, sum(h.captured) as captured
        from public.credit_holds h
        group by h.user_id
    ), accounts as (
        select
            u.id as user_id, u.credits_balance as balance, u.credits_version as version, u.credits_held as held,
            u.credits_revision as revision, s.entry_id,
            coalesce(s.balance, 0) as balance_due, coalesce(s.version, 0) as version_due,
            coalesce(r.remaining, 0) as remaining, coalesce(h.credits, 0) as held_due,
            coalesce(h.captured, 0) as captured, coalesce(s.captured, 0) as captured_due
        from public.users u
        left join sums s on s.user_id = u.id
        left join remainders r on r.user_id = u.id
        left join held h on h.user_id = u.id
    ), grants as (
        select
            coalesce(g.user_id, d.user_id, r.user_id) as user_id, coalesce(g.id, d.grant_id, r.grant_id) as id,
            g.credits, g.held, g.remaining + coalesce(d.credits, 0) as credits_due, coalesce(r.credits, 0) as held_due
        from public.credit_grants g
        full join (
            select d.user_id, d.grant_id, sum(d.credits) as credits
            from public.credit_draws d
            group by d.user_id, d.grant_id
        ) d on d.grant_id = g.id and d.user_id = g.user_id
        full join (
            select r.user_id, r.grant_id, sum(r.drawn) as credits
            from reserved r
            where r.grant_id is not null
            group by r.user_id, r.grant_id
        ) r on r.grant_id = g.id and r.user_id = g.user_id
    ), draws as (
        select
            d.user_id, d.version, d.credits, t.id as entry_id,
            coalesce(
                greatest(t.amount, 0) - (greatest(t.balance_after, 0) - greatest(t.balance_before, 0)), 0
            ) as credits_due
        from (
            select d.user_id, d.version, sum(d.credits) as credits
            from public.credit_draws d
            group by d.user_id, d.version
        ) d
        left join public.credit_transactions t on t.user_id = d.user_id and t.version = d.version
    ), found as (
        select b.user_id, b.problem, b.entry_id, b.version, b.expected, b.actual, 1 as weight from mismatched b
        union all
        select a.user_id, 'version_differs_from_ledger', a.entry_id, a.version_due, a.version_due::text, a.version::text, 2
        from accounts a where a.version <> a.version_due
        union all
        select a.user_id, 'balance_differs_from_ledger', a.entry_id, a.version_due, a.balance_due::text, a.balance::text, 3
        from accounts a where a.balance <> a.balance_due
        union all
        select a.user_id, 'revision_behind_ledger', a.entry_id, a.version_due, a.version_due::text, a.revision::text, 4
        from accounts a where a.revision < a.version_due
        union all
        select
            a.user_id, 'grants_differ_from_balance', a.entry_id, a.version_due,
            greatest(a.balance_due, 0)::text, a.remaining::text, 5
        from accounts a where a.remaining <> greatest(a.balance_due, 0)
        union all
        select a.user_id, 'held_differs_from_holds', a.entry_id, a.version_due, a.held_due::text, a.held::text, 6
        from accounts a where a.held <> a.held_due
        union all
        select
            a.user_id, 'captured_differs_from_entries', a.entry_id, a.version_due,
            a.captured_due::text, a.captured::text, 11
        from accounts a where a.captured <> a.captured_due
        union all
        select
            d.user_id, 'draws_exceed_entry', d.entry_id, d.version, d.credits_due::text, d.credits::text, 7
        from draws d where d.credits > d.credits_due
        union all
        select
            g.user_id, 'grant_differs_from_draws', null, null, concat_ws(': ', g.id, g.credits_due), concat_ws(': ', g.id, g.credits), 8
        from grants g where g.credits is distinct from g.credits_due
        union all
        select
            g.user_id, 'grant_differs_from_holds', null, null, concat_ws(': ', g.id, g.held_due), concat_ws(': ', g.id, g.held), 9
        from grants g where g.held <> g.held_due
        union all
        select
            r.user_id, 'hold_differs_from_draws', null, null, concat_ws(': ', r.hold_id, r.credits),
            concat_ws(': ', r.hold_id, coalesce(sum(r.drawn), 0)), 10
        from reserved r
        group by r.user_id, r.hold_id, r.credits
        having coalesce(sum(r.drawn), 0) <> r.credits
    )
    select distinct on (f.user_id) f.user_id, f.problem, f.entry_id, f.version, f.expected, f.actual
    from found f
    order by f.user_id, f.weight, f.version
$$;
comment on function public.validate_credits_consistency() is
    'Credence: no rows: every balance is the sum of its entries, no entry is missing or changed, and remainders, '
    'draws and holds account for every credit. Else one row per account, naming its first bad entry, or the grant '
    'or hold that disagrees.';

create function public.sync_user_credits(account_id uuid)
returns table (
    user_id uuid, previous_balance bigint, balance bigint, previous_version bigint, version bigint, repaired boolean
)
language plpgsql
-- Definer, because nobody else may write credits.
security definer set search_path = ''
as $$
declare
    found_account record;
    due_balance bigint;
    due_version bigint;
    due_held bigint;
    agrees boolean;
begin
    select u.credits_balance, u.credits_version, u.credits_held, u.credits_revision into found_account
    from public.users u
    where u.id = account_id
    for no key update;
    if not found then
        raise exception 'there is no user % in public.users', account_id using errcode = 'P0002';
    end if;
    select coalesce(sum(t.amount), 0)::bigint, coalesce(max(t.version), 0) into due_balance, due_version
    from public.credit_transactions t where t.user_id = account_id;
    select coalesce(sum(h.credits), 0)::bigint into due_held
    from public.credit_holds h where h.user_id = account_id and h.status = 'open';
    agrees := (found_account.credits_balance, found_account.credits_version, found_account.credits_held)
            is not distinct from (due_balance, due_version, due_held)
        and found_account.credits_revision >= due_version;
    if not agrees then
        update public.users
        set credits_balance = due_balance, credits_version = due_version, credits_held = due_held,
            credits_revision = greatest(credits_revision, due_version) + 1
        where id = account_id;
        perform public.credence_note_revision(account_id, greatest(found_account.credits_revision, due_version) + 1);
    end if;
    return query select
        account_id, found_account.credits_balance::bigint, due_balance, found_account.credits_version::bigint, due_version,
        not agrees;
end
$$;
comment on function public.sync_user_credits(uuid) is
    'Credence: recomputes an account''s balance and version from its entries and its held credits from its holds, '
    'and says what they were. A repair counts as a change of the account.';

create table public.cache_walks (
    is_only boolean primary key default true check (is_only),
    mark pg_snapshot,
    marked_by bigint not null default (pg_current_xact_id()::text::bigint),
    marked_at timestamptz not null default clock_timestamp(), leased_until timestamptz
);

insert into public.cache_walks default values;

comment on table public.cache_walks is
    'Credence: how far the cache follows the ledger, in its only row: every change that the snapshot `mark` sees was '
    'stored in the cache. Null where nothing is known of the cache.';
comment on column public.cache_walks.marked_by is
    'The transaction that wrote this row. A row that says otherwise was restored into a database whose transactions '
    'have other numbers, so that its mark says nothing.';

create function public.credence_changes(mark pg_snapshot, most integer)
returns table (xid bigint, user_id uuid, changed_at timestamptz)
language sql stable set search_path = ''
set enable_seqscan = off set enable_bitmapscan = off
as $$
    -- Only a page of each table is read, however much is left. Transactions that were open when the mark was made are
    -- looked up by number, so a transaction that stays open costs nothing.
    select c.*
    from (
        select x::text::bigint, x::text::bigint from pg_snapshot_xip(mark) x
        union all
        select pg_snapshot_xmax(mark)::text::bigint, pg_snapshot_xmax(pg_current_snapshot())::text::bigint - 1
    ) span (low, high), lateral (
        (select t.xid, t.user_id, t.created_at from public.credit_transactions t
        where t.xid between low and high order by t.xid limit most)
        union all
        (select h.xid, h.user_id, coalesce(h.settled_at, h.created_at) from public.credit_holds h
        where h.xid between low and high order by h.xid limit most)
        union all
        (select r.xid, r.user_id, r.changed_at from public.account_revisions r
        where r.xid between low and high order by r.xid limit most)
    ) c
    order by c.xid limit most
$$;
comment on function public.credence_changes(pg_snapshot, integer) is
    'Credence: the changes of accounts that are committed now and were not when the mark was made, in the order of '
    'their transactions'' numbers.';

create function public.accounts_changed(page_size integer, lease_seconds integer)
returns jsonb
-- Definer, here and below, because nobody else may read or write the progress of the walk.
language plpgsql security definer set search_path = '' set enable_seqscan = off
as $$
declare
    -- Taken before anything is read, so that changes committed meanwhile are read again.
    present constant pg_snapshot := pg_current_snapshot();
    size constant integer := least(greatest(page_size, 1), 5000);
    walk record;
    page record;
    stop bigint := pg_snapshot_xmax(present)::text::bigint;
    reached pg_snapshot := present;
    users uuid[] := '{}'::uuid[];
    everything boolean := true;
begin
    select
        w.mark, w.leased_until,
        w.xmin::text::bigint = w.marked_by % 4294967296 and pg_snapshot_xmax(w.mark) <= pg_snapshot_xmax(present) as holds
    into strict walk
    from public.cache_walks w;
    if walk.leased_until > clock_timestamp() then
        return null;
    end if;
    if walk.holds then
        select count(*) as changes, array_agg(c.xid) as xids, array_agg(c.user_id) as ids into page
        from public.credence_changes(walk.mark, size + 1) c;
        if page.changes = 0 then
            return null;
        elsif page.changes > size then
            -- The page ends before its last transaction, because that may have more changes.
            stop := least(stop, greatest(page.xids[size + 1], page.xids[1] + 1));
        end if;
        everything := page.xids[size + 1] < stop;
        users := array(select distinct c.id from unnest(page.xids, page.ids) c (xid, id) where c.xid < stop);
        select format(
            '%s:%s:%s', coalesce(min(r.id), e.edge), e.edge, string_agg(r.id::text, ',' order by r.id)
        )::pg_snapshot into reached
        from (select greatest(stop, pg_snapshot_xmax(walk.mark)::text::bigint) as edge) e
        left join (
            select x::text::bigint as id from pg_snapshot_xip(present) x where x::text::bigint < stop
            union all
            select x::text::bigint from pg_snapshot_xip(walk.mark) x where x::text::bigint >= stop
        ) r on true
        group by e.edge;
    end if;
    update public.cache_walks w
    set mark = case when walk.holds then w.mark end, marked_by = pg_current_xact_id()::text::bigint,
        leased_until = clock_timestamp() + make_interval(secs => lease_seconds)
    where w.mark::text is not distinct from walk.mark::text and w.leased_until is not distinct from walk.leased_until;
    if not found then
        return null;
    end if;
    return jsonb_build_object(
        'since', case when walk.holds then walk.mark end, 'until', reached, 'is_everything', coalesce(everything, false),
        'accounts', public.accounts_of(to_jsonb(users)),
        'gone', array(select id from unnest(users) id where not exists (select from public.users u where u.id = id.id))
    );
end
$$;
comment on function public.accounts_changed(integer, integer) is
    'Credence: the accounts that changed since the mark, about a page of changes: {since, until, is_everything, accounts, '
    'gone: ids of users who were deleted}; null where there are none, or where another walk has a lease. is_everything '
    'where the mark says nothing, or one transaction changed more than a page: then any account may have changed.';

create function public.accounts_walked(since text, until text)
returns jsonb
language sql security definer set search_path = ''
as $$
    update public.cache_walks w
    set mark = until::pg_snapshot, marked_by = pg_current_xact_id()::text::bigint, marked_at = clock_timestamp(),
        leased_until = null
    where w.mark::text is not distinct from since
    returning to_jsonb(true)
$$;
comment on function public.accounts_walked(text, text) is
    'Credence: moves the mark from where it was to where it is due, once the accounts between the two are stored; '
    'gives null where another walk has moved it.';

create function public.credence_backlog()
returns jsonb
language sql stable security definer set search_path = ''
as $$
    select jsonb_build_object(
        'events', (
            select coalesce(jsonb_agg(jsonb_build_object('status', w.status, 'reason', w.reason, 'count', w.events)), '[]')
            from (
                select e.status, split_part(coalesce(e.reason, ''), ':', 1) as reason, count(*) as events
                from public.webhook_events e
                where e.status in ('received', 'parked', 'failed')
                group by 1, 2
            ) w
        ),
        'messages_due', (select count(*) from public.outbox o where o.failed_at is null),
        'messages_failed', (select count(*) from public.outbox o where o.failed_at is not null),
        'cache_behind_seconds', (
            select coalesce(greatest(extract(epoch from clock_timestamp() - greatest(min(c.changed_at), min(w.marked_at))), 0), 0)
                ::integer
            from public.cache_walks w, public.credence_changes(coalesce(w.mark, '1:1:'), 1) c
        )
    )
$$;
comment on function public.credence_backlog() is
    'Credence: how much is pending: events by status and reason, messages, and for how long the cache''s walk has '
    'left out the oldest change.';
