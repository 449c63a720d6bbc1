"""Sell plans: the catalogue at Stripe, customers, the portal, subscriptions and saved cards."""
