"""The system under test, as the simulators know it: a seam, stepped one await at a time."""
