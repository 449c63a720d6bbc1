"""Acceptance tests that take longer than the others; `make acceptance` runs them."""
