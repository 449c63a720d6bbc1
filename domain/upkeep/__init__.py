"""Upkeep by operators: the diagnosis of a deployment, consistency, and synthetic users."""
