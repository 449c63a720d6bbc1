"""Requests to Stripe's API: how they are decoded, checked, refused and paged."""
