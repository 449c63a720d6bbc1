"""Checkouts as requests ask for them: what Stripe refuses of them, and what discounts and taxes do to a total."""
