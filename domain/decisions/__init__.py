"""Decisions: from a report or an operation, and what the ledger knows, to a change. Each is a pure function."""
