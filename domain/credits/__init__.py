"""Credits on an account: grants, holds, idempotency keys, ledger entries, and how they are explained."""
