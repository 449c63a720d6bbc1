"""The commands of `credence`, one module for each kind of work."""
