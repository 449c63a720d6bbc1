"""Selling on the real parts: what is pushed, bought, changed and charged at the stand-in for Stripe."""
