"""What invoices are worth, told as Stripe's payloads to the real rules over the ledger in memory."""
