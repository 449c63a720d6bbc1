"""Customers' lives: what they do with their credits, what Stripe tells of it, and what must hold."""
