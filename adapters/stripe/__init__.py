"""Stripe: checkouts, look-ups, history, and signed webhooks."""
