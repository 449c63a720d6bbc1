"""Benchmarks of growth: many accounts, an account of many entries, the bytes of a purchase and of a spend."""
