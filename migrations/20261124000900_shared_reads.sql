-- Decisions that are prepared at the same moment read what they need in one call.

create function public.ledger_read_all(queries jsonb)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select coalesce(jsonb_agg(public.ledger_read(asked.query) order by asked.place), '[]')
    from jsonb_array_elements(queries) with ordinality asked (query, place)
$$;

comment on function public.ledger_read_all(jsonb) is
    'What several decisions need: takes an array of queries of ledger_read, gives an array of its answers in their order.';

revoke all on function public.ledger_read_all(jsonb) from public, anon, authenticated;
grant execute on function public.ledger_read_all(jsonb) to service_role;
