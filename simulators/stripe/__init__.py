"""A stand-in for Stripe: one simulated account, its API, its checkout page and its webhooks."""
