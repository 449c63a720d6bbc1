"""The composition root: the one place where adapters meet the use cases."""
