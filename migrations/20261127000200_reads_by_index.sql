-- Connections keep plans. One that was made while a table had a row or two reads the table whole, until it is analyzed next:
-- in a rush of events on a young database this was three quarters of Postgres' time.

alter function public.ledger_read(jsonb) set enable_seqscan = off;
alter function public.wallets_read(jsonb) set enable_seqscan = off;
