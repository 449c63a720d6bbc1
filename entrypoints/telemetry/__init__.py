"""The metrics and logs of the running service."""
