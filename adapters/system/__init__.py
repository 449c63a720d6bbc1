"""The machine that the process runs on: its clock, its random backoff, its other processes."""
