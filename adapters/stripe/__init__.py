"""Stripe, asked and listened to: checkouts, look-ups, history, and signed webhooks."""
