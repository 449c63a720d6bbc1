"""The schema, in plain SQL, which is read and never imported."""
