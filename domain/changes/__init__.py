"""The input and output of decisions: a snapshot in, and a change out that is committed as a whole."""
