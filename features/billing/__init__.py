"""Tests of the worth of invoices, reported as Stripe's payloads to the real rules over the ledger in memory."""
