"""Customers' lives: what they do with their credits, what Stripe reports of it, and what must hold."""
