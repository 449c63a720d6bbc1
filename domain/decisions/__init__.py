"""Decisions: pure functions from a report or an operation, and what the ledger knows, to a change."""
