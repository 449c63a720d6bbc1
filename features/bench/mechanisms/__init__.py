"""Measurements of what each mechanism for speed gains, by leaving it out."""
