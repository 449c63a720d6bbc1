"""The ledger in Postgres, behind its SQL functions, over a direct connection or Supabase's API."""
