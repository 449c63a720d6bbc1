"""What Credence does, one module for each: read, decide, commit once."""
