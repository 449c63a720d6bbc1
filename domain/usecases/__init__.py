"""The use cases, one module each: read, decide, commit once."""
