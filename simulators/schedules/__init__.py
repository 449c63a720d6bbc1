"""Schedules: everything that happens in a world, in order; kept, run, traced, drawn and shrunk."""
