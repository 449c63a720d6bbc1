"""Payments: the facts that Stripe reports, how they are merged, and the credits that they are worth."""
