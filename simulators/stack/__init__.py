"""The whole stack on this machine: the service, its Postgres, its Redis, a Supabase gateway, the demonstration."""
