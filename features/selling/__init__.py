"""Selling on the real parts: customers at Stripe, and the portal."""
