"""The outside that calls us: HTTP, the command line, and the one place where everything is wired."""
