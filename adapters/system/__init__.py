"""The machine that the process runs on: its clock, its other processes."""
