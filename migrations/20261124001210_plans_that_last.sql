-- A plan that a connection keeps may have been made while the tables were small. Nothing that is looked up for a commit is
-- ever more than a few rows by an index, so no plan may read a table through, however small that is at the time.

alter function public.ledger_commit(jsonb) set enable_seqscan = off;
alter function public.ledger_commit(jsonb) set enable_hashjoin = off;
alter function public.ledger_commit(jsonb) set enable_mergejoin = off;
