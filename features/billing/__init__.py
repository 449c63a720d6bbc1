"""What invoices are worth, reported as Stripe's payloads to the real rules over the ledger in memory."""
