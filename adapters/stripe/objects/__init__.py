"""Stripe's objects, read in any API version: one module for each kind, from JSON to the domain's reports."""
