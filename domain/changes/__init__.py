"""What a decision reads and what it writes: one snapshot in, one change out, committed whole."""
