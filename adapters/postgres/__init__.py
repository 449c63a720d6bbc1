"""The ledger in Postgres, by its SQL functions: over a direct connection or through Supabase's API."""
