"""What operators look after: the diagnosis of a deployment, and synthetic users."""
